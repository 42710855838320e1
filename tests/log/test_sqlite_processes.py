"""A log in a file, written by one process and read by another."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import RunGone, check_stream
from langchain_streamkit.events import decode_event
from langchain_streamkit.log import open_log
from tests.log.reading import Reader, lines, new_name
from tests.log.stores import sqlite_place

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CHILD = "tests.log.sqlite_child"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@contextmanager
def child(url: str, name: str, what: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", CHILD, url, name, what], cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_runs_of_other_processes_are_read_as_they_come(url: str) -> None:
    async with open_log(url) as log:
        readers = [Reader(log, name, wait=True) for name in ("a", "b", "a")]
        with child(url, "a", "many") as a, child(url, "b", "many") as b:
            for reader in readers:
                assert await reader.end() == lines(*range(300))
            assert a.wait() == b.wait() == 0


async def test_run_is_cancelled_from_another_process(url: str) -> None:
    async with open_log(url) as log:
        reader = Reader(log, "a", wait=True)
        with child(url, "a", "until_cancelled") as process:
            await reader.has(1)
            assert await log.cancel("a", "shutdown")
            assert await reader.end() == lines("begun", "shutdown")
            assert process.wait() == 0


async def test_producer_that_is_killed_is_closed_by_its_reader(url: str) -> None:
    async with open_log(url) as log:
        reader = Reader(log, "a", wait=True)
        with child(url, "a", "until_killed") as process:
            await reader.has(12)
            process.kill()
            found = [decode_event(data) for data in await reader.end()]
        assert check_stream(found) == []
        assert found[-1].to_dict()["error"]["code"] == "producer_lost"


async def test_log_is_there_after_a_restart(url: str) -> None:
    async with open_log(url) as log:
        await (await log.open("a")).finish(lines(1, 2))
        generation = (await log.info("a")).generation
    async with open_log(url) as log:
        assert [entry.data for entry in await log.read("a")] == lines(1, 2)
        assert (await log.info("a")).generation == generation


async def test_streams_whose_time_is_over_leave_the_file(url: str, tmp_path: Path) -> None:

    async with open_log(url, ttl_s=0) as log:
        for number in range(30):
            await (await log.open(f"run-{number}")).finish(lines(1))
        with pytest.raises(RunGone):
            await log.read("run-0")
    with sqlite3.connect(tmp_path / "runs.db") as file:
        assert file.execute("SELECT count(*) FROM entries").fetchone()[0] <= 1
    file.close()


async def test_stores_that_make_a_file_at_the_same_moment_share_it(tmp_path: Path) -> None:
    for number in range(25):
        place = sqlite_place(str(tmp_path / f"{number}.db"))
        logs = [place.log() for _ in range(6)]
        await asyncio.gather(*(log.open(new_name()) for log in logs))
        await place.aclose()
