"""Plain JSON out of anything: what makes every event encodable whatever the user's objects are.

``to_plain`` never raises, never returns an object the user can still change, and is idempotent;
what it returns encodes with ``msgspec.json`` and decodes to an equal value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from langchain_streamkit.kinds import JSON, copied_marker, kind_of, leaf_of, marker
from langchain_streamkit.text import STOPS, TextJoiner, clean_text, short_repr

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["JSON", "MAX_CONTAINERS", "MAX_DEPTH", "TextJoiner", "clean_text", "to_plain"]

MAX_DEPTH = 64
"""Containers nested deeper are shown by their ``repr``."""
MAX_CONTAINERS = 1 << 20
"""Containers in one value; the rest is shown by ``repr`` (shared references can blow up)."""


def to_plain(value: object) -> JSON:
    """Return ``value`` as plain JSON values that share nothing mutable with it.

    Messages and Pydantic models as ``model_dump(mode="json")``, dataclasses as objects, Enum by
    value, dates and durations ISO 8601, bytes ``{"base64": …}``, sets and tuples lists, NaN and
    infinities null, integers beyond 2^53 strings, keys strings. Anything else, a cycle and what
    lies deeper than ``MAX_DEPTH`` becomes ``{"repr": …, "unserializable": true}``. Never raises.
    """
    leaf = leaf_of(value)
    if leaf is not None:
        return leaf(value)
    try:
        return _Walk().convert(value, 1)
    except STOPS:
        raise
    except BaseException:  # noqa: BLE001 -- the caller's stack is nearly used up
        return marker(value)


class _Walk:
    """One conversion: the containers it is inside of, and how many more it may make."""

    __slots__ = ("inside", "left")

    def __init__(self) -> None:
        self.inside: set[int] = set()
        self.left = MAX_CONTAINERS

    def convert(self, value: object, depth: int) -> JSON:
        leaf = leaf_of(value)
        if leaf is not None:
            return leaf(value)
        if depth > MAX_DEPTH or self.left <= 0 or id(value) in self.inside:
            return copied_marker(value) or marker(value)
        self.left -= 1
        self.inside.add(id(value))
        try:
            kind = kind_of(value)
            return marker(value) if kind is None else kind(self, value, depth)
        except STOPS:
            raise
        except BaseException:  # noqa: BLE001 -- whatever user code inside a conversion raises
            return marker(value)
        finally:
            self.inside.discard(id(value))

    def mapping(self, items: Iterable[tuple[object, object]], depth: int) -> dict[str, JSON]:
        out: dict[str, JSON] = {}
        for key, item in items:
            name = key if type(key) is str and key.isascii() else _name(key)
            if name in out:
                name = _free_name(name, out)
            # Most items are plain as they are; a call for each is what a long history would cost.
            if item is None or (type(item) is str and item.isascii()):
                out[name] = item
            else:
                out[name] = self.convert(item, depth + 1)
        return out

    def sequence(self, items: Iterable[object], depth: int) -> list[JSON]:
        return [self.convert(item, depth + 1) for item in items]


def _name(key: object) -> str:
    plain = to_plain(key)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, (dict, list)):
        return short_repr(key)
    return msgspec.json.encode(plain).decode()


def _free_name(name: str, taken: dict[str, JSON]) -> str:
    """Two keys of the user's that are one string in JSON: neither value is lost."""
    number = 2
    while f"{name}#{number}" in taken:
        number += 1
    return f"{name}#{number}"
