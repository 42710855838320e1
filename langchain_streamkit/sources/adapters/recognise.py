"""Which adapter a stream needs: told by its first item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.sources.adapters.chat_model_v3 import ChatModelV3, is_message_event
from langchain_streamkit.sources.adapters.event_fields import is_event_dict
from langchain_streamkit.sources.adapters.events_v2 import EventsV2
from langchain_streamkit.sources.adapters.events_v3 import EventsV3, is_protocol_event
from langchain_streamkit.sources.adapters.graph_forms import splitter
from langchain_streamkit.sources.adapters.graph_items import GraphItems
from langchain_streamkit.sources.adapters.openai_chat import ChatCompletions
from langchain_streamkit.sources.adapters.openai_responses import Responses
from langchain_streamkit.sources.adapters.openai_shapes import chat_chunk, is_response_event
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.base import Adapter, Take
    from langchain_streamkit.sources.tap import RunTap


def recognise(first: Any, tap: RunTap, token: Take, *, mode: str | None = None) -> Adapter:
    """Return the adapter for a stream that begins with ``first``. Raises AdaptError.

    ``mode`` is LangGraph's stream mode, for items that do not tell it.
    """
    if is_event_dict(first):
        return EventsV2(tap, token, mode)
    if is_protocol_event(first):
        return EventsV3(tap, token)
    if is_message_event(first):
        return ChatModelV3(tap, token)
    if mode is None and chat_chunk(first) is not None:
        return ChatCompletions(tap, token)
    if mode is None and is_response_event(first):
        return Responses(tap, token)
    split = splitter(first, mode)
    if split is not None:
        return GraphItems(tap, token, split)
    raise AdaptError(
        f"this stream is not known: its first item is a {type(first).__name__},"
        f" {short_repr(first)}; adapt() takes astream_events (version='v2' or 'v3'), graph.astream"
        " or stream (of a single mode say which, mode='custom', if the items do not tell it),"
        " RemoteGraph and OpenAI SDK"
        " streams; of a model or chain, write astream(runnable, input) instead"
    )
