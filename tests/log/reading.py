"""What the tests of the log write and read."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING

from tests.log.stores import WAIT_S

if TYPE_CHECKING:
    from langchain_streamkit.events import Event
    from langchain_streamkit.log import Entry, EventLog, Position


def new_name() -> str:
    """The tests share one Redis."""
    return f"run-{uuid.uuid4().hex}"


def lines(*texts: str | int) -> list[bytes]:
    return [b'{"n":"%s"}' % str(text).encode() for text in texts]


def jsons(events: list[Event]) -> list[bytes]:
    return [event.to_json() for event in events]


class Reader:
    """A tail in a task: what it has got so far."""

    def __init__(
        self, log: EventLog, name: str, after: Position | None = None, *, wait: bool = False
    ) -> None:
        self.entries: list[Entry] = []
        self._got = asyncio.Condition()
        self.task = asyncio.get_running_loop().create_task(self._read(log, name, after, wait=wait))

    async def _read(self, log: EventLog, name: str, after: Position | None, *, wait: bool) -> None:
        try:
            async with aclosing(log.tail(name, after, wait=wait)) as tail:
                async for batch in tail:
                    self.entries += batch
                    async with self._got:
                        self._got.notify_all()
        finally:
            async with self._got:
                self._got.notify_all()

    async def has(self, count: int) -> list[bytes]:
        """What was read, when there are so many; what ended the reader instead is raised."""
        async with asyncio.timeout(WAIT_S), self._got:
            await self._got.wait_for(lambda: len(self.entries) >= count or self.task.done())
        if self.task.done() and len(self.entries) < count:
            self.task.result()
        return self.data

    async def end(self) -> list[bytes]:
        """All that was read when the tail has ended; raises what it raised."""
        async with asyncio.timeout(WAIT_S):
            await self.task
        return self.data

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    @property
    def data(self) -> list[bytes]:
        return [entry.data for entry in self.entries]

    @property
    def seqs(self) -> list[int]:
        return [entry.position.seq for entry in self.entries]
