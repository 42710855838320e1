"""The events of a log as server-sent events.

Guarantees: ``id`` is the event's position in the log, so that whoever sends it back goes on after
it; ``event: end`` follows the terminal event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from langchain_streamkit.wire.sse import END

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.wire.log_view import LogView

BYE: Final = b"event: bye\nretry: 500\ndata: {}\n\n"
"""The server goes away: come back, with the last id."""


def log_frames(view: LogView, stretch: Stretch) -> bytes:
    """Return the frames of what the view shows of some events; empty if that is nothing."""
    generation = stretch.generation.encode()
    frames = [
        b"id: %b-%d\ndata: %b\n\n" % (generation, seq, data) for seq, data in view.shown(stretch)
    ]
    if view.ended:
        frames.append(END)
    return b"".join(frames)


def gone_frame(error: Mapping[str, Any]) -> bytes:
    """Return the frame that says why a stream cannot be continued; nothing follows it."""
    return b"event: gone\ndata: %b\n\n" % msgspec.json.encode({"error": error})
