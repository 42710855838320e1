"""The life of what makes runs: until the process ends, or the application that it belongs to."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from langchain_streamkit.errors import ShuttingDown, StreamUsageError
from langchain_streamkit.log import EventLog, open_log
from langchain_streamkit.manager.draining import on_signal
from langchain_streamkit.manager.ending import end_runs
from langchain_streamkit.manager.lookup import RunLookup

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from langchain_streamkit.manager.managed import ManagedRun


class Life(RunLookup, ABC):
    """Ends ``runs``, which others put in and take out, and their log.

    ``log`` is an ``EventLog`` or its URL, ``grace_s`` how long runs may go on when it ends.
    """

    def __init__(self, log: EventLog | str, grace_s: float, runs: Mapping[str, ManagedRun]) -> None:
        self._where = log
        self._grace_s = grace_s
        self._ending_runs = runs
        self._lives = 0
        self.begin_life()

    def begin_life(self) -> None:
        """Open the log, the first time or anew."""
        where = self._where
        super().__init__(where if isinstance(where, EventLog) else open_log(where))
        self._closing: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()

    @abstractmethod
    async def end_life(self) -> None:
        """Let go of what else there is, when no run is left."""

    def refuse_when_closing(self) -> None:
        """Raise ``ShuttingDown`` when no more runs are taken."""
        if self.shutting_down:
            raise ShuttingDown(
                "this server is shutting down; start the run at another one, or later"
            )

    @property
    def shutting_down(self) -> bool:
        """Whether this process takes no more runs."""
        return self._closing is not None

    async def farewell(self) -> None:
        """Return when readers are to be sent away, as the process ends."""
        await self._leaving.wait()

    def shut_down(self) -> asyncio.Task[None]:
        """Begin to end: no new runs, those that go on are drained, cancelled after the grace.

        Called by ``lifespan`` when the process gets SIGTERM or SIGINT. The task is done when all
        runs of this process have ended, and readers are sent away.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._shut_down())
        return self._closing

    async def _shut_down(self) -> None:
        try:
            await end_runs(self._ending_runs, self._grace_s)
        finally:
            self._leaving.set()

    async def aclose(self) -> None:
        """End all runs of this process as ``shut_down`` does, and let go of the log."""
        await self.shut_down()
        await self.end_life()
        await self.log.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None]:
        """The manager's life as that of an application: ``FastAPI(lifespan=manager.lifespan)``.

        It may be that of several applications: the last of them ends it. Also hears the signals
        that end the server, which waits for open connections before it ends the lifespan: too late
        for those who wait in them.

        A manager whose log is a URL may live again, with its log opened anew, as the application of
        tests does. Raises ``StreamUsageError`` for another one that has ended.
        """
        if self._closing is not None and not self._lives:
            if isinstance(self._where, EventLog):
                raise StreamUsageError(
                    "this RunManager has ended with an earlier life of its application, and so has"
                    " the log it was given; write RunManager(log='memory://'), or another URL, to"
                    " have one for each life"
                )
            self.begin_life()
        self._lives += 1
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.call_soon_threadsafe(self.shut_down)

        undo = on_signal(told)
        try:
            yield
        finally:
            undo()
            self._lives -= 1
            if not self._lives:
                await self.aclose()
