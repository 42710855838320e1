"""The runs of a thread, read as one log that goes on, on every store."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import NotOwner, ReplayGap
from langchain_streamkit.manager.threads import log_name
from tests.log.reading import new_name
from tests.manager.managers import WAIT_S, Talking, managing, read, speaker

if TYPE_CHECKING:
    from langchain_streamkit import RunManager
    from langchain_streamkit.manager.thread_log import ThreadRun
    from tests.log.stores import Place


async def runs_of(manager: RunManager, thread: str, count: int, **options: Any) -> list[ThreadRun]:
    reader = await manager.read_thread(thread, **options)
    found: list[ThreadRun] = []
    async with asyncio.timeout(WAIT_S), aclosing(reader.runs()) as runs:
        async for run in runs:
            found.append(run)
            if len(found) == count:
                break
    return found


async def finished(manager: RunManager, thread: str, **options: Any) -> str:
    run_id = await manager.start(speaker(), "hi", thread_id=thread, **options)
    await read(manager, run_id)
    return run_id


async def test_runs_of_a_thread_come_in_order_with_rising_numbers(place: Place) -> None:
    thread = new_name()
    async with managing(place) as one, managing(place) as other:
        ids = [await finished(manager, thread) for manager in (one, other, one)]
        found = await runs_of(other, thread, 3)
    assert [run.run_id for run in found] == ids
    numbers = [run.number for run in found]
    assert numbers == sorted(set(numbers))


async def test_reader_may_wait_for_a_thread_that_is_not_there_yet(place: Place) -> None:
    thread = new_name()
    async with managing(place) as one, managing(place) as other:
        waiting = asyncio.create_task(runs_of(one, thread, 1))
        await asyncio.sleep(0)
        run_id = await finished(other, thread)
        assert [run.run_id for run in await waiting] == [run_id]


async def test_run_is_told_of_while_it_goes_on(place: Place) -> None:
    talking, thread = Talking(), new_name()
    async with managing(place) as manager:
        run_id = await manager.start(talking.model, "hi", thread_id=thread)
        (run,) = await runs_of(manager, thread, 1)
        assert run.run_id == run_id
        assert await manager.run_number(thread, run_id) == run.number
        talking.gate.set()
        await read(manager, run_id)


async def test_run_that_waits_for_its_thread_has_no_number_yet(place: Place) -> None:
    talking, thread = Talking(), new_name()
    async with managing(place, on_busy="queue") as manager:
        first = await manager.start(talking.model, "hi", thread_id=thread)
        second = await manager.start(speaker(), "hi", thread_id=thread)
        assert await manager.run_number(thread, second) is None
        talking.gate.set()
        await read(manager, second)
        assert [run.run_id for run in await runs_of(manager, thread, 2)] == [first, second]


async def test_reading_begins_with_a_run_or_after_it(place: Place) -> None:
    thread = new_name()
    async with managing(place) as manager:
        for _ in range(3):
            await finished(manager, thread)
        every = await runs_of(manager, thread, 3)
        assert await runs_of(manager, thread, 2, at=every[1].number) == every[1:]
        assert await runs_of(manager, thread, 1, after=every[1].number) == every[2:]


async def test_run_that_is_not_known_any_more_is_a_gap(place: Place) -> None:
    thread = new_name()
    async with managing(place) as manager:
        with pytest.raises(ReplayGap):
            await manager.read_thread(thread, after=5)
        await finished(manager, thread)
        (run,) = await runs_of(manager, thread, 1)
        wrongs: list[dict[str, Any]] = [{"at": run.number - 1}, {"after": run.number + 1}]
        for wrong in wrongs:
            with pytest.raises(ReplayGap, match="no longer has run number"):
                await manager.read_thread(thread, **wrong)


async def test_runs_whose_logs_are_gone_are_left_out_or_are_a_gap(place: Place) -> None:
    thread = new_name()
    async with managing(place) as manager:
        for _ in range(2):
            await finished(manager, thread)
        first, second = await runs_of(manager, thread, 2)
        await manager.log.expire(first.run_id)
        assert await runs_of(manager, thread, 1) == [second]
        assert await runs_of(manager, thread, 1, after=first.number) == [second]
        with pytest.raises(ReplayGap):
            await manager.read_thread(thread, at=first.number)


async def test_numbers_rise_when_the_log_was_gone_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, now = new_name(), time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    async with managing(place) as manager:
        await finished(manager, thread)
        (before,) = await runs_of(manager, thread, 1)
        reader = await manager.read_thread(thread, after=before.number)
        await manager.log.expire(log_name(thread))
        now += 1
        second = await finished(manager, thread)
        async with aclosing(reader.runs()) as runs:
            after = await anext(runs)
    assert after.run_id == second
    assert after.number > before.number


async def test_thread_of_another_user_is_not_read(place: Place) -> None:
    thread = new_name()
    async with managing(place) as manager:
        waiting = asyncio.create_task(runs_of(manager, thread, 1, user="bob"))
        await asyncio.sleep(0)
        await finished(manager, thread, user="ada")
        with pytest.raises(NotOwner):
            await waiting
        with pytest.raises(NotOwner):
            await manager.read_thread(thread, user="bob")
        assert len(await runs_of(manager, thread, 1, user="ada")) == 1


async def test_run_whose_process_died_is_there_and_the_next_follows(place: Place) -> None:
    talking, thread = Talking(), new_name()
    async with managing(place) as one, managing(place) as other:
        lost = await one.start(talking.model, "hi", thread_id=thread)
        place.clock.turn(61)
        after = await finished(other, thread)
        assert [run.run_id for run in await runs_of(other, thread, 2)] == [lost, after]
        talking.gate.set()
