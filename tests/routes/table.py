"""The table of docs/routes.md, as it is seen to be: what each route ever gave in any scenario.

``python -m tests.routes.table`` prints it; a test keeps the document equal to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from langchain_streamkit import adapt
from langchain_streamkit.events import EVENT_CLASSES
from langchain_streamkit.testing import ToolCall, Turn, scripted_provider
from tests.routes.openai_parts import ASKED, COUNTED, async_sdk
from tests.routes.scenes import SCENES
from tests.routes.ways import ASKED as OPTIONS
from tests.routes.ways import WAYS, seen
from tests.scenarios.told import USAGE, calls, half

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
    "chat": "OpenAI chat",
    "responses": "OpenAI Responses",
}
"""The routes of the table and their headings."""
TURNS = (
    Turn("Hello you", reasoning="I think of it", usage=USAGE),
    calls(ToolCall("add", {"a": 1, "b": 2}, id="c1"), text="Let me add"),
    half(),
)
"""What the provider says to those who ask it themselves."""

_ALWAYS = {"type", "seq", "run_id", "ts", "v"}
_AS_SENT = {"extras"}
"""Fields that depend on the provider, not on the route."""
_OF_GRAPHS = {"path", "audience", "attempt"}
"""Fields that say nothing of a bare model."""
_INDENT = "&nbsp;" * 4
_YES, _NO = "yes", "-"


async def given() -> dict[str, Given]:
    """What every route of the table gave over all scenarios, everything captured."""
    OPTIONS.update(capture={"state", "checkpoints"}, output_deltas=True)
    try:
        return {route: await _by(route) for route in COLUMNS}
    finally:
        OPTIONS.clear()


async def _by(route: str) -> Given:
    found: Given = {}
    if route not in WAYS:
        await _by_the_sdk(route, found)
        return found
    for scene in SCENES.values():
        for events in await seen(scene, WAYS[route]):
            _note(events, found)
    return found


async def _by_the_sdk(api: str, found: Given) -> None:
    with scripted_provider(TURNS) as provider:
        async with async_sdk(provider) as client:
            for _ in TURNS:
                if api == "chat":
                    stream = client.chat.completions.create(**ASKED, **COUNTED, stream=True)
                else:
                    stream = client.responses.create(model="scripted", input="hi", stream=True)
                _note([event async for event in adapt(stream)], found)


def _note(events: Iterable[Event], found: Given) -> None:
    for event in events:
        fields = found.setdefault(event.type, set())
        for field in msgspec.structs.fields(event):
            if field.name not in _ALWAYS | _AS_SENT and getattr(event, field.name) != field.default:
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
        graphs = [one[name] for route, one in routes.items() if route in WAYS and name in one]
        for field in sorted({field for one in having for field in one}):
            if not all(field in one for one in (graphs if field in _OF_GRAPHS else having)):
                has = [field in one.get(name, ()) for one in routes.values()]
                lines.append(_row(f"{_INDENT}`{field}`", has))
    return lines


def _row(head: str, cells: Iterable[bool]) -> str:
    return f"| {head} | " + " | ".join(_YES if cell else _NO for cell in cells) + " |"


if __name__ == "__main__":
    print("\n".join(rows(asyncio.run(given()))))  # noqa: T201 -- that is what it is for
