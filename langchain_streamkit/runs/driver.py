"""The task behind an ``AsyncRun``: makes the call, stops it, wakes the reader.

Guarantees: the run does not die with its reader's ``await`` (a timeout around one step of the
iteration loses nothing); it does die with the task that reads it; whatever cancels it, the
terminal event is made and sinks get it.
"""

from __future__ import annotations

import asyncio
from threading import get_ident
from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.direct_streams import ModelReader, SourceReader
from langchain_streamkit.runs.drive import drive
from langchain_streamkit.runs.held import UNWIND_S
from langchain_streamkit.runs.inside import (
    awaited,
    begin_work,
    called_by,
    create_task_of,
    is_work_of,
    waits_for_itself,
)
from langchain_streamkit.runs.keeping import keep
from langchain_streamkit.runs.stopping import STOP_GRACE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from langchain_streamkit.events import CancelReason
    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.direct import DirectReader
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.wire.source import Frames


class AsyncDriver:
    """One run's task and the futures of those who wait for it."""

    def __init__(self, core: RunCore) -> None:
        self.core = core
        self.started = False
        self.opened = False
        """A reader has been given out."""
        self._left = False
        """That reader was left before the end."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._task: asyncio.Task[None] | None = None
        self._calling = False
        self._tail_begun = False
        self._tail_task: asyncio.Task[None] | None = None
        self._sequencer = core.sequencer
        self._wake_up = self._wake
        self._waiters: list[asyncio.Future[None]] = []
        self._reading: asyncio.Future[None] | None = None
        self._watched: asyncio.Task[Any] | None = None
        self._direct: DirectReader | None = None
        self._ended = asyncio.Event()

    # ---- the run -----------------------------------------------------------------------------

    def start(self, frames: Frames | None = None) -> None:
        """Start the run in the running loop, once. Raises StreamUsageError in another loop.

        ``frames`` are those of a reader that may make the call itself (see ``open``).
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise StreamUsageError(
                "no event loop runs here: read the run in async code, or use stream() for plain"
                " `for` loops"
            ) from None
        if self.started:
            if loop is not self._loop:
                raise StreamUsageError(
                    f"run {self.core.run_id} belongs to another event loop; read it there, or give"
                    " it a QueueSink"
                )
            return
        self.started = True
        self._loop = loop
        self._thread = get_ident()
        self.core.outlets.start(loop)
        self.core.begin(loop)
        self.core.stop_work = self._stop_work
        if frames is not None and not self.core.outlets:
            self._direct = self._direct_reader(frames)
            if self._direct is not None:
                return
        self._task = loop.create_task(self._life(), name=f"streamkit run {self.core.run_id}")

    def _direct_reader(self, frames: Frames) -> DirectReader | None:
        plan = self.core.plan
        if plan.route == "source":
            return SourceReader(self.core, plan, frames, self._tail)
        return ModelReader(self.core, frames, self._tail) if plan.route == "items" else None

    async def _life(self) -> None:
        """The call, the terminal event, then sinks and on_end; all in one task."""
        result: Any = None
        error: BaseException | None = None
        self._calling = True  # a stop before this finds nothing to cancel, and is seen below
        begin_work(self.core.run_id)
        try:
            result = await drive(self.core)
        except BaseException as exc:  # noqa: BLE001 -- becomes the terminal event
            error = exc
        self._calling = False
        self.core.conclude(result, error)
        self._release()
        await self._tail()
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    async def _tail(self) -> None:
        """What follows the terminal event; runs once, whoever comes first."""
        if self._tail_begun:
            return
        self._tail_begun = True
        try:
            if (partial := self.core.to_keep()) is not None:
                await self._shielded(keep(partial))
            try:
                await self.core.outlets.drained()
            finally:  # the loop may be shutting down
                answer = self.core.call_on_end()
                if answer is not None:
                    await self._shielded(answer)
        finally:
            self._watch(None)
            self._ended.set()
            self._release()

    async def _shielded(self, answer: Awaitable[Any]) -> None:
        task = create_task_of(self.core, awaited(answer))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise
        except Exception as exc:  # noqa: BLE001 -- the run has ended before it
            self.core.on_end_failed(exc)

    def _stop_work(self) -> None:
        """Cancel the call, from any thread; give up on it after the grace.

        What is raised in the call's own task gets a moment to end it, as a cancel would break off
        what cleans up. What is raised elsewhere ends a branch: the others are to be left at once.
        """
        loop = self._loop
        here = get_ident() == self._thread
        if loop is None or loop.is_closed():
            self.core.conclude(None, asyncio.CancelledError())
        elif here and self.core.stops_itself and self._task in (None, asyncio.current_task(loop)):
            loop.call_later(UNWIND_S, self._cancel_call)
        elif here and asyncio.current_task(loop) is not self._task:
            self._cancel_call()
        else:  # also from a callback in the call's own task, which is about to raise
            loop.call_soon_threadsafe(self._cancel_call)

    def _cancel_call(self) -> None:
        if self._direct is not None:
            self._direct.stop()
        elif self._task is not None and self._calling:
            self._task.cancel()
        else:
            return
        if self._loop is not None:
            self._loop.call_later(STOP_GRACE_S, self._give_up)

    def _give_up(self) -> None:
        """The call did not notice: end the run without it, and say what is still running."""
        if self._direct is not None:
            self._direct.give_up()
        if self._loop is None or self.core.ended or not (self._calling or self._direct):
            return
        self.core.end_unstopped()
        self._release()
        self._tail_task = self._loop.create_task(self._tail())

    # ---- the reader --------------------------------------------------------------------------

    def open(self, frames: Frames | None = None) -> DirectReader | None:
        """Give out the one reader and start the run. Raises StreamUsageError the second time.

        With ``frames``, the reader lives and dies with the run, so that a bare model without sinks
        may be read in the reader's own task: by what this then returns.
        """
        if self.opened:
            raise StreamUsageError(
                f"run {self.core.run_id} is read already; a run is consumed once: give it a sink"
                f" for each further reader, or {self.core.anew('astream')}"
            )
        if self.core.sequencer.discarded:
            raise StreamUsageError(
                f"the events of run {self.core.run_id} were not kept, because result() was awaited"
                " or a view was read first, and they were many; iterate first, then await result()"
            )
        self.start(frames)
        self.opened = True
        self._sequencer.somebody_reads()
        self._watch(asyncio.current_task())
        return self._direct

    def more(self) -> asyncio.Future[None]:
        """What the one reader waits for when ``take`` has given nothing: there may be more."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise StreamUsageError(
                f"run {self.core.run_id} belongs to another event loop; read it there, or give it a"
                " QueueSink"
            )
        if self._reading is not None and not self._reading.done():
            raise StreamUsageError(
                f"run {self.core.run_id} is being read by another task; give it a sink for each"
                " further reader"
            )
        sequencer = self._sequencer
        waiter = self._reading = loop.create_future()
        sequencer.wake = self._wake_up
        if sequencer.has_more or sequencer.ended:
            self._release()
        return waiter

    async def something_happened(self) -> None:
        """Wait until there is an event after run.started."""
        sequencer = self.core.sequencer
        while not sequencer.closed:
            sequencer.settle(seal=False)
            if sequencer.made > 1:
                break
            await self._changed()
        if sequencer.closed:  # what is there may be the end itself
            while not sequencer.ended:
                await self._changed()

    async def finished(self, *, reading: bool = True) -> None:
        """Wait until the run, its sinks and on_end are done."""
        if reading and not self.opened:
            self.core.sequencer.nobody_reads()
        if self._direct is not None and self._direct.read_here:
            return  # a callback of the model, in the task that would have to go on
        if called_by(self.core):  # an async sink or on_end: the run waits for it
            while not self._sequencer.ended:
                await self._changed()
            return
        await self._ended.wait()

    async def _changed(self) -> None:
        """Wait until something is pushed that is not folded yet, or the run ends."""
        sequencer = self._sequencer
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        sequencer.wake = self._wake
        if sequencer.has_signals or sequencer.ended:
            self._release()
        await waiter

    def _wake(self) -> None:
        """Called by whoever pushes, from any thread, while someone waits."""
        self._sequencer.wake = None  # once for all that is pushed until the loop runs
        if get_ident() != self._thread:
            loop = self._loop
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._release)
            return
        reading = self._reading
        if reading is not None and not reading.done():
            reading.set_result(None)
        if self._waiters:
            self._release()

    def _release(self) -> None:
        self._sequencer.wake = None
        reading, self._reading = self._reading, None
        if reading is not None and not reading.done():
            reading.set_result(None)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _watch(self, task: asyncio.Task[Any] | None) -> None:
        """Stop the run when the task that reads it dies."""
        if self._watched is not None:
            self._watched.remove_done_callback(self._reader_done)
        self._watched = task
        if task is not None:
            task.add_done_callback(self._reader_done)

    def _reader_done(self, task: asyncio.Task[Any]) -> None:
        """The task that took the reader is over. Whoever has the reader now reads on, or drops it;
        only of a task that died the traceback may hold it for long.
        """
        handed_on = self._reading is not None and not self._reading.done()
        if not handed_on and (task.cancelled() or task.exception() is not None):
            self.abandoned("user")

    def abandoned(self, reason: CancelReason) -> None:
        """The reader was dropped before the end. Views that are open read on."""
        self._left = True
        if self._sequencer.views.hold_the_run:
            self._sequencer.no_reader()
        elif self.started:
            self.core.stop(reason)

    def dropped(self) -> None:
        """The run itself was dropped: without a reader, nobody will ever learn its end."""
        if self.started and not self.opened and not self._sequencer.views.hold_the_run:
            self.core.stop("user")

    # ---- views -------------------------------------------------------------------------------

    def join(self, feed: Feed[Any]) -> None:
        """Open a view, and start the run. Raises StreamUsageError in another loop."""
        self.start()
        if not self.opened:
            self._sequencer.nobody_reads()
        if self._direct is not None:
            self._direct.share()
        feed.from_within = self._within or called_by(self.core)
        self._sequencer.subscribe(feed)

    def leave(self, feed: Feed[Any]) -> None:
        """A view was left early: if it was the last reader, the run is cancelled."""
        left = self._sequencer.views.leave(feed) and not (feed.done or feed.from_within)
        if left and not self._sequencer.views.hold_the_run and (not self.opened or self._left):
            self.core.stop("user")

    def news(self) -> asyncio.Future[None]:
        """What a view waits for when it has looked: there may be something new. To be asked for
        before a last look. Raises StreamUsageError where that would be waiting for oneself.
        """
        if self._within and not called_by(self.core):
            raise StreamUsageError(waits_for_itself(self.core.run_id))
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._sequencer.wake = self._wake
        return waiter

    @property
    def _within(self) -> bool:
        """Whether the run waits for the caller."""
        if self._direct is not None and self._direct.read_here:
            return True
        return is_work_of(self.core.run_id) or self._sequencer.owned
