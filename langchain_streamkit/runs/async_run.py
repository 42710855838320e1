"""``AsyncRun``: one run in an event loop, read as an async iterator of events.

Guarantees: lazy (nothing happens before the first iteration, ``async with``, ``started()`` or
``result()``); consumed once; iterating never raises the run's own error, it ends after the terminal
event; a run that nobody reads any more is cancelled; ``cancel()`` returns when the run has ended.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Never, NoReturn, Self, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.core import RunCore
from langchain_streamkit.runs.driver import AsyncDriver
from langchain_streamkit.runs.handle import RunHandle
from langchain_streamkit.runs.options import checked_on_end
from langchain_streamkit.runs.readers import Batches, Direct, Encoded, Events
from langchain_streamkit.runs.views.of_run import (
    AsyncMessages,
    AsyncText,
    AsyncToolCalls,
    AsyncValues,
    partials,
)
from langchain_streamkit.runs.views.view import AsyncView
from langchain_streamkit.sinks.base import as_sinks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
    from types import TracebackType

    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.runs.views.selection import Listeners, Path
    from langchain_streamkit.sinks.base import Sink, SinkLike
    from langchain_streamkit.snapshot import RunSnapshot
    from langchain_streamkit.wire.source import Frames

Output = TypeVar("Output")
Model = TypeVar("Model")


class AsyncRun(RunHandle, Generic[Output]):
    """A run and its events: ``async for event in run``, then ``await run.result()``."""

    _core_type: ClassVar[type[RunCore]] = RunCore
    _driver_type: ClassVar[type[AsyncDriver]] = AsyncDriver

    def __init__(
        self, plan: Plan | SourcePlan, sinks: Sequence[Sink], on_end: OnEnd | None
    ) -> None:
        super().__init__(self._core_type(plan, sinks, on_end))
        self._on_end = on_end
        self._driver = self._driver_type(self._core)
        weakref.finalize(self, AsyncDriver.dropped, self._driver)

    # ---- reading -----------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Event]:
        self._driver.open()
        return Events(self._driver)

    def batches(self) -> AsyncIterator[list[Event]]:
        """The events in batches: each all that is ready, never empty. Consumes the run."""
        self._driver.open()
        return Batches(self._driver)

    def encoded(self, frames: Frames) -> AsyncIterator[bytes]:
        """What ``frames`` makes of each batch, unless that is empty. Consumes the run.

        For a reader that lives and dies with the run, such as a response: a cancelled ``await`` of
        the next item cancels the run, as a disconnect. Without sinks, a bare model or an
        adapted stream is read in the reader's own task, which saves a hop per token.
        """
        direct = self._driver.open(frames)
        if direct is None:
            return Encoded(self._driver, frames)
        return Direct(self._driver, direct, frames)

    async def started(self) -> None:
        """Return when the first event after run.started is there.

        Raises what the run raises if it ends before that, so that a web handler can still answer
        with an error status.
        """
        self._driver.start()
        await self._driver.something_happened()
        error = self._core.error
        if error is not None and self._core.sequencer.silent:
            raise error

    async def result(self) -> Output:
        """What ``ainvoke`` returns, once the run has ended.

        Raises the run's own exception; ``RunCancelled`` when it was stopped; ``ReaderOverflow``.
        Without a reader the run goes to its end all the same.
        """
        self._driver.start()
        try:
            await self._driver.finished()
        except asyncio.CancelledError:
            if not self._driver.opened:
                self._core.stop("user")
            raise
        if self._core.error is not None:
            raise self._core.error
        result: Output = self._core.result
        return result

    async def show(self) -> RunSnapshot:
        """Read the run and show it live, in a notebook or on the terminal; returns the snapshot."""
        from langchain_streamkit.runs.show import live_display

        display = live_display()
        async for events in self.batches():
            display.update(events, self._core.snapshot)
        display.close(self._core.snapshot)
        return self.snapshot

    # ---- views -------------------------------------------------------------------------------

    @property
    def text(self) -> AsyncText:
        """What is said to the user, as it is said; with filters: ``run.text(node="writer")``."""
        return AsyncText(self._driver)

    @property
    def messages(self) -> AsyncMessages:
        """A handle for each message to the user, when it begins."""
        return AsyncMessages(self._driver)

    @property
    def tool_calls(self) -> AsyncToolCalls:
        """A handle for each tool call, once its arguments are whole."""
        return AsyncToolCalls(self._driver)

    @property
    def values(self) -> AsyncValues:
        """Each state of the graph; asked for before the start, it switches their capture on.

        Raises StreamUsageError once the run has started without ``capture={"state"}``.
        """
        return AsyncValues(self._driver)

    def partial(
        self,
        model: type[Model],
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
    ) -> AsyncView[Model]:
        """The object of ``model`` that the run writes as JSON, growing; the last is the final one.

        ``model`` is a Pydantic class, a TypedDict or a dataclass: that of
        ``with_structured_output`` (JSON or function calling) or of ``response_format=``. Each
        object is an instance of it, of what is there and valid; fields that are missing are their
        default or None, keys that are missing are absent. An attempt that failed starts over. The
        final one is the one that the run returns, where it returns one.

        Raises InvalidOutput, at the end, when the run gave no valid one.
        """
        return AsyncView(self._driver, partials(self._core, model, unnamed, node, path, audience))

    # ---- stopping ----------------------------------------------------------------------------

    async def cancel(self, reason: CancelReason = "user") -> None:
        """Stop the run; returns when it has ended. What does not stop is named in ``pending``."""
        self._driver.start()
        self._core.stop(reason)
        await self._driver.finished(reading=False)

    async def fail(self, error: Exception) -> None:
        """End the run as failed because of ``error``, which is not its own but that of whoever
        serves it; returns when it has ended. An error that comes after a stop, or the end, changes
        nothing.
        """
        self._driver.start()
        self._core.fail(error)
        await self._driver.finished(reading=False)

    async def aclose(self) -> None:
        """Cancel the run if it has not ended; a run that was never started stays unstarted."""
        if self._driver.started:
            await self.cancel()

    async def __aenter__(self) -> Self:
        self._driver.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def resume(
        self,
        answers: Mapping[str, Any],
        *,
        sinks: Iterable[SinkLike] | SinkLike = (),
        on_end: OnEnd | None = None,
    ) -> AsyncRun[Output]:
        """The run that goes on where this one was interrupted, with an answer by interrupt id.

        ``on_end`` is this run's, if no other is given. The sinks of this run were closed with it:
        give new ones. Where this object is gone, as on a server, call ``astream`` with
        ``Command(resume={interrupt_id: answer})`` as the input, and the same ``thread_id``.

        Raises StreamUsageError when this run is not interrupted, was resumed already, or an id is
        not pending.
        """
        plan = self._resume_plan(answers)
        on_end = checked_on_end(on_end) or self._on_end
        run: AsyncRun[Output] = AsyncRun(plan, as_sinks(sinks), on_end)
        self._resumed = run
        return run

    def map(self, function: Callable[[Event], Event | None]) -> Self:
        """Pass every event through ``function`` before anyone sees it (redaction, moderation).

        None drops the event (``run.*`` events cannot be dropped). What ``function`` raises on is
        withheld and fails the run. Call it before the run starts; returns the run.
        """
        self._set_transform(function, started=self._driver.started)
        return self

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise StreamUsageError(
            "a run is not awaited: write `async for event in run: ...`, or `await run.result()`"
        )

    def __iter__(self) -> NoReturn:
        raise StreamUsageError(
            "this run is async: write `async for event in run: ...`; for plain `for` use stream()"
        )

    def __repr__(self) -> str:
        return self._describe(started=self._driver.started)
