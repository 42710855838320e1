"""The table of docs/routes.md, as it is seen to be: what each route ever gave in any scenario.

``python -m tests.routes.table`` prints it; a test keeps the document equal to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from langchain_streamkit.events import EVENT_CLASSES
from tests.routes.scenes import SCENES
from tests.routes.ways import ASKED, WAYS, seen

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

Given: TypeAlias = dict[str, set[str]]
"""Event types a route gave, each with the fields that ever had another than their default value."""

COLUMNS = {
    "our_run": "`astream()`",
    "our_handler": "handler",
    "events_v2": "events v2",
    "events_v3": "events v3",
    "graph_items": "`graph.astream`",
    "remote_graph_items": "`RemoteGraph`",
}
"""The routes of the table and their headings."""

_ALWAYS = {"type", "seq", "run_id", "ts", "v"}
_INDENT = "&nbsp;" * 4
_YES, _NO = "yes", "-"


async def given() -> dict[str, Given]:
    """What every route of the table gave over all scenarios, everything captured."""
    ASKED.update(capture={"state", "checkpoints"}, output_deltas=True)
    try:
        return {route: await _by(route) for route in COLUMNS}
    finally:
        ASKED.clear()


async def _by(route: str) -> Given:
    found: Given = {}
    for scene in SCENES.values():
        for events in await seen(scene, WAYS[route]):
            _note(events, found)
    return found


def _note(events: Iterable[Event], found: Given) -> None:
    for event in events:
        fields = found.setdefault(event.type, set())
        for field in msgspec.structs.fields(event):
            if field.name not in _ALWAYS and getattr(event, field.name) != field.default:
                fields.add(field.name)


def rows(routes: dict[str, Given]) -> list[str]:
    """The lines of the table: a row for each type, and one for each field that tells routes apart.

    A field is only listed where some route gives the event and yet never that field.
    """
    lines = [
        "| event, field | " + " | ".join(COLUMNS.values()) + " |",
        "|---|" + "---|" * len(COLUMNS),
    ]
    for name in EVENT_CLASSES:
        if not any(name in one for one in routes.values()):
            continue
        lines.append(_row(f"`{name}`", [name in one for one in routes.values()]))
        having = [one[name] for one in routes.values() if name in one]
        for field in sorted({field for one in having for field in one}):
            if not all(field in one for one in having):
                has = [field in one.get(name, ()) for one in routes.values()]
                lines.append(_row(f"{_INDENT}`{field}`", has))
    return lines


def _row(head: str, cells: Iterable[bool]) -> str:
    return f"| {head} | " + " | ".join(_YES if cell else _NO for cell in cells) + " |"


if __name__ == "__main__":
    print("\n".join(rows(asyncio.run(given()))))  # noqa: T201 -- that is what it is for
