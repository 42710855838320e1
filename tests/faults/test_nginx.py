"""Behind nginx with buffering and gzip: no token is held back, and a cut stream goes on."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING

import httpx

from tests.faults.app import word
from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete
from tests.faults.nginx import Nginx
from tests.faults.sizes import TIMES, WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.processes import WebProcess
    from tests.log.servers import RedisServer

PAUSE_S = 0.05
HELD_S = 1.0
"""A token that comes so much later than it was made was held back: nginx would hold all of them to
the end, which is further away."""


def test_first_token_and_every_other_is_passed_on_at_once_under_gzip(
    shared_redis: RedisServer, web: Callable[..., WebProcess], tmp_path: Path
) -> None:
    process = web(shared_redis.url)
    words = 60 * TIMES
    delays_s: list[float] = []
    with (
        Nginx(tmp_path, [process.port]) as nginx,
        httpx.Client(base_url=f"http://127.0.0.1:{nginx.port}") as client,
        client.stream(
            "POST",
            "/runs",
            json={"input": f"{words} {PAUSE_S}"},
            headers={"accept-encoding": "gzip"},
            timeout=WAIT_S,
        ) as response,
    ):
        assert response.status_code == 200
        assert "x-accel-buffering" not in response.headers  # nginx has heeded it
        for line in response.iter_lines():
            if line.startswith('data: {"type":"text.delta"'):
                event = json.loads(line.removeprefix("data: "))
                delays_s.append(time.time() - event["ts"] / 1000)
        encoding = response.headers.get("content-encoding", "none")
    assert len(delays_s) > words / 2
    assert delays_s[0] < HELD_S
    assert max(delays_s) < HELD_S
    tell(
        "nginx with buffering and gzip",
        content_encoding=encoding,
        tokens=len(delays_s),
        first_ms=delays_s[0] * 1000,
        median_ms=median(delays_s) * 1000,
        longest_ms=max(delays_s) * 1000,
    )


async def test_stream_through_nginx_goes_on_at_another_process(
    shared_redis: RedisServer, web: Callable[..., WebProcess], tmp_path: Path
) -> None:
    maker, serving = web(shared_redis.url), web(shared_redis.url)
    words = 150 * TIMES
    run_id = maker.start_run(words, 0.02)
    with Nginx(tmp_path, [serving.port, maker.port]) as nginx:
        async with Crowd() as crowd:
            crowd.add(*(Follower([nginx.port], run_id) for _ in range(40)))
            await crowd.has(lambda one: one.received > 20)
            serving.kill()
            await crowd.end()
    figures = complete(crowd.followers)
    assert {one.text for one in crowd.followers} == {"".join(map(word, range(words)))}
    assert figures["connections"] > len(crowd.followers)
    tell("web process killed behind nginx", **figures)
