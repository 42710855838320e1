"""What the guarantees are shown with: graphs that hurt elsewhere, and what a reader makes of them.

Everything read here has been checked to be a legal stream.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from langgraph.graph import START, MessagesState, StateGraph

from langchain_streamkit import events as ev
from langchain_streamkit.testing import RecordingSink, assert_legal
from tests.runs.watching import WAIT_S
from tests.scenarios.told import graph, node_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from langchain_streamkit import AsyncRun
    from langchain_streamkit.events import Event


async def all_of(run: AsyncRun[Any]) -> list[Event]:
    """Every event of a run that ends by itself."""
    async with asyncio.timeout(WAIT_S):
        return legal([event async for event in run])


def legal(events: Sequence[Event]) -> list[Event]:
    """The events, checked."""
    assert_legal(events)
    return list(events)


def of(kind: type[ev.BaseEvent] | tuple[type[ev.BaseEvent], ...], events: Iterable[Event]) -> Any:
    """Those of one class, or of several."""
    return [event for event in events if isinstance(event, kind)]


def on_screen(events: Iterable[Event]) -> list[str]:
    """The texts of messages as a page shows them that obeys the stream, in their order."""
    texts: dict[str, str] = {}
    for event in events:
        match event:
            case ev.MessageStarted(audience="user"):
                texts[event.message_id] = ""
            case ev.TextDelta() if event.message_id in texts:
                texts[event.message_id] += event.text
            case ev.MessageAborted() | ev.MessageRetracted():
                texts.pop(event.message_id, None)
            case _:
                pass
    return [text for text in texts.values() if text]


def side_by_side(**nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    """A graph of messages whose nodes all begin at once; compile it."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder


def asked_in_a_node(model: Any) -> Any:
    """A graph whose only node asks the model with ``ainvoke``."""
    return graph(writer=node_of(model)).compile()


# ---- ways to leave a run that has begun to speak -------------------------------------------------


async def _cancelled(run: AsyncRun[Any]) -> None:
    async for event in run:
        if event.type == "text.delta":
            await run.cancel()


async def _timed_out(run: AsyncRun[Any]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None) as timeout:
            async for event in run:
                if event.type == "text.delta":
                    timeout.reschedule(0)


async def _broken_out_of(run: AsyncRun[Any]) -> None:
    async with run:
        async for event in run:
            if event.type == "text.delta":
                break


async def _task_cancelled(run: AsyncRun[Any]) -> None:
    spoke = asyncio.Event()

    async def read() -> None:
        async for event in run:
            if event.type == "text.delta":
                spoke.set()

    task = asyncio.create_task(read())
    await spoke.wait()
    task.cancel()
    await asyncio.wait([task])


LEAVING: dict[str, Callable[[AsyncRun[Any]], Awaitable[None]]] = {
    "cancel": _cancelled,
    "timeout": _timed_out,
    "break": _broken_out_of,
    "task cancelled": _task_cancelled,
}


async def left(leave: Callable[[AsyncRun[Any]], Awaitable[None]], run: AsyncRun[Any]) -> None:
    """Leave the run in one of these ways, and wait until it has ended."""
    async with asyncio.timeout(WAIT_S):
        await leave(run)
        with contextlib.suppress(Exception):
            await run.result()


def recorded() -> RecordingSink:
    """A sink that is drained before the run ends, so that it has all of a run that is left."""
    return RecordingSink(async_=True)
