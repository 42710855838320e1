"""The events of a log as server-sent events.

Guarantees: ``id`` is the event's position in the log, so that whoever sends it back goes on after
it; ``event: end`` follows the terminal event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from langchain_streamkit.wire.sse import END

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_streamkit.log.tailing import Entry
    from langchain_streamkit.wire.log_view import LogView

BYE: Final = b"event: bye\nretry: 500\ndata: {}\n\n"
"""The server goes away: come back, with the last id."""


def log_frames(view: LogView, entries: Iterable[Entry]) -> bytes:
    """Return the frames of what the view shows of some entries; empty if that is nothing."""
    frames = [
        b"id: %b\ndata: %b\n\n" % (str(at).encode(), data) for at, data in view.shown(entries)
    ]
    if view.ended:
        frames.append(END)
    return b"".join(frames)


def gone_frame(error: Mapping[str, Any]) -> bytes:
    """Return the frame that says why a stream cannot be continued; nothing follows it."""
    return b"event: gone\ndata: %b\n\n" % msgspec.json.encode({"error": error})
