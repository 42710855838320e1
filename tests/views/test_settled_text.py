"""``text(settled=True)``: nothing is said that is taken back later."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from langchain_streamkit import RunSnapshot, astream, stream
from langchain_streamkit import events as ev
from langchain_streamkit.runs.views.selection import Selection
from langchain_streamkit.runs.views.settled_feed import SettledTextFeed
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.runs.scenes import (
    QUESTION,
    Boom,
    State,
    answering,
    graph,
    one_node,
    raising,
    side_by_side,
    speaking,
)
from tests.runs.watching import WAIT_S, aeventually
from tests.views.reading import aread, two_voices

AT_ONCE: dict[str, Any] = {"wait_exponential_jitter": False}


def failing_once() -> Any:
    """A step that passes the second time."""
    tries = iter([True])

    def step(value: Any) -> Any:
        if next(tries, False):
            raise Boom("first time")
        return value

    return RunnableLambda(step)


async def settled(runnable: Any, value: Any = QUESTION, **options: Any) -> tuple[list[str], Any]:
    run = astream(runnable, value, **options)
    text, _ = await asyncio.gather(aread(run.text(settled=True)), aread(run))
    late = await aread(run.text(settled=True))
    assert late == text
    return text, run


async def test_p1_a_fallback_gives_the_second_answer_alone() -> None:
    first = ScriptedModel([Turn("a0 a1 a2", fail_after=3)])
    model = first.with_fallbacks([answering("b0 b1")])
    assert (await settled(one_node(model)))[0] == ["b0 b1"]


async def test_p2_a_retry_gives_the_last_answer_alone() -> None:
    model = ScriptedModel([Turn("half", fail_after=1), "the whole answer"])
    assert (await settled(one_node(model.with_retry(**AT_ONCE))))[0] == ["the whole answer"]


async def test_p2_a_finished_answer_whose_chain_is_retried_never_comes() -> None:
    model = ScriptedModel(["wrong", "right"])
    chain = (model | failing_once()).with_retry(**AT_ONCE)
    text, run = await settled(one_node(chain))
    assert text == ["right"]
    assert [m.status for m in run.snapshot.messages] == ["retracted", "finished"]


async def test_p2_a_finished_answer_whose_node_has_a_retry_policy_never_comes() -> None:
    model = ScriptedModel(["wrong", "right"])
    check = failing_once()

    async def node(state: State) -> Any:
        answer = await model.ainvoke(state["messages"])
        return {"messages": [await check.ainvoke(answer)]}

    builder: StateGraph[State] = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=Boom)
    builder.add_node("node", node, retry_policy=policy)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    text, run = await settled(builder.compile())
    assert text == ["right"]
    assert [m.status for m in run.snapshot.messages] == ["retracted", "finished"]


async def test_answers_of_a_graph_that_is_retried_never_come_though_their_nodes_ended_well() -> (
    None
):
    model = ScriptedModel(["wrong", "right"])
    whole = graph(("say", speaking(model)), ("check", failing_once()))
    text, _ = await settled(whole.with_retry(**AT_ONCE))
    assert text == ["right"]


async def test_without_it_the_text_of_the_attempt_that_died_was_given_already() -> None:
    gate = asyncio.Event()
    model = ScriptedModel([["half ", gate, Boom("x")], "whole"])
    run = astream(one_node(model.with_retry(**AT_ONCE)), QUESTION)
    text = aiter(run.text)
    assert await anext(text) == "half "
    gate.set()
    assert await aread(text) == ["whole"]


async def test_unread_text_of_an_attempt_that_died_is_not_given() -> None:
    model = ScriptedModel([Turn("half half", fail_after=2), "whole"])
    run = astream(one_node(model.with_retry(**AT_ONCE)), QUESTION)
    text = aiter(run.text)
    await run.result()
    assert await aread(text) == ["whole"]


async def test_text_settles_when_its_node_has_ended_and_the_next_still_speaks() -> None:
    gate = asyncio.Event()
    slow = ScriptedModel([[gate, "later"]])
    run = astream(
        graph(("a", speaking(answering("now"), "a")), ("b", speaking(slow, "b"))), QUESTION
    )
    text = aiter(run.text(settled=True))
    async with asyncio.timeout(WAIT_S):
        assert await anext(text) == "now"
    gate.set()
    assert await aread(text) == ["later"]


async def test_text_does_not_settle_while_its_node_can_still_fail() -> None:
    gate = asyncio.Event()
    after = asyncio.Event()

    async def node(state: State) -> Any:
        answer = await answering("now").ainvoke(state["messages"])
        after.set()
        await gate.wait()
        return {"messages": [answer]}

    run = astream(graph(("node", node)), QUESTION)
    waiting = asyncio.ensure_future(aread(run.text(settled=True)))
    async with asyncio.timeout(WAIT_S):
        await after.wait()
    await aeventually(lambda: run.snapshot.text == "now", "the end of the message")
    assert not run._core.normaliser.settled
    gate.set()
    assert await waiting == ["now"]


async def test_a_bare_model_and_a_chain_settle_with_the_run() -> None:
    assert (await settled(answering("a b"), "hi"))[0] == ["a b"]
    assert (await settled(answering("a b") | RunnableLambda(str), "hi"))[0] == ["a b"]


async def test_a_message_that_stands_when_the_run_fails_comes_at_the_end() -> None:
    text, run = await settled(
        graph(("say", speaking(answering("said"))), ("x", raising(Boom("x"))))
    )
    assert text == ["said"]
    assert run.outcome == "failed"


async def test_settled_text_can_be_filtered() -> None:
    run = astream(two_voices(), QUESTION)
    assert await aread(run.text(node="second", settled=True)) == ["Four five"]


def test_settled_text_of_a_plain_run_is_each_message_whole() -> None:
    run = stream(two_voices(), QUESTION)
    assert list(run.text(settled=True)) == ["One two three", "Four five"]


@pytest.mark.parametrize("times", range(3))
async def test_settled_text_of_parallel_branches_is_each_message_whole(times: int) -> None:
    text, _ = await settled(side_by_side(speaking(answering("one two three"))))
    assert text == ["one two three"] * 4


def test_a_message_that_settles_before_its_events_come_here_keeps_its_turn() -> None:
    normalised: list[str] = []
    feed = SettledTextFeed(Selection(), normalised)
    feed.join(RunSnapshot())
    told = told_by(answering("One"))
    other = told_by(answering("Two"))
    ids = [one.message_id for one in (*told, *other) if isinstance(one, ev.MessageStarted)]
    normalised += ids
    assert list(feed.take()) == []
    feed.feed(other[:-1])
    assert list(feed.take()) == ["Two"]
    feed.feed(told[:-1])
    assert list(feed.take()) == ["One"]


def told_by(model: Any) -> list[ev.Event]:
    return list(stream(model, "hi"))
