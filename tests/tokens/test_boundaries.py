"""Hard positions: no text that follows changes the pieces before them. Split by another engine."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator, Sequence

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_streamkit.tokens.boundaries import BLANK, HARD, KINDS, UNSURE, WHITE_SPACE, last_hard
from langchain_streamkit.tokens.patterns import CL100K_PATTERN, O200K_PATTERN
from tests.tokens.texts import FEW, REPRESENTATIVES, texts

# The same patterns in the `regex` module, where `$` would also match before a last newline.
ENGINES = {
    pattern: regex.compile(pattern.replace(r"\s++$", r"\s++\Z"))
    for pattern in (O200K_PATTERN, CL100K_PATTERN)
}
both = pytest.mark.parametrize("pattern", ENGINES, ids=["o200k", "cl100k"])


def pieces(pattern: str, text: str) -> list[str]:
    found: list[str] = ENGINES[pattern].findall(text)
    assert "".join(found) == text
    return found


def hard_positions(pattern: str, text: str) -> Iterator[int]:
    for end in range(1, len(text) + 1):
        if last_hard(text[:end][-1:], HARD[pattern], KINDS[text[end - 2]] if end > 1 else 0) == 0:
            yield end - 1


@both
@pytest.mark.parametrize(
    ("alphabet", "length"),
    [(REPRESENTATIVES, 1), (REPRESENTATIVES, 2), (REPRESENTATIVES, 3), (FEW, 4)],
)
def test_hard_positions_of_all_short_texts_over_all_kinds_are_final(
    pattern: str, alphabet: Sequence[str], length: int
) -> None:
    for chars in itertools.product(alphabet, repeat=length):
        text = "".join(chars)
        whole = pieces(pattern, text)
        for at in hard_positions(pattern, text):
            assert pieces(pattern, text[:at]) + pieces(pattern, text[at:]) == whole, repr(text)


@both
@settings(max_examples=200)
@given(text=texts(max_size=60))
def test_hard_positions_of_any_text_are_final(pattern: str, text: str) -> None:
    whole = pieces(pattern, text)
    for at in hard_positions(pattern, text):
        assert pieces(pattern, text[:at]) + pieces(pattern, text[at:]) == whole


@given(text=texts(min_size=1), before=st.sampled_from(["", *REPRESENTATIVES]))
@both
def test_last_hard_position_is_the_last_of_all(pattern: str, text: str, before: str) -> None:
    kind = KINDS[before] if before else 0
    positions = [at - len(before) for at in hard_positions(pattern, before + text)]
    inside = [at for at in positions if at >= 0]
    assert last_hard(text, HARD[pattern], kind) == (inside[-1] if inside else None)


def test_white_space_is_that_of_the_patterns() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert set(regex.findall(r"\s", everything)) == WHITE_SPACE | {"\r", "\n"}
    # Python's own str.isspace() has some that the patterns take for something else
    assert [c for c in everything if c.isspace() and c not in WHITE_SPACE] == list(
        "\n\r\x1c\x1d\x1e\x1f"
    )
    assert {KINDS[c] for c in WHITE_SPACE} == {BLANK}


def test_character_that_versions_of_unicode_see_differently_is_unsure() -> None:
    assert KINDS["\u19da"] == UNSURE  # not in Unicode 3.2
    assert KINDS["\u200b"] == UNSURE  # was a space, is a format character
    assert KINDS["\ud83d"] == KINDS["\ude00"] == UNSURE  # surrogates: what they join to decides
    assert KINDS["\ue000"] == UNSURE  # private use


def test_every_pair_of_kinds_is_decided_for_each_pattern() -> None:
    kinds = {KINDS[c] for c in REPRESENTATIVES}
    assert len(kinds) == 9
    for hard in HARD.values():
        assert set(hard) == {0, *kinds}


def test_pattern_in_other_words_has_no_hard_positions() -> None:
    assert re.escape(O200K_PATTERN) not in HARD
