"""What models and tools say in event dictionaries, whether live or written down.

Guarantees: nothing given is changed; every form that ``astream_events`` has given so far, and the
JSON of it, is understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, BaseMessage

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.sources.adapters.plain_messages import as_message
from langchain_streamkit.sources.pieces import extract

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.open_runs import OpenRun


def pieces_of(chunk: Any) -> tuple[Any, str | None]:
    """What a model's chunk says, and the id of its message. Raises AdaptError."""
    message = as_message(chunk)
    if message is not None:
        return extract(message), message.id
    if isinstance(chunk, dict):
        fields = cast("dict[str, Any]", chunk)
        text = fields.get("text", fields.get("kwargs", fields))
        text = cast("dict[str, Any]", text).get("text") if isinstance(text, dict) else text
    else:
        text = getattr(chunk, "text", chunk)  # a text model's GenerationChunk, or its text itself
    if not isinstance(text, str):
        raise AdaptError(f"a model's chunk is no message but a {type(chunk).__name__}")
    return text, None


def answer_of(output: Any) -> tuple[BaseMessage | None, bool]:
    """A model's final message, and whether it came from LangChain's cache."""
    message = as_message(output)
    if message is not None:
        usage: Any = getattr(message, "usage_metadata", None)
        return message, _is_dict(usage) and usage.get("total_cost") == 0
    if isinstance(output, str):
        return AIMessage(output), False
    try:  # a text model's generations, as plain dictionaries
        text: Any = output["generations"][0][0]["text"]
    except (KeyError, IndexError, TypeError):
        return None, False
    return (AIMessage(text), False) if isinstance(text, str) else (None, False)


def prompt_of(given: Any) -> list[list[BaseMessage]]:
    """The messages a model was given, a list of them for each prompt."""
    batches: Any = cast("dict[str, Any]", given).get("messages") if _is_dict(given) else given
    if not isinstance(batches, list):
        return []
    items = cast("list[Any]", batches)
    prompts = items if items and isinstance(items[0], list) else [items]
    return [
        [one for one in cast("list[Any]", prompt) if isinstance(one, BaseMessage)]
        for prompt in prompts
        if isinstance(prompt, list)
    ]


def call_id_of(run: OpenRun) -> str | None:
    """The id of the call that a tool answers, where its node or an attempt before it tells it.

    A ``ToolNode`` is given the call itself: LangChain's agents give each call a node of its own.
    """
    around = run.parent
    if around is None:
        return None
    for name, args, call_id in around.tried:
        if name == run.name and args == run.given:
            return call_id
    given: Any = around.given
    if isinstance(given, dict):
        given = [cast("dict[str, Any]", given).get("tool_call")]
    calls: list[Any] = cast("list[Any]", given) if isinstance(given, list) else []
    named: list[dict[str, Any]] = [
        call for call in calls if _is_dict(call) and call.get("name") == run.name
    ]
    found = named if len(calls) == 1 else [c for c in named if c.get("args") == run.given]
    call_id = found[0].get("id") if len(found) == 1 else None
    return call_id if isinstance(call_id, str) else None


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)
