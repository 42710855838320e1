"""What LangGraph's payloads hold: updates, calls of tools, interrupts and errors, in one form each.

Mirrors ``langgraph/pregel/debug.py`` and ``langgraph/pregel/_io.py``. Guarantees: nothing given is
changed; a payload that lacks what its mode always has raises ``AdaptError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast
from uuid import NAMESPACE_OID, uuid5

from langchain_streamkit.errors import AdaptError, SourceFailed
from langchain_streamkit.sources.adapters.graph_forms import shown
from langchain_streamkit.sources.adapters.plain_messages import with_messages

INTERRUPT: Final = "__interrupt__"
METADATA: Final = "__metadata__"
_WRITES: Final = "$writes"
"""Under this key a task's result holds several writes to one channel."""


class Asked(NamedTuple):
    """A pending interrupt, as the ``Interrupt`` of LangGraph."""

    id: str
    value: Any
    response_schema: Any = None


def fields_of(payload: Any, mode: str) -> dict[str, Any]:
    """A payload that has to be a dictionary."""
    if not isinstance(payload, Mapping):
        raise AdaptError(f"{mode!r} items are dictionaries, this one is {shown(payload)}")
    return dict(cast("Mapping[str, Any]", payload))


def text_of(fields: Mapping[str, Any], key: str, mode: str) -> str:
    """A field that has to be text."""
    value = fields.get(key)
    if not isinstance(value, str):
        raise AdaptError(f"{key!r} of a {mode!r} item is {shown(value)}, not text")
    return value


def update_of(value: Any) -> Any:
    """What a node returned, in a form in which messages are found (see ``node_output``).

    Several updates of one node, and several writes to one channel, become pairs of channel and
    value.
    """
    value = with_messages(value)
    updates: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]  # type: ignore[redundant-cast]
    if not all(isinstance(one, Mapping) for one in updates):
        return value
    pairs: list[tuple[str, Any]] = []
    for one in updates:
        for channel, written in cast("Mapping[str, Any]", one).items():
            writes = written.get(_WRITES) if isinstance(written, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            several: list[Any] = writes if isinstance(writes, list) else [written]  # pyright: ignore[reportUnknownVariableType]
            pairs += [(channel, each) for each in several]
    return value if len(pairs) == len(value) and isinstance(value, Mapping) else pairs


def tool_calls_of(inputs: Any) -> list[dict[str, Any]]:
    """The calls that a task of a ToolNode is to answer, where its input is nothing but calls.

    That is what agents send it: a list of calls, or one call with the state around it
    (``langgraph.prebuilt.tool_node``, ``ToolCallWithContext``).
    """
    found: Any = inputs
    if isinstance(inputs, Mapping):
        given = cast("Mapping[str, Any]", inputs)
        found = [given.get("tool_call")] if "tool_call" in given else None
    if not isinstance(found, list) or not found:
        return []
    calls = cast("list[Any]", found)
    return calls if all(map(_is_tool_call, calls)) else []


def _is_tool_call(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    call = cast("Mapping[str, Any]", value)
    return isinstance(call.get("id"), str) and isinstance(call.get("name"), str) and "args" in call


def is_call(inputs: Any) -> bool:
    """Whether a task's input is that of a function called with ``@task``: (args, kwargs)."""
    if not isinstance(inputs, tuple | list):
        return False
    several: Any = inputs
    return (
        len(several) == 2
        and isinstance(several[0], tuple | list)
        and isinstance(several[1], Mapping)
    )


def interrupts_of(value: Any) -> list[Asked]:
    """The interrupts in ``value``, objects of LangGraph's or dictionaries."""
    given: list[Any] = list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
    found: list[Asked] = []
    for one in given:
        if isinstance(one, Mapping):
            fields = cast("Mapping[str, Any]", one)
            asked = fields.get("id") or fields.get("interrupt_id")
            payload, schema = fields.get("value"), fields.get("response_schema")
        else:
            asked, payload = getattr(one, "id", None), getattr(one, "value", None)
            schema = getattr(one, "response_schema", None)
        asked = str(asked or uuid5(NAMESPACE_OID, repr(payload)))
        found.append(Asked(asked, payload, schema))
    return found


def error_of(value: Any) -> BaseException | None:
    """The error of a task: live ones are exceptions, recorded ones what was written of them."""
    if value is None or isinstance(value, BaseException):
        return value
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        value = fields.get("message") or fields.get("error") or "the task failed"
    return SourceFailed(str(value))
