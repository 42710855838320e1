"""Clocks of calls that somebody else makes: what a handler and ``with_sinks`` can end, and how."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_streamkit import RunTimeout, StreamCallbackHandler, Timeout, with_sinks
from langchain_streamkit.runs.leftovers import orphans
from langchain_streamkit.testing import RecordingSink, ScriptedModel, Turn, assert_legal
from tests.runs.scenes import QUESTION, answering, graph, one_node, speaking
from tests.runs.watching import WAIT_S, aeventually, eventually, run_threads, the_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clocks.turning import Hands

SOON = Timeout(total=0.1)


class Blocked:
    """A graph that answers, waits in a thread, and answers again."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.model = answering()
        self.after = answering()
        self.graph = graph(
            ("say", speaking(self.model)), ("block", self._block), ("more", speaking(self.after))
        )

    def _block(self, state: Any) -> Any:
        self.reached.set()
        self.gate.wait(WAIT_S)
        return {}


def by_handler(work: Any, sink: RecordingSink, **how: Any) -> Callable[[Any], Any]:
    handler = StreamCallbackHandler(sink, **how)
    return lambda value: work.invoke(value, {"callbacks": [handler]})


def by_with_sinks(work: Any, sink: RecordingSink, **how: Any) -> Callable[[Any], Any]:
    return with_sinks(work, sink, **how).invoke


WAYS: dict[str, Any] = {"handler": by_handler, "with_sinks": by_with_sinks}


class Calling(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[Any], Any], value: Any) -> None:
        super().__init__()
        self._call = call
        self._value = value
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._call(self._value)
        except BaseException as exc:  # noqa: BLE001 -- told to the test
            self.error = exc


@pytest.mark.parametrize("way", WAYS)
def test_the_stream_of_a_call_that_blocks_ends_after_the_grace(way: str, hands: Hands) -> None:
    blocked, sink = Blocked(), RecordingSink()
    calling = Calling(WAYS[way](blocked.graph, sink, timeout=60), QUESTION)
    assert blocked.reached.wait(WAIT_S)
    hands.turn(60.9)
    assert sink.events[-1].type != "run.failed"
    hands.turn(0.2)
    assert calling.is_alive()
    end = the_end(sink.events)
    assert (end.error.code, end.pending) == ("timeout.total", ("block",))
    blocked.gate.set()
    calling.join(WAIT_S)
    assert isinstance(calling.error, RunTimeout)
    assert len(blocked.after.calls) == 0, "a model was called when time was up"


@pytest.mark.parametrize("way", WAYS)
def test_what_the_call_returns_when_time_is_up_is_not_returned(way: str) -> None:
    gate, sink = threading.Event(), RecordingSink()
    work: Any = RunnableLambda(lambda _: gate.wait(WAIT_S))
    calling = Calling(WAYS[way](work, sink, timeout=SOON), "hi")
    eventually(lambda: "run.failed" in [event.type for event in sink.events], "the end")
    assert calling.is_alive()
    gate.set()
    calling.join(WAIT_S)
    assert isinstance(calling.error, RunTimeout)
    eventually(lambda: not run_threads(), "no thread of ours stays")


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_notices_within_the_grace_ends_with_nothing_pending(
    way: str, hands: Hands
) -> None:
    blocked, sink = Blocked(), RecordingSink()
    calling = Calling(WAYS[way](blocked.graph, sink, timeout=60), QUESTION)
    assert blocked.reached.wait(WAIT_S)
    hands.turn(60.5)
    blocked.gate.set()
    calling.join(WAIT_S)
    assert isinstance(calling.error, RunTimeout)
    assert (the_end(sink.events).error.code, the_end(sink.events).pending) == ("timeout.total", ())
    assert len(blocked.after.calls) == 0
    assert hands.running == 0


def test_a_call_that_swallows_the_error_meets_it_again(hands: Hands) -> None:
    sink, models = RecordingSink(), [answering(), answering(), answering()]

    def work(text: str) -> str:
        models[0].invoke(text)
        hands.turn(60)
        for model in models[1:]:
            with pytest.raises(RunTimeout):
                model.invoke(text)
        return "an answer all the same"

    with pytest.raises(RunTimeout):
        by_handler(RunnableLambda(work), sink, timeout=60)("hi")
    assert [len(model.calls) for model in models] == [1, 0, 0]
    assert the_end(sink.events).error.code == "timeout.total"


