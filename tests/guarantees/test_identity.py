"""Who said it and what for: calls, tools and messages are told apart, and each is told once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer

from langchain_streamkit import astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ToolCall
from tests.guarantees.pains import all_of, asked_in_a_node, of, on_screen
from tests.scenarios.told import HI, calls, graph, says

TOOL_EVENTS = (ev.ToolStarted, ev.ToolProgress, ev.ToolFinished, ev.ToolFailed, ev.Custom)


async def test_every_event_of_two_tools_that_overtake_each_other_names_its_call() -> None:
    second_is_done = asyncio.Event()

    @tool
    async def look(place: str) -> str:
        """Report, and let the second call end first."""
        get_stream_writer()(place)
        if place == "here":
            await second_is_done.wait()
        await adispatch_custom_event("looked", place)
        if place == "there":
            second_is_done.set()
            raise ValueError("nothing there")
        return place

    wanted = [ToolCall("look", {"place": place}, id=place) for place in ("here", "there")]
    agent = create_agent(says(calls(*wanted), "Done"), [look], middleware=[forgiving()])
    events = of(TOOL_EVENTS, await all_of(astream(agent, HI)))
    for call, end in (("here", "tool.finished"), ("there", "tool.failed")):
        mine = [event for event in events if event.tool_call_id == call]
        assert [event.type for event in mine] == ["tool.started", "custom", "custom", end]
        assert [event.data for event in of(ev.Custom, mine)] == [call, call]
    assert len(events) == 8


def forgiving() -> Any:
    """Middleware for which a failing tool is an answer."""
    from langchain.agents.middleware import ToolRetryMiddleware

    return ToolRetryMiddleware(max_retries=0, initial_delay=0.0)


# ---- messages ------------------------------------------------------------------------------------


def rewrapped(model: Any) -> Any:
    """A node that makes a message of its own of the model's answer."""

    async def node(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        return {"messages": [AIMessage(answer.content)]}

    return node


async def test_an_answer_stored_under_another_id_is_not_told_again_as_history() -> None:
    worker = graph(writer=rewrapped(says("First", "Second"))).compile(name="worker")

    async def supervise(state: Any) -> dict[str, Any]:
        return {"messages": (await worker.ainvoke(state))["messages"]}

    async def again(state: Any) -> dict[str, Any]:
        return {"messages": state["messages"]}

    chat = graph(supervisor=supervise, again=again).compile(checkpointer=InMemorySaver())
    assert on_screen(await all_of(astream(chat, HI, thread_id="t"))) == ["First"]
    assert on_screen(await all_of(astream(chat, HI, thread_id="t"))) == ["Second"]


# ---- tool calls in chunks ------------------------------------------------------------------------


def piece(**fields: Any) -> dict[str, Any]:
    return fields


UNLABELLED = [
    piece(name="add", id="c1", args=""),
    piece(args='{"a": 1,'),
    piece(args=' "b": 2}'),
]
BY_ID = [
    piece(name="add", id="c1", args='{"a": '),
    piece(name="add", id="c2", args='{"a": '),
    piece(id="c1", args='1, "b": 2}'),
    piece(id="c2", args='3, "b": 4}'),
]


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        (UNLABELLED, {"c1": {"a": 1, "b": 2}}),
        (BY_ID, {"c1": {"a": 1, "b": 2}, "c2": {"a": 3, "b": 4}}),
    ],
    ids=["one call", "two calls that interleave"],
)
async def test_call_chunks_without_an_index_are_joined_where_langchain_loses_the_arguments(
    chunks: Any, wanted: Any
) -> None:
    model = says(chunks, cycle=True)
    assert [call["args"] for call in (await model.ainvoke("hi")).tool_calls] != list(
        wanted.values()
    )
    finished = of(ev.ToolCallFinished, await all_of(astream(asked_in_a_node(model), HI)))
    assert {call.tool_call_id: call.args for call in finished} == wanted
    assert [call.invalid for call in finished] == [None] * len(wanted)
