"""One breach of the grammar."""

from __future__ import annotations

import msgspec


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at which event; ``seq`` 0 and ``type`` "" stand for the end of the stream."""

    rule: int
    seq: int
    type: str
    what: str
    expected: str

    def __str__(self) -> str:
        at = f"seq {self.seq} ({self.type})" if self.type else "the end"
        return f"rule {self.rule} at {at}: {self.what}; expected {self.expected}"
