"""Runs whose log or producer fails: they end, their readers learn it, and nothing is held."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import LogUnavailable, RunGone, RunManager, RunSnapshot, ThreadBusy
from langchain_streamkit.log import EventLog
from langchain_streamkit.log.memory import MemoryStore
from langchain_streamkit.manager import managed
from langchain_streamkit.testing import assert_legal
from langchain_streamkit.testing.waiting import await_until
from tests.log.reading import new_name
from tests.manager.managers import WAIT_S, Talking, managing, read, speaker, text_of, until_said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.log.contract import Added, Append
    from tests.log.stores import Place


class Ends:
    """An ``on_end`` that is waited for."""

    def __init__(self) -> None:
        self._ended: asyncio.Future[RunSnapshot] = asyncio.get_running_loop().create_future()

    def __call__(self, snapshot: RunSnapshot) -> None:
        self._ended.set_result(snapshot)

    async def wait(self) -> RunSnapshot:
        async with asyncio.timeout(WAIT_S):
            return await self._ended


class Flaky(MemoryStore):
    """A store that cannot be reached for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.tried = asyncio.Event()

    async def append(self, appends: Sequence[Append], /) -> list[Added]:
        if self.away:
            self.tried.set()
            raise LogUnavailable("away")
        return await super().append(appends)


async def test_run_whose_log_was_taken_away_is_stopped_and_fails(place: Place) -> None:
    talking, ended = Talking(), Ends()
    async with managing(place) as one, managing(place) as other:
        run_id = await one.start(talking.model, "hi", on_end=ended)
        await until_said(other, run_id)
        await other.log.expire(run_id)
        talking.gate.set()
        snapshot = await ended.wait()
        # The model may have said its last word before anybody could know.
        assert snapshot.outcome in {"failed", "finished"}
        with pytest.raises(RunGone):
            await other.status(run_id)


async def test_run_that_was_closed_as_lost_is_stopped_by_its_own_process(place: Place) -> None:
    talking, ended = Talking(), Ends()
    async with managing(place) as one, managing(place) as other:
        run_id = await one.start(talking.model, "hi", on_end=ended)
        await until_said(other, run_id)
        place.clock.turn(61)
        await other.log.close_lost(run_id)
        events = await read(other, run_id)
        assert_legal(events)
        assert events[-1].type == "run.failed"
        assert events[-1].error.code == "producer_lost"
        talking.gate.set()
        assert (await ended.wait()).outcome in {"failed", "finished"}
        assert await read(other, run_id) == events


async def test_log_that_is_away_for_a_moment_loses_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(managed, "_AGAIN_S", 0.01)
    store, talking = Flaky(), Talking()
    async with RunManager(log=EventLog(store)) as manager:
        run_id = await manager.start(talking.model, "hi")
        await until_said(manager, run_id)
        store.away = True
        talking.gate.set()
        await asyncio.wait_for(store.tried.wait(), WAIT_S)
        store.away = False
        events = await read(manager, run_id)
        assert_legal(events)
        assert text_of(events) == "first second"


async def test_log_that_stays_away_ends_the_run_and_frees_what_it_held(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(managed, "_AGAIN_S", 0.01)
    monkeypatch.setattr(managed, "PATIENCE_S", 0.05)
    store, talking, ended = Flaky(), Talking(), Ends()
    async with RunManager(log=EventLog(store)) as manager:
        run_id = await manager.start(talking.model, "hi", on_end=ended)
        await until_said(manager, run_id)
        store.away = True
        talking.gate.set()
        await ended.wait()
        await await_until(lambda: not manager.active_runs, WAIT_S, lambda: repr(manager))
        assert run_id in caplog.text
        store.away = False


async def test_run_whose_resources_fail_to_close_still_tells_its_end(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    thread, held = new_name(), AsyncExitStack()

    def fail() -> None:
        raise ValueError("the connection was closed already")

    held.callback(fail)
    async with managing(place) as manager:
        run_id = await manager.start(speaker(), "hi", thread_id=thread, held=held)
        assert (await read(manager, run_id))[-1].type == "run.finished"
        assert await manager.active(thread) is None
    assert "the connection was closed already" in caplog.text


async def test_run_that_cannot_have_its_thread_tells_so(place: Place) -> None:
    """Two users name the same new thread at the same moment: one of them gets it."""
    thread, model = new_name(), speaker()
    async with managing(place, on_busy="queue") as manager:
        run_ids = await asyncio.gather(
            *(manager.start(model, "hi", user=user, thread_id=thread) for user in ("ada", "bob"))
        )
        runs = [await read(manager, run_id) for run_id in run_ids]
        for events in runs:
            assert_legal(events)
        assert {events[-1].type for events in runs} == {"run.finished", "run.failed"}
        assert len(model.calls) == 1


async def test_run_that_is_not_started_holds_nothing(place: Place) -> None:
    thread, talking = new_name(), Talking()
    closed: list[str] = []

    async def held() -> Any:
        stack = AsyncExitStack()
        stack.callback(closed.append, "closed")
        return stack

    async with managing(place) as manager:
        first = await manager.start(talking.model, "hi", thread_id=thread, held=await held())
        await until_said(manager, first)
        with pytest.raises(ThreadBusy):
            await manager.start(speaker(), "hi", thread_id=thread, held=await held())
        assert closed == ["closed"]
        talking.gate.set()
        await read(manager, first)
        assert closed == ["closed", "closed"]
