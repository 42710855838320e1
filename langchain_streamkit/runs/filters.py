"""``include`` and ``exclude``: which events readers and sinks get.

Guarantees: ``run.*`` always passes, so every view begins and ends; numbers stay the run's own.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, cast

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import EVENT_CLASSES, BaseEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_streamkit.events import Event


def as_filter(
    include: Iterable[Any] | None, exclude: Iterable[Any] | None
) -> Callable[[Event], bool] | None:
    """A predicate over events, None when everything passes.

    Each entry is a type name (``"text.delta"``), a family (``"text"`` or ``"text.*"``) or an event
    class. Raises StreamUsageError for a name that no event has.
    """
    if include is None and exclude is None:
        return None
    wanted = set(EVENT_CLASSES) if include is None else _types("include", include)
    wanted -= _types("exclude", exclude) if exclude is not None else set()
    wanted |= {name for name in EVENT_CLASSES if name.startswith("run.")}
    passing = frozenset(wanted)

    def keep(event: Event) -> bool:
        return event.type in passing

    return keep


def _types(option: str, entries: Iterable[Any]) -> set[str]:
    if isinstance(entries, str):
        raise StreamUsageError(f"{option}={entries!r} is a string; write {option}=[{entries!r}]")
    found: set[str] = set()
    for entry in entries:
        base = _event_class(entry)
        if base is not None:
            names = {name for name, cls in EVENT_CLASSES.items() if issubclass(cls, base)}
        else:
            family = str(entry).removesuffix(".*")
            names = {
                name for name in EVENT_CLASSES if name == family or name.startswith(f"{family}.")
            }
        if not names:
            close = difflib.get_close_matches(str(entry), EVENT_CLASSES, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise StreamUsageError(f"{option}: no event has the type {entry!r}{hint}")
        found |= names
    return found


def _event_class(entry: Any) -> type[BaseEvent] | None:
    if isinstance(entry, type) and issubclass(cast("type[Any]", entry), BaseEvent):
        return cast("type[BaseEvent]", entry)
    return None
