"""JSON Schema (2020-12) of the events, generated from their classes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

import msgspec

from langchain_streamkit.events import BaseEvent, Event

if TYPE_CHECKING:
    from langchain_streamkit.values import JSON

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_json_schema(cls: type[BaseEvent] | None = None) -> dict[str, Any]:
    """Return the JSON Schema of one event class, or of any event when ``cls`` is left out.

    Each event is told by its constant ``type``; other fields may come in later versions, so
    unknown ones are allowed. Shared parts are in ``$defs``.
    """
    schema = cast("dict[str, Any]", _tidy(msgspec.json.schema(Event if cls is None else cls)))
    title = "Event" if cls is None else cls.__name__
    return {"$schema": _DIALECT, "title": title, **schema}


def inlined_json_schema(cls: type[BaseEvent]) -> dict[str, Any]:
    """Return the JSON Schema of one event class without ``$ref``, for use inside another schema."""
    schema = cast("dict[str, Any]", _tidy(msgspec.json.schema(cls)))
    definitions: dict[str, JSON] = schema["$defs"]
    return cast("dict[str, Any]", _inline(definitions[cls.__name__], definitions))


def _tidy(node: object) -> JSON:
    """Plain JSON of what msgspec gives, one value of an enum as ``const``, text without indents."""
    if isinstance(node, dict):
        tidied = {key: _tidy(item) for key, item in cast("dict[str, object]", node).items()}
        choices = tidied.get("enum")
        if isinstance(choices, list) and len(choices) == 1:
            tidied["const"] = choices[0]
            del tidied["enum"]
        description = tidied.get("description")
        if isinstance(description, str):
            tidied["description"] = inspect.cleandoc(description)
        return tidied
    if isinstance(node, (list, tuple)):
        return [_tidy(item) for item in cast("list[object]", node)]
    return cast("JSON", node)


def _inline(node: JSON, definitions: dict[str, JSON]) -> JSON:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        named = cast("dict[str, JSON]", definitions[reference.rpartition("/")[2]])
        node = {**named, **{key: item for key, item in node.items() if key != "$ref"}}
    return {key: _inline(item, definitions) for key, item in node.items()}
