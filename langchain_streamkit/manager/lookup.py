"""Runs by their id, for whoever did not start them: to be read, stopped and asked about."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from langchain_streamkit.errors import NotOwner, RunGone
from langchain_streamkit.log import EventLog, Position
from langchain_streamkit.log.outcomes import check_after, gone
from langchain_streamkit.manager.status import RunStatus, status_of
from langchain_streamkit.manager.thread_log import ThreadReader, number_of
from langchain_streamkit.manager.threads import Threads, is_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langchain_streamkit.events import Event
    from langchain_streamkit.log import Entry, Info


class _Anyone:
    def __repr__(self) -> str:
        return "ANYONE"


ANYONE: Final = _Anyone()
"""``user=ANYONE``: whose run it is, is not asked."""


class RunLookup:
    """The runs of a log, whatever process makes them.

    With ``user=``, None for those without a name, another user's run raises ``NotOwner``.
    """

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._threads = Threads(log)

    async def events(
        self,
        run_id: str,
        since: str | Position | None = None,
        *,
        user: str | _Anyone | None = ANYONE,
    ) -> AsyncGenerator[Event]:
        """Yield the run's events after ``since``, a position, or all; ends with the terminal one.

        Raises ``RunGone``, ``ReplayGap``, ``ProducerLost`` and ``LogUnavailable`` as
        ``EventLog.tail`` does, ``NotOwner`` for another user's run, ``StreamUsageError`` for what
        is no position. Leaving the loop leaves the run alone.
        """
        async with aclosing(self.entries(run_id, since, user=user)) as batches:
            async for batch in batches:
                for entry in batch:
                    yield entry.event()

    async def entries(
        self,
        run_id: str,
        since: str | Position | None = None,
        *,
        user: str | _Anyone | None = ANYONE,
    ) -> AsyncGenerator[list[Entry]]:
        """The same, as entries of the log in batches: positions and bytes, for a wire."""
        after = Position.parse(since) if isinstance(since, str) else since
        await self.check(run_id, user=user)
        async with aclosing(self.log.tail(run_id, after)) as batches:
            async for batch in batches:
                yield batch

    async def cancel(
        self, run_id: str, reason: str = "user", *, user: str | _Anyone | None = ANYONE
    ) -> bool:
        """Ask a run to stop, whatever process makes it; False if it has ended already.

        Returns when the log has it. Raises ``RunGone``, ``NotOwner``, ``LogUnavailable``.
        """
        await self.check(run_id, user=user)
        return await self.log.cancel(run_id, reason)

    async def status(self, run_id: str, *, user: str | _Anyone | None = ANYONE) -> RunStatus:
        """Return what a run has come to. Raises ``RunGone``, ``NotOwner``, ``LogUnavailable``."""
        _refuse_thread(run_id)
        status = await status_of(self.log, run_id)
        if not isinstance(user, _Anyone) and status.user != user:
            raise NotOwner(f"run {run_id} belongs to another user")
        return status

    async def list(self, user: str | None = None) -> list[RunStatus]:
        """Return the runs of a user that the log still has, oldest first."""
        found: list[RunStatus] = []
        for name in await self.log.of_user(user):
            if not is_thread(name):
                try:
                    found.append(await status_of(self.log, name))
                except RunGone:
                    continue
        return found

    async def active(self, thread_id: str, *, user: str | _Anyone | None = ANYONE) -> str | None:
        """Return the id of the run that a thread has now, or that waits for it, if any."""
        info = await self._threads.active(thread_id)
        if info is None:
            return None
        if not isinstance(user, _Anyone) and info.user != (user or ""):
            raise NotOwner(f"thread {thread_id!r} belongs to another user")
        return info.run_id

    async def read_thread(
        self,
        thread_id: str,
        *,
        at: int | None = None,
        after: int | None = None,
        user: str | _Anyone | None = ANYONE,
    ) -> ThreadReader:
        """Return what reads a thread's runs, one after the other, for as long as it is asked.

        By number, it begins with run ``at`` or with what follows run ``after``; otherwise with
        the oldest that is kept. The thread need not be there yet. Raises ``ReplayGap``,
        ``NotOwner``, ``LogUnavailable``.
        """
        owner = None if isinstance(user, _Anyone) else (user or "")
        reader = ThreadReader(self.log, thread_id, owner)
        await reader.begin(at=at, after=after)
        return reader

    async def run_number(self, thread_id: str, run_id: str) -> int | None:
        """Return the number of a run that has just begun in a thread; None if it waits for it.

        Raises ``LogUnavailable``.
        """
        return await number_of(self.log, thread_id, run_id)

    @asynccontextmanager
    async def hold(self, thread_id: str, user: str | None) -> AsyncGenerator[None]:
        """Keep runs out of a thread, as one would. Raises ``ThreadBusy``, ``NotOwner``."""
        held = await self._threads.take(thread_id, uuid4().hex, user)
        try:
            yield
        finally:
            await held.finish()

    async def forget_runs(self, thread_id: str, user: str | None) -> None:
        """Remove the events of a user's runs in a thread, to be called while it is held."""
        for status in await self.list(user):
            if status.thread_id == thread_id:
                await self.log.expire(status.run_id)

    async def check(
        self, run_id: str, since: Position | None = None, *, user: str | _Anyone | None = ANYONE
    ) -> Info:
        """Return the run's log as it is, if the user may read it after ``since``.

        Raises ``RunGone``, ``NotOwner``, ``ReplayGap``, ``LogUnavailable``.
        """
        _refuse_thread(run_id)
        info = await self.log.info(run_id)
        if not isinstance(user, _Anyone) and info.user != (user or ""):
            raise NotOwner(f"run {run_id} belongs to another user")
        if since is not None:
            check_after(info, since)
        return info


def _refuse_thread(run_id: str) -> None:
    """A thread's log is beside those of runs, and tells nothing that a client may read."""
    if is_thread(run_id):
        raise gone(run_id)
