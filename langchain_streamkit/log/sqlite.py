"""Logs in a SQLite file: for one host, several processes, and a restart.

The standard library's ``sqlite3`` in one thread of the store's own, not an async wrapper: those do
the same with a hop to the thread for each statement, where here a step is one hop and one
transaction, and a batch of appends of all runs is one, too.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from langchain_streamkit.errors import LogUnavailable
from langchain_streamkit.log.listeners import Listeners
from langchain_streamkit.log.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_streamkit.log.contract import Added, Answer, Append, Claim, Clock, Listener, Page

T = TypeVar("T")

LOGGER = logging.getLogger("langchain_streamkit")
POLL_S: Final = 0.02
"""How often a process that has readers looks for what other processes have changed."""
IDLE_POLL_S: Final = 0.2
"""The same for a process without readers, whose runs may be cancelled by another one."""


class SQLiteStore:
    """A ``LogStore`` in one file, on a disk of this host: not on a network file system.

    Readers in the process that appends are told at once, those in other processes within
    ``POLL_S`` seconds: SQLite says cheaply that a file has changed, but does not wake anybody.
    """

    waits: ClassVar[bool] = True

    def __init__(self, path: str, *, clock: Clock = time.time) -> None:
        self._path = path
        self._clock = clock
        self._file: SQLiteFile | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._listeners = Listeners()
        self._poller: asyncio.Task[None] | None = None
        self._listened = asyncio.Event()

    def __repr__(self) -> str:
        return f"SQLiteStore({self._path!r})"

    async def claim(self, claim: Claim, /) -> Answer:
        """See ``LogStore.claim``."""
        self._poll()

        def tell(answer: Answer) -> None:
            if answer.status == "ok":
                self._listeners.changed(claim.name)

        return await self._call(lambda file: file.claim(claim), tell)

    async def take_over(self, name: str, owner: str, lease_ms: int, /) -> Answer:
        """See ``LogStore.take_over``."""
        return await self._call(lambda file: file.take_over(name, owner, lease_ms))

    async def append(self, appends: Sequence[Append], /) -> list[Added]:
        """See ``LogStore.append``; all of them are one transaction."""

        def tell(done: list[tuple[Added, str, int]]) -> None:
            for wish, (answer, generation, known) in zip(appends, done, strict=True):
                if answer.status != "ok":
                    continue
                fresh = wish.entries[known:]
                if fresh:
                    self._listeners.added(wish.name, generation, wish.first + known, fresh)
                if wish.then:
                    self._listeners.changed(wish.name)

        done = await self._call(lambda file: file.append(appends), tell)
        return [answer for answer, _, _ in done]

    async def read(self, name: str, after: int, limit: int, /) -> Page | None:
        """See ``LogStore.read``."""
        return await self._call(lambda file: file.read(name, after, limit))

    async def cancel(self, name: str, reason: str, /) -> Answer:
        """See ``LogStore.cancel``."""

        def tell(answer: Answer) -> None:
            if answer.status == "ok":
                self._listeners.cancelled(name)

        return await self._call(lambda file: file.cancel(name, reason), tell)

    async def expire(self, name: str, ttl_ms: int, /) -> Answer:
        """See ``LogStore.expire``."""
        return await self._call(
            lambda file: file.expire(name, ttl_ms), lambda _: self._listeners.changed(name)
        )

    async def of_user(self, user: str, /) -> list[str]:
        """See ``LogStore.of_user``."""
        return await self._call(lambda file: file.of_user(user))

    async def attend(self, name: str, reader: str, lease_ms: int, /) -> int:
        """See ``LogStore.attend``."""
        return await self._call(lambda file: file.attend(name, reader, lease_ms))

    async def listen(self, name: str, listener: Listener, /) -> Callable[[], None]:
        """See ``LogStore.listen``."""
        end = self._listeners.add(name, listener)
        self._poll()
        self._listened.set()
        return end

    def on_cancel(self, told: Callable[[str | None], None], /) -> Callable[[], None]:
        """See ``LogStore.on_cancel``."""
        return self._listeners.add_cancel(told)

    async def aclose(self) -> None:
        """Close the file and end the thread; what is kept stays."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait([self._poller])
            self._poller = None
        if self._thread is not None:
            loop, thread = asyncio.get_running_loop(), self._thread
            self._thread = None
            await loop.run_in_executor(thread, self._close)
            thread.shutdown()

    async def _call(
        self, step: Callable[[SQLiteFile], T], tell: Callable[[T], None] | None = None
    ) -> T:
        """Do a step in the thread; it is done, and told of, even if the caller is cancelled.

        Raises ``LogUnavailable``.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="streamkit-sqlite")
        doing = asyncio.get_running_loop().run_in_executor(self._thread, self._do, step)

        def done(future: asyncio.Future[T]) -> None:
            if not future.cancelled() and future.exception() is None and tell is not None:
                tell(future.result())

        doing.add_done_callback(done)
        return await asyncio.shield(doing)

    def _do(self, step: Callable[[SQLiteFile], T]) -> T:
        try:
            if self._file is None:
                self._file = SQLiteFile(self._path, self._clock)
            return step(self._file)
        except sqlite3.Error as exc:
            raise LogUnavailable(
                f"the log in {self._path} cannot be used: {exc}; its directory has to be there,"
                " writable, and on a disk of this host that is not full"
            ) from exc

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _poll(self) -> None:
        if self._poller is None:
            self._poller = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while True:
            self._listened.clear()
            if self._listeners.names:
                await asyncio.sleep(POLL_S)
            else:
                try:
                    async with asyncio.timeout(IDLE_POLL_S):
                        await self._listened.wait()
                except TimeoutError:
                    pass
            try:
                changes = await self._call(lambda file: file.changes())
            except LogUnavailable as exc:
                LOGGER.warning("%s", exc)
                self._listeners.all_changed()
                continue
            for change in changes:
                self._listeners.changed(change.name)
                if change.cancelled:
                    self._listeners.cancelled(change.name)
