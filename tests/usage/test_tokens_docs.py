"""docs/tokens.md: its code runs as it stands and prints what it shows."""

from __future__ import annotations

from tests.pages import shown_and_printed


def test_the_code_of_the_tokens_page_prints_what_it_shows() -> None:
    found = shown_and_printed("tokens.md")
    assert len(found) == 3
    for shown, printed in found:
        assert printed == shown
