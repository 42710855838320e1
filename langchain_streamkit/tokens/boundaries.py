r"""Where text that is still growing can be cut without changing how it will be tokenised.

A position b of a text T is *hard* when, whatever follows T, the pieces up to b are those of T[:b]
alone. The tokens of T[:b] are then final: they are counted once and the text is dropped.

Why two neighbouring characters can prove that. A pattern's matches tile the text, and where one
begins depends only on where the last ended, never on what is in it. Let c be the character before b
and d the one after it.

1. If no way through the pattern, not even one it gives up, takes d right after c, then every piece
   that begins before b ends at or before b.
2. If moreover c is no white space, all is the same for T[:b] alone: only ``\s+(?!\S)`` and
   ``\s++$`` look beyond what they take, and they look at b only after white space. So b is hard.
3. If c is a newline and d is neither white space nor what may follow a newline inside a piece, b
   is hard too: the white space before b ends in a newline, so ``\s*[\r\n]+`` (in T[:b] of
   cl100k ``\s++$``) takes it up to b, and ``(?!\S)`` is never asked.

White space that is no newline proves nothing: ``"  1"`` is cut into ``" "``, ``" "``, ``"1"`` and
``"  "`` is one piece. The tables list the pairs (c, d) of 1 to 3 by the kinds of both; the same is
shown for every short text over all kinds in ``tests/tokens/test_boundaries.py``.

Python and tiktoken may know different versions of Unicode. A character has a kind other than
``UNSURE`` only if Unicode 3.2 (which Python also ships) and Python's own version agree on it: then
so does tiktoken's, which is newer than the one and about as old as the other. White space has been
the same 25 characters since Unicode 6.3.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from langchain_streamkit.tokens.patterns import CL100K_PATTERN, O200K_PATTERN

NEWLINE: Final = 1
"""``\\r`` and ``\\n``; other line ends are plain white space to the patterns."""
BLANK: Final = 2
"""White space (``\\s``) that is no newline."""
LETTER: Final = 4
MARK: Final = 8
"""Combining marks: part of a word for o200k, no letter for cl100k."""
DIGIT: Final = 16
"""All of ``\\p{N}``."""
QUOTE: Final = 32
"""``'``: may begin a contraction."""
SLASH: Final = 64
"""``/``: o200k lets it follow a newline inside a piece."""
OTHER: Final = 128
"""Punctuation, symbols, control characters."""
UNSURE: Final = 256
"""No white space, and not ``'`` or ``/``; else it may be anything. Surrogates are here too."""

WHITE_SPACE: Final = frozenset(
    "\t\v\f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space but for ``\\r`` and ``\\n``; ``str.isspace`` has others too."""
_ASCII_KINDS = {"\r": NEWLINE, "\n": NEWLINE, "'": QUOTE, "/": SLASH}


class _Kinds(dict[str, int]):
    """The kind of a character, found out when it is first met."""

    def __missing__(self, char: str) -> int:
        kind = self[char] = _kind_of(char)
        return kind


def _kind_of(char: str) -> int:
    if char in _ASCII_KINDS:
        return _ASCII_KINDS[char]
    if char in WHITE_SPACE:
        return BLANK
    category = unicodedata.category(char)
    if category != unicodedata.ucd_3_2_0.category(char) or category in ("Cn", "Co", "Cs"):
        return UNSURE
    return {"L": LETTER, "M": MARK, "N": DIGIT}.get(category[0], OTHER)


KINDS: Final = _Kinds()

_NO_LETTER_MARK_QUOTE = BLANK | NEWLINE | DIGIT | SLASH | OTHER
_O200K: dict[int, int] = {
    0: 0,  # before the first character
    NEWLINE: LETTER | MARK | DIGIT | QUOTE | OTHER | UNSURE,
    BLANK: 0,
    LETTER: _NO_LETTER_MARK_QUOTE,  # marks go on with a word, `'` with a contraction
    DIGIT: BLANK | NEWLINE | LETTER | MARK | QUOTE | SLASH | OTHER,
    MARK: BLANK | DIGIT,
    QUOTE: BLANK | DIGIT,
    SLASH: BLANK | DIGIT,
    OTHER: BLANK | DIGIT,
    UNSURE: BLANK,
}
_CL100K: dict[int, int] = _O200K | {
    NEWLINE: _O200K[NEWLINE] | SLASH,
    LETTER: _NO_LETTER_MARK_QUOTE | MARK | QUOTE,  # a contraction is a piece of its own
}

HARD: Final[dict[str, dict[int, int]]] = {O200K_PATTERN: _O200K, CL100K_PATTERN: _CL100K}
"""By pattern: the kinds that may not follow a kind inside a piece, as one number."""


def last_hard(text: str, hard: dict[int, int], before: int) -> int | None:
    """Return the last hard position of ``text``, or None.

    ``before`` is the kind of the character in front of ``text``, 0 if there is none.
    """
    kinds = KINDS
    position = len(text) - 1
    after = kinds[text[position]]
    while position:
        left = kinds[text[position - 1]]
        if hard[left] & after:
            return position
        after = left
        position -= 1
    return 0 if hard[before] & after else None
