"""A network between a client and a server that can lose everything without saying so."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class Proxy:
    """Passes bytes on to a port of this host. ``async with``; ``port`` is where to connect.

    ``swallow`` makes all connections that there are half open: nothing passes any more, and
    neither side is told. ``mute`` says whether new ones are so from their beginning.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.mute = False
        self.made = 0
        """Connections so far."""
        self.muted = 0
        """Those of them that were mute from their beginning."""
        self._target = target
        self._open: list[bool] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def swallow(self) -> None:
        self._open = [False] * len(self._open)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
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
        number = len(self._open)
        self._open.append(not self.mute)
        self.made += 1
        self.muted += self.mute
        server, forth = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(number, client, forth))
                both.create_task(self._pass(number, server, back))
        except asyncio.CancelledError:
            pass  # the end of the test; asyncio's own server would report it
        finally:
            forth.close()
            back.close()
            self._tasks.discard(task)

    async def _pass(
        self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if self._open[number]:
                    sink.write(data)
                    await sink.drain()
        if self._open[number]:
            sink.close()
