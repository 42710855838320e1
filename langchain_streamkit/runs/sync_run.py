"""``Run``: one run in plain synchronous code, made by a worker thread, read with ``for``.

Guarantees: the same as ``AsyncRun``; live tokens although LangGraph runs sync nodes in threads;
works inside Jupyter's running loop; no thread is left behind unless ``pending`` says so. The
caller's context variables are copied; objects bound to the caller's thread are not usable in the
run (attach ``StreamCallbackHandler`` and call ``invoke`` for those).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import weakref
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.core import STOP_GRACE_S, RunCore
from langchain_streamkit.runs.drive import drive_sync
from langchain_streamkit.runs.handle import RunHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.runs.core import OnEnd
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.snapshot import RunSnapshot

Output = TypeVar("Output")


class Run(RunHandle, Generic[Output]):
    """A run and its events: ``for event in run``, then ``run.result()``."""

    def __init__(self, plan: Plan, sinks: Sequence[Sink], on_end: OnEnd | None) -> None:
        super().__init__(RunCore(plan, sinks, on_end))
        self._core.outlets.refuse_async()
        if on_end is not None and inspect.iscoroutinefunction(on_end):
            raise StreamUsageError(
                "on_end is async; stream() takes a plain function, astream() takes both"
            )
        self._worker = _Worker(self._core)
        weakref.finalize(self, _Worker.dropped, self._worker)

    # ---- reading -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        self._worker.open()
        return _Events(self._worker)

    def batches(self) -> Iterator[list[Event]]:
        """The events in batches: each all that is ready, never empty. Consumes the run."""
        self._worker.open()
        return _Batches(self._worker)

    def started(self) -> None:
        """Return when the first event after run.started is there.

        Raises what the run raises if it ends before that.
        """
        self._worker.start()
        self._worker.something_happened()
        error = self._core.error
        if error is not None and self._core.sequencer.silent:
            raise error

    def result(self) -> Output:
        """What ``invoke`` returns, once the run has ended.

        Raises the run's own exception; ``RunCancelled`` when it was stopped; ``ReaderOverflow``.
        """
        self._worker.start()
        if not self._worker.opened:
            self._core.sequencer.nobody_reads()
        self._worker.wait()
        if self._core.error is not None:
            raise self._core.error
        result: Output = self._core.result
        return result

    def show(self) -> RunSnapshot:
        """Read the run and show it live, in a notebook or on the terminal; returns the snapshot."""
        from langchain_streamkit.runs.show import live_display

        display = live_display()
        for events in self.batches():
            display.update(events, self._core.snapshot)
        display.close(self._core.snapshot)
        return self.snapshot

    # ---- stopping ----------------------------------------------------------------------------

    def cancel(self, reason: CancelReason = "user") -> None:
        """Stop the run: it ends at its next token, model or tool call, or after 1 s without them.

        What is then still running is named in ``pending``.
        """
        self._worker.start()
        self._worker.cancel(reason)

    def close(self) -> None:
        """Cancel the run if it has not ended; a run that was never started stays unstarted."""
        if self._worker.started:
            self.cancel()

    def __enter__(self) -> Run[Output]:
        self._worker.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def resume(self, answers: Mapping[str, Any], *, sinks: Sequence[Any] = ()) -> Run[Output]:
        """The run that goes on where this one was interrupted, with an answer by interrupt id.

        Raises StreamUsageError when this run is not interrupted or an id is not pending.
        """
        from langchain_streamkit.sinks.base import as_sink

        plan = self._resume_plan(answers)
        return Run(plan, [as_sink(sink) for sink in sinks], None)

    def map(self, function: Callable[[Event], Event | None]) -> Run[Output]:
        """Pass every event through ``function`` before anyone sees it; see ``AsyncRun.map``."""
        self._set_transform(function, started=self._worker.started)
        return self

    def __await__(self) -> NoReturn:
        raise StreamUsageError(
            "this run is not async: write `for event in run: ...`; in async code use astream()"
        )

    def __aiter__(self) -> NoReturn:
        raise StreamUsageError(
            "this run is not async: write `for event in run: ...`; in async code use astream()"
        )

    def __repr__(self) -> str:
        return self._describe(started=self._worker.started)


class _Worker:
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
                return []
            self._wait_for_change(lambda: sequencer.has_more)

    def something_happened(self) -> None:
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


class _Batches:
    """The one reader of a run, in batches; dropped before the end, it cancels the run."""

    __slots__ = ("__weakref__", "_finalizer", "_worker")

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._finalizer = weakref.finalize(self, _Worker.abandoned, worker)

    def __iter__(self) -> _Batches:
        return self

    def __next__(self) -> list[Event]:
        events = self._worker.next_batch()
        if not events:
            self._finalizer.detach()
            raise StopIteration
        return events

    def close(self) -> None:
        """Leave the run: it is cancelled if it has not ended."""
        self._finalizer()


class _Events:
    """The one reader of a run, event by event; dropped before the end, it cancels the run."""

    __slots__ = ("__weakref__", "_events", "_finalizer", "_worker")

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._events: list[Event] = []
        self._finalizer = weakref.finalize(self, _Worker.abandoned, worker)

    def __iter__(self) -> _Events:
        return self

    def __next__(self) -> Event:
        events = self._events
        if not events:
            events = self._worker.next_batch()
            if not events:
                self._finalizer.detach()
                raise StopIteration
            events.reverse()
            self._events = events
        return events.pop()

    def close(self) -> None:
        """Leave the run: it is cancelled if it has not ended."""
        self._finalizer()


_open_workers: weakref.WeakSet[_Worker] = weakref.WeakSet()


def _stop_at_exit(worker: _Worker) -> None:
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
