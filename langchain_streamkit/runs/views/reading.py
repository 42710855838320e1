"""One iteration of a view, asynchronous or plain: takes from its feed, waits, leaves.

Guarantees: the run is started by it; nothing is lost when the await of the next item is cancelled;
it ends with the run, when sinks and ``on_end`` are done, and never raises the run's own error; left
before the end (dropped, closed, or because the task that reads dies), it cancels the run if no
other reader or view is open; in code that the run itself waits for, it gives what is there and
raises StreamUsageError where it would have to wait.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from langchain_streamkit.runs.views.misses import tell_misses

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.driver import AsyncDriver
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.runs.worker import Worker

T = TypeVar("T")


class _Taking(Generic[T]):
    """What both kinds do without waiting."""

    __slots__ = ("__weakref__", "_core", "_feed", "_items", "_over", "_run_over")

    def __init__(self, core: RunCore, feed: Feed[T]) -> None:
        self._core = core
        self._feed = feed
        self._items: list[T] = []
        self._over = False
        self._run_over = False

    def _look(self) -> bool:
        """Take what is there; False for nothing. ``_over`` tells if nothing will come."""
        sequencer, feed = self._core.sequencer, self._feed
        # Asked first: what comes before the end is there to be taken.
        self._run_over = sequencer.ended
        over = self._run_over or feed.done
        if sequencer.unsealed:
            sequencer.settle()
        items = feed.take()
        if items:
            self._items = list(reversed(items))
            return True
        self._over = over
        return False

    def _leave_views(self) -> None:
        """At the end: the feed gets nothing more."""
        if self._core.sequencer.views.leave(self._feed) and self._run_over:
            tell_misses(self._core, self._feed)

    def _raise_end(self, end: type[Exception]) -> NoReturn:
        """Raise the end, or why there is no run, or what is wrong with the view."""
        raise self._feed.error or self._core.refusal or end


class AsyncReading(_Taking[T]):
    """Read with ``async for``, by one task at a time."""

    __slots__ = ("_driver", "_finalizer", "_task_done", "_waiter")

    def __init__(self, driver: AsyncDriver, feed: Feed[T]) -> None:
        super().__init__(driver.core, feed)
        self._driver = driver
        self._waiter: asyncio.Future[None] | None = None
        driver.join(feed)
        task = asyncio.current_task()
        self._task_done: Callable[[asyncio.Task[Any]], None] = _Watcher(weakref.ref(self))
        if task is not None:
            task.add_done_callback(self._task_done)
        self._finalizer = weakref.finalize(
            self, _leave, driver, feed, None if task is None else weakref.ref(task), self._task_done
        )

    def __aiter__(self) -> AsyncReading[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._over:
                await self._end()
            if self._look() or self._over:
                continue
            waiter = self._waiter
            if waiter is None or waiter.done():
                self._waiter = self._driver.news()  # and one more look
            else:
                await waiter
        return self._items.pop()

    async def _end(self) -> None:
        self._leave_views()
        self._finalizer()
        if self._run_over:
            await self._driver.finished(reading=False)
        self._raise_end(StopAsyncIteration)

    async def aclose(self) -> None:
        """Leave: without another reader or view, the run is cancelled."""
        self._over, self._items = True, []
        self._finalizer()
        if self._core.stopping:
            await self._driver.finished(reading=False)

    @property
    def waiting(self) -> bool:
        """Whether some task waits in here."""
        return self._waiter is not None and not self._waiter.done()

    def left(self) -> None:
        """The task that opened it has died, and no other reads on."""
        self._finalizer()


class _Watcher:
    """Told when the task that opened a reading is over; holds neither of them."""

    __slots__ = ("_reading",)

    def __init__(self, reading: weakref.ref[AsyncReading[Any]]) -> None:
        self._reading = reading

    def __call__(self, task: asyncio.Task[Any]) -> None:
        reading = self._reading()
        died = task.cancelled() or task.exception() is not None
        if reading is not None and died and not reading.waiting:
            reading.left()


def _leave(
    driver: AsyncDriver,
    feed: Feed[Any],
    task: weakref.ref[asyncio.Task[Any]] | None,
    watcher: Callable[[asyncio.Task[Any]], None],
) -> None:
    driver.leave(feed)
    alive = None if task is None else task()
    if alive is not None:
        alive.remove_done_callback(watcher)


class Reading(_Taking[T]):
    """Read with ``for``, by one thread at a time."""

    __slots__ = ("_changed", "_finalizer", "_listening", "_worker")

    def __init__(self, worker: Worker, feed: Feed[T]) -> None:
        super().__init__(worker.core, feed)
        self._worker = worker
        self._changed = threading.Event()
        self._listening = False
        worker.join(feed)
        self._finalizer = weakref.finalize(self, worker.leave, feed)

    def __iter__(self) -> Reading[T]:
        return self

    def __next__(self) -> T:
        while not self._items:
            if self._over:
                self._end()
            if self._look() or self._over:
                continue
            if self._listening and not self._changed.is_set():
                self._worker.may_wait()
                self._worker.await_change(self._changed)
            else:
                self._listening = True
                self._worker.listen(self._changed)  # and one more look
        return self._items.pop()

    def _end(self) -> None:
        self._leave_views()
        self._finalizer.detach()
        if self._run_over:
            self._worker.wait_from_outside()
        self._raise_end(StopIteration)

    def close(self) -> None:
        """Leave: without another reader or view, the run is cancelled."""
        self._over, self._items = True, []
        self._finalizer()
