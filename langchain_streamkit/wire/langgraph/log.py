"""A run's log as the stream of LangGraph's runs API, for clients that come back.

Guarantees: the ``id`` of a frame is its place in the log, ``<generation>-<seq>``, with ``.<n>``
where more frames of one event follow; whoever sends it back as ``Last-Event-ID`` goes on after it.
A stream that is cut has no ``end``: these clients then ask for the run, and come back to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import TERMINAL_TYPES, UnknownEventError, decode_event
from langchain_streamkit.log.position import Position
from langchain_streamkit.wire.encoders import EncodedLog
from langchain_streamkit.wire.langgraph.classic import frame

if TYPE_CHECKING:
    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.wire.langgraph.classic import ClassicEncoder


class ClassicLog(EncodedLog):
    """The frames that follow ``after``; a ``LogFraming``."""

    def __init__(self, encoder: ClassicEncoder, after: Position | None = None) -> None:
        super().__init__(encoder)
        self._parts = encoder.parts
        self._after = after

    def frames(self, stretch: Stretch) -> bytes:
        """See ``LogFraming``."""
        frames: list[bytes] = []
        for seq, data in enumerate(stretch.data, stretch.first):
            try:
                event = decode_event(data)
            except UnknownEventError:  # of a later version of this library
                continue
            parts = self._parts(event)
            for number, part in enumerate(parts, 1):
                place = Position(stretch.generation, seq - 1, number)
                if number == len(parts):
                    place = Position(stretch.generation, seq)
                if self._after is None or place > self._after:
                    frames.append(frame(part, str(place)))
            self.ended = event.type in TERMINAL_TYPES
        return b"".join(frames)

    def farewell(self) -> bytes:
        """See ``LogFraming``: the client finds that the run goes on, and comes back."""
        return b""

    def cut(self) -> bytes:
        """See ``LogFraming``: the same."""
        return b""
