"""The messages in what a graph node returns, and the ids the reducer gives them afterwards.

Mirrors what LangGraph's own ``messages`` mode looks at (``langgraph/pregel/_messages.py``,
``_find_and_emit_messages``), but never assigns an id itself: that would change the user's state.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, RemoveMessage, ToolMessage, convert_to_messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

_MESSAGES_KEY = "messages"
"""The one state key under which plain dicts, tuples and strings are taken for messages."""


def known_ids(state: Any) -> tuple[str, ...]:
    """Ids of the messages in a node's or root's input; those are never echoed."""
    return tuple(
        value.id for value in _in_state(state) if isinstance(value, BaseMessage) and value.id
    )


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
        update["additional_kwargs"] = copy.deepcopy(message.additional_kwargs)
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
        missing = [m for m in self.messages if m.id is None]
        if missing and state is not None:
            taken = {m.id for m in self.messages}
            stored = [m for m in _in_state(state) if isinstance(m, BaseMessage) and m.id]
            for message in reversed(missing):
                for candidate in reversed(stored):
                    if candidate.id not in taken and _same(candidate, message):
                        message.id = candidate.id
                        taken.add(candidate.id)
                        break
        return tuple(m.id for m in self.messages)


def _same(left: BaseMessage, right: BaseMessage) -> bool:
    return type(left) is type(right) and left.content == right.content


def _updates(output: Any) -> Iterator[Any]:
    """Unfold commands, and lists of them, to the state updates they carry."""
    if _is_command(output):
        yield output.update
    elif isinstance(output, Sequence) and any(map(_is_command, output)):
        for item in output:
            yield from _updates(item)
    else:
        yield output


def _is_command(value: Any) -> bool:
    # By name, because importing langgraph.types costs what a chain without graphs need not pay.
    return type(value).__name__ == "Command" and hasattr(value, "update")


def _as_messages(update: Any) -> Iterator[BaseMessage]:
    if isinstance(update, BaseMessage):
        yield update
    elif isinstance(update, Mapping):
        for key, value in update.items():
            if key == _MESSAGES_KEY:
                yield from _converted(value)
            else:
                yield from _messages_in(value)
    elif isinstance(update, Sequence) and not isinstance(update, str | bytes):
        # A list of (channel, value) pairs is a legal update too.
        for item in update:
            if isinstance(item, tuple) and len(item) == 2 and item[0] == _MESSAGES_KEY:
                yield from _converted(item[1])
            elif isinstance(item, BaseMessage):
                yield item
    else:
        for value in _fields(update):
            yield from _messages_in(value)


def _messages_in(value: Any) -> Iterator[BaseMessage]:
    if isinstance(value, BaseMessage):
        yield value
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield from (item for item in value if isinstance(item, BaseMessage))


def _converted(value: Any) -> Iterator[BaseMessage]:
    # LangGraph's Overwrite carries the messages in `.value`.
    value = getattr(value, "value", value)
    items: list[Any] = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, BaseMessage):
            yield item
        elif isinstance(item, str | dict | tuple):
            try:
                yield convert_to_messages([item])[0]
            except (ValueError, TypeError, NotImplementedError):
                continue  # not a message: the reducer will say so


def _in_state(state: Any) -> Iterator[Any]:
    if isinstance(state, BaseMessage):
        yield state
    elif isinstance(state, Mapping):
        for value in state.values():
            yield from _messages_in(value)
    elif isinstance(state, Sequence) and not isinstance(state, str | bytes):
        yield from _messages_in(state)
    else:
        for value in _fields(state):
            yield from _messages_in(value)


def _fields(value: Any) -> Iterator[Any]:
    """The field values of a dataclass or Pydantic state."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield getattr(value, field.name, None)
    elif isinstance(fields := getattr(type(value), "model_fields", None), Mapping):
        for name in fields:
            yield getattr(value, name, None)
