"""A thousand streams at once: refused where that is limited, served and let go where not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete
from tests.faults.processes import eventually
from tests.faults.sizes import TIMES, WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.processes import WebProcess
    from tests.log.servers import RedisServer

STREAMS = 1_000
ALLOWED = 100
MIB = 1 << 20


async def test_user_that_opens_a_thousand_streams_gets_as_many_as_allowed(
    shared_redis: RedisServer, web: Callable[..., WebProcess]
) -> None:
    # By default readers are admitted uncounted while a busy Redis does not answer in time.
    counted = {"open_streams": ALLOWED, "when_unavailable": "refuse"}
    limits = {"url": shared_redis.url, **counted}
    process = web(shared_redis.url, limits=limits)
    run_id = process.start_run(2_000, 0.05, user="greedy")
    others = process.start_run(20, 0.05, user="modest")
    async with Crowd() as crowd:
        crowd.add(*(Follower([process.port], run_id, user="greedy") for _ in range(STREAMS)))
        await crowd.has(lambda one: one.error or one.received > 2)
        refused = [one for one in crowd.followers if one.error]
        modest = Follower([process.port], others, user="modest")
        await modest.follow()
        assert modest.outcome == "run.finished"
        eventually(lambda: process.state()["readers"] == ALLOWED)
    assert len(refused) == STREAMS - ALLOWED
    assert {one.error["status"] for one in refused} == {429}
    assert {one.error["limit"] for one in refused} == {"open_streams"}
    assert all(int(one.headers["retry-after"]) > 0 for one in refused)
    free_s = eventually(lambda: process.state()["readers"] == 0)
    async with asyncio.timeout(WAIT_S):  # Redis may hear of the last ones a moment later
        again = await tried(process.port, others, user="greedy")
        while again.error["status"] == 429:
            again = await tried(process.port, others, user="greedy")
    assert again.error["status"] == 404  # not a stranger's run, but no longer 429
    process.ask("POST", f"/runs/{run_id}/cancel", user="greedy")
    assert process.state()["errors"] == []
    tell(
        "a thousand streams of one user, a hundred allowed",
        streams=STREAMS,
        served=ALLOWED,
        refused_429=len(refused),
        places_free_after_s=free_s,
    )


async def tried(port: int, run_id: str, *, user: str) -> Follower:
    """A client that read the run, or was told why not."""
    follower = Follower([port], run_id, user=user)
    await follower.follow()
    return follower


async def test_thousand_streams_are_served_and_leave_nothing_behind(
    shared_redis: RedisServer, web: Callable[..., WebProcess]
) -> None:
    process = web(shared_redis.url)
    # What the first time leaves is what Python and libc keep for the next; later ones tell.
    await serve_thousand(process, 3)
    idle = rested(process)
    for _ in range(TIMES - 1):
        await serve_thousand(process, 20)
    figures = await serve_thousand(process, 20)
    eventually(lambda: process.state()["files"] <= idle["files"])
    now = rested(process)
    left = (now["rss"] - idle["rss"]) / MIB
    assert now["tasks"] <= idle["tasks"], (idle, now)
    assert now["errors"] == []
    assert left < 32, left  # a thousand streams take more while they are open
    tell(
        "a thousand streams",
        times=TIMES,
        **figures,
        tasks_left=now["tasks"] - idle["tasks"],
        sockets_left=now["files"] - idle["files"],
        memory_left_MiB=left,
    )


async def serve_thousand(process: WebProcess, words: int) -> dict[str, int]:
    async with Crowd() as crowd:
        run_id = process.start_run(words, 0.1)
        crowd.add(*(Follower([process.port], run_id) for _ in range(STREAMS)))
        await crowd.end()
    assert {one.outcome for one in crowd.followers} == {"run.finished"}
    return complete(crowd.followers)


def rested(process: WebProcess) -> dict[str, Any]:
    """The state of a process that nobody asks anything."""
    eventually(lambda: process.state()["readers"] == process.state()["runs"] == 0)
    process.ask("POST", "/test/collect")
    return process.state()
