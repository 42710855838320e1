"""The event log: runs kept beside their readers, to be written once and read from anywhere."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakValueDictionary

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.log import tailing
from langchain_streamkit.log.commit import commit_for
from langchain_streamkit.log.contract import Claim
from langchain_streamkit.log.outcomes import checked_name, gone, refusal
from langchain_streamkit.log.position import Position, new_generation
from langchain_streamkit.log.rescue import rescue
from langchain_streamkit.log.writer import LogWriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from langchain_streamkit.log.contract import Info, LogStore
    from langchain_streamkit.log.tailing import Entry

LEASE_S: Final = 10.0
TTL_S: Final = 600.0
KEEP: Final = 10_000


class EventLog:
    """Streams of events by name, in one store; made by ``open_log(url)``.

    A stream is that of one run, or of a thread (``lasting``), which goes on over successive runs.
    Guarantees: each event is there once, in the order it was appended, and a reader gets all that
    follow the position it names or an exception that says why not (``ReplayGap``, ``RunGone``,
    ``ProducerLost``): complete or a clear error, never a silent hole.

    A producer that is not heard of for ``lease_s`` seconds is lost: whoever notices (a reader, or
    who opens the stream next) fences it and closes its run with ``run.failed``, code
    ``producer_lost``. No run is ever made again. A stream is gone ``ttl_s`` seconds after the end
    of its last run.

    One instance belongs to one event loop; any number of them, in any number of processes, may use
    one store (a ``memory://`` one lives in its process).
    """

    def __init__(
        self, store: LogStore, *, lease_s: float = LEASE_S, ttl_s: float = TTL_S, keep: int = KEEP
    ) -> None:
        for name, value in (("lease_s", lease_s), ("ttl_s", ttl_s), ("keep", keep)):
            if value < 0 or (name == "lease_s" and value <= 0):
                raise StreamUsageError(f"{name}={value} is too small; write {name}=10, say")
        self.store = store
        self.lease_s = lease_s
        self.ttl_s = ttl_s
        self.keep = keep
        self._commit = commit_for(store)
        self._writers: WeakValueDictionary[str, LogWriter] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        """They give back what was claimed for who was cancelled."""
        self._stop_cancels = store.on_cancel(self._wake)

    def __repr__(self) -> str:
        return f"EventLog({self.store!r}, lease_s={self.lease_s}, ttl_s={self.ttl_s})"

    async def open(
        self,
        name: str,
        *,
        run_id: str | None = None,
        lasting: bool = False,
        owner: str | None = None,
        lease_s: float | None = None,
        ttl_s: float | None = None,
        user: str | None = None,
        thread_id: str | None = None,
    ) -> LogWriter:
        """Become the producer of a stream for one run.

        ``run_id`` is ``name`` unless given. ``lasting`` says that the stream goes on after the
        run: of what it has from earlier runs, the last ``keep`` events stay. ``owner`` is a secret
        of the producer's: who opens again with it goes on with the same run, which is for
        a call whose answer was lost, or for a run that was opened here and is made elsewhere.
        ``user`` is whose stream it is, and stays so; ``thread_id`` the conversation of its runs.

        A caller that is cancelled holds nothing, unless it named an ``owner``.

        Raises ``Fenced`` while another producer has the stream, and when it is finished; a
        producer whose lease is over is closed as lost first. ``NotOwner`` for a stream of another
        user's. ``StreamUsageError`` for a name that cannot be one.
        """
        checked_name(name)
        again = owner is not None
        owner = owner or secrets.token_hex(16)
        lease_s = self.lease_s if lease_s is None else lease_s
        claim = Claim(
            name=name,
            owner=owner,
            run_id=run_id or name,
            generation=new_generation(),
            lasting=lasting,
            lease_ms=int(lease_s * 1000),
            ttl_ms=int((self.ttl_s if ttl_s is None else ttl_s) * 1000),
            keep=self.keep,
            user=user or "",
            thread_id=thread_id or "",
        )
        claiming = asyncio.get_running_loop().create_task(self._claim(claim))
        try:
            info = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            if not again:
                task = asyncio.get_running_loop().create_task(
                    self._give_back(claiming, owner, lease_s)
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            raise
        writer = LogWriter(self._commit, info, owner, lease_s)
        self._writers[name] = writer
        return writer

    async def _claim(self, claim: Claim) -> Info:
        answer = await self.store.claim(claim)
        if answer.status == "lapsed":
            await rescue(self.store, claim.name)
            answer = await self.store.claim(claim)
        if answer.status != "ok" or answer.info is None:
            raise refusal(claim.name, answer.status, run_id=answer.info and answer.info.run_id)
        return answer.info

    async def _give_back(self, claiming: asyncio.Task[Info], owner: str, lease_s: float) -> None:
        """End what was claimed for somebody who was cancelled meanwhile."""
        try:
            await LogWriter(self._commit, await claiming, owner, lease_s).finish()
        except StreamError:
            return  # it was not claimed, or is lost when its lease is over

    async def info(self, name: str) -> Info:
        """Return what is known of the stream. Raises ``RunGone``."""
        page = await self.store.read(checked_name(name), 0, 0)
        if page is None:
            raise gone(name)
        return page.info

    async def read(
        self, name: str, after: Position | None = None, *, limit: int = tailing.PAGE
    ) -> list[Entry]:
        """Return up to ``limit`` events that are there after a position; None is the beginning.

        Raises ``ReplayGap`` when some of them are no longer kept, and for a position of another
        log; ``RunGone``.
        """
        page = await self.store.read(checked_name(name), 0 if after is None else after.seq, limit)
        if page is None:
            raise gone(name)
        stretch = tailing.stretch_of(page, after or Position(page.info.generation, 0))
        return [] if stretch is None else stretch.entries()

    async def of_user(self, user: str | None) -> list[str]:
        """Return the names of a user's streams that are there, oldest first."""
        return await self.store.of_user(user or "")

    def tail(
        self, name: str, after: Position | None = None, *, wait: bool = False
    ) -> AsyncGenerator[list[Entry]]:
        """Yield the events after a position in batches: those that are there, then those to come.

        Ends when the stream is finished; a lasting one goes on over its runs, until it is gone.
        ``wait`` waits for a stream that is not there yet, such as a thread before its first run.
        Memory is bounded: a slow reader is given what it missed from the store. Read it under
        ``contextlib.aclosing``, or to its end.

        Raises:
            ReplayGap: events are missing: no longer kept, lost by the store, or ``after`` is a
                position in another log.
            RunGone: there is no such stream, or no longer.
            ProducerLost: the producer was lost before its first event, so that nothing can be
                closed. One that was lost later is closed by ``run.failed`` in the stream.
            LogUnavailable: the store cannot be reached.
        """
        return _entries(self.follow(name, after, wait=wait))

    def follow(
        self, name: str, after: Position | None = None, *, wait: bool = False
    ) -> AsyncGenerator[tailing.Stretch]:
        """Yield as ``tail`` does, but cheaper, for a wire: without an object for each event."""
        return tailing.tail(self.store, checked_name(name), after, wait=wait)

    async def cancel(self, name: str, reason: str = "user") -> bool:
        """Ask the present run of a stream to stop, whatever process makes it.

        Returns when the store has it, not when the run has stopped; False if there is no run to
        stop. The first reason stays. Raises ``RunGone``.
        """
        answer = await self.store.cancel(checked_name(name), reason)
        if answer.status == "gone":
            raise gone(name)
        return answer.status == "ok"

    async def expire(self, name: str, ttl_s: float = 0.0) -> None:
        """Let a stream be gone after ``ttl_s`` seconds, at once by default: its readers get
        ``RunGone``, and so does its producer. Raises ``RunGone`` if it is not there.
        """
        answer = await self.store.expire(checked_name(name), int(ttl_s * 1000))
        if answer.status == "gone":
            raise gone(name)

    async def close_lost(self, name: str) -> bool:
        """Close the run of a stream if its producer is lost, as readers do when they notice.

        Returns whether that was so, and was done here.
        """
        return await rescue(self.store, checked_name(name))

    async def aclose(self) -> None:
        """Wait for appends that are on their way, and let go of connections and threads.

        A writer that was not finished is lost when its lease is over.
        """
        for writer in list(self._writers.values()):
            await writer.aclose()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._commit.aclose()
        self._stop_cancels()
        await self.store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _wake(self, name: str | None) -> None:
        asked = list(self._writers.values()) if name is None else [self._writers.get(name)]
        for writer in asked:
            if writer is not None:
                writer.wake()


async def _entries(stretches: AsyncGenerator[tailing.Stretch]) -> AsyncGenerator[list[Entry]]:
    async with aclosing(stretches):
        async for stretch in stretches:
            yield stretch.entries()
