"""Messages, commands and interrupts that were written down, as objects again.

Guarantees: every form that LangChain's own serialisers give (``model_dump()``, ``dumpd()``,
``message_to_dict()``) is understood; what is no such form is returned as it is, the very object;
nothing given is changed, and nothing raises.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from langchain_core import messages as lc
from langchain_core.messages import BaseMessage

from langchain_streamkit.sources.adapters.plain_reprs import read_repr

_CLASSES: Final[tuple[type[BaseMessage], ...]] = (
    lc.AIMessage,
    lc.AIMessageChunk,
    lc.HumanMessage,
    lc.HumanMessageChunk,
    lc.SystemMessage,
    lc.SystemMessageChunk,
    lc.ToolMessage,
    lc.ToolMessageChunk,
    lc.FunctionMessage,
    lc.FunctionMessageChunk,
    lc.ChatMessage,
    lc.ChatMessageChunk,
    lc.RemoveMessage,
)
_BY_TYPE: Final = {cls.model_fields["type"].default: cls for cls in _CLASSES}
_BY_NAME: Final = {cls.__name__: cls for cls in _CLASSES}
_OF_MESSAGES: Final = frozenset(
    {"id", "additional_kwargs", "response_metadata", "tool_calls", "tool_call_id", "usage_metadata"}
)
"""What tells a message from somebody's own dictionary with a type and a content: any of these."""
COMMAND_KEYS: Final = frozenset({"graph", "update", "resume", "goto"})
_DEPTH: Final = 16
"""How deep in a state messages are looked for."""


class Command:
    """LangGraph's ``Command`` as far as it was written down; known by its name, as the real one."""

    __slots__ = ("update",)

    def __init__(self, update: Any) -> None:
        self.update = update


class Interrupt(NamedTuple):
    """A pending interrupt."""

    id: str
    value: Any
    response_schema: Any = None


def as_message(value: object) -> BaseMessage | None:
    """The message that ``value`` is, or is written down in; None if there is none."""
    if isinstance(value, BaseMessage):
        return value
    fields = _fields(value)
    if fields is None:
        return None
    kind = fields.get("type")
    data: dict[str, Any] | None = fields
    if fields.get("lc") == 1 and kind == "constructor":
        path, data = fields.get("id"), _fields(fields.get("kwargs"))
        names = cast("list[object]", path) if isinstance(path, list) else []
        cls = _BY_NAME.get(str(names[-1])) if names else None
    else:
        if "content" not in fields:
            data = _fields(fields.get("data"))
        cls = _BY_TYPE.get(kind) if isinstance(kind, str) else None
        if data is None or _OF_MESSAGES.isdisjoint(data):
            return None
    return None if cls is None or data is None else _made(cls, data)


def with_messages(value: object, depth: int = _DEPTH) -> Any:
    """``value`` with every message and command in it that was written down as an object."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if "type" in fields and (message := as_message(fields)) is not None:
            return message
        if fields.keys() == COMMAND_KEYS:
            return Command(with_messages(fields["update"], depth - 1))
        if fields.get("type") == "not_implemented":
            return with_messages(fields.get("repr"), depth - 1)
        changed = {
            key: new
            for key, old in fields.items()
            if depth and (new := with_messages(old, depth - 1)) is not old
        }
        return {**fields, **changed} if changed else fields
    if type(value) in (list, tuple):
        items = cast("list[Any]", value)
        found = [with_messages(one, depth - 1) if depth else one for one in items]
        if all(new is old for new, old in zip(found, items, strict=True)):
            return items
        return found if type(value) is list else tuple(found)
    if type(value) is str and value.startswith("Command("):
        return _command(value)
    return value


def as_interrupts(value: Any) -> list[Interrupt]:
    """The interrupts under ``__interrupt__``, or in the error of a tool, in whatever form."""
    if isinstance(value, BaseException):
        value = value.args[0] if value.args else ()
    if isinstance(value, str):
        value = read_repr(value, _RAW)
    items = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
    if isinstance(value, Interrupt):
        items = [value]
    return [found for one in items if (found := _interrupt(one)) is not None]


def _interrupt(value: Any) -> Interrupt | None:
    fields = _fields(value)
    if fields is not None and fields.get("type") == "not_implemented":
        value = fields.get("repr")
    if isinstance(value, str):
        value = read_repr(value, _RAW)
        fields = None
    if fields is not None:
        return _interrupt_of(fields) if "id" in fields and "value" in fields else None
    if value is None or not hasattr(value, "id") or not hasattr(value, "value"):
        return None
    return Interrupt(str(value.id), value.value, getattr(value, "response_schema", None))


def _command(text: str) -> Any:
    command = read_repr(text, _RAW)
    return command if isinstance(command, Command) else text


def _made(cls: type[BaseMessage], fields: dict[str, Any]) -> BaseMessage | None:
    try:
        message = cls(**fields)
    except Exception:  # noqa: BLE001 -- a dict that only looks like a message
        return None
    if (usage := fields.get("usage_metadata")) is not None and hasattr(message, "usage_metadata"):
        # Validation drops `total_cost`, by which LangChain marks what came from its cache
        object.__setattr__(message, "usage_metadata", usage)
    return message


def _fields(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _interrupt_of(fields: dict[str, Any]) -> Interrupt:
    return Interrupt(str(fields.get("id")), fields.get("value"), fields.get("response_schema"))


def _command_of(fields: dict[str, Any]) -> Command:
    return Command(fields.get("update"))


_RAW: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "Interrupt": _interrupt_of,
    "Command": _command_of,
    **{name: functools.partial(_made, cls) for name, cls in _BY_NAME.items()},
}
"""What makes the objects whose ``repr`` is understood."""
