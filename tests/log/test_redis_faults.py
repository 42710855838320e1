"""A Redis that loses connections, answers and its memory: complete, or a clear error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as LostConnection

from langchain_streamkit import LogUnavailable, ReplayGap, RunGone
from langchain_streamkit.log import redis as redis_module
from langchain_streamkit.log import redis_hub
from tests.log.reading import Reader, lines, new_name
from tests.log.stores import redis_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.log.servers import RedisServer
    from tests.log.stores import Place


@pytest.fixture
async def own(own_redis: RedisServer) -> AsyncIterator[Place]:
    place = redis_place(own_redis.url)
    yield place
    await place.aclose()


@pytest.fixture
async def admin(own_redis: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(own_redis.url)
    yield client
    await client.aclose()


async def test_killed_connections_lose_and_double_nothing(own: Place, admin: Redis) -> None:
    log, other, name = own.log(), own.log(), new_name()
    writer = await log.open(name)
    readers = [Reader((log, other)[number % 2], name) for number in range(40)]
    for number in range(300):
        await writer.append(lines(number))
        if number % 20 == 0:
            readers.append(Reader(other, name))
        if number % 30 == 0:
            for kind in ("pubsub", "normal"):
                await admin.client_kill_filter(_type=kind, skipme=True)
    await writer.finish()
    for reader in readers:
        assert await reader.end() == lines(*range(300))


async def test_what_came_while_nobody_was_subscribed_is_read_then(
    own: Place, admin: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_hub, "FIRST_WAIT_S", 0.3)
    log, name = own.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1))
        reader = Reader(log, name)
        await reader.has(1)
        await admin.client_kill_filter(_type="pubsub", skipme=True)
        await asyncio.sleep(0.1)  # the loss is noticed, and what there was is read
        await writer.append(lines(2))
        assert await reader.has(2) == lines(1, 2)
        await reader.leave()


async def test_readers_of_a_process_share_one_subscribed_connection(
    own: Place, admin: Redis
) -> None:
    log, names = own.log(), [new_name() for _ in range(20)]
    writers = [await log.open(name) for name in names]
    readers = [Reader(log, name) for name in names for _ in range(5)]
    await asyncio.gather(*(writer.append(lines(1)) for writer in writers))
    for reader in readers:
        await reader.has(1)
    clients: list[dict[str, Any]] = await admin.client_list(_type="pubsub")
    assert [client["sub"] for client in clients] == [str(1 + len(names))]
    for reader in readers:
        await reader.leave()
    await asyncio.gather(*(writer.finish() for writer in writers))


async def test_reader_that_left_is_unsubscribed(own: Place, admin: Redis) -> None:
    log, name = own.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1))
        reader = Reader(log, name)
        await reader.has(1)
        await reader.leave()
        again = Reader(log, name)
        await again.has(1)
        await writer.append(lines(2))
        assert await again.has(2) == lines(1, 2)
        await again.leave()
        async with asyncio.timeout(10):
            while await admin.pubsub_channels("sk:{*") != []:  # noqa: ASYNC110 - the server's time
                await asyncio.sleep(0.01)


async def test_server_restarted_empty_is_a_clear_error_for_everybody(
    own: Place, own_redis: RedisServer
) -> None:
    log, other, name = own.log(), own.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1, 2))
        reader = Reader(other, name)
        await reader.has(2)
        own_redis.kill()
        own_redis.start()
        with pytest.raises(RunGone):
            await reader.end()
        with pytest.raises(RunGone):
            await writer.append(lines(3))
        with pytest.raises(RunGone):
            await other.read(name)


async def test_server_that_comes_back_in_time_is_waited_for(
    own: Place, own_redis: RedisServer
) -> None:
    log, name = own.log(), new_name()
    own_redis.kill()
    opening = asyncio.create_task(log.open(name))
    await asyncio.sleep(0.2)  # some tries, all of them refused
    own_redis.start()
    writer = await opening
    await writer.finish(lines(1))


async def test_server_that_stays_away_is_log_unavailable(
    own: Place, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, name = own.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1))
        reader = Reader(log, name)
        await reader.has(1)
        monkeypatch.setattr(redis_module, "RETRY_S", 0.2)
        own_redis.kill()
        began = asyncio.get_running_loop().time()
        for call in (writer.append(lines(2)), log.read(name), log.open(new_name())):
            with pytest.raises(LogUnavailable, match="start the server"):
                await call
        with pytest.raises(LogUnavailable):
            await reader.end()
        with pytest.raises(LogUnavailable):
            await Reader(own.log(), name).end()
        assert asyncio.get_running_loop().time() - began < 5


async def test_append_that_failed_is_brought_again_by_the_next(
    own: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, name = own.log(), new_name()
    writer = await log.open(name)
    store: Any = log.store
    attempt = store._attempt
    answers_lost = True

    async def losing(calls: Any, within_s: float) -> Any:
        replies = await attempt(calls, within_s)
        if answers_lost:
            raise LostConnection("the answer was lost")
        return replies

    monkeypatch.setattr(store, "_attempt", losing)
    monkeypatch.setattr(redis_module, "RETRY_S", 0.1)
    with pytest.raises(LogUnavailable):
        await writer.append(lines(1, 2))
    with pytest.raises(LogUnavailable):
        await writer.append(lines(3))
    answers_lost = False
    assert await writer.append(lines(4)) == 4
    await writer.finish()
    assert [entry.data for entry in await log.read(name)] == lines(1, 2, 3, 4)


async def test_events_that_redis_itself_has_lost_are_a_gap(own: Place, admin: Redis) -> None:
    log, name = own.log(), new_name()
    writer = await log.open(name)
    await writer.finish(lines(*range(10)))
    await admin.xdel(f"sk:{{{name}}}:s", "5-0")
    assert len(await log.read(name, limit=4)) == 4
    with pytest.raises(ReplayGap, match="has lost the events 5 to 5"):
        await log.read(name)
    await admin.xtrim(f"sk:{{{name}}}:s", maxlen=2, approximate=False)
    with pytest.raises(ReplayGap, match="the oldest that is kept is 9"):
        await Reader(log, name).end()
    await admin.delete(f"sk:{{{name}}}:s")
    with pytest.raises(ReplayGap):
        await Reader(log, name).end()


async def test_script_that_redis_forgot_is_told_again(own: Place, admin: Redis) -> None:
    log, name = own.log(), new_name()
    writer = await log.open(name)
    for number in range(3):
        await admin.script_flush()
        await writer.append(lines(number))
    await writer.finish()
    assert [entry.data for entry in await log.read(name)] == lines(0, 1, 2)


async def test_finished_log_is_removed_from_redis_by_itself(own: Place, admin: Redis) -> None:
    log, name = own.log(ttl_s=100), new_name()
    await (await log.open(name)).finish(lines(1))
    for key in (f"sk:{{{name}}}:m", f"sk:{{{name}}}:s"):
        assert 100_000 < await admin.pttl(key) <= 110_001


async def test_reader_that_is_cancelled_at_any_moment_stops(own: Place) -> None:
    log, name = own.log(), new_name()
    async with await log.open(name) as writer:
        await writer.append(lines(1))
        for moment in range(40):
            reading = asyncio.create_task(log.read(name))
            for _ in range(moment):
                await asyncio.sleep(0)
            if reading.cancel():
                await asyncio.wait([reading])
                assert reading.cancelled(), f"after {moment} turns of the loop"
        assert [entry.data for entry in await log.read(name)] == lines(1)


async def test_stop_that_is_asked_for_before_the_live_channel_is_there_is_heeded(
    own: Place,
) -> None:
    log, name = own.log(lease_s=3600), new_name()
    hub: Any = log.store._hub  # type: ignore[attr-defined]
    connect, asked = hub._connect, asyncio.Event()

    def connected_late() -> Any:
        connection = connect()
        really = connection.connect

        async def late() -> None:
            await asked.wait()
            await really()

        connection.connect = late
        return connection

    hub._connect = connected_late
    writer = await log.open(name)
    await log.cancel(name, "user")
    asked.set()
    async with asyncio.timeout(10):
        assert await writer.cancelled() == "user"
    await writer.finish()
