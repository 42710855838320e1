"""Logs that go on over several runs: one for each thread, read before, between and during runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import Fenced, ReplayGap, check_stream
from langchain_streamkit.events import decode_event
from langchain_streamkit.log import Position
from tests.foundation.samples import whole_run
from tests.log.reading import Reader, jsons, lines, new_name
from tests.wire.story import short_run

if TYPE_CHECKING:
    from langchain_streamkit.log import EventLog
    from tests.log.stores import Place


async def one_run(log: EventLog, name: str, *texts: str) -> None:
    writer = await log.open(name, run_id=texts[0], lasting=True)
    await writer.finish(lines(*texts))


async def test_reader_who_came_before_any_run_reads_all_of_them(place: Place) -> None:
    log, other, name = place.log(), place.log(), new_name()
    reader = Reader(other, name, wait=True)
    await one_run(log, name, "a1", "a2")
    assert await reader.has(2) == lines("a1", "a2")
    await one_run(log, name, "b1")
    await one_run(other, name, "c1")
    assert await reader.has(4) == lines("a1", "a2", "b1", "c1")
    assert reader.seqs == [1, 2, 3, 4]
    assert not reader.task.done()
    await reader.leave()


async def test_only_one_run_at_a_time_writes_a_thread(place: Place) -> None:
    log, name = place.log(), new_name()
    writer = await log.open(name, run_id="one", lasting=True)
    with pytest.raises(Fenced) as caught:
        await log.open(name, run_id="two", lasting=True)
    assert caught.value.run_id == "one"
    await writer.finish(lines(1))
    second = await log.open(name, run_id="two", lasting=True)
    await second.finish()


async def test_info_says_where_the_present_run_began(place: Place) -> None:
    log, name = place.log(), new_name()
    await one_run(log, name, "a1", "a2")
    assert (await log.info(name)).state == "idle"
    async with await log.open(name, run_id="b", lasting=True) as writer:
        await writer.append(lines("b1"))
        info = await log.info(name)
        assert (info.run_id, info.start, info.top, info.state) == ("b", 3, 3, "running")
        begun = Position(info.generation, info.start - 1)
        assert [entry.data for entry in await log.read(name, begun)] == lines("b1")


async def test_run_that_was_lost_is_closed_before_the_next_one_begins(place: Place) -> None:
    log, name = place.log(lease_s=60), new_name()
    await (await log.open(name, run_id="r0", lasting=True)).finish(jsons(short_run(run_id="r0")))
    lost = await log.open(name, run_id="run-1", lasting=True)
    await lost.append(jsons(whole_run()[:12]))
    reader = Reader(log, name)
    place.clock.turn(61)
    after = await log.open(name, run_id="r2", lasting=True)
    await after.finish(jsons(short_run(run_id="r2")))
    with pytest.raises(Fenced):
        await lost.append(lines("too late"))
    count = (await log.info(name)).top
    await reader.has(count)
    await reader.leave()
    await lost.aclose()
    runs: dict[str, list[object]] = {}
    for data in reader.data:
        event = decode_event(data)
        runs.setdefault(event.run_id, []).append(event)
    assert list(runs) == ["r0", "run-1", "r2"]
    for events in runs.values():
        assert check_stream(events) == []  # type: ignore[arg-type]
    assert runs["run-1"][-1].type == "run.failed"  # type: ignore[attr-defined]


async def test_run_that_was_lost_before_its_first_event_leaves_the_thread_idle(
    place: Place,
) -> None:
    log, name = place.log(lease_s=60), new_name()
    await one_run(log, name, "a1")
    lost = await log.open(name, run_id="b", lasting=True)
    await lost.aclose()
    place.clock.turn(61)
    assert await log.close_lost(name)
    assert (await log.info(name)).state == "idle"
    await one_run(log, name, "c1")
    assert [entry.data for entry in await log.read(name)] == lines("a1", "c1")


async def test_earlier_runs_are_trimmed_when_one_begins(place: Place) -> None:
    log, name = place.log(keep=3), new_name()
    await one_run(log, name, "a1", "a2", "a3", "a4", "a5")
    generation = (await log.info(name)).generation
    await one_run(log, name, "b1", "b2")
    assert (await log.info(name)).oldest == 3
    kept = await log.read(name, Position(generation, 2))
    assert [entry.data for entry in kept] == lines("a3", "a4", "a5", "b1", "b2")
    for after in (None, Position(generation, 1)):
        with pytest.raises(ReplayGap, match="no longer has") as caught:
            await log.read(name, after)
        assert caught.value.oldest == Position(generation, 2)
        with pytest.raises(ReplayGap):
            await Reader(log, name, after).end()


async def test_log_trimmed_under_a_slow_reader_is_a_gap(place: Place) -> None:
    log, name = place.log(keep=2), new_name()
    await one_run(log, name, "a1", "a2")
    tail = log.tail(name)
    first = await anext(tail)
    assert [entry.data for entry in first] == lines("a1", "a2")
    for run in range(3):
        await one_run(log, name, *(f"{run} {number}" for number in range(300)))
    with pytest.raises(ReplayGap):
        [batch async for batch in tail]


async def test_present_run_is_never_trimmed(place: Place) -> None:
    log, name = place.log(keep=0), new_name()
    await one_run(log, name, *(str(number) for number in range(50)))
    assert len(await log.read(name)) == 50


async def test_cancel_of_one_run_does_not_stop_the_next(place: Place) -> None:
    log, name = place.log(), new_name()
    writer = await log.open(name, run_id="a", lasting=True)
    assert await log.cancel(name)
    await writer.finish()
    assert not await log.cancel(name)
    async with await log.open(name, run_id="b", lasting=True) as second:
        await second.append(lines(1))
        assert second.cancel_reason is None
