"""``streamkit serve`` and a Redis that goes and comes: what its operator is told, and how often."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from tests.log.conftest import own_redis
from tests.serve.servers import eventually
from tests.serving.apps import client_of
from tests.serving.commands import AGENT, START_S, arguments_of, environment, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.log.servers import RedisServer

__all__ = ["own_redis"]

AWAY_S = 3.0


def test_redis_that_goes_and_comes_back_is_told_in_one_line_each(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    with (
        serving(tmp_path, "agent:model", "--log", own_redis.url) as command,
        client_of(command.url) as client,
    ):
        assert command.process.stderr is not None
        where = f"the log in <RedisStore at 127.0.0.1:{own_redis.port}> "
        for _ in range(2):
            own_redis.kill()
            end = time.monotonic() + AWAY_S
            while time.monotonic() < end:
                assert client.get("/ready").status_code == 503
            own_redis.start()
            eventually(lambda: client.get("/ready").status_code == 200)
            for said in ("does not answer: ", "answers again, after "):
                assert command.process.stderr.readline().startswith(where + said)
        command.process.terminate()
        assert command.process.communicate(timeout=START_S)[1] == ""


def test_redis_that_goes_while_nobody_asks_for_anything_is_told(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    with serving(tmp_path, "agent:model", "--log", own_redis.url) as command:
        assert command.process.stderr is not None
        own_redis.kill()
        assert "does not answer" in command.process.stderr.readline()
        own_redis.start()
        assert "answers again, after" in command.process.stderr.readline()


def test_redis_that_is_away_at_the_start_is_told_while_it_is_waited_for(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    own_redis.kill()
    (tmp_path / "agent.py").write_text(AGENT)
    process = subprocess.Popen(
        arguments_of("serve", "agent:model", "--port", "0", "--log", own_redis.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert "does not answer" in process.stderr.readline()
        own_redis.start()
        assert "answers again" in process.stderr.readline()
        assert "streamkit serves" in process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
