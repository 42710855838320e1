"""LangChain objects in recorded items, as objects again.

Items that went through JSON hold messages as ``model_dump`` or LangChain's ``dumpd`` writes them.
Guarantees: objects come back as they are; what is no message is None; nothing raises or changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
)

from langchain_streamkit.sources.node_output import returned_messages
from langchain_streamkit.sources.piece_types import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Callable

_CLASSES: Final[dict[str, type[BaseMessage]]] = {
    "ai": AIMessage,
    "human": HumanMessage,
    "system": SystemMessage,
    "tool": ToolMessage,
    "function": FunctionMessage,
    "chat": ChatMessage,
    "AIMessageChunk": AIMessageChunk,
    "HumanMessageChunk": HumanMessageChunk,
    "SystemMessageChunk": SystemMessageChunk,
}
_BY_NAME: Final = {cls.__name__: cls for cls in _CLASSES.values()}
_OF_EVERY_MESSAGE: Final = ("additional_kwargs", "response_metadata")
_COMMAND: Final = frozenset({"graph", "update", "resume", "goto"})


def as_message(value: object) -> BaseMessage | None:
    """The message that ``value`` is, or was before it was written as JSON."""
    if isinstance(value, BaseMessage):
        return value
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    kind: object = fields.get("type")
    if kind == "constructor" and fields.get("lc") == 1:
        name = (None, *as_list(fields.get("id")))[-1]
        cls = _BY_NAME.get(name) if isinstance(name, str) else None
        fields = as_dict(fields.get("kwargs"))
    else:
        cls = _CLASSES.get(kind) if isinstance(kind, str) else None
        if "content" not in fields or not any(key in fields for key in _OF_EVERY_MESSAGE):
            return None
    if cls is None:
        return None
    try:
        return cls.model_validate(dict(fields))  # validators of messages write into what they get
    except (KeyError, TypeError, ValueError):
        return None


def messages_of_state(state: object) -> Iterator[BaseMessage]:
    """The messages in a whole state: in its channels, or in lists in them."""
    for value in _values(state):
        if isinstance(value, list | tuple):
            for item in cast("list[object]", value):
                if (found := as_message(item)) is not None:
                    yield found
        elif (found := as_message(value)) is not None:
            yield found


def messages_of_update(update: object) -> list[BaseMessage]:
    """The messages in what a node returned."""
    if isinstance(update, dict):
        fields = cast("dict[str, object]", update)
        inner = fields["update"] if fields.keys() == _COMMAND else fields
        return list(messages_of_state(inner))
    if isinstance(update, list):
        items = cast("list[object]", update)
        return [m for item in items for m in messages_of_update(item)]
    return returned_messages(update)


def tool_output(output: object) -> object:
    """What a tool returned: its message or command, if it was one."""
    message = as_message(output)
    if message is not None:
        return message
    fields = as_dict(output)
    if fields.keys() != _COMMAND:
        return output
    from langgraph.types import Command

    command: Callable[..., object] = Command
    return command(graph=fields["graph"], update={"messages": messages_of_update(fields)})


def _values(state: object) -> Iterator[object]:
    if as_message(state) is not None:
        yield state
    elif isinstance(state, Mapping):
        yield from cast("Mapping[str, object]", state).values()
    elif isinstance(state, list | tuple):
        yield state
    else:
        fields: object = getattr(type(state), "model_fields", None) or getattr(
            state, "__dataclass_fields__", None
        )
        for name in cast("Mapping[str, object]", fields) if isinstance(fields, Mapping) else ():
            yield getattr(state, name, None)
