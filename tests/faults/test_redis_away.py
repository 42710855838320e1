"""Redis restarted empty, restarted with its data, and away for three seconds, under load."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.app import word
from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete, total
from tests.faults.processes import eventually
from tests.faults.sizes import TIMES
from tests.log.servers import DURABLE, RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.processes import WebProcess

RUNS = 10
AWAY_S = 3.0


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, *DURABLE)
    server.start()
    yield server
    server.kill()


def start(crowd: Crowd, processes: list[WebProcess], words: int, pause_s: float) -> list[str]:
    """Ten runs of two processes, with fifty readers at both."""
    runs = [processes[number % 2].start_run(words, pause_s) for number in range(RUNS)]
    ports = [process.port for process in processes]
    for number in range(RUNS * 5):
        first = number // RUNS % 2
        crowd.add(Follower([ports[first], ports[1 - first]], runs[number % RUNS]))
    return runs


async def test_redis_restarted_empty_is_told_to_every_reader_and_ends_the_runs(
    own_redis: RedisServer, web: Callable[..., WebProcess]
) -> None:
    processes = [web(own_redis.url) for _ in range(2)]
    async with Crowd() as crowd:
        runs = start(crowd, processes, 2_000, 0.02)
        await crowd.has(lambda one: one.received > 10)
        own_redis.kill()
        own_redis.start()
        back = time.monotonic()
        await crowd.end()
        told_s = max(one.ended_at for one in crowd.followers) - back
        ended_s = eventually(lambda: not any(process.state()["runs"] for process in processes))
    assert {one.error["code"] for one in crowd.followers} == {"run_gone"}
    assert total(crowd.followers, "lost") == total(crowd.followers, "doubled") == 0
    assert processes[0].ask("GET", f"/runs/{runs[0]}")[0] == 404
    again = processes[0].start_run(3, 0)
    eventually(lambda: processes[1].status(again)["status"] == "finished")
    tell(
        "Redis restarted empty",
        readers=len(crowd.followers),
        told_gone=len(crowd.followers),
        told_after_s=told_s,
        runs_stopped_after_s=told_s + ended_s,
    )


async def test_redis_restarted_with_its_data_loses_and_doubles_nothing(
    durable: RedisServer, web: Callable[..., WebProcess]
) -> None:
    processes = [web(durable.url) for _ in range(2)]
    words = 150 * TIMES
    async with Crowd() as crowd:
        start(crowd, processes, words, 0.02)
        await crowd.has(lambda one: one.received > 10)
        durable.kill()
        durable.start()
        back = time.time()
        had = {one: one.received for one in crowd.followers}
        await crowd.has(lambda one: one.received > had[one])
        again_s = max(one.moment for one in crowd.followers) - back
        await crowd.end()
    finished(crowd, words)
    tell("Redis restarted with its data", **complete(crowd.followers), again_after_s=again_s)


@pytest.mark.parametrize("how", ["silent", "refusing"])
async def test_redis_away_for_three_seconds_loses_and_doubles_nothing(
    durable: RedisServer, web: Callable[..., WebProcess], how: str
) -> None:
    processes = [web(durable.url) for _ in range(2)]
    words = 150 * TIMES
    async with Crowd() as crowd:
        start(crowd, processes, words, 0.02)
        await crowd.has(lambda one: one.received > 10)
        (durable.pause if how == "silent" else durable.kill)()
        await asyncio.sleep(AWAY_S)
        (durable.resume if how == "silent" else durable.start)()
        back = time.time()
        had = {one: one.received for one in crowd.followers}
        await crowd.has(lambda one: one.received > had[one])
        again_s = max(one.moment for one in crowd.followers) - back
        await crowd.end()
    finished(crowd, words)
    tell(f"Redis {how} for 3 s", **complete(crowd.followers), again_after_s=again_s)


def finished(crowd: Crowd, words: int) -> None:
    assert {one.outcome for one in crowd.followers} == {"run.finished"}
    assert {one.text for one in crowd.followers} == {"".join(map(word, range(words)))}
