"""What LangChain's end callbacks hand over, taken apart."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_streamkit.sources.node_output import returned_messages, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.outputs import LLMResult


def now_ms() -> int:
    """The wall clock in ms since the epoch."""
    return time.time_ns() // 1_000_000


def final_message(response: LLMResult) -> tuple[BaseMessage | None, bool]:
    """A snapshot of the first generation as a message, and whether it came from LangChain's cache.

    LangChain marks a chat model's cached answer by ``usage_metadata["total_cost"] == 0``
    (``BaseChatModel._convert_cached_generations``).
    """
    if not response.generations or not response.generations[0]:
        return None, False
    generation = response.generations[0][0]
    message = getattr(generation, "message", None)
    if not isinstance(message, BaseMessage):
        return AIMessage(content=generation.text), False
    usage: Any = getattr(message, "usage_metadata", None) or {}
    return snapshot(message), usage.get("total_cost") == 0


def prompt_messages(prompt: Any) -> list[BaseMessage]:
    """The message objects in what a chat model takes: a list, a prompt value or a string."""
    if hasattr(prompt, "to_messages"):
        prompt = prompt.to_messages()
    items = cast("list[Any]", prompt) if isinstance(prompt, list) else [prompt]  # type: ignore[redundant-cast]
    return [item for item in items if isinstance(item, BaseMessage)]


def message_of_command(output: object) -> ToolMessage | None:
    """The ToolMessage in a Command that a tool returned, if there is just one."""
    if type(output).__name__ != "Command":
        return None
    found = [m for m in returned_messages(output) if isinstance(m, ToolMessage)]
    return found[0] if len(found) == 1 else None


def is_interrupted(result: object) -> bool:
    """Whether what a graph returned says that it paused for a human."""
    if isinstance(result, dict):
        return bool(cast("dict[str, Any]", result).get("__interrupt__"))
    return type(result).__name__ == "GraphOutput" and bool(getattr(result, "interrupts", ()))


def configurable_of(config: Any) -> Mapping[str, Any]:
    """The ``configurable`` part of a config that may be missing."""
    found: Mapping[str, Any] = config["configurable"] if config else {}
    return found


def offered_calls(output: Any) -> set[str | None]:
    """Ids of the calls that the output itself ends with: those the caller is to make."""
    if isinstance(output, AIMessage):
        return {call.get("id") for call in output.tool_calls}
    if isinstance(output, list):
        items = cast("list[Any]", output)  # type: ignore[redundant-cast]
        messages = [one for one in items if isinstance(one, AIMessage)]
        return offered_calls(messages[-1]) if messages else set()
    if isinstance(output, dict):
        state = cast("dict[str, Any]", output)
        return {
            call
            for value in state.values()
            if isinstance(value, list)
            for call in offered_calls(cast("Any", value))
        }
    return set()
