"""A TCP proxy that counts what is asked through it, and cuts connections where it is told to."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_ASKED = re.compile(rb"^(GET|POST) (\S+) HTTP/1\.1\r\n", re.MULTILINE)
_LAST_ID = re.compile(rb"^last-event-id: (\S+)\r$", re.MULTILINE | re.IGNORECASE)


class Proxy:
    """What went through to ``upstream``; ``cut_after`` says for each connection how many bytes of
    the server's it lets pass, None for all.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        """Method and path of each request."""
        self.was_asked = asyncio.Event()
        self.last_ids: list[str] = []
        self.cut_after: Callable[[], int | None] = lambda: None
        self.cuts = 0
        self.open: set[asyncio.StreamWriter] = set()

    @property
    def posts(self) -> list[str]:
        return [path for method, path in self.asked if method == "POST"]

    def cut(self) -> None:
        """End all connections now, without a farewell."""
        for writer in list(self.open):
            writer.transport.abort()

    def see(self, data: bytes) -> None:
        self.asked += [(one[1].decode(), one[2].decode()) for one in _ASKED.finditer(data)]
        self.was_asked.set()
        self.last_ids += [one[1].decode() for one in _LAST_ID.finditer(data)]


@asynccontextmanager
async def proxied(server: str) -> AsyncIterator[Proxy]:
    """A proxy in front of ``http://host:port``."""
    proxy = Proxy(server)
    tasks: set[asyncio.Task[None]] = set()

    async def there(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                proxy.see(data)
                writer.write(data)
                await writer.drain()

    async def back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = proxy.cut_after()
        with suppress(OSError):
            while data := await reader.read(65536):
                if left is not None and len(data) >= left:
                    writer.write(data[:left])
                    await writer.drain()
                    proxy.cuts += 1
                    break
                left = None if left is None else left - len(data)
                writer.write(data)
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = proxy.upstream.removeprefix("http://").partition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        proxy.open |= {writer, up_writer}
        both = [
            asyncio.create_task(there(reader, up_writer)),
            asyncio.create_task(back(up_reader, writer)),
        ]
        tasks.update(both)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for one in (writer, up_writer):
                proxy.open.discard(one)
                one.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listener.close()
        proxy.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
