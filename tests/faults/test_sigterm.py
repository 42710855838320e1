"""SIGTERM under load: everybody is told, nothing is lost, and the process ends in time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete, total
from tests.faults.processes import eventually
from tests.lengths import LONG

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.processes import WebProcess
    from tests.log.servers import RedisServer

GRACE_S = 2.0
RUNS = 20
READERS = 300 if LONG else 100
AFTER_S = 5.0
"""From the end of the grace to that of the process, at most: what uvicorn is told."""


async def test_process_that_is_asked_to_end_under_load_tells_everybody_and_ends_in_time(
    shared_redis: RedisServer, web: Callable[..., WebProcess]
) -> None:
    leaving, staying = (web(shared_redis.url, shutdown_grace_s=GRACE_S) for _ in range(2))
    long = [leaving.start_run(2_000, 0.02) for _ in range(RUNS // 4)]
    short = [leaving.start_run(60, 0.02) for _ in range(RUNS // 4)]
    elsewhere = [staying.start_run(150, 0.02) for _ in range(RUNS // 2)]
    runs = [*long, *short, *elsewhere]
    async with Crowd() as crowd:
        for number in range(READERS):
            crowd.add(Follower([leaving.port, staying.port], runs[number % RUNS]))
        await crowd.has(lambda one: one.received > 5)
        leaving.terminate()
        asked = time.monotonic()
        refused = await asyncio.to_thread(said_to_new_runs, leaving)
        code = await asyncio.to_thread(leaving.exit_code)
        ended_s = time.monotonic() - asked
        await crowd.end()
        outcomes = {run_id: staying.status(run_id) for run_id in runs}

    figures = complete(crowd.followers)
    assert code == 0
    assert GRACE_S <= ended_s < GRACE_S + AFTER_S
    assert refused in {503, None}
    assert {(outcomes[run_id]["status"], outcomes[run_id]["reason"]) for run_id in long} == {
        ("cancelled", "shutdown")
    }
    # On a busy machine the grace may be too short for some of them.
    assert {outcomes[run_id].get("reason") for run_id in short} <= {None, "shutdown"}
    assert {outcomes[run_id]["status"] for run_id in elsewhere} == {"finished"}
    for one in crowd.followers:
        assert one.ends == 1
        assert one.byes == one.connections - 1, "cut off without a word"
        if one.run_id in elsewhere:
            assert one.byes == 1
    assert eventually(lambda: staying.state()["readers"] == 0) < AFTER_S
    tell(
        "SIGTERM under load",
        runs=RUNS,
        **figures,
        byes=total(crowd.followers, "byes"),
        ends=total(crowd.followers, "ends"),
        runs_finished=sum(one["status"] == "finished" for one in outcomes.values()),
        runs_cancelled=sum(one["status"] == "cancelled" for one in outcomes.values()),
        grace_s=GRACE_S,
        exit_after_s=ended_s,
        exit_code=code,
    )


def said_to_new_runs(process: WebProcess) -> int | None:
    """What a process says to who would start a run; None if it takes no connections any more."""
    try:
        return process.ask("POST", "/runs", {"input": "1 0"})[0]
    except OSError:
        return None
