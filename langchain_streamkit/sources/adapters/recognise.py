"""Which adapter a stream needs: told by its first item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.sources.adapters.event_fields import is_event_dict
from langchain_streamkit.sources.adapters.events_v2 import EventsV2

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.base import Adapter
    from langchain_streamkit.sources.lane import Lanes
    from langchain_streamkit.sources.tap import RunTap

_SHOWN = 200
"""Characters of an item that a message quotes."""


def recognise(first: Any, tap: RunTap, lanes: Lanes, *, mode: str | None = None) -> Adapter:
    """Return the adapter for a stream that begins with ``first``. Raises AdaptError.

    ``mode`` is LangGraph's stream mode, for items that do not tell it.
    """
    if is_event_dict(first):
        return EventsV2(tap, lanes, mode)
    shown = repr(first)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    raise AdaptError(
        f"this stream is not known: its first item is a {type(first).__name__}, {shown};"
        " adapt() takes astream_events (version='v2' or 'v3'), graph.astream or stream, RemoteGraph"
        " and OpenAI SDK streams"
    )
