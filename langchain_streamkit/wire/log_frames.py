"""A run's log as the bytes of a response: what every protocol does, and our own frames.

Guarantees of our own: ``id`` is the event's position in the log, so that whoever sends it back
goes on after it; ``event: end`` follows the terminal event.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from langchain_streamkit.wire.sse import END, PING, opening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.log.position import Position
    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.wire.log_view import LogView

BYE: Final = b"event: bye\nretry: 500\ndata: {}\n\n"
"""The server goes away: come back, with the last id."""


class LogFraming(Protocol):
    """Makes the bytes of one response of what is read from one run's log."""

    headers: Mapping[str, str]
    """Of the response, besides the usual ones of a stream."""
    opening: bytes
    ping: bytes
    """What is sent when nothing was for a while."""

    @property
    def first(self) -> Position | None:
        """Where reading has to begin; None is the beginning."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the last entry seen was a terminal event."""
        ...

    def frames(self, stretch: Stretch) -> bytes:
        """Return the frames of some entries; empty if nothing of them is shown."""
        ...

    def gone(self, error: Mapping[str, Any]) -> bytes:
        """Return what says why the stream cannot be continued; nothing follows it."""
        ...

    def farewell(self) -> bytes:
        """Return what says that the server goes away; nothing follows it."""
        ...

    def cut(self) -> bytes:
        """Return what says that the log cannot be read now; nothing follows it."""
        ...


class LogFrames:
    """Our own frames of what a view shows; a ``LogFraming``."""

    headers: Mapping[str, str] = MappingProxyType({})
    ping = PING

    def __init__(self, view: LogView, *, retry_ms: int = 1000) -> None:
        self._view = view
        self.opening = opening(retry_ms)

    @property
    def first(self) -> Position | None:
        """See ``LogFraming``."""
        return self._view.first

    @property
    def ended(self) -> bool:
        """See ``LogFraming``."""
        return self._view.ended

    def frames(self, stretch: Stretch) -> bytes:
        """See ``LogFraming``."""
        generation = stretch.generation.encode()
        frames = [
            b"id: %b-%d\ndata: %b\n\n" % (generation, seq, data)
            for seq, data in self._view.shown(stretch)
        ]
        if self._view.ended:
            frames.append(END)
        return b"".join(frames)

    def gone(self, error: Mapping[str, Any]) -> bytes:
        """See ``LogFraming``."""
        return gone_frame(error)

    def farewell(self) -> bytes:
        """See ``LogFraming``: the client comes back, with the last id."""
        return BYE

    def cut(self) -> bytes:
        """See ``LogFraming``: a stream without an end is continued, here or at another server."""
        return b""


def gone_frame(error: Mapping[str, Any]) -> bytes:
    """Return the frame that says why a stream cannot be continued; nothing follows it."""
    return b"event: gone\ndata: %b\n\n" % msgspec.json.encode({"error": error})
