"""Whether a graph has where to keep what a cancelled run was saying."""

from __future__ import annotations

from typing import Any

from langchain_streamkit.errors import StreamUsageError


def check_kept(graph: Any, name: str, *, has_thread: bool) -> None:
    """Raise StreamUsageError if there is nowhere to keep what is said. ``graph`` None: no graph."""
    if graph is None:
        raise StreamUsageError(
            f"on_cancel='keep_partial' is for graphs with a checkpointer, {name} is none; take the"
            " text from run.snapshot in on_end"
        )
    if not hasattr(graph.checkpointer, "get_tuple"):
        raise StreamUsageError(
            "on_cancel='keep_partial' needs a checkpointer to write to; write"
            " graph.compile(checkpointer=...)"
        )
    if not has_thread:
        raise StreamUsageError(
            "on_cancel='keep_partial' needs to know the conversation; write thread_id='...'"
        )
    if messages_channel(graph) is None:
        raise StreamUsageError(
            "on_cancel='keep_partial' needs a state with messages (a key with the reducer"
            f" add_messages); {graph.get_name()} has none"
        )


def messages_channel(graph: Any) -> str | None:
    """The key of the state that holds the messages."""
    from langgraph.graph import message  # pyright: ignore[reportMissingTypeStubs]

    reducer: Any = message.add_messages
    channels: dict[str, Any] = graph.channels
    for name, channel in channels.items():
        if getattr(channel, "operator", None) is reducer:
            return name
    return None
