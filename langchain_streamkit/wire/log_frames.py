"""The events of a log as server-sent events: as they were kept where a view shows them whole.

Guarantees: ``id`` is the event's position in the log, so that whoever sends it back goes on after
it; what is sent after a position is what a reader from the beginning would have got there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from langchain_streamkit.events import TERMINAL_TYPES, UnknownEventError, decode_event
from langchain_streamkit.wire.sse import END
from langchain_streamkit.wire.views import Projection, View

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from langchain_streamkit.log.position import Position
    from langchain_streamkit.log.tailing import Entry

BYE: Final = b"event: bye\nretry: 500\ndata: {}\n\n"
"""The server goes away: come back, with the last id."""

_TEXT: Final = b'{"type":"text.delta"'
_DELTAS: Final = (_TEXT, b'{"type":"reasoning.delta"', b'{"type":"tool_call.delta"')


def gone(code: str, message: str, oldest: Position | None = None) -> bytes:
    """Return the frame that says that a stream cannot be continued; nothing follows it."""
    error = {"code": code, "message": message}
    if oldest is not None:
        error["oldest"] = str(oldest)
    return b"event: gone\ndata: %b\n\n" % msgspec.json.encode({"error": error})


class LogFrames:
    """The frames of one run's log, read from its first entry.

    ``after`` is the position that the client has: what comes before is only learned from.
    """

    def __init__(
        self,
        view: View = "chat",
        *,
        metadata: Collection[str] = (),
        after: Position | None = None,
    ) -> None:
        projection = Projection(view, metadata=metadata)
        self._apply = projection.apply
        self._hidden = projection.hidden
        self._whole = view == "all"
        self._after = after.seq if after is not None else 0
        self.ended = False
        """Whether the last entry seen was a terminal event."""

    def first(self, after: Position | None) -> Position | None:
        """Return where reading has to begin for what follows ``after``: None is the beginning."""
        return after if self._whole else None

    def encode(self, entries: Sequence[Entry]) -> bytes:
        """Return the frames of some entries; ``end`` follows the terminal event."""
        return b"".join(self._frames(entries))

    def _frames(self, entries: Iterable[Entry]) -> Iterable[bytes]:
        for position, data in entries:
            shown: bytes | None = data
            known = position.seq <= self._after
            if known and data.startswith(_DELTAS):
                continue  # changes nothing that a view knows
            if self._hidden or not data.startswith(_TEXT):
                shown = self._shown(data)
            if shown is not None and not known:
                yield b"id: %b\ndata: %b\n\n" % (str(position).encode(), shown)
            if self.ended and not known:
                yield END

    def _shown(self, data: bytes) -> bytes | None:
        try:
            event = decode_event(data)
        except UnknownEventError:  # of a later version of this library
            return data if self._whole else None
        self.ended = event.type in TERMINAL_TYPES
        found = self._apply(event)
        if found is event:
            return data
        return None if found is None else found.to_json()
