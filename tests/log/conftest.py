"""The three stores, and a Redis server for those who need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.log.servers import RedisServer
from tests.log.stores import Place, memory_place, redis_place, sqlite_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test, which may kill it."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    match request.param:
        case "memory":
            made = memory_place()
        case "sqlite":
            made = sqlite_place(str(tmp_path / "runs.db"))
        case _:
            server: RedisServer = request.getfixturevalue("shared_redis")
            made = redis_place(server.url)
    yield made
    await made.aclose()
