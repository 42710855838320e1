"""A real uvicorn in a thread, and runs fed by hand from the test."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from langchain_streamkit.events import TERMINAL_TYPES, Event
from tests.wire.story import Story

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from langchain_streamkit.wire.source import Frames

WAIT_S = 10
"""No wait in these tests should come near this; it turns a hang into a failure."""


class HandRun:
    """An ``AsyncRunLike`` in a server's loop, fed with batches from the test's thread."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.run_id = "run-1"
        self.story = Story(self.run_id)
        self.error = error
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.cancels: list[str] = []
        self.read = self.read_at_cancel = 0
        self.tidying: threading.Event | None = None
        self.hold_started: asyncio.Event | None = None
        self._queue: asyncio.Queue[list[Event]] = asyncio.Queue()
        self._loop: Any = None
        self._early: list[list[Event]] = []
        self._lock = threading.Lock()

    def feed(self, *events: Event) -> None:
        with self._lock:
            if self._loop is None:
                self._early.append(list(events))
            else:
                self._loop.call_soon_threadsafe(self._queue.put_nowait, list(events))

    def _begin(self) -> None:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
                for batch in self._early:
                    self._queue.put_nowait(batch)
        self.begun.set()

    async def started(self) -> None:
        self._begin()
        if self.hold_started is not None:
            await self.hold_started.wait()
        if self.error is not None:
            raise self.error

    async def batches(self) -> AsyncIterator[list[Event]]:
        self._begin()
        try:
            while True:
                batch = await self._queue.get()
                self.read += len(batch)
                yield batch
                if batch[-1].type in TERMINAL_TYPES:
                    if self.tidying is not None:
                        await asyncio.to_thread(self.tidying.wait, WAIT_S)
                    return
        finally:
            self.ended.set()

    async def encoded(self, frames: Frames) -> AsyncIterator[bytes]:
        ended = False
        try:
            async for batch in self.batches():
                ended = batch[-1].type in TERMINAL_TYPES
                if data := frames.encode(batch):
                    yield data
        finally:
            if not ended:
                await self.cancel("disconnect")

    async def cancel(self, reason: str = "user") -> None:
        self.cancels.append(reason)
        self.read_at_cancel = self.read
        self._queue.put_nowait([self.story.cancelled(reason)])

    def __aiter__(self) -> AsyncIterator[Event]:
        raise AssertionError("batches() is there")


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI app on a free port; gives ``host:port``."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        **{"lifespan": "off", "log_level": "error", "timeout_graceful_shutdown": 1, **options},
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        listener.close()
        assert not thread.is_alive()


def eventually(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)
