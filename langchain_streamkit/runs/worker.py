"""The thread behind a ``Run``: makes the call, stops it, wakes the reader.

Guarantees: a stop is waited for a second and no longer, and never by the thread that would have to
do it; a run that is open when the interpreter exits is stopped before the exit waits for threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.drive import drive_sync
from langchain_streamkit.runs.inside import begin_work, is_work_of, waits_for_itself
from langchain_streamkit.runs.keeping import keep_sync
from langchain_streamkit.runs.leftovers import leave_behind
from langchain_streamkit.runs.stopping import STOP_GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.views.feed import Feed


class Worker:
    """One run's thread and those who wait for it."""

    def __init__(self, core: RunCore) -> None:
        self.core = core
        self.started = False
        self.opened = False
        self._thread: threading.Thread | None = None
        self._wake_up = self._wake
        self._starting = threading.Lock()
        self._left = False
        self._waiters: deque[threading.Event] = deque()
        self._reading = threading.Event()
        self._ended = threading.Event()
        self._finishing = threading.Lock()
        self._finished = False

    def start(self) -> None:
        """Start the run's thread, once, with the caller's context."""
        with self._starting:
            if self.started:
                return
            self.started = True
        _stop_at_exit(self)
        self.core.await_stop = self._await_stop
        self.core.begin(None)
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run,
            args=(self._life,),
            name=f"streamkit run {self.core.run_id}",
            daemon=True,
        )
        self._thread.start()

    def _life(self) -> None:
        result: Any = None
        error: BaseException | None = None
        begin_work(self.core.run_id)
        try:
            result = drive_sync(self.core)
        except BaseException as exc:  # noqa: BLE001 -- becomes the terminal event
            error = exc
        self.core.conclude(result, error)
        self._finish()

    def _finish(self) -> None:
        """What follows the terminal event; runs once, whoever comes first."""
        with self._finishing:
            if not self._finished:
                self._finished = True
                if (partial := self.core.to_keep()) is not None:
                    keep_sync(partial)
                answer = self.core.call_on_end()
                if answer is not None:
                    _close(answer)
                    self.core.on_end_failed(
                        StreamUsageError("on_end returned an awaitable; stream() cannot await it")
                    )
        self._ended.set()
        self._wake()

    def open(self) -> None:
        """Give out the one reader and start the run. Raises StreamUsageError the second time."""
        if self.opened:
            raise StreamUsageError(
                f"run {self.core.run_id} is read already; a run is consumed once: give it a sink"
                f" for each further reader, or {self.core.anew('stream')}"
            )
        if self.core.sequencer.discarded:
            raise StreamUsageError(
                f"the events of run {self.core.run_id} were not kept, because result() was called"
                " or a view was read first, and they were many; iterate first, then call result()"
            )
        self.opened = True
        self.core.sequencer.somebody_reads()
        self.start()

    def next_batch(self) -> list[Event]:
        """All events that are ready, waiting for the first; empty after the terminal event."""
        sequencer = self.core.sequencer
        while True:
            ended = sequencer.ended  # asked first: what ended in between is there to be taken
            if sequencer.has_more:
                events = sequencer.take()
                if events:
                    return events
            elif ended:
                self.wait()
                if self.core.refusal is not None:
                    raise self.core.refusal
                return []
            self._wait_for_change(self._reading, lambda: sequencer.has_more)

    def something_happened(self) -> None:
        """Wait until there is an event after run.started."""
        sequencer = self.core.sequencer
        while not sequencer.closed:
            sequencer.settle(seal=False)
            if sequencer.made > 1:
                break
            self._wait_for_change(threading.Event(), lambda: sequencer.has_signals)
        if sequencer.closed:  # what is there may be the end itself
            self._ended.wait()

    def _wait_for_change(self, changed: threading.Event, already: Callable[[], bool]) -> None:
        self.listen(changed)
        if not (already() or self.core.sequencer.ended):
            self.await_change(changed)

    def listen(self, changed: threading.Event) -> None:
        """Have ``changed`` set, once, when there may be something new."""
        changed.clear()
        self._waiters.append(changed)
        self.core.sequencer.wake = self._wake_up  # after: whoever finds it finds the waiter

    def await_change(self, changed: threading.Event) -> None:
        """Wait for what ``listen`` was asked for; Ctrl-C cancels the run."""
        try:
            changed.wait()
        except BaseException:
            self.cancel("user")
            raise

    def _wake(self) -> None:
        """Called by whoever pushes, from any thread, while someone waits."""
        self.core.sequencer.wake = None  # before: whoever listens from now on sets it again
        waiters = self._waiters
        while waiters:
            try:
                waiters.popleft().set()
            except IndexError:  # another thread has woken the last one
                return

    def wait(self) -> None:
        """Wait until the run and on_end are done; Ctrl-C cancels the run."""
        try:
            self._ended.wait()
        except BaseException:
            self.cancel("user")
            raise

    def wait_from_outside(self) -> None:
        """``wait``, unless the run is what calls: then it would wait for itself."""
        if not self._within:
            self.wait()

    def cancel(self, reason: CancelReason) -> None:
        """Stop the run and wait for its end, or end it without its thread after the grace."""
        self.core.stop(reason)
        self._await_stop()

    def _await_stop(self) -> None:
        core = self.core
        if threading.current_thread() is self._thread or core.sequencer.owned:
            return  # a sink of the run, or the run itself: it cannot wait for itself
        if not self._ended.wait(STOP_GRACE_S) and not core.ended:
            if self._thread is not None:
                leave_behind(self._thread)
            core.end_unstopped()
            self._finish()

    def abandoned(self) -> None:
        """The reader was dropped before the end. Views that are open read on."""
        self._left = True
        if self.core.sequencer.views.hold_the_run:
            self.core.sequencer.no_reader()
        elif self.started and not self.core.ended:
            self.cancel("user")

    def dropped(self) -> None:
        """The run itself was dropped: without a reader, nobody will ever learn its end."""
        read = self.opened or self.core.sequencer.views.hold_the_run
        if self.started and not read and not self.core.ended:
            self.core.stop("user")

    # ---- views -------------------------------------------------------------------------------

    def join(self, feed: Feed[Any]) -> None:
        """Open a view, and start the run."""
        if not self.opened:  # said first: the thread may be fast
            self.core.sequencer.nobody_reads()
        feed.from_within = self._within
        self.core.sequencer.subscribe(feed)
        self.start()

    def leave(self, feed: Feed[Any]) -> None:
        """A view was left early: if it was the last reader, the run is cancelled."""
        sequencer = self.core.sequencer
        left = sequencer.views.leave(feed) and not (feed.done or feed.from_within)
        last = left and not sequencer.views.hold_the_run and (not self.opened or self._left)
        if last and self.started and not self.core.ended:
            self.cancel("user")

    def may_wait(self) -> None:
        """Raises StreamUsageError where to wait for the run would be waiting for oneself."""
        if self._within:
            raise StreamUsageError(waits_for_itself(self.core.run_id))

    @property
    def _within(self) -> bool:
        """Whether the run waits for the caller."""
        return is_work_of(self.core.run_id) or self.core.sequencer.owned


_open_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


def _stop_at_exit(worker: Worker) -> None:
    """Stop the run when the interpreter exits while it is open.

    The exit waits for the threads of pools (those LangChain runs branches in), so the stop has to
    come before that; ``threading._register_atexit`` is what pools themselves use for it.
    """
    if not _open_workers:
        register: Any = getattr(threading, "_register_atexit", None)
        if register is not None:
            register(_stop_open_workers)
    _open_workers.add(worker)


def _stop_open_workers() -> None:
    for worker in list(_open_workers):
        worker.core.stop("user")


def _close(answer: Any) -> None:
    if asyncio.iscoroutine(answer):
        answer.close()
