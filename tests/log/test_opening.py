"""``open_log``: what each URL gives, and what to write instead of what is none."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import LogUnavailable, StreamError, StreamUsageError
from langchain_streamkit.log import EventLog, open_log
from langchain_streamkit.log.memory import MemoryStore
from tests.log.reading import lines

if TYPE_CHECKING:
    from pathlib import Path


def test_memory_is_the_default() -> None:
    assert isinstance(open_log().store, MemoryStore)
    assert isinstance(open_log("memory://").store, MemoryStore)


async def test_file_is_named_by_its_path_from_here_or_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url, path in (
        ("sqlite:///runs%20here.db", tmp_path / "runs here.db"),
        (f"sqlite:///{tmp_path}/runs.db", tmp_path / "runs.db"),
    ):
        async with open_log(url) as log:
            await (await log.open("a")).finish(lines(1))
        assert path.is_file()
        async with open_log(url) as log:
            assert [entry.data for entry in await log.read("a")] == lines(1)


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("", "write 'memory://', 'sqlite:///runs.db'"),
        ("runs.db", "write 'memory://', 'sqlite:///runs.db'"),
        ("postgres://host/db", "write 'memory://', 'sqlite:///runs.db'"),
        (None, "write 'memory://', 'sqlite:///runs.db'"),
        ("memory://shared", "write 'memory://'"),
        ("sqlite://runs.db", "write 'sqlite:///runs.db'"),
        ("sqlite://", "write 'sqlite:///runs.db'"),
        ("sqlite:///", "write 'sqlite:///runs.db'"),
        ("sqlite:///:memory:", "write 'memory://'"),
        ("redis://localhost:notaport", "'redis://localhost:6379/0'"),
        ("redis://localhost/0?socket_timeout=soon", "'redis://localhost:6379/0'"),
        ("redis://localhost/0?colour=red", "'redis://localhost:6379/0'"),
    ],
)
def test_wrong_url_says_what_to_write(url: Any, instead: str) -> None:
    with pytest.raises(StreamUsageError) as caught:
        open_log(url)
    assert instead in str(caught.value)


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StreamError, match=r"langchain-streamkit\[redis\]"):
        open_log("redis://localhost")


def test_lease_that_is_none_is_refused() -> None:
    with pytest.raises(StreamUsageError, match="lease_s=0"):
        open_log(lease_s=0)
    with pytest.raises(StreamUsageError, match="ttl_s=-1"):
        open_log(ttl_s=-1)


@pytest.mark.parametrize("name", ["", "a{b}", "a\nb", "x" * 257, "\x00", "\u2028", 7, None])
async def test_name_that_cannot_be_one_is_refused(name: Any) -> None:
    log = open_log()
    for call in (log.open, log.read, log.info, log.cancel, log.expire, log.close_lost):
        with pytest.raises(StreamUsageError, match="cannot be the name of a stream"):
            await call(name)
    with pytest.raises(StreamUsageError, match="cannot be the name of a stream"):
        log.tail(name)


async def test_file_that_cannot_be_made_says_which(tmp_path: Path) -> None:
    async with open_log(f"sqlite:///{tmp_path}/nowhere/runs.db") as log:
        with pytest.raises(LogUnavailable, match=r"nowhere/runs\.db"):
            await log.open("a")


async def test_database_of_something_else_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with sqlite3.connect(path) as mine:
        mine.execute("CREATE TABLE precious (x)")
    mine.close()
    before = path.read_bytes()
    async with open_log(f"sqlite:///{path}") as log:
        with pytest.raises(StreamError, match="database of something else"):
            await log.open("a")
    assert path.read_bytes() == before


def test_log_says_what_it_is(tmp_path: Path) -> None:
    assert repr(open_log("redis://h:1/2")).startswith("EventLog(<RedisStore at h:1>")
    assert "runs.db" in repr(open_log(f"sqlite:///{tmp_path}/runs.db"))
    assert isinstance(open_log(), EventLog)
