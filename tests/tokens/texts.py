"""Texts that find wrong cuts: every kind of character, the known traps, chunks of any size."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

REPRESENTATIVES = [
    *"\n\r \t\u3000\x85",
    *"aAsLrE1٣½",  # 3 and a half: other kinds of number
    *"中ǅʰſ",  # letters that are neither upper nor lower case, one that case folds to s
    "\u0301",
    *"'/.=-，\x1c\u200d",
    "\U0001f468",  # an emoji, younger than Unicode 3.2
    "\U00010d40",  # a digit of Unicode 16
]
"""At least one character of every kind that a pattern or a table tells apart."""

FEW = [*"\n \taA中1\u0301'/.s\U0001f468"]
"""One character of every kind, and what contractions are made of."""

TRAPS = [
    "中文ABCd",
    "中A中A中A中b",
    "\n  \n \n",
    "foo's",
    "foo'LL",
    "foo'reX",
    "'ſ",
    "'lL",
    "  1",
    "   x",
    " \t.",
    "1234567",
    "12.345,6789",
    ".\n/",
    "a.\n\n//x",
    "?\u0301\u0302a",
    "e\u0301\u0301 e\u0301'd",
    "👩\u200d👩\u200d👧",
    "|---|---|\n",
    "====",
    "<|endoftext|>",
    "\x1c\x1d x",
    "\ufeffa",
    "การทดสอบ",
    "\ud83d\ude00",
    "\ud83d x",
    "x\ude00",
    "fooBarBaz",
    "Ǆǅǆ",
    "½⅓Ⅷ",
]


@cache
def characters() -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from(REPRESENTATIVES),
        st.sampled_from([c for trap in TRAPS for c in trap]),
        st.characters(codec="utf-8"),
    )


def texts(*, min_size: int = 0, max_size: int = 40) -> st.SearchStrategy[str]:
    """Valid and invalid Unicode: runs, traps and single characters side by side."""
    runs = st.tuples(characters(), st.integers(2, 8)).map(lambda run: run[0] * run[1])
    parts = st.one_of(characters(), characters(), runs, st.sampled_from(TRAPS))
    joined = st.lists(parts, min_size=min_size, max_size=max(1, max_size // 4)).map("".join)
    return joined.map(lambda text: text[:max_size])


def chunked(text: str, sizes: list[int]) -> list[str]:
    """``text`` in chunks of these sizes, over and over."""
    chunks: list[str] = []
    at = turn = 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        chunks.append(text[at : at + size])
        at += size
        turn += 1
    return chunks
