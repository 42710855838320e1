"""A web process that stands still beyond its lease (SIGSTOP), and wakes up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete
from tests.faults.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.processes import WebProcess

LEASE_S = 3.0
"""Long enough that a busy machine does not run out of it by itself."""
STOPPED_S = 1.0


async def test_producer_that_wakes_up_after_its_lease_is_fenced_and_adds_nothing(
    log_url: str, web: Callable[..., WebProcess]
) -> None:
    maker, other = (web(log_url, lease_s=LEASE_S) for _ in range(2))
    run_ids = [maker.start_run(2_000, 0.02) for _ in range(5)]
    async with Crowd() as crowd:
        crowd.add(*(Follower([other.port], run_id) for run_id in run_ids for _ in range(4)))
        crowd.add(*(Follower([maker.port], run_id) for run_id in run_ids for _ in range(4)))
        await crowd.has(lambda one: one.received > 20)
        maker.stop()
        stopped = time.monotonic()
        elsewhere = Crowd()
        elsewhere.followers = crowd.followers[:20]
        await elsewhere.has(lambda one: one.ended_at)
        noticed_s = max(one.ended_at for one in elsewhere.followers) - stopped
        ended = {run_id: other.status(run_id) for run_id in run_ids}

        maker.go_on()
        awake = time.monotonic()
        await crowd.end()
        left_s = eventually(lambda: maker.state()["runs"] == 0)
    told_s = max(one.ended_at for one in crowd.followers) - awake

    assert {one.outcome for one in crowd.followers} == {"run.failed"}
    assert {one.terminal["error"]["code"] for one in crowd.followers} == {"producer_lost"}
    figures = complete(crowd.followers)
    assert {run_id: other.status(run_id) for run_id in run_ids} == ended
    assert maker.state()["ended"] == {"failed": len(run_ids)}
    assert noticed_s < LEASE_S + 5
    tell(
        "producer stopped beyond its lease, and continued",
        **figures,
        lease_s=LEASE_S,
        noticed_elsewhere_after_s=noticed_s,
        its_own_readers_told_after_s=told_s,
        its_runs_stopped_after_s=told_s + left_s,
        events_added_after=0,
    )


async def test_producer_that_wakes_up_within_its_lease_goes_on(
    log_url: str, web: Callable[..., WebProcess]
) -> None:
    maker, other = (web(log_url, lease_s=30.0) for _ in range(2))
    run_ids = [maker.start_run(100, 0.01) for _ in range(5)]
    async with Crowd() as crowd:
        ports = [maker.port], [other.port]
        crowd.add(*(Follower(ports[number % 2], run_ids[number % 5]) for number in range(40)))
        await crowd.has(lambda one: one.received > 20)
        maker.stop()
        await asyncio.sleep(STOPPED_S)
        maker.go_on()
        await crowd.end()
    assert {one.outcome for one in crowd.followers} == {"run.finished"}
    tell("producer stopped within its lease, and continued", **complete(crowd.followers))
