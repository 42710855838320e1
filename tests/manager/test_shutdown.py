"""The end of a process: what becomes of its runs, their readers, and of those who come too late."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from langchain_streamkit import RunManager, ShuttingDown, StreamUsageError, astream
from langchain_streamkit.log import open_log
from langchain_streamkit.manager import ending
from langchain_streamkit.manager.draining import drain_of, on_signal
from langchain_streamkit.testing import assert_legal
from langchain_streamkit.testing.waiting import ahold, await_until
from tests.manager.managers import WAIT_S, Talking, managing, read, speaker, until_said

if TYPE_CHECKING:
    from langchain_streamkit import RunSnapshot
    from langchain_streamkit.log.contract import Answer, Claim
    from tests.log.stores import Place


class Steps(TypedDict):
    done: list[str]


class TwoSteps:
    """A graph whose first step waits until it is let go on."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        builder = StateGraph(Steps)
        builder.add_node("first", self._first)
        builder.add_node("second", self._second)
        builder.add_edge(START, "first")
        builder.add_edge("first", "second")
        builder.add_edge("second", END)
        self.graph: Any = builder.compile(checkpointer=InMemorySaver())

    async def _first(self, state: Steps) -> Steps:
        self.begun.set()
        await ahold(self.gate)
        return {"done": ["first"]}

    def _second(self, state: Steps) -> Steps:
        return {"done": [*state["done"], "second"]}


async def until(event: threading.Event) -> None:
    async with asyncio.timeout(WAIT_S):
        await ahold(event)


async def test_graph_is_stopped_after_its_present_step_and_goes_on_later(place: Place) -> None:
    two = TwoSteps()
    async with managing(place) as reader:
        manager = RunManager(log=place.log(), shutdown_grace_s=WAIT_S)
        run_id = await manager.start(two.graph, {"done": []}, thread_id="t")
        await until(two.begun)
        closing = manager.shut_down()
        with pytest.raises(ShuttingDown):
            await manager.start(speaker(), "hi")
        two.gate.set()
        await closing
        events = await read(reader, run_id)
        assert_legal(events)
        assert events[-1].type == "run.cancelled"
        assert events[-1].reason == "shutdown"
        state = await two.graph.aget_state({"configurable": {"thread_id": "t"}})
        assert state.next == ("second",)
        run = astream(two.graph, None, thread_id="t")
        assert await run.result() == {"done": ["first", "second"]}


async def test_run_that_cannot_be_drained_is_stopped_after_the_grace(place: Place) -> None:
    talking = Talking()
    async with managing(place) as reader:
        manager = RunManager(log=place.log(), shutdown_grace_s=0.05)
        run_id = await manager.start(talking.model, "hi")
        await until_said(reader, run_id)
        async with asyncio.timeout(WAIT_S):
            await manager.aclose()
        events = await read(reader, run_id)
        assert_legal(events)
        assert events[-1].type == "run.cancelled"
        assert events[-1].reason == "shutdown"


async def test_run_that_ends_within_the_grace_ends_well(place: Place) -> None:
    talking = Talking()
    async with managing(place) as reader:
        manager = RunManager(log=place.log(), shutdown_grace_s=WAIT_S)
        run_id = await manager.start(talking.model, "hi")
        await until_said(reader, run_id)
        closing = manager.shut_down()
        talking.gate.set()
        await closing
        assert (await read(reader, run_id))[-1].type == "run.finished"


async def test_run_that_waits_for_its_thread_is_stopped_too(place: Place) -> None:
    talking = Talking()
    async with managing(place) as reader:
        manager = RunManager(log=place.log(), shutdown_grace_s=0.05, on_busy="queue")
        first = await manager.start(talking.model, "hi", thread_id="t2")
        second = await manager.start(talking.model, "hi", thread_id="t2")
        async with asyncio.timeout(WAIT_S):
            await manager.aclose()
        for run_id in (first, second):
            assert (await read(reader, run_id))[-1].type == "run.cancelled"
        assert await reader.active("t2") is None


async def test_run_that_is_being_started_as_the_process_ends_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = place.log()
    claim, claimed, answered = log.store.claim, asyncio.Event(), asyncio.Event()

    async def answering_late(wish: Claim) -> Answer:
        answer = await claim(wish)
        claimed.set()
        await answered.wait()
        return answer

    monkeypatch.setattr(log.store, "claim", answering_late)
    manager = RunManager(log=log, shutdown_grace_s=0)
    model = speaker()
    starting = asyncio.ensure_future(manager.start(model, "hi", thread_id="t3"))
    async with asyncio.timeout(WAIT_S):
        await claimed.wait()
        await manager.shut_down()
        answered.set()
        with pytest.raises(ShuttingDown):
            await starting
        assert await manager.active("t3") is None
        await manager.aclose()
    assert not model.calls


async def test_run_whose_on_end_hangs_does_not_keep_the_process(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ending, "END_S", 0.05)
    let_go = asyncio.Event()

    async def hang(snapshot: RunSnapshot) -> None:
        await let_go.wait()

    async with managing(place) as reader:
        manager = RunManager(log=place.log(), shutdown_grace_s=0.05, on_end=hang)
        run_id = await manager.start(speaker(), "hi")
        assert (await read(reader, run_id))[-1].type == "run.finished"
        async with asyncio.timeout(WAIT_S):
            await manager.aclose()
        assert run_id in caplog.text
        let_go.set()
        await await_until(lambda: not manager.active_runs, WAIT_S, lambda: repr(manager))


async def test_readers_are_sent_away_when_the_runs_of_the_process_have_ended() -> None:
    talking = Talking()
    manager = RunManager(shutdown_grace_s=WAIT_S)
    run_id = await manager.start(talking.model, "hi")
    await until_said(manager, run_id)
    farewell = asyncio.ensure_future(manager.farewell())
    closing = manager.shut_down()
    await asyncio.sleep(0)
    assert not farewell.done()
    talking.gate.set()
    await closing
    await farewell
    await manager.aclose()


async def test_manager_lives_again_with_the_next_application() -> None:
    """As with an application of a module that two tests begin, one after the other."""
    manager = RunManager()
    for _ in range(2):
        async with manager.lifespan():
            run_id = await manager.start(speaker(), "hi")
            assert (await read(manager, run_id))[-1].type == "run.finished"
        with pytest.raises(ShuttingDown):
            await manager.start(speaker(), "hi")


async def test_manager_whose_log_has_ended_with_it_says_so_to_the_next_application() -> None:
    manager = RunManager(log=open_log("memory://"))
    async with manager.lifespan():
        pass
    with pytest.raises(StreamUsageError, match="another URL"):
        async with manager.lifespan():
            pass


def test_signal_is_told_to_us_and_then_to_the_server() -> None:
    told: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append("server"))
    try:
        undo = on_signal(lambda: told.append("us"))
        signal.raise_signal(signal.SIGTERM)
        assert told == ["us", "server"]
        undo()
        signal.raise_signal(signal.SIGTERM)
        assert told == ["us", "server", "server"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_signal_that_nobody_handles_keeps_its_meaning() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        on_signal(lambda: None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_only_graphs_can_be_drained() -> None:
    assert drain_of(speaker()) is None
    assert drain_of(TwoSteps().graph) is not None
