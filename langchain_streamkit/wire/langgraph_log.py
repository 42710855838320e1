"""A run's log as the stream of LangGraph's runs API, for clients that come back.

Guarantees: the ``id`` of a frame is its place in the log, ``<generation>-<seq>``, with ``.<n>``
where more frames of one event follow; whoever sends it back as ``Last-Event-ID`` goes on after it.
A stream that is cut has no ``end``: these clients then ask for the run, and come back to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.events import TERMINAL_TYPES, UnknownEventError, decode_event
from langchain_streamkit.log.position import Position
from langchain_streamkit.wire.langgraph_classic import frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.wire.langgraph_classic import ClassicEncoder


class ClassicLog:
    """The frames that follow ``after``; a ``LogFraming``."""

    first = None

    def __init__(self, encoder: ClassicEncoder, after: Position | None = None) -> None:
        self._encoder = encoder
        self._after = after
        self.opening = encoder.opening()
        self.ping = encoder.ping
        self.headers: Mapping[str, str] = encoder.headers
        self.ended = False

    def frames(self, stretch: Stretch) -> bytes:
        """See ``LogFraming``."""
        frames: list[bytes] = []
        for seq, data in enumerate(stretch.data, stretch.first):
            try:
                event = decode_event(data)
            except UnknownEventError:  # of a later version of this library
                continue
            parts = self._encoder.parts(event)
            for number, part in enumerate(parts, 1):
                whole = number == len(parts)
                place = (
                    Position(stretch.generation, seq)
                    if whole
                    else Position(stretch.generation, seq - 1, number)
                )
                if self._after is None or place > self._after:
                    frames.append(frame(part, str(place)))
            self.ended = event.type in TERMINAL_TYPES
        return b"".join(frames)

    def gone(self, error: Mapping[str, Any]) -> bytes:
        """See ``LogFraming``."""
        return b"".join(self._encoder.broken_off(error["code"], error["message"]))

    def farewell(self) -> bytes:
        """See ``LogFraming``: the client finds that the run goes on, and comes back."""
        return b""

    def cut(self) -> bytes:
        """See ``LogFraming``: the same."""
        return b""
