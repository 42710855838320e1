"""A run whose time is up is not tried again, and ends once, whatever else ends it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from langchain_streamkit import (
    Budget,
    BudgetExceeded,
    ReaderOverflow,
    RunCancelled,
    RunTimeout,
    Timeout,
    astream,
    stream,
)
from langchain_streamkit.runs.leftovers import orphans
from langchain_streamkit.testing import RecordingSink, ScriptedModel, Turn
from tests.runs.scenes import QUESTION, State, answering, endless, graph, one_node, speaking
from tests.runs.watching import WAIT_S, eventually, run_threads, the_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clocks.turning import Hands

SOON = Timeout(idle=0.05)


def silent() -> ScriptedModel:
    """A model that says a word and no more."""
    return ScriptedModel([Turn("one two", hold={1: threading.Event()})], cycle=True)


def in_graph(model: Any) -> Any:
    builder: StateGraph[State] = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.001, max_attempts=5, retry_on=BaseException)  # type: ignore[arg-type]
    builder.add_node("speak", speaking(model), retry_policy=policy)
    builder.add_edge(START, "speak")
    builder.add_edge("speak", END)
    return builder.compile()


AGAIN: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "retry policy": lambda model, _: (in_graph(model), QUESTION),
    "with_retry": lambda model, _: (
        model.with_retry(
            retry_if_exception_type=(BaseException,),
            stop_after_attempt=5,
            wait_exponential_jitter=False,
        ),
        "hi",
    ),
    "fallbacks": lambda model, other: (
        model.with_fallbacks([other], exceptions_to_handle=(Exception,)),
        "hi",
    ),
    "retry middleware": lambda model, _: (
        create_agent(model, [], middleware=[ModelRetryMiddleware(initial_delay=0.001)]),
        QUESTION,
    ),
    "fallback middleware": lambda model, other: (
        create_agent(model, [], middleware=[ModelFallbackMiddleware(other)]),
        QUESTION,
    ),
}


@pytest.mark.parametrize("again", AGAIN)
async def test_nothing_tries_again_when_time_is_up(again: str) -> None:
    model, other = silent(), answering()
    runnable, value = AGAIN[again](model, other)
    run = astream(runnable, value, timeout=SOON)
    end = the_end([event async for event in run])
    assert (end.type, end.error.code) == ("run.failed", "timeout.idle")
    assert (len(model.calls), len(other.calls)) == (1, 0)


@pytest.mark.parametrize("again", AGAIN)
def test_nothing_tries_again_in_plain_code_either(again: str, hands: Hands) -> None:
    model, other = endless(), answering()
    runnable, value = AGAIN[again](model, other)
    run = stream(runnable, value, timeout=60)
    events = []
    for event in run:
        events.append(event)
        if event.type == "text.delta" and hands.running:
            threading.Thread(target=hands.turn, args=(60,)).start()
            eventually(lambda: not hands.running, "the clock was turned")
    end = the_end(events)
    assert (end.type, end.error.code) == ("run.failed", "timeout.total")
    assert (len(model.calls), len(other.calls)) == (1, 0)
    assert end.pending == ()


async def test_a_budget_that_stops_first_is_what_is_told(hands: Hands) -> None:
    run = astream(endless(), "hi", timeout=60, budget=Budget(output_tokens=3))
    end = the_end([event async for event in run])
    assert (end.type, end.reason) == ("run.cancelled", "budget")
    with pytest.raises(BudgetExceeded):
        await run.result()
    assert hands.running == 0


async def test_a_clock_that_stops_first_is_what_is_told() -> None:
    run = astream(silent(), "hi", timeout=SOON, budget=Budget(output_tokens=1000))
    end = the_end([event async for event in run])
    assert end.error.code == "timeout.idle"


async def test_a_cancelled_run_stays_cancelled_when_its_time_is_up(hands: Hands) -> None:
    release = asyncio.Event()

    async def stubborn(_: Any) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                hands.turn(61)

    run = astream(RunnableLambda(stubborn), "hi", timeout=60)
    async with asyncio.timeout(WAIT_S):
        async with run:
            await asyncio.sleep(0)
        release.set()
        with pytest.raises(RunCancelled):
            await run.result()
    assert hands.running == 0


async def test_a_reader_that_falls_behind_is_what_is_told_before_the_clock(hands: Hands) -> None:
    async def chatter(_: Any) -> None:
        from langchain_core.callbacks import adispatch_custom_event

        for number in range(100):
            await adispatch_custom_event("noise", number)

    run = astream(RunnableLambda(chatter), "hi", timeout=60, max_unread=10)
    await run.started()
    events = [event async for event in run]
    assert the_end(events).error.code == "reader_overflow"
    with pytest.raises(ReaderOverflow):
        await run.result()
    assert hands.running == 0


async def test_sinks_and_on_end_are_told_once() -> None:
    sink, ends = RecordingSink(async_=True), list[Any]()

    async def on_end(snapshot: Any) -> None:
        ends.append((snapshot.outcome, snapshot.error.code))

    run = astream(silent(), "hi", sinks=[sink], on_end=on_end, timeout=SOON)
    read = [event async for event in run]
    assert tuple(read) == sink.events
    assert sink.closes == 1
    assert ends == [("failed", "timeout.idle")]


def blocking(gate: threading.Event) -> Any:
    def block(state: Any) -> Any:
        gate.wait(WAIT_S)
        return {}

    return graph(("say", speaking(answering())), ("block", block))


async def test_a_plain_node_that_cannot_be_stopped_is_pending_and_counted() -> None:
    gate = threading.Event()
    before = orphans()
    run = astream(blocking(gate), QUESTION, timeout=SOON)
    end = the_end([event async for event in run])
    assert (end.error.code, end.pending) == ("timeout.idle", ("block",))
    assert run.snapshot.pending == ("block",)
    assert orphans() == before + 1
    with pytest.raises(RunTimeout) as caught:
        await run.result()
    assert caught.value.__notes__ == ["still running: block"]
    gate.set()
    eventually(lambda: orphans() == before, "the thread comes back")


def test_a_run_in_plain_code_that_cannot_be_stopped_ends_after_the_grace() -> None:
    gate, ends = threading.Event(), list[Any]()
    before = orphans()
    began = time.monotonic()
    run = stream(blocking(gate), QUESTION, timeout=SOON, on_end=ends.append)
    end = the_end(list(run))
    assert time.monotonic() - began < 5
    assert (end.error.code, end.pending) == ("timeout.idle", ("block",))
    assert [one.outcome for one in ends] == ["failed"]
    assert orphans() == before + 1
    with pytest.raises(RunTimeout):
        run.result()
    gate.set()
    eventually(lambda: orphans() == before, "the thread comes back")
    eventually(lambda: not run_threads(), "no thread of ours stays")


async def test_nothing_is_left_of_the_clock_of_a_run_that_has_ended() -> None:
    run = astream(one_node(answering()), QUESTION, timeout=Timeout(total=3600, idle=600))
    assert the_end([event async for event in run]).type == "run.finished"
    alive = [one for one in gc.get_objects() if type(one) is asyncio.TimerHandle]
    assert [one for one in alive if not one.cancelled() and "Ticker" in repr(one)] == []


def test_the_thread_of_a_clock_ends_with_its_run() -> None:
    run = stream(one_node(answering()), QUESTION, timeout=3600)
    assert the_end(list(run)).type == "run.finished"
    eventually(lambda: not run_threads(), "no thread of ours stays")
