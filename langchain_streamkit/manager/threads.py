"""One run at a time in a thread: the thread's own log is the lock that all processes see.

The log of a thread is named ``thread:<thread_id>``. A run holds it while it goes on, by the lease
that the log's writer renews; one whose process died is taken over when its lease is over. What is
in the log is said in ``thread_log.py``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from weakref import WeakValueDictionary

from langchain_streamkit.errors import Fenced, NotOwner, RunGone, ThreadBusy
from langchain_streamkit.log.outcomes import checked_name

if TYPE_CHECKING:
    from langchain_streamkit.log import EventLog
    from langchain_streamkit.log.contract import Info
    from langchain_streamkit.log.writer import LogWriter

OnBusy: TypeAlias = Literal["reject", "queue", "cancel"]
_LOOK_AGAIN_S: Final = 5.0
"""How long a run that waits trusts that it is told when the thread is free."""
TTL_S: Final = 3600.0
"""How long a thread's log outlives its last run at least: longer than the logs of its runs, as it
is small, and says which of them a reader has missed."""


_PREFIX: Final = "thread:"


def is_thread(name: str) -> bool:
    """Whether a log of this name is a thread's, and so no run's."""
    return name.startswith(_PREFIX)


def log_name(thread_id: str) -> str:
    """Return the name of a thread's log. Raises ``StreamUsageError`` for what cannot be one."""
    return checked_name(_PREFIX + thread_id)


class Threads:
    """The threads of one log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def active(self, thread_id: str) -> Info | None:
        """Return the thread's log while a run holds it, else None."""
        try:
            info = await self._log.info(log_name(thread_id))
        except RunGone:
            return None
        return info if info.state == "running" and not info.lapsed else None

    async def take(self, thread_id: str, run_id: str, user: str | None) -> LogWriter:
        """Hold the thread for a run. Raises ``ThreadBusy``, ``NotOwner``."""
        try:
            return await self._log.open(
                log_name(thread_id),
                run_id=run_id,
                lasting=True,
                ttl_s=max(TTL_S, self._log.ttl_s),
                user=user,
                thread_id=thread_id,
            )
        except Fenced as exc:
            raise ThreadBusy(
                f"thread {thread_id!r} has a run already, {exc.run_id}: wait for its end, cancel"
                " it, or start this one with on_busy='queue' or 'cancel'",
                run_id=exc.run_id,
            ) from exc

    async def take_when_free(
        self, thread_id: str, run_id: str, user: str | None, *, stop_others: bool
    ) -> LogWriter:
        """Hold the thread as soon as its present run, if any, has ended. Raises ``NotOwner``.

        Runs that wait in one process get it in the order they came. With ``stop_others``, the
        present run is stopped, and so is each that gets the thread before.
        """
        if stop_others:
            await self.cancel(thread_id)
        queue = self._queues.setdefault(thread_id, asyncio.Lock())
        async with queue:
            return await self._take_next(thread_id, run_id, user, stop_others=stop_others)

    async def _take_next(
        self, thread_id: str, run_id: str, user: str | None, *, stop_others: bool
    ) -> LogWriter:
        woken = asyncio.Event()
        stop = await self._log.store.listen(log_name(thread_id), _Waker(woken))
        try:
            while True:
                woken.clear()
                try:
                    return await self.take(thread_id, run_id, user)
                except ThreadBusy:
                    if stop_others:
                        await self.cancel(thread_id)
                    try:
                        async with asyncio.timeout(_LOOK_AGAIN_S):
                            await woken.wait()
                    except TimeoutError:
                        continue
        finally:
            stop()

    async def cancel(self, thread_id: str, reason: str = "user") -> None:
        """Ask the thread's present run, if any, to stop."""
        info = await self.active(thread_id)
        if info is not None:
            try:
                await self._log.cancel(info.run_id, reason)
            except RunGone:
                return

    async def check_owner(self, thread_id: str, user: str | None) -> None:
        """Raise ``NotOwner`` if the thread's log is another user's."""
        try:
            info = await self._log.info(log_name(thread_id))
        except RunGone:
            return
        if info.user != (user or ""):
            raise NotOwner(f"thread {thread_id!r} belongs to another user")


class _Waker:
    """A ``Listener`` that only wakes."""

    def __init__(self, woken: asyncio.Event) -> None:
        self._woken = woken

    def added(self, generation: str, first: int, entries: object) -> None:
        """See ``Listener.added``: a run has begun, and may have ended with the same step."""
        self._woken.set()

    def changed(self) -> None:
        """See ``Listener.changed``."""
        self._woken.set()
