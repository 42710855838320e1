"""Short words for scenario tests: make a graph, run something, get its story."""

from __future__ import annotations

import contextlib
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from langchain_streamkit import StreamCallbackHandler, astream, stream
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn
from tests.scenarios.story import story

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from langchain_streamkit.events import Event

HI: dict[str, Any] = {"messages": [("user", "hi")]}
"""The input of a graph of messages."""
USAGE = {"input_tokens": 10, "output_tokens": 5}


def lines(text: str) -> list[str]:
    """The lines of an indented block."""
    return dedent(text).strip().splitlines()


def says(*turns: Any, **options: Any) -> ScriptedModel:
    """A model that answers with these turns, one a call."""
    return ScriptedModel(turns, **options)


def calls(*wanted: ToolCall, text: str = "") -> Turn:
    """A turn that asks for tools."""
    return Turn(text, tool_calls=wanted)


def half() -> Turn:
    """A turn that dies after its first token, ``Half``."""
    return Turn("Half answer", fail_after=1)


def graph(**nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    """A graph of messages with these nodes in a line; compile it."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder


def node_of(model: Runnable[Any, Any]) -> Any:
    """A node that asks ``model`` and stores its answer."""

    async def node(state: Any) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return node


def sync_node_of(model: Runnable[Any, Any]) -> Any:
    """The same in plain code."""

    def node(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    return node


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
async def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@tool
def broken(a: int) -> int:
    """Fail."""
    raise ValueError("no")


async def events_of(runnable: Any, value: Any = "hi", **options: Any) -> list[Event]:
    """All events of a run; its own error is not raised."""
    return [event async for event in astream(runnable, value, **options)]


async def told(runnable: Any, value: Any = "hi", **options: Any) -> list[str]:
    """The story of ``astream``."""
    return story(await events_of(runnable, value, **options))


def told_sync(runnable: Any, value: Any = "hi", **options: Any) -> list[str]:
    """The story of ``stream``."""
    return story(stream(runnable, value, **options))


async def told_by_handler(runnable: Any, value: Any = "hi", **config: Any) -> list[str]:
    """The story of a handler attached to ``ainvoke``."""
    handler = StreamCallbackHandler()
    with contextlib.suppress(Exception):  # the story tells it
        await runnable.ainvoke(value, {**config, "callbacks": [handler]})
    return story(handler)
