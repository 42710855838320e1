"""Each store as the tests of the contract use it: several instances of one log, a turned clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from langchain_streamkit.log import EventLog
from langchain_streamkit.log.memory import MemoryStore
from langchain_streamkit.log.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.log.contract import Clock, LogStore

WAIT_S = 10.0
"""No wait in these tests should come near this; it turns a hang into a failure."""


class Turned:
    """A clock that goes on by itself, and further when it is turned."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset_s

    def turn(self, seconds: float) -> None:
        self.offset_s += seconds


class Place:
    """Where a log is, for any number of instances; ``clock`` is that of all of them."""

    def __init__(self, make: Callable[[Clock], LogStore]) -> None:
        self.clock = Turned()
        self._make = make
        self._logs: list[EventLog] = []

    def log(self, *, lease_s: float = 60.0, ttl_s: float = 600.0, keep: int = 10_000) -> EventLog:
        """One more process, as it were."""
        log = EventLog(self._make(self.clock), lease_s=lease_s, ttl_s=ttl_s, keep=keep)
        self._logs.append(log)
        return log

    async def aclose(self) -> None:
        for log in self._logs:
            await log.aclose()


def memory_place() -> Place:
    stores: list[MemoryStore] = []

    def make(clock: Clock) -> MemoryStore:
        if not stores:
            stores.append(MemoryStore(clock=clock))
        return stores[0]

    return Place(make)


def sqlite_place(path: str) -> Place:
    return Place(lambda clock: SQLiteStore(path, clock=clock))


def redis_place(url: str) -> Place:
    from langchain_streamkit.log.redis import RedisStore

    return Place(lambda clock: RedisStore(url, clock=clock))
