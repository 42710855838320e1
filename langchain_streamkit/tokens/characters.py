"""The number of tokens of a text, estimated from its characters: no vocabulary, a few operations.

The weights are what o200k_base takes of ordinary text: a token for four characters of English or
code, 0.67 to 0.81 for one of Chinese, Japanese or Korean, 0.3 to 0.7 for one of other scripts and
accented letters, 1.5 for an emoji. JSON and base64 take up to twice as many.
"""

from __future__ import annotations

_UNITS = 20  # of a token
_ASCII, _LETTER, _CJK, _ASTRAL = 5, 8, 15, 30
_FIRST_CJK = "⺀"
_FIRST_ASTRAL = "\U00010000"


class CharacterCounter:
    """Estimates the tokens of one growing text; the counterpart of ``TokenCounter``."""

    __slots__ = ("_units", "count")

    exact = False
    """Never."""

    def __init__(self) -> None:
        self.count = 0
        """Tokens of all the text so far, estimated; it never falls."""
        self._units = 0

    def feed(self, text: str) -> int:
        """Count more text; return the estimate so far."""
        if text.isascii():
            self._units += _ASCII * len(text)
        else:
            self._units += sum(
                _ASCII
                if char.isascii()
                else _LETTER
                if char < _FIRST_CJK
                else _CJK
                if char < _FIRST_ASTRAL
                else _ASTRAL
                for char in text
            )
        self.count = -(-self._units // _UNITS)
        return self.count

    def final(self) -> int:
        """Return the estimate: there is nothing to settle."""
        return self.count
