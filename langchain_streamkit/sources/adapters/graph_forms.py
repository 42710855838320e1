"""The forms in which LangGraph hands out the items of a stream, taken apart alike.

Guarantees: a form is chosen once, by the first item; what does not fit it raises ``AdaptError``.
The forms: payloads of one mode; ``(mode, payload)`` of a list of modes; with ``subgraphs=True``
``(namespace, payload)`` and ``(namespace, mode, payload)``; ``version="v2"`` parts; the parts of
``langgraph_sdk`` (``StreamPart``), whose event is ``mode`` or ``mode|namespace``. A recording may
have lists where there were tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from langchain_core.messages import BaseMessage

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.sources.adapters.namespaces import Namespace
from langchain_streamkit.sources.adapters.plain_messages import as_message, with_messages
from langchain_streamkit.sources.node_output import state_messages
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from typing import TypeGuard


MODES: Final = frozenset(
    {"values", "updates", "messages", "custom", "tasks", "debug", "checkpoints", "tools"}
)
_SERVER_MODES: Final = frozenset(
    {
        "messages-tuple",
        "messages/partial",
        "messages/complete",
        "messages/metadata",
        "metadata",
        "error",
        "end",
        "feedback",
    }
)
"""What only a LangGraph server sends, see ``langgraph_sdk`` ``client.runs.stream``."""


Item: TypeAlias = tuple[Namespace | None, str, Any]
"""(namespace, mode, payload); the namespace is None where the form does not tell it. A plain tuple,
because one is made for every token.
"""
Split: TypeAlias = Callable[[Any], Item]


def splitter(first: Any, hint: str | None) -> Split | None:
    """What takes the items of a stream apart that begins with ``first``.

    None if it is no stream of a graph. ``hint`` is the mode where items do not tell it.
    """
    if _is_part(first):
        return _of_part
    several = sequence(first)
    if several is not None:
        match len(several):
            case 3 if _is_namespace(several[0]) and _is_mode(several[1]):
                return _of_three
            case 2 | 3 if _is_event(several[0]):
                return _of_event
            case 2 if _is_namespace(several[0]) and not _is_message_pair(several):
                mode = hint or mode_of(several[1])
                return None if mode is None else _of_two(mode)
            case _:
                pass
    mode = hint or mode_of(first)
    return None if mode is None else lambda item: (None, mode, item)


def mode_of(payload: Any) -> str | None:
    """The mode whose payload this must be, None if none of them (or ``custom``).

    ``updates`` and ``values`` are both dictionaries: one whose every value is a dictionary or None
    is an update (``{node: what it returned}``), a state or state object that holds messages are
    values. Of any other the mode has to be said.
    """
    if _is_message_pair(payload):
        return "messages"
    fields = mapping(payload)
    if fields is None:
        return "values" if _holds_messages(payload) else None
    keys = fields.keys()
    if {"step", "type", "payload"} <= keys:
        return "debug"
    if {"id", "name", "triggers"} <= keys or {"id", "name", "result", "interrupts"} <= keys:
        return "tasks"
    if {"config", "metadata", "values", "next"} <= keys:
        return "checkpoints"
    if {"event", "tool_call_id"} <= keys:
        return "tools"
    told = [one for name, one in fields.items() if not str(name).startswith("__")]
    if as_message(fields) is not None or not keys:
        return None
    if all(one is None or _is_update(one) for one in told):
        return "updates"
    return "values" if isinstance(fields.get("messages"), list) or _holds_messages(fields) else None


def mapping(value: object) -> Mapping[str, Any] | None:
    """``value`` if it is a dictionary of some kind."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def sequence(value: object) -> Sequence[Any] | None:
    """``value`` if it is a tuple, or the list that JSON made of one."""
    return cast("Sequence[Any]", value) if isinstance(value, tuple | list) else None


def elements(value: object) -> Sequence[Any]:
    """What is in a tuple or list, nothing if ``value`` is neither."""
    return sequence(value) or ()


def namespace_of(value: object) -> Namespace:
    """A namespace as an item carries it. Raises AdaptError."""
    if not _is_namespace(value):
        raise AdaptError(f"{short_repr(value)} is no namespace of a graph")
    return tuple(cast("Sequence[str]", value))


# ---- the forms -----------------------------------------------------------------------------------


def _of_three(item: Any) -> Item:
    try:
        namespace, mode, payload = item
    except (TypeError, ValueError):
        raise _misfit(item, "(namespace, mode, payload)") from None
    if type(mode) is not str:
        raise _misfit(item, "(namespace, mode, payload)")
    if type(namespace) is not tuple:
        return namespace_of(namespace), mode, payload
    return cast("Namespace", namespace), mode, payload


def _of_two(mode: str) -> Split:
    def split(item: Any) -> Item:
        try:
            namespace, payload = item
        except (TypeError, ValueError):
            raise _misfit(item, "(namespace, payload)") from None
        return namespace_of(namespace), mode, payload

    return split


def _of_event(item: Any) -> Item:
    several = elements(item)
    if len(several) not in (2, 3) or not isinstance(several[0], str):
        raise _misfit(item, "(mode, payload)")
    mode, *namespace = several[0].split("|")
    return tuple(namespace) or None, mode, several[1]


def _of_part(item: Any) -> Item:
    if not _is_part(item):
        raise _misfit(item, "a part of version='v2'")
    payload = item["data"]
    state = mapping(payload) if item.get("interrupts") else None
    if state is not None:
        payload = {**state, "__interrupt__": item["interrupts"]}
    return namespace_of(item["ns"]), str(item["type"]), payload


def _misfit(item: object, form: str) -> AdaptError:
    return AdaptError(f"the items of this stream are {form}, this one is {short_repr(item)}")


# ---- what is what --------------------------------------------------------------------------------


def _is_part(item: object) -> TypeGuard[Mapping[str, Any]]:
    fields = mapping(item) or {}
    return {"type", "ns", "data"} <= fields.keys() and _is_mode(fields["type"])


def _is_mode(value: object) -> bool:
    return isinstance(value, str) and (value in MODES or value in _SERVER_MODES)


def _is_event(value: object) -> bool:
    return isinstance(value, str) and _is_mode(value.split("|", 1)[0])


def _is_namespace(value: object) -> bool:
    several = sequence(value)
    return several is not None and all(type(one) is str for one in several)


def _is_message_pair(payload: object) -> bool:
    several = elements(payload)
    if len(several) != 2 or not isinstance(several[1], Mapping):
        return False
    return as_message(several[0]) is not None


def _is_update(value: object) -> bool:
    return isinstance(value, Mapping) and as_message(cast("object", value)) is None


def _holds_messages(state: object) -> bool:
    return not isinstance(state, str | BaseMessage) and bool(state_messages(with_messages(state)))
