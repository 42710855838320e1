"""``Run``: one run in plain synchronous code, made by a worker thread, read with ``for``.

Guarantees: the same as ``AsyncRun``; live tokens although LangGraph runs sync nodes in threads;
works inside Jupyter's running loop; no thread is left behind unless ``pending`` says so. The
caller's context variables are copied; objects bound to the caller's thread are not usable in the
run (attach ``StreamCallbackHandler`` and call ``invoke`` for those).
"""

from __future__ import annotations

import inspect
import weakref
from typing import TYPE_CHECKING, Any, Generic, Never, NoReturn, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.core import RunCore
from langchain_streamkit.runs.handle import RunHandle
from langchain_streamkit.runs.options import checked_on_end
from langchain_streamkit.runs.views.of_run import (
    Messages,
    Text,
    ToolCalls,
    Values,
    partials,
)
from langchain_streamkit.runs.views.view import View
from langchain_streamkit.runs.worker import Worker
from langchain_streamkit.sinks.base import as_sinks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.runs.views.selection import Listeners, Path
    from langchain_streamkit.sinks.base import Sink, SinkLike
    from langchain_streamkit.snapshot import RunSnapshot

Output = TypeVar("Output")
Model = TypeVar("Model")


class Run(RunHandle, Generic[Output]):
    """A run and its events: ``for event in run``, then ``run.result()``."""

    def __init__(
        self, plan: Plan | SourcePlan, sinks: Sequence[Sink], on_end: OnEnd | None
    ) -> None:
        super().__init__(RunCore(plan, sinks, on_end))
        self._on_end = on_end
        self._core.outlets.refuse_async()
        if on_end is not None and inspect.iscoroutinefunction(on_end):
            raise StreamUsageError(
                "on_end is async; stream() takes a plain function, astream() takes both"
            )
        self._worker = Worker(self._core)
        weakref.finalize(self, Worker.dropped, self._worker)

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
        if not self._worker.opened:  # said first: the worker may be fast
            self._core.sequencer.nobody_reads()
        self._worker.start()
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

    # ---- views -------------------------------------------------------------------------------

    @property
    def text(self) -> Text:
        """What is said to the user, as it is said; with filters: ``run.text(node="writer")``."""
        return Text(self._worker)

    @property
    def messages(self) -> Messages:
        """A handle for each message to the user, when it begins."""
        return Messages(self._worker)

    @property
    def tool_calls(self) -> ToolCalls:
        """A handle for each tool call, once its arguments are whole."""
        return ToolCalls(self._worker)

    @property
    def values(self) -> Values:
        """Each state of the graph; asked for before the start, it switches their capture on.

        Raises StreamUsageError once the run has started without ``capture={"state"}``.
        """
        return Values(self._worker)

    def partial(
        self,
        model: type[Model],
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
    ) -> View[Model]:
        """The object of ``model`` that the run writes, growing; see ``AsyncRun.partial``."""
        return View(self._worker, partials(self._core, model, unnamed, node, path, audience))

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

    def resume(
        self,
        answers: Mapping[str, Any],
        *,
        sinks: Iterable[SinkLike] | SinkLike = (),
        on_end: OnEnd | None = None,
    ) -> Run[Output]:
        """The run that goes on where this one was interrupted; see ``AsyncRun.resume``."""
        plan = self._resume_plan(answers)
        on_end = checked_on_end(on_end) or self._on_end
        run: Run[Output] = Run(plan, as_sinks(sinks), on_end)
        self._resumed = run
        return run

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


class _Batches:
    """The one reader of a run, in batches; dropped before the end, it cancels the run."""

    __slots__ = ("__weakref__", "_finalizer", "_worker")

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._finalizer = weakref.finalize(self, Worker.abandoned, worker)

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

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._events: list[Event] = []
        self._finalizer = weakref.finalize(self, Worker.abandoned, worker)

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
