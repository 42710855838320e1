"""Graphs to be served."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from tests.scenarios.told import graph, node_of, says


def chat(*turns: Any, says_data: Any = None) -> Any:
    """A model that answers, in a thread."""
    answer = node_of(says(*turns, cycle=True))

    async def one(state: Any) -> Any:
        if says_data is not None:
            get_stream_writer()(says_data)
        return await answer(state)

    return graph(one=one).compile(checkpointer=InMemorySaver())


class Gate:
    """Opened from any thread; passed in a server's loop."""

    def __init__(self) -> None:
        self._open = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def passed(self) -> None:
        event = asyncio.Event()
        self._waiting.append((asyncio.get_running_loop(), event))
        if not self._open:
            await event.wait()

    def open(self) -> None:
        self._open = True
        for loop, event in self._waiting:
            loop.call_soon_threadsafe(event.set)


def gated(*turns: Any) -> tuple[Any, Gate]:
    """The same, when a gate has been opened."""
    gate = Gate()
    answer = node_of(says(*turns, cycle=True))

    async def one(state: Any) -> Any:
        await gate.passed()
        return await answer(state)

    return graph(one=one).compile(checkpointer=InMemorySaver()), gate


def gated_after(*turns: Any) -> tuple[Any, Gate]:
    """A model that answers, then a gate."""
    gate = Gate()

    async def wait(state: Any) -> None:
        await gate.passed()

    made = graph(one=node_of(says(*turns, cycle=True)), wait=wait)
    return made.compile(checkpointer=InMemorySaver()), gate


def asking_twice() -> Any:
    """Two nodes that ask at the same time."""

    def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    for name in ("one", "two"):
        builder.add_node(name, ask)
        builder.add_edge(START, name)
    return builder.compile(checkpointer=InMemorySaver())
