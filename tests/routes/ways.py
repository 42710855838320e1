"""The ways to see a scene: by our own run, by our handler, and by adapting every other stream."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core._api import LangChainBetaWarning
from langchain_core.load import dumps
from langgraph.stream.transformers import CustomTransformer
from langgraph.types import Command

from langchain_streamkit import StreamCallbackHandler, adapt, astream
from langchain_streamkit.values import to_plain
from tests.routes.remote import frames_of, remote_graph
from tests.routes.scenes import DISPATCHED, HANDED_ON, THROWN_AWAY, UNHEARD, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import Event
    from tests.routes.projection import Projection
    from tests.routes.scenes import Scene

Way: TypeAlias = Callable[[Any, Any, dict[str, Any]], Awaitable["list[Event]"]]
"""Runs a graph on an input with a config, and gives the events."""

WAYS: dict[str, Way] = {}


ASKED: dict[str, Any] = {}
"""Further options of every run: nothing, unless a test asks for more."""


def told_of(source: Any) -> Any:
    return adapt(source, **ASKED)


def way(run: Way) -> Way:
    WAYS[run.__name__] = run
    return run


async def seen(scene: Scene, way: Way) -> list[list[Event]]:
    """The events of a scene, a list for each run of it."""
    graph = scene.make()
    config: dict[str, Any] = {"configurable": {"thread_id": "t"}}
    streams = [await way(graph, scene.value, config)]
    if scene.answers is not None:
        streams.append(await way(graph, Command(resume=scene.answers), config))
    return streams


async def _all(run: Any) -> list[Event]:
    return [event async for event in run]


async def recorded(stream: Any) -> list[Any]:
    """The items of a stream that may fail."""
    items: list[Any] = []
    with contextlib.suppress(Exception):
        async for item in stream:
            items.append(item)  # noqa: PERF401 -- those before the failure are kept
    return items


@way
async def our_run(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    given: Any = config
    return await _all(astream(graph, value, given, **ASKED))


@way
async def our_handler(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    handler = StreamCallbackHandler(capture=ASKED.get("capture", ()))
    with contextlib.suppress(Exception):
        await graph.ainvoke(value, {**config, "callbacks": [handler]})
    return list(handler)


# ---- astream_events(version="v2") ----------------------------------------------------------------


def _v2(graph: Any, value: Any, config: dict[str, Any]) -> Any:
    """The events, with what nodes write, which is only in the root's chunks when asked for."""
    return graph.astream_events(value, config, version="v2", stream_mode=["updates", "custom"])


