"""Clients as the protocol asks them to be: cut off, they come back with the last id they have."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from tests.faults.sizes import WAIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

_LIMIT: Final = 1 << 22
FIRST_WAIT_S: Final = 0.05
LONGEST_WAIT_S: Final = 0.5


class Follower:
    """One client, reading one run from whichever of ``ports`` answers, until ``follow`` returns.

    ``pause_s`` is slept after every piece of a response that is read: a slow one. Everything that
    arrives is judged at once: the events of view ``all`` are numbered 1, 2, 3 …
    """

    def __init__(
        self,
        ports: Sequence[int],
        run_id: str,
        *,
        pause_s: float = 0.0,
        user: str = "somebody",
    ) -> None:
        self.run_id = run_id
        self.received = self.lost = self.doubled = 0
        self.connections = 0
        self.last_id = ""
        self.text = ""
        self.outcome = ""
        """Type of the terminal event."""
        self.error: dict[str, Any] = {}
        """Of a ``gone`` frame, or of an answer that is none to come back from."""
        self.headers: dict[str, str] = {}
        """Of the newest answer."""
        self.ended_at = 0.0
        self.moment = 0.0
        """When the newest event came, by ``time.time()``."""
        self.delays_s: list[float] = []
        """From the making of each event to its arrival."""
        self.byes = 0
        self.ends = 0
        self.refused: list[int] = []
        """Answers that were none: statuses."""
        self.terminal: dict[str, Any] = {}
        self._ports = list(ports)
        self._pause_s = pause_s
        self._user = user
        self._top = 0

    def start_after(self, position: str) -> None:
        """Be a client that has everything up to there."""
        self.last_id = position
        self._top = int(position.rpartition("-")[2])

    async def follow(self) -> None:
        """Read until the end, or until there is nothing to come back for."""
        wait_s = FIRST_WAIT_S
        while True:
            before = self.received
            with suppress(OSError, EOFError):
                await self._connection(self._ports[self.connections % len(self._ports)])
            self.connections += 1
            if self.ends or self.error:
                break
            wait_s = FIRST_WAIT_S if self.received > before else min(LONGEST_WAIT_S, 2 * wait_s)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))
        self.ended_at = time.monotonic()

    async def _connection(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LIMIT)
        try:
            head = [f"GET /runs/{self.run_id}/events HTTP/1.1", f"host: 127.0.0.1:{port}"]
            head += [f"x-user: {self._user}"]
            if self.last_id:
                head.append(f"last-event-id: {self.last_id}")
            writer.write("\r\n".join([*head, "", ""]).encode())
            status, self.headers = await _head(reader)
            if status == 200:
                await self._frames(_chunks(reader))
                return
            length = int(self.headers.get("content-length", "0"))
            body = await reader.readexactly(length)
            if status == 204:
                self.ends += 1
            elif status in {503, 502}:
                self.refused.append(status)
            else:
                self.error = {"status": status, **json.loads(body)["error"]}
        finally:
            writer.transport.abort()

    async def _frames(self, chunks: AsyncIterator[bytes]) -> None:
        data = b""
        async for chunk in chunks:
            *whole, data = (data + chunk).split(b"\n\n")
            for frame in whole:
                self._take(frame)
            if self._pause_s:
                await asyncio.sleep(self._pause_s)

    def _take(self, frame: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line)
        name = fields.get(b"event")
        if name == b"end":
            self.ends += 1
        elif name == b"bye":
            self.byes += 1
        elif name == b"gone":
            self.error = json.loads(fields[b"data"])["error"]
        elif b"data" in fields:
            self._event(fields[b"id"].decode(), json.loads(fields[b"data"]))

    def _event(self, position: str, event: dict[str, Any]) -> None:
        seq = int(position.rpartition("-")[2])
        self.moment = time.time()
        if seq <= self._top or event["seq"] != seq:
            self.doubled += 1
            return
        self.lost += seq - self._top - 1
        self._top = seq
        self.last_id = position
        self.received += 1
        self.delays_s.append(self.moment - event["ts"] / 1000)
        if event["type"] == "text.delta":
            self.text += event["text"]
        elif event["type"] in {"run.finished", "run.failed", "run.cancelled", "run.interrupted"}:
            self.outcome = event["type"]
            self.terminal = event


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(":", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, value in pairs}


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]


class Crowd:
    """Many followers, in tasks of this loop. ``async with``."""

    def __init__(self) -> None:
        self.followers: list[Follower] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, *followers: Follower) -> None:
        self.followers += followers
        self._tasks += [asyncio.create_task(one.follow()) for one in followers]

    async def has(self, condition: Callable[[Follower], object]) -> None:
        """Return when all followers are so."""
        async with asyncio.timeout(WAIT_S):
            while not all(condition(one) for one in self.followers):  # noqa: ASYNC110 - of many
                await asyncio.sleep(0.005)

    async def end(self) -> None:
        """Return when all have all they can get."""
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def total(followers: Iterable[Follower], what: str) -> int:
    return sum(getattr(one, what) for one in followers)


def complete(followers: Sequence[Follower], *, sent: int | None = None) -> dict[str, Any]:
    """Assert that each got every event once, in order; return the figures of that.

    ``sent`` is how many events there were for all of them together; by default, what the newest
    position that any reader of the run has seen says.
    """
    tops: dict[str, int] = {}
    for one in followers:
        tops[one.run_id] = max(tops.get(one.run_id, 0), int(one.last_id.rpartition("-")[2] or 0))
    sent = sum(tops[one.run_id] for one in followers) if sent is None else sent
    figures = {
        "readers": len(followers),
        "sent": sent,
        "received": total(followers, "received"),
        "lost": total(followers, "lost"),
        "doubled": total(followers, "doubled"),
        "connections": total(followers, "connections"),
    }
    assert figures["lost"] == figures["doubled"] == 0, figures
    assert figures["received"] == sent, figures
    return figures
