"""The log of a thread: which runs it had, in order; their events are in the runs' own logs.

When a run begins in a thread, its ``run.started`` is added to the thread's log, under a ``seq``
that is the run's number there. Guarantees: numbers rise from run to run, whatever process starts
them and whether or not the log was gone meanwhile; a reader gets every run that follows the one it
names, or an exception that says why not.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_streamkit.errors import NotOwner, ReplayGap, RunGone
from langchain_streamkit.events import RunStarted, decode_event
from langchain_streamkit.log import Position
from langchain_streamkit.manager.threads import log_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langchain_streamkit.log import EventLog, Info
    from langchain_streamkit.log.writer import LogWriter

EPOCH_S: Final = 1_735_689_600
"""The start of 2025: a number is at least the second in which its run began, counted from here, so
that numbers go on rising where nobody knows any more what the last one was."""
_AGAIN_S: Final = 0.05
"""Before a thread that is gone is waited for again: it may be so many times, one after another."""


class ThreadRun(NamedTuple):
    """A run of a thread."""

    number: int
    """Greater than those of the runs before it."""
    run_id: str


def began_ms(run: ThreadRun) -> int:
    """Return about when a run began, in ms since the epoch."""
    return (EPOCH_S + run.number) * 1000


async def note_run(log: EventLog, thread: LogWriter, run_id: str) -> None:
    """Add a run, which has a log already, to the log of the thread that it holds."""
    last = 0
    if thread.top:
        newest = Position(thread.generation, thread.top - 1)
        last = max(decode_event(entry.data).seq for entry in await log.read(thread.name, newest))
    now = time.time()
    number = max(last + 1, int(now) - EPOCH_S)
    began = RunStarted(seq=number, run_id=run_id, ts=int(now * 1000), name="run")
    await thread.append([began.to_json()])


async def number_of(log: EventLog, thread_id: str, run_id: str) -> int | None:
    """Return the number of a run that has just begun; None if it waits for the thread."""
    name = log_name(thread_id)
    try:
        info = await log.info(name)
    except RunGone:
        return None
    if info.run_id != run_id:
        return None
    entries = await log.read(name, Position(info.generation, info.start - 1))
    found = [run for entry in entries if (run := _run(entry.data))]
    return found[0].number if found else None


class ThreadReader:
    """Reads the runs of a thread, if it is ``owner``'s; made by ``RunLookup.read_thread``.

    ``""`` is the user without a name; with None, whose the thread is, is not asked.
    """

    def __init__(self, log: EventLog, thread_id: str, owner: str | None) -> None:
        self._log = log
        self._name = log_name(thread_id)
        self._owner = owner
        self._last = 0
        """The number of the newest run that the reader has, or does not want."""
        self.found = False
        """Whether the thread had a log when the reading began."""

    async def begin(self, *, at: int | None, after: int | None) -> None:
        """Say where to begin: with run ``at``, or with what follows run ``after``; else with the
        oldest of the newest runs whose logs are all there.

        Raises ``ReplayGap`` if that run, or what follows it, is not known any more; ``NotOwner``.
        """
        self.found = await self._info() is not None
        runs = await self._known()
        if at is not None:
            wanted = next((run for run in runs if run.number == at), None)
            if wanted is None:
                raise self._gap(at)
            try:
                await self._log.info(wanted.run_id)
            except RunGone as exc:
                raise self._gap(at) from exc
            self._last = at - 1
        elif after is not None:
            if after not in {run.number for run in runs}:
                raise self._gap(after)
            self._last = after
        else:
            self._last = await self._number_before_kept(runs)

    async def runs(self) -> AsyncGenerator[ThreadRun]:
        """Yield the runs, then those to come, whether there is such a thread yet or not.

        Raises ``NotOwner`` when it turns out to be another user's, ``ReplayGap``,
        ``LogUnavailable``.
        """
        while True:
            info = await self._info()
            after = None if info is None else _before_oldest(info)
            try:
                async with aclosing(self._log.tail(self._name, after, wait=True)) as batches:
                    async for batch in batches:
                        await self._info()
                        for entry in batch:
                            run = _run(entry.data)
                            if run is not None and run.number > self._last:
                                self._last = run.number
                                yield run
            except RunGone:  # nobody has used the thread for long; it may be made anew
                await asyncio.sleep(_AGAIN_S)

    async def _known(self) -> list[ThreadRun]:
        info = await self._info()
        if info is None:
            return []
        found: list[ThreadRun] = []
        at = _before_oldest(info)
        try:
            while entries := await self._log.read(self._name, at):
                found += [run for entry in entries if (run := _run(entry.data))]
                at = entries[-1].position
        except RunGone:
            return []
        return found

    async def _number_before_kept(self, runs: list[ThreadRun]) -> int:
        for run in reversed(runs):
            try:
                await self._log.info(run.run_id)
            except RunGone:
                return run.number
        return 0

    async def _info(self) -> Info | None:
        try:
            info = await self._log.info(self._name)
        except RunGone:
            return None
        if self._owner is not None and info.user != self._owner:
            raise NotOwner(f"log {self._name!r} belongs to another user")
        return info

    def _gap(self, number: int) -> ReplayGap:
        return ReplayGap(
            f"log {self._name!r} no longer has run number {number}, so that what followed is not"
            " all known; load the thread's state, then read from the beginning"
        )


def _before_oldest(info: Info) -> Position:
    return Position(info.generation, info.oldest - 1)


def _run(data: bytes) -> ThreadRun | None:
    """The run that an entry says has begun; others say that its producer was lost."""
    event = decode_event(data)
    return ThreadRun(event.seq, event.run_id) if isinstance(event, RunStarted) else None
