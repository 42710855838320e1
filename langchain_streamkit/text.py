"""Text that is valid Unicode, whole or in pieces, and a ``repr`` that never raises."""

from __future__ import annotations

import reprlib
from collections import deque

MAX_REPR = 200
"""Characters kept of a ``repr``."""
STOPS = (KeyboardInterrupt, SystemExit)
"""What is raised on even where everything else a user's object raises is shown instead."""


def clean_text(text: str) -> str:
    """Return ``text`` as valid Unicode; the same object when it already is.

    Two surrogate halves side by side become the character they stand for, a lone one U+FFFD.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class TextJoiner:
    """Clean text that comes in pieces, which may be cut between two surrogate halves.

    The pieces returned, with ``flush`` last, join to ``clean_text`` of the joined input.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown now; a high surrogate at the end waits for the next piece."""
        if self._held:
            piece, self._held = self._held + piece, ""
        if piece.isascii():
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._held = piece[:-1], piece[-1]
        return clean_text(piece)

    def flush(self) -> str:
        """Return what is still held (U+FFFD for a half that never met the other), or ``""``."""
        held, self._held = self._held, ""
        return clean_text(held)


class _ShortRepr(reprlib.Repr):
    """Containers by their first items only: a full ``repr`` of a large one is a memory spike."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2


_SHORT_REPR = _ShortRepr()
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset, deque})


def short_repr(value: object) -> str:
    """Return ``repr(value)`` cut to ``MAX_REPR`` characters of valid Unicode; never raises."""
    try:
        shown = _SHORT_REPR.repr(value) if type(value) in _CONTAINERS else repr(value)
        text = str.__str__(shown)
        if len(text) > MAX_REPR:
            text = text[: MAX_REPR - 1] + "…"
        return clean_text(text)
    except STOPS:
        raise
    except BaseException:  # noqa: BLE001 -- whatever a __repr__ raises, Rust panics too
        return f"<{type.__getattribute__(type(value), '__name__')} whose repr fails>"
