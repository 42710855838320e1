"""The messages in what a graph node returns, and the ids the reducer gives them afterwards.

Mirrors what LangGraph's own ``messages`` mode looks at (``langgraph/pregel/_messages.py``,
``_find_and_emit_messages``), but never assigns an id itself: that would change the user's state.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import BaseMessage, RemoveMessage, ToolMessage, convert_to_messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

_MESSAGES_KEY = "messages"
"""The one state key under which plain dicts, tuples and strings are taken for messages."""


def known_ids(state: Any) -> tuple[str, ...]:
    """Ids of the messages in a node's or root's input; those are never echoed."""
    return tuple(message.id for message in _in_state(state) if message.id)


def state_messages(state: Any) -> list[BaseMessage]:
    """All messages in a whole state, or in the input of a node."""
    return list(_in_state(state))


def returned_messages(output: Any) -> list[BaseMessage]:
    """The messages a node returned, in order, without removals.

    The objects themselves, so that the id a reducer sets later can be read from them; dicts,
    tuples and strings under ``messages`` are converted the way LangGraph's reducer does.
    """
    return [
        message
        for value in _updates(output)
        for message in _as_messages(value)
        if not isinstance(message, RemoveMessage)
    ]


def snapshot(message: BaseMessage) -> BaseMessage:
    """A copy that later changes of the user's objects do not reach (a tool's artifact aside)."""
    content: Any = message.content
    update: dict[str, Any] = {}
    if not isinstance(content, str):
        update["content"] = copy.deepcopy(content)
    if not isinstance(message, ToolMessage):
        kwargs = message.additional_kwargs
        update["additional_kwargs"] = copy.deepcopy(kwargs) if kwargs else {}
    return message.model_copy(update=update)


class PendingIds:
    """The messages of one ended node that wait for the reducer to name them."""

    __slots__ = ("messages", "run_id", "step")

    def __init__(self, run_id: UUID, messages: list[BaseMessage], step: object) -> None:
        self.run_id = run_id
        self.messages = messages
        self.step = step

    def ids(self, state: object) -> tuple[str | None, ...]:
        """Their ids in order; ``state`` (the graph's values) names those that were converted."""
        ids = [message.id for message in self.messages]
        if state is None or None not in ids:
            return tuple(ids)
        stored = [message for message in _in_state(state) if message.id and message.id not in ids]
        for place in reversed(range(len(ids))):
            if ids[place] is not None:
                continue
            for candidate in reversed(stored):
                if candidate.id not in ids and _same(candidate, self.messages[place]):
                    ids[place] = candidate.id
                    break
        return tuple(ids)


def _same(left: BaseMessage, right: BaseMessage) -> bool:
    return type(left) is type(right) and left.content == right.content


def _updates(output: Any) -> Iterator[Any]:
    """Unfold commands, and lists of them, to the state updates they carry."""
    if _is_command(output):
        yield output.update
        return
    several = _sequence(output)
    if several is not None and any(map(_is_command, several)):
        for item in several:
            yield from _updates(item)
    else:
        yield output


def _is_command(value: Any) -> bool:
    # By name, because importing langgraph.types costs what a chain without graphs need not pay.
    return type(value).__name__ == "Command" and hasattr(value, "update")


def _as_messages(update: Any) -> Iterator[BaseMessage]:
    """The messages in one state update."""
    if isinstance(update, BaseMessage):
        yield update
        return
    # A list of (channel, value) pairs is a legal update too.
    for key, value in _channels(update):
        if key == _MESSAGES_KEY:
            yield from _converted(value)
        else:
            yield from _messages_in(value)


def _channels(update: Any) -> Iterator[tuple[object, Any]]:
    """An update or state as channels and values, whatever form it has."""
    mapping = _mapping(update)
    several = _sequence(update)
    if mapping is not None:
        yield from mapping.items()
    elif several is not None:
        for item in several:
            pair = _sequence(item)
            yield item if isinstance(item, tuple) and pair and len(pair) == 2 else (None, item)
    elif dataclasses.is_dataclass(update) and not isinstance(update, type):
        for field in dataclasses.fields(update):
            yield field.name, getattr(update, field.name, None)
    else:
        for name in _mapping(getattr(cast("Any", update), "model_fields", None)) or ():
            yield name, getattr(update, name, None)


def _messages_in(value: Any) -> Iterator[BaseMessage]:
    if isinstance(value, BaseMessage):
        yield value
    else:
        yield from (item for item in _sequence(value) or () if isinstance(item, BaseMessage))


def _converted(value: Any) -> Iterator[BaseMessage]:
    value = getattr(value, "value", value)  # LangGraph's Overwrite carries them in `.value`
    items = cast("list[Any]", value) if isinstance(value, list) else [value]  # type: ignore[redundant-cast]
    for item in items:
        if isinstance(item, BaseMessage):
            yield item
        elif isinstance(item, str | dict | tuple):
            try:
                yield convert_to_messages([cast("Any", item)])[0]
            except (ValueError, TypeError, NotImplementedError):
                continue  # not a message: the reducer will say so


def _in_state(state: Any) -> Iterator[BaseMessage]:
    """All messages in a whole state."""
    if isinstance(state, BaseMessage):
        yield state
        return
    for _, value in _channels(state):
        yield from _messages_in(value)


def _sequence(value: Any) -> Sequence[Any] | None:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return cast("Sequence[Any]", value)  # type: ignore[redundant-cast]
    return None


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None
