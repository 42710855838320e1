"""What LangGraph's payloads hold: updates, calls of tools, interrupts and errors, in one form each.

Mirrors ``langgraph/pregel/debug.py`` and ``langgraph/pregel/_io.py``. Guarantees: nothing given is
changed; a payload that lacks what its mode always has raises ``AdaptError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from langchain_streamkit.errors import AdaptError, SourceFailed
from langchain_streamkit.sources.adapters.graph_forms import elements, mapping, sequence
from langchain_streamkit.sources.adapters.plain_messages import with_messages
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    fields = mapping(payload)
    if fields is None:
        raise AdaptError(f"{mode!r} items are dictionaries, this one is {short_repr(payload)}")
    if not all(type(name) is str for name in fields):
        raise AdaptError(f"{mode!r} items have names as keys, this one is {short_repr(payload)}")
    return dict(fields)


def text_of(fields: Mapping[str, Any], key: str, mode: str) -> str:
    """A field that has to be text."""
    value = fields.get(key)
    if not isinstance(value, str):
        raise AdaptError(f"{key!r} of a {mode!r} item is {short_repr(value)}, not text")
    return value


def update_of(value: Any) -> Any:
    """What a node returned, in a form in which messages are found (see ``node_output``).

    Several updates of one node, and several writes to one channel, become pairs of channel and
    value.
    """
    update = with_messages(value)
    several = [update] if mapping(update) is not None else elements(update)
    if not several or any(mapping(one) is None for one in several):
        return update
    pairs: list[tuple[str, Any]] = []
    folded = len(several) > 1
    for one in several:
        for channel, written in (mapping(one) or {}).items():
            writes = sequence((mapping(written) or {}).get(_WRITES))
            folded = folded or writes is not None
            pairs += [(channel, each) for each in (writes if writes is not None else [written])]
    return pairs if folded else several[0]


def tool_calls_of(inputs: Any) -> list[Mapping[str, Any]]:
    """The calls that a task of a ToolNode is to answer, where its input is nothing but calls.

    That is what agents send it: a list of calls, or one call with the state around it
    (``langgraph.prebuilt.tool_node``, ``ToolCallWithContext``).
    """
    around = mapping(inputs)
    several = sequence(inputs) if around is None else [around.get("tool_call")]
    calls = [mapping(one) or {} for one in several or ()]
    return calls if all(map(_is_tool_call, calls)) else []


def _is_tool_call(call: Mapping[str, Any]) -> bool:
    return isinstance(call.get("id"), str) and isinstance(call.get("name"), str) and "args" in call


def is_call(inputs: Any) -> bool:
    """Whether a task's input is that of a function called with ``@task``: (args, kwargs)."""
    several = elements(inputs)
    return (
        len(several) == 2 and sequence(several[0]) is not None and mapping(several[1]) is not None
    )


def interrupts_of(value: Any) -> list[Asked]:
    """The interrupts in ``value``, objects of LangGraph's or dictionaries."""
    found: list[Asked] = []
    for one in elements(value):
        fields = mapping(one)
        if fields is not None:
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
    fields = mapping(value)
    if fields is not None:
        return SourceFailed(str(fields.get("message") or fields.get("error") or "the task failed"))
    return SourceFailed(str(value))
