"""The messages in states, updates and tool outputs, live or recorded.

Guarantees: nothing given is changed, nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from langchain_streamkit.sources.adapters.plain_messages import COMMAND_KEYS, as_message
from langchain_streamkit.sources.node_output import returned_messages
from langchain_streamkit.sources.piece_types import as_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.messages import BaseMessage


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
        inner = fields["update"] if fields.keys() == COMMAND_KEYS else fields
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
    if fields.keys() != COMMAND_KEYS:
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
