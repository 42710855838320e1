"""The ways to see a scene: by our own run, by our handler, and by adapting every other stream."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core._api import LangChainBetaWarning
from langgraph.stream.transformers import CustomTransformer
from langgraph.types import Command

from langchain_streamkit import StreamCallbackHandler, adapt, astream
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from langchain_streamkit.events import Event
    from tests.routes.scenes import Scene

Way: TypeAlias = Callable[[Any, Any, dict[str, Any]], Awaitable["list[Event]"]]
"""Runs a graph on an input with a config, and gives the events."""

WAYS: dict[str, Way] = {}

LACKS: dict[str, frozenset[str]] = {}
"""What a route can by no means know, by its name: fields of ``project``'s ``lacks``."""


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
    return await _all(astream(graph, value, given))


@way
async def our_handler(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    handler = StreamCallbackHandler()
    with contextlib.suppress(Exception):
        await graph.ainvoke(value, {**config, "callbacks": [handler]})
    return list(handler)


@way
async def events_v2(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _all(adapt(graph.astream_events(value, config, version="v2")))


async def v3_stream(graph: Any, value: Any, config: dict[str, Any]) -> Any:
    """The v3 stream of a graph with what ``get_stream_writer()`` writes; it warns of its beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        return await graph.astream_events(
            value, config, version="v3", transformers=[CustomTransformer]
        )


@way
async def events_v3(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return await _all(adapt(await v3_stream(graph, value, config)))


@way
async def events_v3_recorded(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    return list(adapt(await recorded(await v3_stream(graph, value, config))))


@way
async def events_v3_json(graph: Any, value: Any, config: dict[str, Any]) -> list[Event]:
    items = await recorded(await v3_stream(graph, value, config))
    return list(adapt(json.loads(json.dumps(to_plain(items)))))


LACKS |= dict.fromkeys(
    ("events_v3", "events_v3_recorded", "events_v3_json"), frozenset({"retractions", "dispatched"})
)
