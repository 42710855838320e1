"""How a value of each class becomes plain JSON; ``values.to_plain`` walks with these.

Looks at the real class of a value only, never at ``__class__``, and reads builtin containers
past what a subclass overrides, in one C call, because another thread may be changing them.
"""

from __future__ import annotations

import binascii
import contextlib
import dataclasses
import datetime as dt
import functools
import math
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, cast
from uuid import UUID

import msgspec

from langchain_streamkit.text import STOPS, clean_text, short_repr

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""What JSON can say."""
MAX_ARRAY = 65_536
"""Elements of a numpy array that are still written out."""
_MAX_INT = 1 << 53


class Walk(Protocol):
    """One conversion on its way through a value."""

    def convert(self, value: object, depth: int) -> JSON:
        """Return ``value``, which lies ``depth`` containers deep, as plain JSON."""
        ...

    def mapping(self, items: Iterable[tuple[object, object]], depth: int) -> dict[str, JSON]:
        """Return the JSON object of ``items``, itself ``depth`` containers deep."""
        ...

    def sequence(self, items: Iterable[object], depth: int) -> list[JSON]:
        """Return the JSON list of ``items``, itself ``depth`` containers deep."""
        ...


_Iterate: TypeAlias = Callable[[Any], Iterable[object]]
Kind: TypeAlias = Callable[[Walk, Any, int], JSON]


def marker(value: object) -> dict[str, JSON]:
    """Return the JSON of what has no JSON form."""
    return {"repr": short_repr(value), "unserializable": True}


def copied_marker(value: object) -> JSON:
    """Return the copy of a marker (or of bytes) made earlier, ``None`` for anything else."""
    if type(value) is dict:
        found = cast("dict[object, object]", value)
        text, data = found.get("repr"), found.get("base64")
        if len(found) == 2 and found.get("unserializable") is True and type(text) is str:
            return {"repr": clean_text(text), "unserializable": True}
        if len(found) == 1 and type(data) is str:
            return {"base64": clean_text(data)}
    return None


# ---- leaves: values that hold no other -----------------------------------------------------------


def _same(value: JSON) -> JSON:
    return value


def _integer(value: int) -> JSON:
    if -_MAX_INT <= value <= _MAX_INT:
        return value
    try:
        return str(value)
    except ValueError:  # Python refuses to print more than some thousand digits
        return hex(value)


def _float(value: float) -> JSON:
    return value if math.isfinite(value) else None


def leaf_of(value: object) -> Callable[[Any], JSON] | None:
    """Return what makes a scalar plain, ``None`` for anything else; by exact class."""
    # compared by identity: a class may refuse to be hashed
    cls = type(value)
    if cls is str:
        return clean_text
    if cls is int:
        return _integer
    if cls is bool or value is None:
        return _same
    return _float if cls is float else None


# ---- containers ----------------------------------------------------------------------------------

# A class's own method reads past the overrides of its subclasses; bare classes have no item types.
# pyright: reportUnknownMemberType=false
_dict_items = cast("Callable[[Any], Iterable[tuple[object, object]]]", dict.items)
_list_copy = cast("Callable[[Any], list[object]]", list.copy)
_tuple_iter = cast("_Iterate", tuple.__iter__)
_set_iter = cast("_Iterate", set.__iter__)
_frozenset_iter = cast("_Iterate", frozenset.__iter__)
_deque_iter = cast("_Iterate", deque.__iter__)


def _from_dict(walk: Walk, value: object, depth: int) -> JSON:
    return walk.mapping(list(_dict_items(value)), depth)


def _from_proxy(walk: Walk, value: MappingProxyType[object, object], depth: int) -> JSON:
    return walk.mapping(list(value.items()), depth)


def _from_list(walk: Walk, value: object, depth: int) -> JSON:
    return walk.sequence(_list_copy(value), depth)


def _from_tuple(walk: Walk, value: object, depth: int) -> JSON:
    return walk.sequence(_tuple_iter(value), depth)


def _from_deque(walk: Walk, value: object, depth: int) -> JSON:
    return walk.sequence(list(_deque_iter(value)), depth)


def _from_set(walk: Walk, value: object, depth: int) -> JSON:
    return _sorted(walk.sequence(list(_set_iter(value)), depth))


def _from_frozenset(walk: Walk, value: object, depth: int) -> JSON:
    return _sorted(walk.sequence(_frozenset_iter(value), depth))


def _sorted(items: list[Any]) -> list[JSON]:
    """The order of a set changes from process to process; an event should not."""
    with contextlib.suppress(TypeError):
        items.sort()
    return items


# ---- classes with a usual JSON form --------------------------------------------------------------


def _from_bytes(_walk: Walk, value: bytes | bytearray, _depth: int) -> JSON:
    return {"base64": binascii.b2a_base64(value, newline=False).decode("ascii")}


def _from_memoryview(walk: Walk, value: memoryview, depth: int) -> JSON:
    return _from_bytes(walk, value.tobytes(), depth)


def _from_enum(walk: Walk, value: Enum, depth: int) -> JSON:
    return walk.convert(value.value, depth + 1)


def _from_str(_walk: Walk, value: str, _depth: int) -> JSON:
    return clean_text(str.__str__(value))


def _from_int(_walk: Walk, value: int, _depth: int) -> JSON:
    return _integer(int.__index__(value))


def _from_float(_walk: Walk, value: float, _depth: int) -> JSON:
    return _float(float.__float__(value))


def _from_date(_walk: Walk, value: dt.datetime | dt.date | dt.time, _depth: int) -> JSON:
    return clean_text(value.isoformat())


def _from_timedelta(_walk: Walk, value: dt.timedelta, _depth: int) -> JSON:
    text: str = msgspec.to_builtins(dt.timedelta(value.days, value.seconds, value.microseconds))
    return text


def _from_printable(_walk: Walk, value: object, _depth: int) -> JSON:
    return clean_text(str(value))


def _from_array(walk: Walk, value: Any, depth: int) -> JSON:
    if value.size > MAX_ARRAY:
        return marker(value)
    listed: object = value.tolist()
    return walk.convert(listed, depth + 1)


def _from_send(walk: Walk, value: Any, depth: int) -> JSON:
    return walk.mapping([("node", value.node), ("arg", value.arg)], depth)


def _from_struct(walk: Walk, value: msgspec.Struct, depth: int) -> JSON:
    return walk.mapping(_attributes(value, value.__struct_fields__), depth)


def _from_dataclass(walk: Walk, value: Any, depth: int) -> JSON:
    return walk.mapping(_attributes(value, [f.name for f in dataclasses.fields(value)]), depth)


def _from_model(walk: Walk, value: Any, depth: int) -> JSON:
    names: list[str] = list(value.__pydantic_fields__)
    try:
        dumped: object = value.model_dump(mode="json", warnings=False)
    except STOPS:
        raise
    except BaseException:  # noqa: BLE001 -- one field that cannot be dumped must not hide the others
        return walk.mapping(_attributes(value, names), depth)
    if type(dumped) is not dict:
        return walk.convert(dumped, depth + 1)
    found = cast("dict[object, object]", dumped)
    for name in names:
        # Pydantic dumps by the declared class: a field of BaseMessage would lose its tool calls
        if name in found and _holds_message(item := getattr(value, name, None)):
            found[name] = item
    return walk.mapping(found.items(), depth)


def _holds_message(value: object) -> bool:
    if leaf_of(value) is not None or type(value) is dict:
        return False
    if type(value) in (list, tuple):
        return any(_is_message(item) for item in cast("list[object]", value))
    return _is_message(value)


def _is_message(value: object) -> bool:
    return any(base.__module__ == "langchain_core.messages.base" for base in type(value).__mro__)


def _attributes(value: object, names: Iterable[str]) -> list[tuple[object, object]]:
    """The named attributes that exist; one whose getter fails is shown as unserializable."""
    found: list[tuple[object, object]] = []
    for name in names:
        try:
            found.append((name, getattr(value, name)))
        except AttributeError:
            continue
        except STOPS:
            raise
        except BaseException as exc:  # noqa: BLE001 -- a getter of the user's
            found.append((name, marker(exc)))
    return found


_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (Enum, _from_enum),  # before str and int: StrEnum, IntEnum
    (str, _from_str),
    (int, _from_int),
    (float, _from_float),
    (dict, _from_dict),
    (list, _from_list),
    (tuple, _from_tuple),
    (set, _from_set),
    (frozenset, _from_frozenset),
    (deque, _from_deque),
    (MappingProxyType, _from_proxy),
    ((bytes, bytearray), _from_bytes),
    (memoryview, _from_memoryview),
    ((dt.date, dt.time), _from_date),
    (dt.timedelta, _from_timedelta),
    ((UUID, PurePath, Decimal), _from_printable),
    (msgspec.Struct, _from_struct),
)


def kind_of(value: object) -> Kind | None:
    """Return how ``value`` is converted, ``None`` for by ``repr`` only.

    Raises whatever the metaclass of its class raises.
    """
    cls: type = type(value)
    return _kind_of_class(cls)


@functools.lru_cache(maxsize=256)
def _kind_of_class(cls: type) -> Kind | None:
    for base, kind in _KINDS:
        if issubclass(cls, base):
            return kind
    if hasattr(cls, "__pydantic_fields__") and hasattr(cls, "model_dump"):
        return _from_model
    if hasattr(cls, "__dataclass_fields__"):
        return _from_dataclass
    package = cls.__module__.partition(".")[0]
    if package == "numpy" and hasattr(cls, "tolist"):
        return _from_array
    if package == "langgraph" and cls.__name__ == "Send":
        return _from_send
    return None
