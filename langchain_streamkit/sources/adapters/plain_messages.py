"""Messages and commands that went through JSON, made objects again.

Guarantees: what is no message stays as it is; nothing given is changed; nothing raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLASSES: Final[Mapping[str, type[BaseMessage]]] = {
    "ai": AIMessage,
    "human": HumanMessage,
    "system": SystemMessage,
    "tool": ToolMessage,
    "function": FunctionMessage,
    "chat": ChatMessage,
    "remove": RemoveMessage,
    **{
        cls.__name__: cls
        for cls in (
            AIMessage,
            AIMessageChunk,
            HumanMessage,
            HumanMessageChunk,
            SystemMessage,
            SystemMessageChunk,
            ToolMessage,
            ToolMessageChunk,
        )
    },
}
_COMMAND_KEYS: Final = {"graph", "update", "resume", "goto"}
_DEPTH: Final = 5
"""How deep in a state, an update or a task's input messages are looked for."""


class Command:
    """LangGraph's ``Command`` as far as it was written down; known by its name, as the real one."""

    __slots__ = ("update",)

    def __init__(self, update: Any) -> None:
        self.update = update


def as_message(value: object) -> BaseMessage | None:
    """The message that ``value`` is, or is the JSON of, in any of LangChain's three forms.

    These are ``model_dump`` (``{"type": "ai", "content": …}``), ``messages_to_dict``
    (``{"type": "ai", "data": {…}}``) and ``dumpd`` (``{"lc": 1, "id": […], "kwargs": {…}}``).
    """
    if isinstance(value, BaseMessage):
        return value
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    kind: object = fields.get("type")
    if kind == "constructor" and isinstance(fields.get("id"), list) and fields["id"]:
        kind, content = fields["id"][-1], fields.get("kwargs")
    elif isinstance(fields.get("data"), dict):
        content = fields["data"]
    else:
        content = fields
    cls = _CLASSES.get(kind) if isinstance(kind, str) else None
    if cls is None or not isinstance(content, dict):
        return None
    given = cast("dict[str, Any]", content)
    if "content" not in given and cls is not RemoveMessage:
        return None
    try:
        return cls(**{name: one for name, one in given.items() if name != "type"})
    except (ValueError, TypeError):
        return None


def with_messages(value: Any, depth: int = _DEPTH) -> Any:
    """``value`` with the JSON of messages and commands in it replaced by such; the very same if it
    has none.
    """
    if isinstance(value, dict):
        fields = cast("dict[Any, Any]", value)  # type: ignore[redundant-cast]
        message = as_message(fields)
        if message is not None or depth == 0:
            return message or fields
        if fields.keys() == _COMMAND_KEYS:
            return Command(with_messages(fields["update"], depth - 1))
        changed = {name: with_messages(one, depth - 1) for name, one in fields.items()}
        return changed if any(changed[name] is not fields[name] for name in fields) else fields
    if type(value) in (list, tuple) and depth:
        given = cast("list[Any]", value)
        items = [with_messages(one, depth - 1) for one in given]
        if all(map(_is, items, given)):
            return given
        return items if isinstance(value, list) else tuple(items)
    return value


def _is(left: object, right: object) -> bool:
    return left is right
