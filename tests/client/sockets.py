"""The server's end of a WebSocket, played by a test."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.client.scripted import WAIT_S


class Peer:
    """One connection: frames out, frames in, in order."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def send(self, **frame: Any) -> None:
        await self._connection.send(json.dumps(frame, ensure_ascii=False))

    async def events(self, name: str, *events: Mapping[str, Any], log: str = "0a0b0c0d") -> None:
        last = f"{log}-{events[-1]['seq']}"
        run_id = events[0]["run_id"]
        await self.send(id=name, run_id=run_id, events=list(events), last_event_id=last)

    async def next(self) -> Any:
        async with asyncio.timeout(WAIT_S):
            return json.loads(await self._connection.recv())

    async def text(self, text: str) -> None:
        await self._connection.send(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def cut(self) -> None:
        self._connection.transport.abort()

    async def left(self) -> None:
        """Return when the client has gone; what it says meanwhile is passed over."""
        with suppress(ConnectionClosed):
            async for _ in self._connection:
                pass

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol


Play: TypeAlias = Callable[[Peer], Awaitable[None]]


@dataclass
class Sockets:
    """Connections, each played by the next of ``plays``; the frames are kept by the plays."""

    plays: list[Play]
    url: str = ""
    connections: int = 0
    failures: list[BaseException] = field(default_factory=list[BaseException])

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.path == "/ws"
        play = self.plays[self.connections] if self.connections < len(self.plays) else None
        self.connections += 1
        try:
            assert play, "a connection too many"
            with suppress(ConnectionClosed):
                await play(Peer(connection))
        except BaseException as exc:
            self.failures.append(exc)
            raise


@contextmanager
def sockets(*plays: Play, subprotocols: list[str] | None = None) -> Iterator[Sockets]:
    """Serve them on a free port; what a play raises, an ``assert`` too, fails the test."""
    made = Sockets(list(plays))
    ready, over = threading.Event(), asyncio.Event()
    told: list[Any] = []

    async def main() -> None:
        chosen: Any = subprotocols
        async with serve(made.handle, "127.0.0.1", 0, subprotocols=chosen) as server:
            told.extend([asyncio.get_running_loop(), server.sockets[0].getsockname()[1]])
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(WAIT_S)
    loop, port = told
    made.url = f"http://127.0.0.1:{port}"
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(WAIT_S)
        assert not thread.is_alive()
    assert not made.failures
