"""A thread as a client of the agent streaming protocol reads it: its runs, one after the other.

Guarantees: what a subscription selects, in order, each event once, from where the reader is and for
as long as it reads, whether the thread is there yet or not; complete or an exception that says why
not; nothing of a run before the answer to whoever started it, here; a reader of a run counts as
one, for ``on_disconnect``.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from langchain_streamkit.errors import ProducerLost, ReplayGap, RunGone
from langchain_streamkit.events import UnknownEventError, decode_event
from langchain_streamkit.manager.checkpoints import Checkpoints
from langchain_streamkit.manager.thread_log import began_ms
from langchain_streamkit.wire.langgraph.v3 import AgentEvents
from langchain_streamkit.wire.langgraph.v3_frames import SEQS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from starlette.requests import HTTPConnection

    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.manager.thread_log import ThreadReader, ThreadRun
    from langchain_streamkit.serve.langgraph.v3_answers import Answers
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.wire.langgraph.v3_frames import Frame, Wanted


class ThreadFrames:
    """What one subscription gets of a thread; made by ``open_thread``."""

    def __init__(
        self,
        service: RunService,
        reader: ThreadReader,
        wanted: Wanted,
        answered: Callable[[], Awaitable[None]],
    ) -> None:
        self._service = service
        self._reader = reader
        self._wanted = wanted
        self._answered = answered
        self.disconnected = False
        """To be set before the reading is broken off, where the client has really gone."""

    async def batches(
        self, before_end: Callable[[int], Awaitable[None]] | None = None
    ) -> AsyncGenerator[list[Frame]]:
        """Yield what comes, some at a time; does not end by itself.

        ``before_end`` is awaited, with the number of the event that ends a run, when all before
        that has been taken.

        Raises ``NotOwner`` when the thread turns out to be another user's, ``ReplayGap`` when a
        run is lost while it is read, ``LogUnavailable``.
        """
        async with aclosing(self._reader.runs()) as runs:
            async for run in runs:
                async with aclosing(self._read(run)) as batches:
                    async for batch in batches:
                        end = batch.pop() if batch and batch[-1].is_end else None
                        if wanted := [frame for frame in batch if self._wanted.takes(frame)]:
                            yield wanted
                        if end is None:
                            continue
                        if before_end is not None:
                            await before_end(end.seq)
                        if self._wanted.takes(end):
                            yield [end]

    async def _read(self, run: ThreadRun) -> AsyncGenerator[list[Frame]]:
        manager = self._service.manager
        events = AgentEvents(run.number, run.run_id, view=self._service.view)
        await manager.attend(run.run_id)
        try:
            await self._answered()
            async with aclosing(manager.log.follow(run.run_id)) as stretches:
                async for stretch in stretches:
                    yield _frames(events, stretch)
        except ProducerLost:
            yield events.lost(began_ms(run))
        except RunGone as exc:
            raise ReplayGap(f"run {run.run_id} is no longer kept") from exc
        finally:
            manager.leave(run.run_id, disconnected=self.disconnected)


async def open_thread(
    service: RunService,
    connection: HTTPConnection,
    thread_id: str,
    wanted: Wanted,
    user: str | None,
    *,
    answers: Answers,
) -> ThreadFrames:
    """Return what reads a thread. Raises ``NotOwner``, ``ReplayGap``, ``LogUnavailable``, and
    ``StreamUsageError`` for what cannot be a thread's id.
    """
    number, count = divmod(wanted.since, SEQS)
    at = after = None
    if wanted.since:
        at, after = (None, number) if count == SEQS - 1 else (number, None)
    reader = await service.manager.read_thread(thread_id, at=at, after=after, user=user)
    if not reader.found:
        async with service.serving(connection) as runnable:
            adopt = service.manager.adopt_threads
            await Checkpoints(runnable, adopt=adopt).thread(thread_id, user)
    return ThreadFrames(service, reader, wanted, answers.after_now(thread_id))


def _frames(events: AgentEvents, stretch: Stretch) -> list[Frame]:
    found: list[Frame] = []
    for data in stretch.data:
        try:
            event = decode_event(data)
        except UnknownEventError:  # of a later version of this library
            continue
        found += events.feed(event)
    return found
