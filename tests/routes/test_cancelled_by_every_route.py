"""A run that is cancelled in mid-answer ends the same by every live route, and its model stops."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core._api import LangChainBetaWarning

from langchain_streamkit import AsyncRun, RunSnapshot, StreamCallbackHandler, adapt, astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import Turn, assert_legal
from tests.routes.ways import GRAPH_MODES
from tests.scenarios.told import HI, graph, node_of, says


async def _v3(graph: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        return await graph.astream_events(HI, version="v3")


def _items(graph: Any, **options: Any) -> Any:
    return graph.astream(HI, stream_mode=GRAPH_MODES, subgraphs=True, **options)


STARTS: dict[str, Callable[[Any], AsyncRun[Any]]] = {
    "our_run": lambda graph: astream(graph, HI),
    "events_v2": lambda graph: adapt(graph.astream_events(HI, version="v2")),
    "events_v3": lambda graph: adapt(_v3(graph)),
    "graph_items": lambda graph: adapt(_items(graph)),
    "graph_items_v2_parts": lambda graph: adapt(_items(graph, version="v2")),
    "messages_alone": lambda graph: adapt(graph.astream(HI, stream_mode="messages")),
}


def talks_until_stopped() -> tuple[Any, asyncio.Event]:
    """A graph whose model says two words and waits; and what is set when it is stopped."""
    stopped = asyncio.Event()

    class Wait:
        def is_set(self) -> bool:
            return False

    model = says(Turn("Hello you there", hold={2: Wait()}))
    speak = node_of(model)

    async def one(state: Any) -> Any:
        try:
            return await speak(state)
        except asyncio.CancelledError:
            stopped.set()
            raise

    return graph(one=one).compile(), stopped


def told(events: list[ev.Event]) -> tuple[str, list[tuple[str, str]]]:
    """The outcome, and every message with its end."""
    assert_legal(events)
    snapshot = RunSnapshot.from_events(events)
    return snapshot.outcome, [(message.text, message.status) for message in snapshot.messages]


EXPECTED = ("cancelled", [("Hello you", "aborted")])


@pytest.mark.parametrize("route", STARTS)
async def test_a_cancelled_run_is_told_the_same_and_stops_its_model(route: str) -> None:
    runnable, stopped = talks_until_stopped()
    run = STARTS[route](runnable)
    events: list[ev.Event] = []
    async with asyncio.timeout(20):
        async for event in run:
            events.append(event)
            if isinstance(event, ev.TextDelta) and event.text.endswith("you"):
                await run.cancel()
        await stopped.wait()
    assert told(events) == EXPECTED


async def test_a_call_that_is_cancelled_is_told_the_same_by_a_handler() -> None:
    runnable, stopped = talks_until_stopped()
    said = asyncio.Event()
    events: list[ev.Event] = []

    def see(event: ev.Event) -> None:
        events.append(event)
        if isinstance(event, ev.TextDelta) and event.text.endswith("you"):
            said.set()

    handler = StreamCallbackHandler(see)
    call = asyncio.create_task(runnable.ainvoke(HI, {"callbacks": [handler]}))
    async with asyncio.timeout(20):
        await said.wait()
        call.cancel()
        await stopped.wait()
        await asyncio.wait({call})
    await handler.aclose()
    assert told(events) == EXPECTED
