"""Limits in a Redis that loses holders, connections and its memory."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from langchain_streamkit import LimitExceeded, Limits, LimitsUnavailable
from langchain_streamkit.limits import redis as redis_module
from tests.limits.asking import admitted, new_user
from tests.test_project import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.log.servers import RedisServer

WAIT_S = 20.0


@pytest.fixture
async def admin(own_redis: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(own_redis.url)
    yield client
    await client.aclose()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_module, "TRY_S", 0.1)


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another process, or the server, does in its own time."""
    async with asyncio.timeout(WAIT_S):
        while not await fact():  # noqa: ASYNC110 - the server's time
            await asyncio.sleep(0.02)


async def is_admitted(limits: Limits, user: str) -> bool:
    try:
        await limits.admit_run(user, "next")
    except LimitExceeded:
        return False
    return True


async def taken(admin: Redis, places: int) -> None:
    """Wait until so many places are known to Redis."""

    async def known() -> bool:
        keys: list[bytes] = [key async for key in admin.scan_iter("sk:limits:*", _type="zset")]
        return sum([await admin.zcard(key) for key in keys]) == places

    await until(known)


async def test_places_of_a_process_that_is_killed_are_free_within_its_lease(
    shared_redis: RedisServer,
) -> None:
    user, lease_s = new_user(), 3.0
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.limits.holding_child"),
        *(shared_redis.url, user, "3", str(lease_s)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"held\n"
    async with Limits(concurrent_runs=3, url=shared_redis.url) as limits:
        await asyncio.sleep(lease_s * 1.2)  # a living holder keeps its places
        with pytest.raises(LimitExceeded) as caught:
            await limits.admit_run(user, "r1")
        assert caught.value.retry_after_s <= lease_s
        child.kill()
        killed = time.monotonic()
        await until(lambda: is_admitted(limits, user))
        # Its last renewal came before it was killed.
        assert time.monotonic() - killed <= lease_s + 2
        await child.wait()


async def test_of_400_at_once_at_two_servers_just_the_10_that_are_allowed_are_admitted(
    shared_redis: RedisServer,
) -> None:
    user = new_user()
    async with (
        Limits(concurrent_runs=10, url=shared_redis.url) as one,
        Limits(concurrent_runs=10, url=shared_redis.url) as two,
    ):
        holds = await admitted(
            *((one, two)[n % 2].admit_run(user, f"r{n}") for n in range(400)),
        )
        assert len(holds) == 10


async def test_killed_connections_admit_nobody_too_much_and_lose_no_place(
    own_redis: RedisServer, admin: Redis
) -> None:
    async with Limits(concurrent_runs=10, url=own_redis.url) as limits:
        for _ in range(10):
            asking = [asyncio.create_task(limits.admit_run("ann", f"r{n}")) for n in range(40)]
            await asyncio.sleep(0)
            await admin.client_kill_filter(_type="normal", skipme=True)
            holds = await admitted(*asking)
            assert len(holds) == 10
            giving = [asyncio.create_task(hold.release()) for hold in holds]
            await asyncio.sleep(0)
            await admin.client_kill_filter(_type="normal", skipme=True)
            await asyncio.gather(*giving)
        await taken(admin, 0)


async def test_script_that_redis_forgot_is_told_again(own_redis: RedisServer, admin: Redis) -> None:
    async with Limits(runs_per_minute=9, concurrent_runs=2, url=own_redis.url) as limits:
        for number in range(3):
            await admin.script_flush()
            hold = await limits.admit_run("ann", f"r{number}")
            await admin.script_flush()
            await hold.renew()
            await admin.script_flush()
            await hold.release()
        await taken(admin, 0)


@pytest.mark.usefixtures("impatient")
async def test_without_its_store_runs_are_refused_and_readers_admitted(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.kill()
    async with Limits(concurrent_runs=1, open_streams=1, url=own_redis.url) as limits:
        for _ in range(2):
            with pytest.raises(LimitsUnavailable, match=r"cannot be asked.*start the server"):
                await limits.admit_run("ann", "r1")
            await limits.open_stream("ann")
    assert "admitted without being counted" in caplog.text
    async with Limits(runs_per_minute=1, url=own_redis.url) as limits:
        with pytest.raises(LimitsUnavailable):
            await limits.admit_run("ann", "r1")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("when", "admits"), [("refuse", False), ("admit", True)])
async def test_without_its_store_both_are_refused_or_admitted_if_that_is_asked(
    when: Any, admits: Any, own_redis: RedisServer
) -> None:
    own_redis.kill()
    every: Any = {"runs_per_minute": 1, "concurrent_runs": 1, "open_streams": 1}
    async with Limits(**every, url=own_redis.url, when_unavailable=when) as limits:
        for ask in (limits.admit_run("ann", "r1"), limits.open_stream("ann")):
            if admits:
                await ask
            else:
                with pytest.raises(LimitsUnavailable):
                    await ask


async def test_a_store_that_is_away_is_told_within_seconds(own_redis: RedisServer) -> None:
    own_redis.kill()
    async with Limits(concurrent_runs=1, url=own_redis.url) as limits:
        began = time.monotonic()
        with pytest.raises(LimitsUnavailable):
            await limits.admit_run("ann", "r1")
        assert time.monotonic() - began < redis_module.TRY_S + 2 * redis_module.ANSWER_S + 1


async def test_a_store_that_says_nothing_is_told_within_seconds() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Limits(concurrent_runs=1, url=f"redis://127.0.0.1:{port}") as limits:
        began = time.monotonic()
        with pytest.raises(LimitsUnavailable):
            await limits.admit_run("ann", "r1")
        assert time.monotonic() - began < redis_module.TRY_S + 2 * redis_module.ANSWER_S + 1


async def test_a_store_that_comes_back_in_time_is_waited_for(own_redis: RedisServer) -> None:
    async with Limits(concurrent_runs=1, url=own_redis.url) as limits:
        own_redis.kill()
        asking = asyncio.create_task(limits.admit_run("ann", "r1"))
        await asyncio.sleep(0.1)  # some tries, all of them refused
        own_redis.start()
        await (await asking).release()


async def test_a_place_is_given_back_without_its_store_and_nothing_is_raised(
    own_redis: RedisServer, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with Limits(concurrent_runs=1, url=own_redis.url) as limits:
        hold = await limits.admit_run("ann", "r1")
        own_redis.kill()
        with pytest.raises(LimitsUnavailable):
            await hold.renew()
        await hold.release()
    assert "given back by the end of its lease alone" in caplog.text


async def test_store_that_was_emptied_learns_who_holds_places_with_the_next_renewal(
    own_redis: RedisServer, admin: Redis
) -> None:
    async with Limits(concurrent_runs=3, url=own_redis.url, lease_s=3) as limits:
        holds = [await limits.admit_run("ann", f"r{n}") for n in range(3)]
        own_redis.kill()
        own_redis.start()
        await taken(admin, 3)
        with pytest.raises(LimitExceeded):
            await limits.admit_run("ann", "r4")
        await asyncio.gather(*(hold.release() for hold in holds))
        await taken(admin, 0)


async def test_what_was_admitted_without_the_store_takes_its_places_when_it_is_back(
    own_redis: RedisServer, admin: Redis, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    own_redis.kill()
    async with Limits(open_streams=2, url=own_redis.url, lease_s=3) as limits:
        for _ in range(2):
            await limits.open_stream("ann")

        async def noticed() -> bool:
            return "places are not renewed" in caplog.text

        await until(noticed)
        own_redis.start()
        await taken(admin, 2)
        with pytest.raises(LimitExceeded):
            await limits.open_stream("ann")


async def test_redis_keeps_no_name_and_nothing_for_longer_than_a_lease(
    own_redis: RedisServer, admin: Redis
) -> None:
    every: Any = {"runs_per_minute": 5, "concurrent_runs": 1, "open_streams": 1}
    async with Limits(**every, url=own_redis.url, lease_s=30) as limits:
        await limits.admit_run("ann@example.org", "r1")
        await limits.open_stream("ann@example.org")
        keys: list[bytes] = [key async for key in admin.scan_iter()]
        assert len(keys) == 3
        for key in keys:
            assert key.startswith(b"sk:limits:")
            assert b"ann" not in key
            assert 0 < await admin.pttl(key) <= (120_000 if b":rate" in key else 30_000)