@way
async def events_v2(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _all(told_of(_v2(graph, value, config)))


@way
async def events_v2_recorded(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return list(told_of(await recorded(_v2(graph, value, config))))


@way
async def events_v2_as_json(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _through_json(
        _v2(graph, value, config), lambda item: json.dumps(item, default=plain)
    )


@way
async def events_v2_by_dumps(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _through_json(_v2(graph, value, config), dumps)


@way
async def events_v2_as_text(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    def written(item: Any) -> str:
        return json.dumps(item, default=lambda one: plain(one) if _is_pydantic(one) else str(one))

    return await _through_json(_v2(graph, value, config), written)


async def _through_json(stream: Any, written: Callable[[Any], str]) -> list[Event]:
    """Each item is written when it comes, as a recorder does, and read later."""
    lines: list[str] = []
    with contextlib.suppress(Exception):
        async for item in stream:
            lines.append(written(item))  # noqa: PERF401 -- those before the failure are kept
    return list(told_of([json.loads(line) for line in lines]))


def plain(value: Any) -> Any:
    """What people give to ``json.dumps`` as ``default``."""
    if _is_pydantic(value):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def _is_pydantic(value: Any) -> bool:
    return hasattr(value, "model_dump") and not isinstance(value, type)


# ---- graph.astream, graph.stream, RemoteGraph ----------------------------------------------------

_END: Any = object()
GRAPH_MODES = ["messages", "updates", "custom", "tasks", "tools"]
"""What the docs recommend for ``graph.astream``, with ``subgraphs=True``."""


def _items(
    graph: Any, value: Any, config: dict[str, Any], call: str = "astream", **options: Any
) -> Any:
    run = getattr(graph, call)
    return run(value, config, stream_mode=GRAPH_MODES, subgraphs=True, **options)


@way
async def graph_items(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _all(told_of(_items(graph, value, config)))


@way
async def graph_items_v2_parts(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _all(told_of(_items(graph, value, config, version="v2")))


@way
async def graph_items_recorded(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return list(told_of(await recorded(_items(graph, value, config))))


@way
async def graph_items_sync(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    """As ``graph.stream`` gives them; the nodes of the scenes are async, so in a loop of theirs."""

    def items() -> Iterator[Any]:
        with asyncio.Runner() as runner:
            stream = _items(graph, value, config)
            while (item := runner.run(anext(stream, _END))) is not _END:
                yield item

    return await asyncio.to_thread(lambda: list(told_of(items())))


@way
async def remote_graph_items(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    async with remote_graph(await frames_of(_items(graph, value, config))) as remote:
        return await _all(told_of(_items(remote, value, config)))


@way
async def remote_graph_items_sync(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    async with remote_graph(await frames_of(_items(graph, value, config))) as remote:
        items = _items(remote, value, config, call="stream")
        return await asyncio.to_thread(lambda: list(told_of(items)))


# ---- astream_events(version="v3") ----------------------------------------------------------------


async def v3_stream(graph: Any, value: Any, config: dict[str, Any]) -> Any:
    """The v3 stream of a graph with what ``get_stream_writer()`` writes; it warns of its beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        return await graph.astream_events(
            value, config, version="v3", transformers=[CustomTransformer]
        )


@way
async def events_v3(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _all(told_of(await v3_stream(graph, value, config)))


@way
async def events_v3_recorded(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return list(told_of(await recorded(await v3_stream(graph, value, config))))


@way
async def events_v3_json(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    items = await recorded(await v3_stream(graph, value, config))
    return list(told_of(json.loads(json.dumps(to_plain(items)))))


# ---- what a route cannot tell --------------------------------------------------------------------


def everything(projection: Projection) -> Projection:
    """A route that can tell all there is."""
    return projection


def _custom_in_any_order(projection: Projection) -> Projection:
    """What nodes write comes through the root's chunks, later than what they dispatch."""
    return projection._replace(custom=sorted(projection.custom, key=repr))


def _no_stream_mode_tells(projection: Projection) -> Projection:
    """Events dispatched by hand, models tagged ``nostream``, and that a retry inside a node threw
    away a whole answer.
    """
    return projection._replace(
        custom=[data for data in projection.custom if data != DISPATCHED],
        messages=[
            message for message in projection.messages if message.text not in (THROWN_AWAY, UNHEARD)
        ],
    )


def _v3_does_not_tell(projection: Projection) -> Projection:
    """Nor which node a message comes from that is handed to another graph."""
    told = _no_stream_mode_tells(projection)
    return told._replace(
        messages=[
            message._replace(node="") if message.text == HANDED_ON else message
            for message in told.messages
        ]
    )


def _no_callback_tells(projection: Projection) -> Projection:
    """What a node writes to LangGraph's stream, which nobody reads under ``ainvoke``."""
    return projection._replace(custom=[data for data in projection.custom if data != WRITTEN])


LACKS: dict[str, Callable[[Projection], Projection]] = {
    "our_handler": _no_callback_tells,
    **{name: _custom_in_any_order for name in WAYS if name.startswith("events_v2")},
    **{name: _no_stream_mode_tells for name in WAYS if "graph_items" in name},
    **{name: _v3_does_not_tell for name in WAYS if name.startswith("events_v3")},
}
"""What is left out of the comparison, for each route that by no means can know it."""
