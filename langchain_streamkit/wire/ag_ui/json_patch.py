"""The difference of two JSON documents as a JSON Patch: https://www.rfc-editor.org/rfc/rfc6902.

Guarantees: applied to ``old``, the operations give ``new``, ``true`` and ``1`` kept apart; they are
``add``, ``remove`` and ``replace`` only; equal documents have none. Time and size grow with the
documents, not with their square: in a list, what stands before and behind the place that changed
is left as it is, which is how messages are appended and cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

Operation: TypeAlias = dict[str, Any]


def difference(old: object, new: object) -> list[Operation]:
    """Return the operations that make ``new`` of ``old``, both plain JSON."""
    return list(_difference(old, new, ""))


def _difference(old: object, new: object, at: str) -> Iterator[Operation]:
    objects, lists = (_object(old), _object(new)), (_list(old), _list(new))
    match objects, lists:
        case (dict() as before, dict() as after), _:
            yield from _of_objects(before, after, at)
        case _, (list() as before, list() as after):
            yield from _of_lists(before, after, at)
        case _ if not _same(old, new):
            yield {"op": "replace", "path": at, "value": new}
        case _:
            pass


def _of_objects(old: dict[str, object], new: dict[str, object], at: str) -> Iterator[Operation]:
    for key in old:
        if key not in new:
            yield {"op": "remove", "path": f"{at}/{_token(key)}"}
    for key, value in new.items():
        where = f"{at}/{_token(key)}"
        if key in old:
            yield from _difference(old[key], value, where)
        else:
            yield {"op": "add", "path": where, "value": value}


def _of_lists(old: list[object], new: list[object], at: str) -> Iterator[Operation]:
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and _same(old[head], new[head]):
        head += 1
    tail = 0
    while tail < shorter - head and _same(old[-1 - tail], new[-1 - tail]):
        tail += 1
    old_end, new_end = len(old) - tail, len(new) - tail
    both = min(old_end, new_end)
    for place in range(head, both):
        yield from _difference(old[place], new[place], f"{at}/{place}")
    for place in reversed(range(both, old_end)):
        yield {"op": "remove", "path": f"{at}/{place}"}
    for place in range(both, new_end):
        yield {"op": "add", "path": f"{at}/{place}", "value": new[place]}


def _same(one: object, other: object) -> bool:
    """Whether two JSON values are the same; for Python, ``True == 1``."""
    if one is other:
        return True
    objects, lists = (_object(one), _object(other)), (_list(one), _list(other))
    match objects, lists:
        case (dict() as a, dict() as b), _:
            return len(a) == len(b) and all(key in b and _same(a[key], b[key]) for key in a)
        case _, (list() as a, list() as b):
            return len(a) == len(b) and all(map(_same, a, b))
        case _:
            return isinstance(one, bool) is isinstance(other, bool) and one == other


def _object(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
