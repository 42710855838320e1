"""TypeScript types of the events, generated from their classes."""

from __future__ import annotations

import inspect
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from langchain_streamkit.events import EVENT_CLASSES, TERMINAL_TYPES, BaseEvent

_HEADER = """\
// Generated from the event classes by `python -m langchain_streamkit.schema`; do not edit.

/** What JSON can say. */
export type JSONValue =
  | string
  | number
  | boolean
  | null
  | JSONValue[]
  | { [key: string]: JSONValue };
"""
_SCALARS: dict[object, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    Any: "JSONValue",
}


def typescript() -> str:
    """Return a ``.d.ts`` file: one interface for each event and ``StreamEvent``, their union.

    ``event.type`` tells them apart, so ``switch (event.type)`` narrows. Optional fields are left
    out of the JSON when they have nothing to say. No name collides with the DOM's ``Event``.
    """
    parts: dict[str, type[msgspec.Struct]] = {}
    events = [_interface(cls, parts) for cls in EVENT_CLASSES.values()]
    shared = [_interface(cls, parts) for cls in list(parts.values())]
    # a part may hold further parts
    shared += [_interface(cls, parts) for cls in list(parts.values())[len(shared) :]]
    terminal = [cls.__name__ for name, cls in EVENT_CLASSES.items() if name in TERMINAL_TYPES]
    unions = [
        _union("TerminalEvent", "One of these ends every stream.", terminal),
        _union("StreamEvent", "Every event.", [cls.__name__ for cls in EVENT_CLASSES.values()]),
    ]
    return "\n".join([_HEADER, *shared, *events, *unions])


def _union(name: str, doc: str, members: list[str]) -> str:
    return (
        f"/** {doc} */\nexport type {name} =\n"
        + "".join(f"  | {m}\n" for m in members)[:-1]
        + ";\n"
    )


def _interface(cls: type[msgspec.Struct], parts: dict[str, type[msgspec.Struct]]) -> str:
    hints = get_type_hints(cls)
    lines = [_comment(inspect.getdoc(cls)), f"export interface {cls.__name__} {{"]
    if issubclass(cls, BaseEvent):
        lines.append(f'  type: "{cls.__struct_config__.tag}";')
    for field in msgspec.structs.fields(cls):
        mark = "" if field.required else "?"
        lines.append(f"  {field.encode_name}{mark}: {_type(hints[field.name], parts)};")
    return "\n".join([*lines, "}", ""])


def _comment(doc: str | None) -> str:
    body = (doc or "").replace("*/", "* /").splitlines()
    if len(body) == 1:
        return f"/** {body[0]} */"
    return "\n".join(["/**", *(f" * {line}".rstrip() for line in body), " */"])


def _type(hint: Any, parts: dict[str, type[msgspec.Struct]]) -> str:
    scalar = _SCALARS.get(hint)
    if scalar is not None:
        return scalar
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in args)
    if origin in (Union, types.UnionType):
        return " | ".join(_type(arg, parts) for arg in args)
    if origin in (tuple, list):
        inner = _type(args[0], parts)
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if origin is dict:
        return f"{{ [key: string]: {_type(args[1], parts)} }}"
    parts[hint.__name__] = hint
    return str(hint.__name__)
