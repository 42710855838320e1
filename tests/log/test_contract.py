"""What every store gives a reader: everything, once, in order, from wherever it asks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import ReplayGap, RunGone
from langchain_streamkit.log import Position
from langchain_streamkit.log.feed import MOST_ENTRIES
from tests.log.reading import Reader, lines, new_name

if TYPE_CHECKING:
    from langchain_streamkit.log import Entry, EventLog
    from tests.log.stores import Place


async def everything(log: EventLog, name: str, after: Position | None = None) -> list[Entry]:
    async with aclosing(log.tail(name, after)) as tail:
        return [entry async for batch in tail for entry in batch]


# ---- reading -------------------------------------------------------------------------------------


async def test_events_are_read_in_the_order_they_were_appended(place: Place) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name) as writer:
        assert await writer.append(lines(1, 2)) == 2
        assert await writer.append(lines(3)) == 3
        entries = await log.read(name)
        assert [entry.data for entry in entries] == lines(1, 2, 3)
        assert [entry.position for entry in entries] == [
            Position(writer.generation, seq) for seq in (1, 2, 3)
        ]


async def test_every_position_gives_what_follows_it(place: Place) -> None:
    log, name = place.log(), new_name()
    writer = await log.open(name)
    await writer.append(lines(*range(1, 8)))
    await writer.finish(lines(8))
    for seq in range(9):
        found = await everything(log, name, Position(writer.generation, seq))
        assert [entry.data for entry in found] == lines(*range(seq + 1, 9))


async def test_pages_of_any_size_are_joined_by_the_position_of_the_last_event(
    place: Place,
) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(*range(10)))
        found, after = [], None
        while page := await log.read(name, after, limit=3):
            assert len(page) <= 3
            found += page
            after = page[-1].position
        assert [entry.data for entry in found] == lines(*range(10))


async def test_long_log_is_read_whole(place: Place) -> None:
    log, name = place.log(), new_name()
    writer = await log.open(name)
    await writer.finish(lines(*range(2345)))
    assert [e.data for e in await everything(log, name)] == lines(*range(2345))


async def test_any_json_is_kept_as_it_is(place: Place) -> None:
    log, name = place.log(), new_name()
    data = '{"text":"grüße \u2028 🎉 \\n \\u0000 %s"}'.encode()
    async with await log.open(name) as writer:
        reader = Reader(log, name)
        await writer.append([data])
        assert await reader.has(1) == [data]
        await reader.leave()
        assert (await log.read(name))[0].data == data


# ---- tails ---------------------------------------------------------------------------------------


async def test_tail_begun_before_during_and_after_the_run_reads_the_same(place: Place) -> None:
    log, other, name = place.log(), place.log(), new_name()
    early = Reader(other, name, wait=True)
    writer = await log.open(name)
    await writer.append(lines(1, 2))
    assert await early.has(2) == lines(1, 2)
    middle = Reader(other, name)
    await middle.has(2)
    await writer.append(lines(3))
    await writer.finish(lines(4))
    for reader in (early, middle, Reader(log, name)):
        assert await reader.end() == lines(1, 2, 3, 4)
        assert reader.seqs == [1, 2, 3, 4]


async def test_tail_is_told_at_once_of_what_is_appended(place: Place) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name) as writer:
        reader = Reader(log, name)
        for count in range(1, 6):
            await writer.append(lines(count))
            assert len(await reader.has(count)) == count
        await reader.leave()


async def test_many_tails_each_read_everything(place: Place) -> None:
    logs, name = [place.log() for _ in range(3)], new_name()
    writer = await logs[0].open(name)
    readers = [Reader(logs[number % 3], name) for number in range(30)]
    for number in range(50):
        await writer.append(lines(number))
        if number % 10 == 0:
            readers.append(Reader(logs[1], name, Position(writer.generation, 0)))
    await writer.finish()
    for reader in readers:
        assert await reader.end() == lines(*range(50))


async def test_tails_of_several_streams_do_not_mix(place: Place) -> None:
    log = place.log()
    names = [new_name() for _ in range(5)]
    writers = [await log.open(name) for name in names]
    readers = [Reader(log, name) for name in names]
    for count in range(20):
        await asyncio.gather(*(w.append(lines(f"{w.name} {count}")) for w in writers))
    for writer in writers:
        await writer.finish()
    for name, reader in zip(names, readers, strict=True):
        assert await reader.end() == lines(*(f"{name} {count}" for count in range(20)))


async def test_slow_tail_holds_little_and_loses_nothing(place: Place) -> None:
    log, name = place.log(), new_name()
    writer = await log.open(name)
    count = 5 * MOST_ENTRIES
    async with aclosing(log.tail(name)) as tail:
        await writer.append(lines(0))
        found = await anext(tail)
        for number in range(1, count):
            await writer.append(lines(number))
        await writer.finish()
        async for batch in tail:
            assert len(batch) <= 500
            found += batch
    assert [entry.data for entry in found] == lines(*range(count))


async def test_tail_that_is_left_leaves_nobody_listening(place: Place) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1))
        async with aclosing(log.tail(name)) as tail:
            await anext(tail)
        assert not vars(log.store)["_listeners"].names


# ---- what is not there ---------------------------------------------------------------------------


async def test_stream_that_was_never_written_is_gone(place: Place) -> None:
    log, name = place.log(), new_name()
    for call in (log.read(name), log.info(name), log.cancel(name), log.expire(name)):
        with pytest.raises(RunGone, match=name):
            await call
    with pytest.raises(RunGone, match=name):
        await everything(log, name)


async def test_position_beyond_the_end_is_a_gap(place: Place) -> None:
    log, name = place.log(), new_name()
    writer = await log.open(name)
    await writer.finish(lines(1, 2))
    for read in (everything(log, name, Position(writer.generation, 3)),):
        with pytest.raises(ReplayGap, match="beyond the end") as caught:
            await read
        assert caught.value.oldest == Position(writer.generation, 0)


async def test_position_of_an_earlier_log_of_the_same_name_is_a_gap(place: Place) -> None:
    log, name = place.log(), new_name()
    first = await log.open(name)
    await first.finish(lines(1, 2))
    await log.expire(name)
    second = await log.open(name)
    await second.finish(lines(1, 2, 3))
    assert first.generation != second.generation
    with pytest.raises(ReplayGap, match="another generation"):
        await everything(log, name, Position(first.generation, 1))
    assert [e.data for e in await everything(log, name)] == lines(1, 2, 3)


async def test_finished_stream_is_gone_when_its_time_is_over(place: Place) -> None:
    log, name = place.log(ttl_s=100), new_name()
    writer = await log.open(name)
    await writer.finish(lines(1))
    place.clock.turn(99)
    assert [e.data for e in await everything(log, name)] == lines(1)
    place.clock.turn(2)
    with pytest.raises(RunGone):
        await everything(log, name)


async def test_expiring_a_stream_ends_its_readers_and_its_producer(place: Place) -> None:
    log, other, name = place.log(), place.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1))
        reader = Reader(log, name)
        await reader.has(1)
        await other.expire(name)
        with pytest.raises(RunGone):
            await reader.end()
        with pytest.raises(RunGone):
            await writer.append(lines(2))


async def test_expiry_may_be_set_ahead(place: Place) -> None:
    log, name = place.log(), new_name()
    writer = await log.open(name)
    await writer.finish(lines(1))
    await log.expire(name, 10)
    place.clock.turn(9)
    await log.info(name)
    place.clock.turn(2)
    with pytest.raises(RunGone):
        await log.info(name)
