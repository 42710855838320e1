"""What models and tools say in event dictionaries, whether live or written down.

Guarantees: nothing given is changed; every form that ``astream_events`` has given so far, and the
JSON of it, is understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, BaseMessage

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.sources.adapters.plain_messages import as_message
from langchain_streamkit.sources.piece_types import Piece, as_dict, as_list
from langchain_streamkit.sources.pieces import extract

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.open_runs import OpenRun


def pieces_of(chunk: object) -> tuple[str | tuple[Piece, ...], str | None]:
    """What a model's chunk says, and the id of its message. Raises AdaptError."""
    message = as_message(chunk)
    if message is not None:
        return extract(message), message.id
    fields = as_dict(chunk)
    # A text model's GenerationChunk, as one of three forms of a dictionary, or its text itself
    text = as_dict(fields.get("kwargs", fields)).get("text", getattr(chunk, "text", chunk))
    if not isinstance(text, str):
        raise AdaptError(f"a model's chunk is no message but a {type(chunk).__name__}")
    return text, None


def answer_of(output: Any) -> tuple[BaseMessage | None, bool]:
    """A model's final message, and whether it came from LangChain's cache."""
    message = as_message(output)
    if message is not None:
        usage = as_dict(getattr(message, "usage_metadata", None))
        return message, usage.get("total_cost") == 0
    if isinstance(output, str):
        return AIMessage(output), False
    try:  # a text model's generations, as plain dictionaries
        text: object = output["generations"][0][0]["text"]
    except (KeyError, IndexError, TypeError):
        return None, False
    return (AIMessage(text), False) if isinstance(text, str) else (None, False)


def prompt_of(given: object) -> list[BaseMessage] | str | None:
    """The messages, or the text, that a model was given; None if that is not told."""
    fields = as_dict(given)
    texts = as_list(fields.get("prompts"))
    if texts and isinstance(texts[0], str):
        return texts[0]
    prompt = as_list(fields.get("messages", given))
    first: Any = prompt[0] if prompt else None
    if isinstance(first, list):
        prompt = as_list(cast("Any", first))
    return [one for one in prompt if isinstance(one, BaseMessage)] or None


def call_id_of(run: OpenRun) -> str | None:
    """The id of the call that a tool answers, where its node or an attempt before it tells it.

    A ``ToolNode`` is given the call itself: LangChain's agents give each call a node of its own.
    """
    around = run.parent
    if around is None:
        return None
    for name, args, known in around.tried:
        if name == run.name and args == run.given:
            return known
    calls = as_list(around.given) or [as_dict(around.given).get("tool_call")]
    named = [call for call in map(as_dict, calls) if call.get("name") == run.name]
    found = named if len(calls) == 1 else [c for c in named if c.get("args") == run.given]
    call_id: object = found[0].get("id") if len(found) == 1 else None
    return call_id if isinstance(call_id, str) else None
