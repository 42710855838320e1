"""The thread behind a ``Run``: makes the call, stops it, wakes the reader.

Guarantees: a stop is waited for a second and no longer, and never by the thread that would have to
do it; a run that is open when the interpreter exits is stopped before the exit waits for threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.core import STOP_GRACE_S
from langchain_streamkit.runs.drive import drive_sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.runs.core import RunCore


class Worker:
    """One run's thread and those who wait for it."""

    def __init__(self, core: RunCore) -> None:
        self.core = core
        self.started = False
        self.opened = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._finishing = threading.Lock()
        self._finished = False

    def start(self) -> None:
        """Start the run's thread, once, with the caller's context."""
        if self.started:
            return
        self.started = True
        _stop_at_exit(self)
        self.core.begin()
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
        try:
            if not self.core.stopping:
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
                answer = self.core.call_on_end()
                if answer is not None:
                    _close(answer)
                    self.core.on_end_failed(
                        StreamUsageError("on_end returned an awaitable; stream() cannot await it")
                    )
        self._ended.set()
        self._changed.set()

    def open(self) -> None:
        """Give out the one reader and start the run. Raises StreamUsageError the second time."""
        if self.opened:
            raise StreamUsageError(
                f"run {self.core.run_id} is read already; a run is consumed once: give it a sink"
                " for each further reader, or call stream() again"
            )
        if self.core.sequencer.discarded:
            raise StreamUsageError(
                f"the events of run {self.core.run_id} were not kept, because result() was called"
                " first and they were many; iterate first, then call result()"
            )
        self.opened = True
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
            self._wait_for_change(lambda: sequencer.has_more)

    def something_happened(self) -> None:
        """Wait until there is an event after run.started."""
        sequencer = self.core.sequencer
        while not sequencer.closed:
            sequencer.settle(seal=False)
            if sequencer.made > 1:
                break
            self._wait_for_change(lambda: sequencer.has_signals)
        if sequencer.closed:  # what is there may be the end itself
            self._ended.wait()

    def _wait_for_change(self, already: Callable[[], bool]) -> None:
        sequencer = self.core.sequencer
        self._changed.clear()
        sequencer.wake = self._changed.set
        try:
            if not (already() or sequencer.ended):
                self._changed.wait()
        except BaseException:  # Ctrl-C in the reader
            self.cancel("user")
            raise
        finally:
            sequencer.wake = None

    def wait(self) -> None:
        """Wait until the run and on_end are done; Ctrl-C cancels the run."""
        try:
            self._ended.wait()
        except BaseException:
            self.cancel("user")
            raise

    def cancel(self, reason: CancelReason) -> None:
        """Stop the run and wait for its end, or end it without its thread after the grace."""
        core = self.core
        core.stop(reason)
        if threading.current_thread() is self._thread or core.sequencer.owned:
            return  # a sink of the run, or the run itself: it cannot wait for itself
        if not self._ended.wait(STOP_GRACE_S) and not core.ended:
            core.end_unstopped()
            self._finish()

    def abandoned(self) -> None:
        """The reader was dropped before the end."""
        if self.started and not self.core.ended:
            self.cancel("user")

    def dropped(self) -> None:
        """The run itself was dropped: without a reader, nobody will ever learn its end."""
        if self.started and not self.opened and not self.core.ended:
            self.core.stop("user")


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
