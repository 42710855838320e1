"""A network between a client and a server that loses connections, and everything on them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class _Connection:
    """One connection of a client, and ours to the server that goes with it."""

    def __init__(self, back: asyncio.StreamWriter, forth: asyncio.StreamWriter) -> None:
        self.writers = (back, forth)
        self.passes = True
        self.flows = asyncio.Event()
        self.flows.set()


class Proxy:
    """Passes bytes on to a port of this host. ``async with``; ``port`` is where to connect.

    ``swallow`` makes all connections that there are half open: nothing passes any more, and
    neither side is told. ``mute`` says whether new ones are so from their beginning. ``cut`` ends
    connections, as both sides notice; ``clog`` takes nothing more from them, as neither does.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.mute = False
        self.made = 0
        """Connections so far."""
        self.muted = 0
        """Those of them that were mute from their beginning."""
        self._target = target
        self._open: list[_Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def swallow(self) -> None:
        for connection in self._open:
            connection.passes = False

    def cut(self, chosen: Callable[[], bool] = lambda: True) -> int:
        """End the connections for which ``chosen()`` holds; return how many those were."""
        found = [connection for connection in self._open if chosen()]
        for connection in found:
            for writer in connection.writers:
                writer.transport.abort()
        return len(found)

    def clog(self) -> None:
        for connection in self._open:
            connection.flows.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.made += 1
        self.muted += self.mute
        passes = not self.mute
        try:
            server, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            back.transport.abort()
            self._tasks.discard(task)
            return
        connection = _Connection(back, forth)
        connection.passes = passes
        self._open.append(connection)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass(connection, client, forth))
                both.create_task(_pass(connection, server, back))
        except asyncio.CancelledError:
            pass  # the end of the test; asyncio's own server would report it
        finally:
            forth.close()
            back.close()
            self._open.remove(connection)
            self._tasks.discard(task)


async def _pass(
    connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter
) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            await connection.flows.wait()
            if connection.passes:
                sink.write(data)
                await sink.drain()
    if connection.passes:
        sink.close()
