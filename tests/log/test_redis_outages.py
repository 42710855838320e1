"""A Redis that is away for a while, or for good: everything later, or an error in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import LogUnavailable
from langchain_streamkit.log import redis_hub, redis_links
from langchain_streamkit.log.redis import RETRY_S
from tests.log.proxy import Proxy
from tests.log.reading import Reader, lines, new_name
from tests.log.servers import DURABLE, RedisServer
from tests.log.stores import Place, redis_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from pathlib import Path

RUNS = 50
OUTAGE_S = 3.0


@pytest.fixture
def durable_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, *DURABLE)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def durable(durable_redis: RedisServer) -> AsyncIterator[Place]:
    place = redis_place(durable_redis.url)
    yield place
    await place.aclose()


# ---- away for a while ----------------------------------------------------------------------------


async def be_away(server: RedisServer, how: str) -> None:
    if how == "silent":
        server.pause()
        await asyncio.sleep(OUTAGE_S)
        server.resume()
    else:
        server.kill()
        await asyncio.sleep(OUTAGE_S)
        server.start()


@pytest.mark.parametrize("how", ["silent", "killed and restarted with its data"])
async def test_three_seconds_without_redis_lose_and_double_nothing_in_fifty_runs(
    durable: Place, durable_redis: RedisServer, how: str
) -> None:
    producing, reading = durable.log(), durable.log()
    writers = [await producing.open(new_name()) for _ in range(RUNS)]
    readers = [Reader(reading, writer.name) for writer in writers]
    over = asyncio.Event()
    sent: dict[str, int] = {}

    async def produce(number: int) -> None:
        writer, count = writers[number], 0
        while not over.is_set() or count < 20:
            await writer.append(lines(count))
            count += 1
            await asyncio.sleep(0.02)
        await writer.finish(lines(count))
        sent[writer.name] = count + 1

    async with asyncio.TaskGroup() as group:
        for number in range(RUNS):
            group.create_task(produce(number))
        for reader in readers:
            await reader.has(5)
        await be_away(durable_redis, how)
        for reader in readers:
            await reader.has(len(reader.entries) + 1)
        over.set()
    for writer, reader in zip(writers, readers, strict=True):
        assert await reader.end() == lines(*range(sent[writer.name]))
        assert reader.seqs == list(range(1, sent[writer.name] + 1))


async def test_server_restarted_with_its_data_goes_on_where_it_was(
    durable: Place, durable_redis: RedisServer
) -> None:
    log, other, name = durable.log(), durable.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1, 2))
        reader = Reader(other, name)
        await reader.has(2)
        durable_redis.kill()
        durable_redis.start()
        assert await other.cancel(name, "shutdown")
        await writer.append(lines(3))
        assert writer.cancel_reason == "shutdown"
        await writer.finish(lines(4))
        assert await reader.end() == lines(1, 2, 3, 4)


# ---- away for good -------------------------------------------------------------------------------


async def seconds_until_unavailable(call: Coroutine[Any, Any, object]) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(LogUnavailable, match="start the server"):
        await call
    return loop.time() - began


@pytest.mark.parametrize("how", ["silent", "killed"])
async def test_every_call_is_unavailable_after_the_time_that_is_promised(
    own_redis: RedisServer, how: str
) -> None:
    place = redis_place(own_redis.url)
    log, fresh, name = place.log(), place.log(), new_name()
    writer = await log.open(name)
    await writer.append(lines(1))
    if how == "silent":
        own_redis.pause()
    else:
        own_redis.kill()
    took = await asyncio.gather(
        *map(
            seconds_until_unavailable,
            [
                writer.append(lines(2)),
                log.read(name),
                log.open(new_name()),
                log.cancel(name),
                Reader(log, name).end(),
                Reader(fresh, name).end(),
            ],
        )
    )
    assert all(RETRY_S - 0.6 < seconds < RETRY_S + 1.5 for seconds in took), took
    await writer.aclose()
    await place.aclose()


# ---- half open -----------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_hub, "SILENCE_S", 0.2)
    monkeypatch.setattr(redis_hub, "PONG_S", 0.2)
    monkeypatch.setattr(redis_links, "ANSWER_S", 0.3)


@pytest.mark.usefixtures("impatient")
async def test_subscription_that_is_silent_without_being_closed_is_made_anew(
    own_redis: RedisServer,
) -> None:
    near, name = redis_place(own_redis.url), new_name()
    async with Proxy(own_redis.port) as proxy, await near.log().open(name) as writer:
        far = redis_place(proxy.url)
        await writer.append(lines(1))
        reader = Reader(far.log(), name)
        await reader.has(1)
        proxy.swallow()
        await writer.append(lines(2))
        assert await reader.has(2) == lines(1, 2)
        await writer.append(lines(3))
        assert await reader.has(3) == lines(1, 2, 3)
        await reader.leave()
        await far.aclose()
    await near.aclose()


@pytest.mark.usefixtures("impatient")
async def test_subscription_that_is_quiet_and_answers_is_kept(own_redis: RedisServer) -> None:
    name = new_name()
    async with Proxy(own_redis.port) as proxy:
        far = redis_place(proxy.url)
        log = far.log()
        async with await log.open(name) as writer:
            await writer.append(lines(1))
            reader = Reader(log, name)
            await reader.has(1)
            made = proxy.made
            await asyncio.sleep(1)  # several silences
            await writer.append(lines(2))
            await reader.has(2)
            assert proxy.made == made
            await reader.leave()
        await far.aclose()


@pytest.mark.usefixtures("impatient")
async def test_server_that_takes_a_connection_and_says_nothing_is_left_again(
    own_redis: RedisServer,
) -> None:
    near, name = redis_place(own_redis.url), new_name()
    async with Proxy(own_redis.port) as proxy, await near.log().open(name) as writer:
        await writer.append(lines(1))
        far = redis_place(proxy.url)
        proxy.mute = True
        reader = Reader(far.log(), name)
        async with asyncio.timeout(10):
            while not proxy.muted:  # noqa: ASYNC110 - the client's time
                await asyncio.sleep(0.01)
        proxy.mute = False
        assert await reader.has(1) == lines(1)
        await reader.leave()
        await far.aclose()
    await near.aclose()


@pytest.mark.usefixtures("impatient")
async def test_append_whose_connection_is_half_open_goes_by_another_without_a_double(
    own_redis: RedisServer,
) -> None:
    name = new_name()
    async with Proxy(own_redis.port) as proxy:
        far = redis_place(proxy.url)
        log = far.log()
        writer = await log.open(name)
        await writer.append(lines(1))
        for number in range(2, 5):
            proxy.swallow()
            await writer.append(lines(number))
        await writer.finish()
        assert [entry.data for entry in await log.read(name)] == lines(1, 2, 3, 4)
        await far.aclose()
