"""A place in a log: ``<generation>-<seq>``, which is also the id of an event on a wire."""

from __future__ import annotations

import re
import secrets
from typing import Final, NamedTuple, Self

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.text import short_repr

_FORM: Final = re.compile(r"([0-9a-f]{8})-(\d{1,15})(?:\.(\d{1,6}))?", re.ASCII)
_EXAMPLE: Final = "8 hexadecimal digits, a dash and a number, as in '1f0c9a3e-42'"


class Position(NamedTuple):
    """Everything up to and including the event ``seq`` of one generation of a log.

    ``seq`` is the log's own number of the event: 1, 2, 3 … dense, 0 before the first. A log that
    is made anew under an old name has another generation (8 random hexadecimal digits), so that
    places in the two are never mixed. ``frame`` counts the frames of an event that a wire sends in
    several: n is "and n frames of the next event", 0 where events are sent whole.

    Places of one generation compare by ``<``; what is asked of two generations has no answer, and
    is refused with ``StreamUsageError``.
    """

    generation: str
    seq: int
    frame: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a position back from its text, which may come from anywhere.

        Raises ``StreamUsageError``, whose ``wire`` says it to whoever sent it.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise StreamUsageError(
                f"{short_repr(text)} is no position in a log: write {_EXAMPLE}, the id of the last"
                " event that was received, or leave it out to read from the beginning",
                wire=f"a position is {_EXAMPLE}: the id of the last event that was received",
            )
        return cls(match[1], int(match[2]), int(match[3] or 0))

    def __str__(self) -> str:
        """Return what ``parse`` reads."""
        shown = f"{self.generation}-{self.seq}"
        return f"{shown}.{self.frame}" if self.frame else shown

    def __lt__(self, other: tuple[object, ...]) -> bool:
        return (self.seq, self.frame) < self._place_of(other)

    def __le__(self, other: tuple[object, ...]) -> bool:
        return (self.seq, self.frame) <= self._place_of(other)

    def __gt__(self, other: tuple[object, ...]) -> bool:
        return (self.seq, self.frame) > self._place_of(other)

    def __ge__(self, other: tuple[object, ...]) -> bool:
        return (self.seq, self.frame) >= self._place_of(other)

    def _place_of(self, other: object) -> tuple[int, int]:
        if not isinstance(other, Position) or other.generation != self.generation:
            raise StreamUsageError(
                f"{self} and {other} are places in two logs, neither of which is before the other;"
                " compare .generation first"
            )
        return other.seq, other.frame


def new_generation() -> str:
    """Return the generation of a log that begins now."""
    return secrets.token_hex(4)
