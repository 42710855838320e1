"""Web processes killed with -9: what they only served goes on, what they made has an end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.app import word
from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete
from tests.faults.processes import eventually
from tests.faults.sizes import TIMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.processes import WebProcess
    from tests.log.servers import RedisServer

LEASE_S = 1.0


async def test_reader_of_a_killed_process_goes_on_at_another(
    log_url: str, web: Callable[..., WebProcess]
) -> None:
    maker, serving, other = (web(log_url) for _ in range(3))
    words = 150 * TIMES
    run_id = maker.start_run(words, 0.01)
    async with Crowd() as crowd:
        crowd.add(*(Follower([serving.port, other.port], run_id) for _ in range(20)))
        await crowd.has(lambda one: one.received > 20)
        serving.kill()
        cut = time.time()
        had = {one: one.received for one in crowd.followers}
        await crowd.has(lambda one: one.received > had[one])
        again_s = max(one.moment for one in crowd.followers) - cut
        await crowd.end()
    figures = complete(crowd.followers)
    text = "".join(map(word, range(words)))
    assert {one.text for one in crowd.followers} == {text}
    assert {one.outcome for one in crowd.followers} == {"run.finished"}
    assert {one.connections for one in crowd.followers} == {2}
    tell("web process killed, run made elsewhere", **figures, again_after_s=again_s)


async def test_run_of_a_killed_process_fails_within_the_lease_and_holds_nothing(
    shared_redis: RedisServer, web: Callable[..., WebProcess]
) -> None:
    limits = {"url": shared_redis.url, "concurrent_runs": 1, "lease_s": LEASE_S}
    maker, other = (web(shared_redis.url, lease_s=LEASE_S, limits=limits) for _ in range(2))
    run_id = maker.start_run(2_000, 0.02, thread_id=f"thread-{maker.port}")
    async with Crowd() as crowd:
        crowd.add(*(Follower([other.port], run_id) for _ in range(20)))
        crowd.add(*(Follower([maker.port, other.port], run_id) for _ in range(20)))
        await crowd.has(lambda one: one.received > 20)
        refused, _, told = other.ask("POST", "/runs", {"input": "1 0"})
        assert (refused, told["error"]["limit"]) == (429, "concurrent_runs")
        maker.kill()
        killed = time.monotonic()
        await crowd.end()
    noticed = [one.ended_at - killed for one in crowd.followers]
    assert {one.outcome for one in crowd.followers} == {"run.failed"}
    assert {one.terminal["error"]["code"] for one in crowd.followers} == {"producer_lost"}
    figures = complete(crowd.followers)
    assert max(noticed) < LEASE_S + 1

    asked = {"input": "3 0", "thread_id": f"thread-{maker.port}"}
    free_s = eventually(lambda: other.ask("POST", "/runs", asked)[0] == 202, within_s=LEASE_S + 1)
    told = other.status(run_id)
    assert (told["status"], told["error"]["code"]) == ("failed", "producer_lost")
    tell(
        "web process killed with its run",
        **figures,
        lease_s=LEASE_S,
        noticed_after_s=max(noticed),
        thread_and_place_free_after_s=max(noticed) + free_s,
    )
