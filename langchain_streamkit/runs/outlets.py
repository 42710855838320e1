"""The sinks of one run: plain ones called inline, async ones fed by one task each.

Guarantees: each sink gets every event once, in order, never two calls at a time; what a sink raises
is reported once and the sink is left alone from then on; the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections import deque
from typing import TYPE_CHECKING

from langchain_streamkit.errors import SinkError, StreamUsageError
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.inside import create_task_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.sinks.base import Sink

    OnFailure = Callable[[Sink, Exception], None]


class Outlets:
    """Where the events of one run, or of all runs of one handler, go."""

    def __init__(self, sinks: Sequence[Sink], on_failure: OnFailure, owner: object) -> None:
        self._on_failure = on_failure
        self._owner = owner
        self._plain = [sink for sink in sinks if not _is_async(sink)]
        self._pumps = [_Pump(sink, self._fail, self._owner) for sink in sinks if _is_async(sink)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._plain or self._pumps)

    def refuse_async(self) -> None:
        """Raise StreamUsageError if a sink is async: there will be no event loop to await it."""
        for sink in self.async_sinks:
            raise StreamUsageError(needs_loop_text(sink))

    @property
    def lag(self) -> int:
        """How many events the slowest async sink is behind."""
        lags = [pump.lag for pump in self._pumps]
        lags += [getattr(sink, "lag", 0) for sink in self._plain]
        return max(lags, default=0)

    @property
    def async_sinks(self) -> list[Sink]:
        """The sinks that need an event loop."""
        return [pump.sink for pump in self._pumps]

    def without_loop(self) -> None:
        """There is no event loop: the async sinks fail, saying what to do."""
        pumps, self._pumps = self._pumps, []
        for pump in pumps:
            self._fail(pump.sink, StreamUsageError(needs_loop_text(pump.sink)))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to feed the async sinks from ``loop``."""
        if self._loop is not None:
            return
        self._loop = loop
        for pump in self._pumps:
            pump.start(loop)

    def send(self, events: Sequence[Event]) -> None:
        """Hand events to the plain sinks now, to the async ones soon."""
        pumps = list(self._pumps)  # a sink that turns async has got these events already
        for sink in self._plain:
            try:
                answer = sink.send(events)
            except Exception as exc:  # noqa: BLE001 -- a sink's error is never the run's
                self._drop(sink, exc)
                continue
            if answer is not None:
                self._turned_async(sink, answer)
        for pump in pumps:
            pump.put(events)

    def close(self) -> None:
        """Close the plain sinks; the async ones close when they have got everything."""
        if self._closed:
            return
        self._closed = True
        for sink in self._plain:
            try:
                answer = sink.close()
            except Exception as exc:  # noqa: BLE001 -- a sink's error is never the run's
                self._drop(sink, exc)
                continue
            if answer is not None:
                self._turned_async(sink, answer, closes=True)
        for pump in self._pumps:
            pump.close()

    async def drained(self) -> None:
        """Wait until the async sinks have got everything and are closed."""
        for pump in self._pumps:
            await pump.done()

    def _turned_async(self, sink: Sink, answer: Awaitable[None], *, closes: bool = False) -> None:
        """A plain sink has to wait for something: feed it from a task from now on."""
        if self._loop is None:
            if inspect.iscoroutine(answer):
                answer.close()
            self._drop(sink, StreamUsageError(needs_loop_text(sink)))
            return
        self._leave_out(sink)
        pump = _Pump(sink, self._fail, self._owner, first=answer, closes=closes)
        self._pumps.append(pump)
        pump.start(self._loop)

    def _drop(self, sink: Sink, error: Exception) -> None:
        """A plain sink failed: it gets no more events, but learns that it is the end."""
        if not self._leave_out(sink):
            return  # it failed in another thread at the same time
        self._fail(sink, error)
        if self._closed:
            return
        try:
            answer = sink.close()
        except Exception as exc:  # noqa: BLE001 -- it has failed already, and that was told
            LOGGER.warning("%s did not close either", type(sink).__name__, exc_info=exc)
            return
        if answer is not None and self._loop is not None:
            pump = _Pump(sink, self._fail, self._owner, first=answer, closes=True)
            self._pumps.append(pump)
            pump.start(self._loop)
            pump.close()

    def _leave_out(self, sink: Sink) -> bool:
        """Feed this sink, and none that is equal to it, no more; False if it was left out before.

        The list is never changed, but replaced: another thread may be going through it.
        """
        with self._lock:
            rest = [other for other in self._plain if other is not sink]
            found = len(rest) < len(self._plain)
            self._plain = rest
        return found

    def _fail(self, sink: Sink, error: Exception) -> None:
        if not isinstance(error, SinkError):
            name = type(sink).__name__
            wrapped = SinkError(f"sink {name} failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            error = wrapped
        self._on_failure(sink, error)


_LAST_EVENTS_S = 1.0
"""Seconds a sink waits for the end of its run once its event loop is shutting down."""


class _Pump:
    """Feeds one async sink from a task of its own."""

    def __init__(
        self,
        sink: Sink,
        on_failure: OnFailure,
        owner: object,
        *,
        first: Awaitable[None] | None = None,
        closes: bool = False,
    ) -> None:
        self.sink = sink
        self._owner = owner
        self._first = first
        self._closes = closes
        """Whether ``first`` is what close() returned, so that nothing is left to do after it."""
        self._on_failure = on_failure
        self._batches: deque[Sequence[Event]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._failed = False
        self._stayed = False
        self.lag = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        if _running_loop() is loop:
            self._begin()
        else:
            loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = create_task_of(self._owner, self._run())

    def put(self, events: Sequence[Event]) -> None:
        if self._failed:
            return
        self._batches.append(events)
        self.lag += len(events)
        self._notify()

    def close(self) -> None:
        self._closed = True
        self._notify()

    async def done(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    def _notify(self) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if _running_loop() is loop:
            self._wake.set()
        else:
            loop.call_soon_threadsafe(self._wake.set)

    async def _run(self) -> None:
        try:
            if self._first is not None:
                await self._first
            while True:
                while self._batches:
                    events = self._batches.popleft()
                    await _finished(self.sink.send(events))
                    self.lag -= len(events)
                if self._closed:
                    break
                await self._more()
            if not self._closes:
                await _finished(self.sink.close())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not we were cancelled, but something the sink waited for.
            await self._give_up(SinkError("what the sink waited for was cancelled"))
        except Exception as exc:  # noqa: BLE001 -- a sink's error is never the run's
            await self._give_up(exc)

    async def _more(self) -> None:
        """Wait for events or the end. A loop that shuts down cancels us before the run that we are
        fed by has ended: its last events still come, so we stay for them.
        """
        self._wake.clear()
        if self._batches or self._closed:
            return
        try:
            await self._wake.wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or self._stayed:
                raise
            self._stayed = True
            task.uncancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_EVENTS_S):
                    await self._wake.wait()

    async def _give_up(self, error: Exception) -> None:
        """It gets no more events, but learns that it is the end."""
        self._failed = True
        self._batches.clear()
        self.lag = 0
        self._on_failure(self.sink, error)
        try:
            await _finished(self.sink.close())
        except Exception as exc:  # noqa: BLE001 -- it has failed already, and that was told
            LOGGER.warning("%s did not close either", type(self.sink).__name__, exc_info=exc)


async def _finished(answer: Awaitable[None] | None) -> None:
    if answer is not None:
        await answer


def _is_async(sink: Sink) -> bool:
    methods = (sink.send, sink.close)
    return any(inspect.iscoroutinefunction(method) for method in methods) or (
        getattr(sink, "is_async", False) is True
    )


def needs_loop_text(sink: Sink) -> str:
    """What to say of an async sink where no event loop runs."""
    return (
        f"{type(sink).__name__} is async and no event loop runs here; use astream(), or attach the"
        " handler in async code (ainvoke, astream), or pass a sink whose send is a plain function"
    )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