def test_other_calls_under_the_same_handler_have_clocks_of_their_own(hands: Hands) -> None:
    sink = RecordingSink()
    handler = StreamCallbackHandler(sink, timeout=60)
    blocked, later = Blocked(), Blocked()
    calling = Calling(lambda v: blocked.graph.invoke(v, {"callbacks": [handler]}), QUESTION)
    assert blocked.reached.wait(WAIT_S)
    hands.turn(50)
    also = Calling(lambda v: later.graph.invoke(v, {"callbacks": [handler]}), QUESTION)
    assert later.reached.wait(WAIT_S)
    hands.turn(15)
    later.gate.set()
    blocked.gate.set()
    calling.join(WAIT_S)
    also.join(WAIT_S)
    assert isinstance(calling.error, RunTimeout)
    assert also.error is None
    ends = [e.type for e in sink.events if e.type in ("run.failed", "run.finished")]
    assert sorted(ends) == ["run.failed", "run.finished"]


async def test_a_handler_of_a_silent_async_call_ends_its_stream_though_the_call_goes_on() -> None:
    model = ScriptedModel([Turn("one two", hold={1: threading.Event()})])
    handler = StreamCallbackHandler(timeout=Timeout(idle=0.05))
    call = asyncio.create_task(one_node(model).ainvoke(QUESTION, {"callbacks": [handler]}))
    events = [event async for event in handler]
    assert_legal(events)
    end = the_end(events)
    assert end.error.code == "timeout.idle"
    assert len(end.pending) == 1
    assert not call.done()
    call.cancel()
    await asyncio.wait({call})


async def test_with_sinks_leaves_a_thread_behind_and_says_so() -> None:
    gate, sink = threading.Event(), RecordingSink(async_=True)
    before = orphans()
    work = graph(("block", lambda _: {"messages": [] if gate.wait(WAIT_S) else None}))
    with pytest.raises(RunTimeout):
        await with_sinks(work, sink, timeout=SOON).ainvoke(QUESTION)
    assert the_end(sink.events).pending == ("block",)
    assert orphans() == before + 1
    gate.set()
    eventually(lambda: orphans() == before, "the thread comes back")


async def test_a_reader_who_takes_time_is_not_cancelled_but_told_at_his_next_step(
    hands: Hands,
) -> None:
    sink = RecordingSink()
    stream = with_sinks(answering("one two three"), sink, timeout=60).astream("hi")
    await anext(stream)
    hands.turn(60)
    await asyncio.sleep(0)
    with pytest.raises(RunTimeout):
        await anext(stream)
    assert the_end(sink.events).error.code == "timeout.total"


async def test_time_that_the_reader_takes_is_no_silence(hands: Hands) -> None:
    sink = RecordingSink()
    watched = with_sinks(answering("one two three"), sink, timeout=Timeout(idle=10))
    async for _ in watched.astream("hi"):
        hands.turn(30)
    assert the_end(sink.events).type == "run.finished"


async def test_a_cancel_of_others_stays_a_cancel() -> None:
    model = ScriptedModel([Turn("one two", hold={1: threading.Event()})])
    sink = RecordingSink()
    call = asyncio.create_task(with_sinks(model, sink, timeout=60).ainvoke("hi"))
    await aeventually(lambda: bool(model.calls), "the model is asked")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert the_end(sink.events).type == "run.cancelled"


async def test_a_task_whose_call_timed_out_is_not_left_cancelled() -> None:
    model = ScriptedModel([Turn("one two", hold={1: threading.Event()})])
    with pytest.raises(RunTimeout):
        await with_sinks(model, RecordingSink(), timeout=SOON).ainvoke("hi")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_an_item_of_a_batch_is_ended_at_its_next_call_and_not_the_others(
    hands: Hands,
) -> None:
    sink = RecordingSink()
    both, gates = answering(), [asyncio.Event(), asyncio.Event()]

    async def work(number: int) -> str:
        await both.ainvoke("hi")
        await gates[number].wait()
        return str((await both.ainvoke("hi")).text)

    watched = with_sinks(RunnableLambda(work), sink, timeout=60)
    call = asyncio.create_task(watched.abatch([0, 1], return_exceptions=True))
    await aeventually(lambda: len(both.calls) == 2, "both wait")
    gates[0].set()
    await aeventually(lambda: len(both.calls) == 3, "one goes on")
    await aeventually(lambda: answers(sink) == 3, "one has its answer")
    hands.turn(60)
    gates[1].set()
    outcomes = await call
    assert isinstance(outcomes[1], RunTimeout)
    assert len(both.calls) == 3


def answers(sink: RecordingSink) -> int:
    return [event.type for event in sink.events].count("message.finished")
