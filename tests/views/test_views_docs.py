"""docs/views.md: its code runs as it stands and prints what it shows."""

from __future__ import annotations

from tests.pages import shown_and_printed


def test_the_code_of_the_views_page_prints_what_it_shows() -> None:
    found = shown_and_printed("views.md")
    assert len(found) == 7
    for shown, printed in found:
        assert printed == shown
