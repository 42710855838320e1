"""A Redis, a folder and web processes for one test, which may kill them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.app import Options, allow_files
from tests.faults.processes import WebProcess
from tests.faults.raw import Raw
from tests.log.conftest import own_redis, shared_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["own_redis", "shared_redis"]


@pytest.fixture(scope="session", autouse=True)
def _many_files() -> None:
    allow_files()


@pytest.fixture
def web() -> Iterator[Callable[..., WebProcess]]:
    """Start a web process: ``web(log_url, **options)``."""
    made: list[WebProcess] = []

    def start(log: str, **options: Any) -> WebProcess:
        made.append(WebProcess(Options(log=log, **options)))
        return made[-1]

    yield start
    for process in made:
        process.kill()


@pytest.fixture
def raw() -> Iterator[Callable[[int, str], Raw]]:
    """Make a client that has asked a port for the events of a run, and reads what it is told to."""
    made: list[Raw] = []

    def reading(port: int, run_id: str) -> Raw:
        made.append(Raw.reading(port, run_id))
        return made[-1]

    yield reading
    for client in made:
        client.close()


@pytest.fixture(params=["redis", "sqlite"])
def log_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A log that several processes share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    url: str = request.getfixturevalue("shared_redis").url
    return url
