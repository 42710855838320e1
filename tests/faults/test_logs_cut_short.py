"""A log that is trimmed, or gone, under a reader: told as that, never a silent hole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, total
from tests.faults.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.processes import WebProcess
    from tests.faults.raw import Raw
    from tests.log.servers import RedisServer

READERS = 20
LEASE_S = 2.0
WORDS = 200
WORD_BYTES = 10_000
BUFFER = 1 << 15
"""Two megabytes, and far less of them in the buffers of a client that does not read."""


@pytest.fixture
def admin(shared_redis: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(shared_redis.url) as client:
        yield client


async def test_reader_of_a_log_that_is_trimmed_is_told_what_is_kept(
    shared_redis: RedisServer, web: Callable[..., WebProcess], admin: Redis, raw: Callable[..., Raw]
) -> None:
    process = web(shared_redis.url, send_buffer=BUFFER)
    run_id = process.start_run(WORDS, 0.003, WORD_BYTES)
    stalled = [raw(process.port, run_id) for _ in range(READERS)]
    for one in stalled:
        one.read_until(b"text.delta")
    eventually(lambda: process.status(run_id)["status"] == "finished")
    top = int(process.status(run_id)["last_event_id"].split("-")[1])
    admin.xtrim(f"sk:{{{run_id}}}:s", minid=top - 10, approximate=False)
    ends = [one.rest() for one in stalled]
    told = [data.rpartition(b"event: ")[2] for data in ends]
    oldest = process.status(run_id)["last_event_id"].split("-")[0] + f"-{top - 11}"
    assert {one.split(b"\n")[0] for one in told} == {b"gone"}
    assert all(b'"replay_gap"' in one and oldest.encode() in one for one in told)

    async with Crowd() as crowd:
        crowd.add(Follower([process.port], run_id))
        late = Follower([process.port], run_id)
        late.start_after(oldest)
        crowd.add(late)
        await crowd.end()
    early, _ = crowd.followers
    assert (early.error["code"], early.error["oldest"]) == ("replay_gap", oldest)
    assert (late.received, late.outcome, late.lost) == (11, "run.finished", 0)
    status, _, refused = process.ask("GET", f"/runs/{run_id}/events?since={oldest[:8]}-5")
    assert (status, refused["error"]["code"]) == (410, "replay_gap")
    tell(
        "log trimmed under slow readers",
        readers=READERS,
        told_replay_gap=len(told),
        read_on_after_the_oldest=late.received,
    )


async def test_reader_of_a_log_that_expires_is_told_that_it_is_gone(
    log_url: str, web: Callable[..., WebProcess], raw: Callable[..., Raw]
) -> None:
    process = web(log_url, ttl_s=1.0, send_buffer=BUFFER)
    run_id = process.start_run(WORDS, 0.003, WORD_BYTES)
    stalled = [raw(process.port, run_id) for _ in range(READERS)]
    for one in stalled:
        one.read_until(b"text.delta")
    eventually(lambda: process.status(run_id)["status"] == "finished")
    position = process.status(run_id)["last_event_id"]
    gone_s = eventually(lambda: process.ask("GET", f"/runs/{run_id}")[0] == 404)
    told = [one.rest().rpartition(b"event: ")[2] for one in stalled]
    assert {one.split(b"\n")[0] for one in told} == {b"gone"}
    assert all(b'"run_gone"' in one for one in told)
    path = f"/runs/{run_id}/events"
    status, _, refused = process.ask("GET", f"{path}?since={position}")
    assert (status, refused["error"]["code"]) == (410, "run_gone")
    assert process.ask("GET", path)[0] == 404
    tell(
        "log expired under slow readers",
        readers=READERS,
        told_run_gone=len(told),
        ttl_s=1.0,
        gone_after_s=gone_s,
    )


async def test_reader_of_a_run_that_goes_on_is_told_when_its_log_is_removed(
    shared_redis: RedisServer, web: Callable[..., WebProcess], admin: Redis
) -> None:
    maker, other = (web(shared_redis.url, lease_s=LEASE_S) for _ in range(2))
    run_id = maker.start_run(2_000, 0.02)
    async with Crowd() as crowd:
        crowd.add(*(Follower([(maker, other)[n % 2].port], run_id) for n in range(READERS)))
        await crowd.has(lambda one: one.received > 10)
        admin.delete(f"sk:{{{run_id}}}:s", f"sk:{{{run_id}}}:m")
        removed = time.monotonic()
        await crowd.end()
        stopped_s = eventually(lambda: maker.state()["runs"] == 0)
    assert {one.error["code"] for one in crowd.followers} == {"run_gone"}
    told_s = max(one.ended_at for one in crowd.followers) - removed
    assert told_s < LEASE_S + 5
    assert total(crowd.followers, "lost") == total(crowd.followers, "doubled") == 0
    tell(
        "log removed under a run",
        readers=READERS,
        told_run_gone=READERS,
        lease_s=LEASE_S,
        told_after_s=told_s,
        run_stopped_after_s=told_s + stopped_s,
    )
