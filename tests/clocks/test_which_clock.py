"""Which clock runs when, and what feeds it, with a time that is turned by hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver

from langchain_streamkit import Budget, RunTimeout, Timeout, adapt, astream, sse_bytes
from langchain_streamkit.testing import Reasoning, ScriptedModel, assert_legal
from tests.clocks.turning import Gated, Reading
from tests.runs.scenes import QUESTION, answering, asking, graph, one_node
from tests.runs.watching import aeventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.clocks.turning import Hands


def failed_by(end: Any, code: str) -> bool:
    return (end.type, getattr(end, "error", None) and end.error.code) == ("run.failed", code)


async def test_total_ends_a_run_that_talks_all_the_time(hands: Hands) -> None:
    gated = Gated(*["word "] * 10)
    reading = Reading(astream(gated.model, "hi", timeout=60))
    for _ in range(9):
        await gated.go_on()
        hands.turn(6.5)
    assert reading.run.outcome == "running"
    await gated.go_on()
    hands.turn(6.5)
    assert failed_by(await reading.end(), "timeout.total")
    assert_legal(reading.events)


async def test_a_run_whose_model_says_nothing_is_ended_by_first_token(hands: Hands) -> None:
    reading = Reading(astream(Gated("word").model, "hi", timeout=Timeout(first_token=5, idle=1)))
    await reading.saw("run.started")
    hands.turn(4.9)
    assert reading.run.outcome == "running"
    hands.turn(0.1)
    assert failed_by(await reading.end(), "timeout.first_token")
    assert_legal(reading.events)


SIGNS: dict[str, Any] = {
    "text": "word",
    "reasoning": Reasoning("hm"),
    "tool call": {"index": 0, "id": "c1", "name": "look", "args": ""},
    "image": AIMessageChunk(content=[{"type": "image", "url": "http://127.0.0.1/cat.png"}]),
}
NO_SIGNS: dict[str, Any] = {
    "empty chunk": AIMessageChunk(content=""),
    "usage": AIMessageChunk(
        content="", usage_metadata={"input_tokens": 5, "output_tokens": 0, "total_tokens": 5}
    ),
    "metadata": AIMessageChunk(content="", response_metadata={"model_name": "scripted", "id": "x"}),
}
ROUTES: dict[str, Any] = {
    "model": lambda model: (model, "hi"),
    "graph": lambda model: (one_node(model), QUESTION),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sign", SIGNS)
async def test_any_sign_of_a_model_stops_the_clock_of_the_first_token(
    hands: Hands, sign: str, route: str
) -> None:
    gated = Gated(SIGNS[sign])
    reading = Reading(astream(*ROUTES[route](gated.model), timeout=Timeout(first_token=5)))
    await gated.go_on()
    hands.turn(60)
    assert reading.run.outcome == "running"
    assert hands.running == 0, "nothing is left to look for"
    await reading.run.cancel()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sign", NO_SIGNS)
async def test_what_shows_nothing_does_not_stop_the_clock_of_the_first_token(
    hands: Hands, sign: str, route: str
) -> None:
    gated = Gated(NO_SIGNS[sign])
    reading = Reading(astream(*ROUTES[route](gated.model), timeout=Timeout(first_token=5)))
    await gated.go_on()
    hands.turn(5)
    assert failed_by(await reading.end(), "timeout.first_token")


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_answer_that_comes_whole_is_a_first_token(hands: Hands, streaming: bool) -> None:  # noqa: FBT001
    release = asyncio.Event()

    async def wait(state: Any) -> Any:
        await release.wait()
        return {}

    work = graph(("say", lambda _: {"messages": [("assistant", "hi")]}), ("wait", wait))
    if not streaming:
        work = graph(("say", one_node(answering())), ("wait", wait))
    run = astream(work, QUESTION, timeout=Timeout(first_token=5, idle=20), streaming=streaming)
    reading = Reading(run)
    await reading.saw("message.finished")
    hands.turn(19)
    assert reading.run.outcome == "running"
    hands.turn(2.5)
    assert failed_by(await reading.end(), "timeout.idle")


async def test_idle_does_not_run_before_the_first_token(hands: Hands) -> None:
    gated = Gated("one ", "two ")
    reading = Reading(astream(gated.model, "hi", timeout=Timeout(idle=10)))
    await reading.saw("run.started")
    hands.turn(1000)
    await gated.go_on()
    assert reading.run.outcome == "running"
    hands.turn(11.25)
    assert failed_by(await reading.end(), "timeout.idle")


class Unread:
    """A run that nobody reads."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self._result = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        with pytest.raises(RunTimeout):
            await self.run.result()

    async def end(self) -> Any:
        await self._result
        return self.run.snapshot


class Framed(Unread):
    """A run that is read as frames, in the reader's own task where that can be."""

    async def _wait(self) -> None:
        async for _ in sse_bytes(self.run):
            pass


READERS: dict[str, Any] = {"events": Reading, "result": Unread, "frames": Framed}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("route", ROUTES)
async def test_every_token_feeds_idle_whoever_reads(hands: Hands, route: str, reader: str) -> None:
    gated = Gated(*["word "] * 40)
    run = astream(*ROUTES[route](gated.model), timeout=Timeout(idle=10))
    reading = READERS[reader](run)
    for _ in range(40):
        await gated.go_on()
        hands.turn(9)
        assert run.outcome == "running"
    hands.turn(2)
    await reading.end()
    assert run.snapshot.error is not None
    assert run.snapshot.error.code == "timeout.idle"


