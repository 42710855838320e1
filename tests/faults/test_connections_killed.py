"""Connections cut at random, on both sides of the web processes, under many readers."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from tests.faults.app import word
from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete
from tests.faults.sizes import TIMES, chance
from tests.log.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.processes import WebProcess
    from tests.log.servers import RedisServer

READERS = 200
RUNS = 4
CUTS_EVERY_S = 0.2


async def test_connections_cut_at_random_lose_and_double_nothing_for_two_hundred_readers(
    shared_redis: RedisServer, web: Callable[..., WebProcess]
) -> None:
    random = chance()
    words = 200 * TIMES
    cut = {"clients": 0, "redis": 0}
    async with Proxy(shared_redis.port) as redis, Crowd() as crowd:
        # Starting a process blocks this loop, and with it the proxy.
        processes = [await asyncio.to_thread(web, redis.url) for _ in range(2)]
        fronts = [Proxy(process.port) for process in processes]
        async with fronts[0], fronts[1]:
            ports = [front.port for front in fronts]
            runs = [
                await asyncio.to_thread(processes[number % 2].start_run, words, 0.015)
                for number in range(RUNS)
            ]

            def reader(number: int) -> Follower:
                """Every fifth one is slow."""
                pause_s = 0.0 if number % 5 else 0.03
                first = number % 2
                return Follower(
                    [ports[first], ports[1 - first]], runs[number % RUNS], pause_s=pause_s
                )

            crowd.add(*(reader(number) for number in range(READERS // 2)))
            late = iter(range(READERS // 2, READERS))
            while not all(one.ended_at for one in crowd.followers):
                crowd.add(*(reader(number) for number in islice(late, 10)))
                for front in fronts:
                    cut["clients"] += front.cut(lambda: random.random() < 0.1)
                cut["redis"] += redis.cut(lambda: random.random() < 0.03)
                await asyncio.sleep(CUTS_EVERY_S)
            await crowd.end()
    assert len(crowd.followers) == READERS
    assert {one.outcome for one in crowd.followers} == {"run.finished"}, [
        one.terminal for one in crowd.followers if one.outcome != "run.finished"
    ]
    text = "".join(map(word, range(words)))
    assert {one.text for one in crowd.followers} == {text}
    figures = complete(crowd.followers)
    assert cut["clients"] >= READERS
    assert cut["redis"] >= 5
    tell(
        "connections cut at random",
        **figures,
        client_connections_cut=cut["clients"],
        redis_connections_cut=cut["redis"],
    )
