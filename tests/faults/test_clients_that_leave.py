"""Clients that never read, or leave without saying so: the server holds little, and lets go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete
from tests.faults.processes import eventually
from tests.faults.sizes import TIMES
from tests.log.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.processes import WebProcess
    from tests.faults.raw import Raw
    from tests.log.servers import RedisServer

MIB = 1 << 20
SEND_TIMEOUT_S = 2.0 * TIMES
"""Longer than it takes to open all of them."""
BUFFER = 1 << 15
CUT_OFF = "uvicorn.error: ASGI callable returned without completing response."
"""What uvicorn logs of a client that is cut off: ASGI has no other way to do so."""


async def test_clients_that_never_read_cost_little_memory_and_others_live(
    shared_redis: RedisServer, web: Callable[..., WebProcess], raw: Callable[..., Raw]
) -> None:
    process = web(shared_redis.url, send_timeout_s=SEND_TIMEOUT_S, send_buffer=BUFFER)
    words, size, stuck = 400, 10_000, 100 * TIMES
    warm = process.start_run(10, 0, size)
    eventually(lambda: process.status(warm)["status"] == "finished")
    run_id = process.start_run(words, 0.002, size)
    for _ in range(stuck):
        raw(process.port, run_id)
    eventually(lambda: process.state()["readers"] == stuck)
    before = process.state()["rss"]
    most = before
    async with Crowd() as crowd:
        crowd.add(*(Follower([process.port], run_id) for _ in range(5)))
        begun = time.monotonic()
        while not all(one.ended_at for one in crowd.followers):
            most = max(most, (await process.asks_state())["rss"])
        await crowd.end()
    read_s = time.monotonic() - begun
    gone_s = eventually(lambda: process.state()["readers"] == 0)
    figures = complete(crowd.followers)
    assert {one.outcome for one in crowd.followers} == {"run.finished"}
    assert set(process.state()["errors"]) <= {CUT_OFF}
    grown = (most - before) / MIB
    unread = stuck * words * size / MIB
    assert grown < stuck, grown  # one MiB each, whatever they leave unread
    tell(
        "clients that never read",
        clients=stuck,
        not_read_MiB=unread,
        server_grew_MiB=grown,
        **figures,
        read_in_s=read_s,
        cut_off_after_s=gone_s,
        send_timeout_s=SEND_TIMEOUT_S,
    )


@pytest.mark.parametrize("how", ["reset", "vanish"])
async def test_client_that_leaves_without_a_fin_is_noticed_with_the_next_word_to_it(
    shared_redis: RedisServer, web: Callable[..., WebProcess], raw: Callable[..., Raw], how: str
) -> None:
    heartbeat_s = 0.5
    process = web(shared_redis.url, heartbeat_s=heartbeat_s)
    idle = process.state()
    run_id = process.start_run(2, 30.0)
    clients = [raw(process.port, run_id) for _ in range(50)]
    for client in clients:
        client.read_until(b"run.started")
    assert process.state()["readers"] == len(clients)
    for client in clients:
        try:
            (client.reset if how == "reset" else client.vanish)()
        except PermissionError:
            pytest.skip("only root may close a socket without a word to the other side")
    noticed_s = eventually(lambda: process.state()["readers"] == 0)
    assert noticed_s < 2 * heartbeat_s + 5
    process.ask("POST", f"/runs/{run_id}/cancel")
    eventually(lambda: process.state()["runs"] == 0)
    let_go(process, idle)
    tell(
        f"clients that leave by {how}",
        clients=len(clients),
        heartbeat_s=heartbeat_s,
        noticed_after_s=noticed_s,
    )


async def test_client_behind_a_network_that_takes_nothing_is_cut_off_and_comes_back(
    shared_redis: RedisServer, web: Callable[..., WebProcess]
) -> None:
    process = web(shared_redis.url, send_timeout_s=SEND_TIMEOUT_S, send_buffer=BUFFER)
    run_id = process.start_run(400, 0.005, 10_000)
    async with Proxy(process.port) as front, Crowd() as crowd:
        crowd.add(*(Follower([front.port], run_id) for _ in range(20)))
        await crowd.has(lambda one: one.received > 10)
        front.clog()
        clogged = time.monotonic()
        while (await process.asks_state())["readers"]:
            assert time.monotonic() - clogged < 30
        noticed_s = time.monotonic() - clogged
        front.cut()  # what a client's own patience does
        await crowd.end()
    assert {one.outcome for one in crowd.followers} == {"run.finished"}
    # More than twice, where the machine is so busy that a client takes nothing for as long again.
    assert min(one.connections for one in crowd.followers) == 2
    tell(
        "clients behind a network that takes nothing",
        **complete(crowd.followers),
        send_timeout_s=SEND_TIMEOUT_S,
        cut_off_after_s=noticed_s,
    )


def let_go(process: WebProcess, idle: dict[str, int]) -> float:
    """Return how long it took until the process held no more tasks and sockets than when idle."""
    # A log keeps what connections to Redis it needed at once, and a thread or two.
    return eventually(
        lambda: (
            (now := process.state())["files"] <= idle["files"] + 25
            and now["tasks"] <= idle["tasks"] + 3
        )
    )
