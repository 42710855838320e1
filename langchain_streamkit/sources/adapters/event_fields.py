"""One event dictionary of ``astream_events``, checked and taken apart.

Guarantees: what ``read_event`` returns has the types it says, so that nobody behind it has to ask
again; an item that is no such event raises AdaptError, which says what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

from langchain_streamkit.errors import AdaptError

if TYPE_CHECKING:
    from typing import TypeGuard

Kind: TypeAlias = Literal["chain", "model", "tool", "retriever"]
Stage: TypeAlias = Literal["start", "stream", "end", "error", "custom"]

_KINDS: Final[dict[str, Kind]] = {
    "chat_model": "model",
    "llm": "model",
    "tool": "tool",
    "retriever": "retriever",
}
_STAGES: Final[dict[str, Stage]] = {
    "start": "start",
    "stream": "stream",
    "end": "end",
    "error": "error",
}
_WORDS: Final = ("ls_model_name", "ls_provider", "langgraph_checkpoint_ns", "langgraph_node")
"""Metadata that, where it is, has to be text."""


class EventFields(NamedTuple):
    """An event; ``data`` is a dictionary except for custom events."""

    stage: Stage
    kind: Kind
    run: str
    parents: list[str]
    name: str
    tags: list[str]
    metadata: dict[str, Any]
    data: Any


def is_event_dict(item: object) -> TypeGuard[dict[str, Any]]:
    """Whether an item is an event of ``astream_events``, of version 1 or 2."""
    return isinstance(item, dict) and {"event", "run_id", "data"} <= item.keys()


def read_event(item: Any) -> EventFields:
    """Take an event apart. Raises AdaptError."""
    if not isinstance(item, dict):
        raise AdaptError(f"an item is no event but a {type(item).__name__}")
    fields = cast("dict[str, Any]", item)
    event = _text(fields, "event")
    data: object = fields.get("data")
    stage: Stage = "custom"
    kind: Kind = "chain"
    if event != "on_custom_event":
        before, _, after = event.rpartition("_")
        if not before.startswith("on_") or after not in _STAGES:
            raise AdaptError(f"{event!r} is no event of astream_events")
        # A run type that is not known (`prompt`, `parser`, one's own) is a chain
        stage, kind = _STAGES[after], _KINDS.get(before[3:], "chain")
        if not isinstance(data, dict):
            raise AdaptError(f"the data of {event} is no dictionary")
    metadata: object = fields.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise AdaptError(f"the metadata of {event} is no dictionary")
    known = cast("dict[str, Any]", metadata)
    if not all(type(key) is str for key in known):
        raise AdaptError(f"the metadata of {event} has a key that is no text")
    for word in _WORDS:
        if not isinstance(known.get(word, ""), str):
            raise AdaptError(f"{word} in the metadata of {event} is no text")
    return EventFields(
        stage,
        kind,
        _text(fields, "run_id"),
        _texts(fields, "parent_ids", event),
        _text(fields, "name"),
        _texts(fields, "tags", event) if fields.get("tags") is not None else [],
        known,
        data,
    )


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise AdaptError(f"an event has no {key}" if value is None else f"{key} is no text")
    return value


def _texts(fields: dict[str, Any], key: str, event: str) -> list[str]:
    value: object = fields.get(key)
    texts = cast("list[str]", value) if isinstance(value, list | tuple) else None
    if texts is None or not all(type(one) is str for one in texts):
        raise AdaptError(f"{key} of {event} is missing or no list of texts")
    return list(texts)