PIECES: dict[str, Any] = {
    "reasoning": [Reasoning("hm ")] * 5,
    "arguments": [
        {"index": 0, "id": "c1", "name": "look", "args": ""},
        *[{"index": 0, "args": text} for text in ('{"a', '": ', "1", "}")],
    ],
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", PIECES)
async def test_reasoning_and_arguments_feed_idle_too(hands: Hands, kind: str, route: str) -> None:
    gated = Gated(*PIECES[kind])
    reading = Reading(astream(*ROUTES[route](gated.model), timeout=Timeout(idle=10)))
    for _ in PIECES[kind]:
        await gated.go_on()
        hands.turn(9)
        assert reading.run.outcome == "running"
    hands.turn(2)
    assert failed_by(await reading.end(), "timeout.idle")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sign", NO_SIGNS)
async def test_what_shows_nothing_does_not_feed_idle(hands: Hands, sign: str, route: str) -> None:
    gated = Gated("word ", NO_SIGNS[sign], NO_SIGNS[sign], NO_SIGNS[sign])
    run = astream(*ROUTES[route](gated.model), timeout=Timeout(idle=10), capture={"usage"})
    reading = Reading(run)
    await gated.go_on()
    for _ in range(3):
        hands.turn(3)
        await gated.go_on()
    hands.turn(2)
    assert failed_by(await reading.end(), "timeout.idle")


async def test_diagnostics_do_not_feed_idle(hands: Hands) -> None:
    more: asyncio.Queue[Any] = asyncio.Queue()

    async def items() -> AsyncIterator[Any]:
        async for event in ScriptedModel(["hi there"]).astream_events("hi", version="v2"):
            yield event
            if event["event"] == "on_chat_model_stream":
                break
        while True:
            yield await more.get()

    reading = Reading(adapt(items(), timeout=Timeout(idle=10)))
    await reading.saw("text.delta")
    for number in range(3):
        hands.turn(3)
        more.put_nowait({"event": f"garbage {number}"})
        await reading.saw("diagnostic", number + 1)
    hands.turn(2)
    assert failed_by(await reading.end(), "timeout.idle")


async def test_a_warning_of_a_budget_does_not_feed_idle(hands: Hands) -> None:
    gated = Gated("one ", "two ", "three ")
    budget = Budget(output_tokens=3, on_exceed="warn")
    reading = Reading(astream(gated.model, "hi", timeout=Timeout(idle=10), budget=budget))
    await gated.go_on(3)
    await reading.saw("diagnostic")
    hands.turn(11.5)
    assert failed_by(await reading.end(), "timeout.idle")


async def test_a_tool_that_says_nothing_is_idle_and_one_that_tells_is_not(hands: Hands) -> None:
    from langchain_core.callbacks import adispatch_custom_event

    tell, over = asyncio.Event(), asyncio.Event()

    async def work(state: Any) -> Any:
        await tell.wait()
        await adispatch_custom_event("progress", 1)
        await over.wait()

    run = astream(
        graph(("say", one_node(answering())), ("work", work)), QUESTION, timeout=Timeout(idle=10)
    )
    reading = Reading(run)
    await reading.saw("message.finished")
    await aeventually(lambda: "work" in str(reading.events[-1].path), "the second node")
    hands.turn(9)
    tell.set()
    await reading.saw("custom")
    hands.turn(9)
    assert run.outcome == "running"
    hands.turn(3)
    assert failed_by(await reading.end(), "timeout.idle")


async def test_a_parallel_branch_that_talks_keeps_the_run_from_being_idle(hands: Hands) -> None:
    loud, quiet = Gated(*["word "] * 5), Gated("word ", "word ")

    async def both(_: Any) -> None:
        await asyncio.gather(loud.model.ainvoke("a"), quiet.model.ainvoke("b"))

    run = astream(RunnableLambda(both), "hi", timeout=Timeout(idle=10))
    reading = Reading(run)
    await quiet.go_on()
    for _ in range(5):
        await loud.go_on()
        hands.turn(9)
    assert run.outcome == "running"
    hands.turn(2)
    assert failed_by(await reading.end(), "timeout.idle")
    assert reading.types.count("message.aborted") == 2


async def test_time_in_which_a_slow_reader_asks_for_nothing_is_no_silence(hands: Hands) -> None:
    gated = Gated(*["word "] * 3)
    run = astream(gated.model, "hi", timeout=Timeout(first_token=5, idle=10, total=100))
    frames = sse_bytes(run)
    while b"run.started" not in await anext(frames):
        pass
    hands.turn(30)
    gated.may_say()
    while b"text.delta" not in await anext(frames):
        pass
    hands.turn(30)
    assert run.outcome == "running"
    hands.turn(40)
    assert [frame async for frame in frames]
    assert run.snapshot.error is not None
    assert run.snapshot.error.code == "timeout.total"


async def test_a_run_has_one_timer_that_is_looked_at_by_time_and_not_by_token(hands: Hands) -> None:
    run = astream(
        ScriptedModel(["word " * 2000]), "hi", timeout=Timeout(total=60, first_token=5, idle=10)
    )
    assert [event async for event in run][-1].type == "run.finished"
    [ticker] = hands.tickers
    assert (ticker.starts, ticker.steps, ticker.due) == (1, 0, None)


async def test_no_clock_runs_while_a_run_waits_for_a_human_and_new_ones_when_it_goes_on(
    hands: Hands,
) -> None:
    gated = Gated("word ")
    work = graph(("ask", asking()), ("say", one_node(gated.model)), checkpointer=InMemorySaver())
    run = astream(work, QUESTION, thread_id="1", timeout=60)
    assert [event async for event in run][-1].type == "run.interrupted"
    assert hands.running == 0
    hands.turn(1000)
    resumed = run.resume({run.interrupts[0].interrupt_id: "yes"})
    reading = Reading(resumed)
    await gated.go_on()
    hands.turn(59)
    assert resumed.outcome == "running"
    hands.turn(1)
    assert failed_by(await reading.end(), "timeout.total")
