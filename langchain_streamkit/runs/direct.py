"""A stream read in the reader's own task: no task, queue or hop between them.

For readers that live and die with the run, as ``sse_bytes`` is. Guarantees the same events, stop
and ending as the run in a task of its own: a stop from elsewhere interrupts the reader's await
without cancelling the reader; the stream, and so the provider's connection, is closed at once.
What is read, and how, is in ``direct_streams``.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.inside import begin_work
from langchain_streamkit.runs.preparing import prepare

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.wire.source import Frames


Tail: TypeAlias = "Callable[[], Coroutine[Any, Any, None]]"


class DirectReader(ABC):
    """Drives a stream whenever the reader asks; ``tail`` follows the terminal event."""

    def __init__(self, core: RunCore, frames: Frames, tail: Tail) -> None:
        self._core = core
        self._sequencer = core.sequencer
        self._frames = frames
        self._tail = tail
        self._next: Callable[[], Awaitable[Any]] = self._first
        """Gives the next item."""
        self._stream: AsyncGenerator[Any, None] | None = None
        self._reading: asyncio.Task[Any] | None = None
        self._interrupts = 0
        """How often the reader was cancelled from here."""
        self._ending = False
        self._closing: asyncio.Task[None] | None = None
        self.shared = False
        """Views read too, so the stream is driven whether this reader asks or not."""
        self._pump: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        if core.timed is not None:
            core.timed.clocks.asked = self._is_asked

    # ---- what differs ------------------------------------------------------------------------

    @abstractmethod
    async def read(self, reader: object) -> bytes:
        """The frames of what comes next. Raises StopAsyncIteration at the end.

        ``reader`` is whose dropping cancels the run: it is held while someone waits in here.
        """

    @abstractmethod
    def _opened(self) -> AsyncGenerator[Any, None]:
        """The stream itself, begun now."""

    @abstractmethod
    def _take(self, item: Any) -> None:
        """Tell of an item, for whoever reads."""

    @abstractmethod
    def _result(self) -> Any:
        """What the run returned, when the stream has ended by itself."""

    @abstractmethod
    def _told(self, error: BaseException) -> None:
        """The stream ended by ``error``."""

    async def _unread(self) -> None:  # noqa: B027 -- where nothing is open
        """Close what was never read."""

    # ---- reading -----------------------------------------------------------------------------

    async def _taken(self) -> bytes:
        """The frames of what the sequencer holds; none: the stream has to be asked.

        Raises StopAsyncIteration at the end.
        """
        core, sequencer = self._core, self._sequencer
        while True:
            ended = sequencer.ended
            if sequencer.has_more and (data := sequencer.encoded(self._frames)):
                return data
            if ended:
                raise core.refusal or StopAsyncIteration
            if not core.stopping:
                return b""
            self._cancels_left()
            await self._end(asyncio.CancelledError())

    def _is_asked(self) -> bool:
        return self._reading is not None or self._pump is not None

    @property
    def read_here(self) -> bool:
        """Whether the task that asks is the one that reads, so that it cannot wait for the end."""
        return self._reading is not None and self._reading is asyncio.current_task()

    async def _first(self) -> Any:
        """Open the stream, and return its first item."""
        await prepare(self._core.plan)
        self._stream = self._opened()
        self._next = self._stream.__anext__
        return await self._next()

    def _left(self) -> None:
        """The reader goes elsewhere, and is not to be taken for cancelled there."""
        if self._interrupts:
            self._cancels_left()
        self._reading = None
        if self.shared:
            self._drive()

    def share(self) -> None:
        """A view was opened: from the next chunk on, a task of its own drives the stream."""
        self.shared = True
        if self._reading is None:
            self._drive()

    def _drive(self) -> None:
        if self._pump is None and self._closing is None and not self._core.ended:
            self._pump = self._loop.create_task(self._read_out())

    async def _read_out(self) -> None:
        begin_work(self._core.run_id)
        try:
            while True:
                self._take(await self._next())
        except StopAsyncIteration:
            await self._finish()
        except BaseException as exc:
            await self._end(exc)
            if isinstance(exc, KeyboardInterrupt | SystemExit):
                raise

    def leave(self) -> None:
        """Cancel the run if it has not ended."""
        self._core.stop("disconnect")

    def stop(self) -> None:
        """Interrupt the reader's await, or close the stream while the reader is elsewhere."""
        if self._ending:
            return
        if self._pump is not None:
            self._pump.cancel()
        elif self._reading is not None:
            if self._reading is asyncio.current_task():
                self._loop.call_soon(self._interrupt)  # by what is read: once that waits
            else:
                self._interrupt()
        elif self._closing is None and not self._core.ended:
            # The end at once: a loop that shuts down cancels the task before it has begun.
            self._conclude(asyncio.CancelledError())
            self._closing = self._loop.create_task(self._close_stream())
            self._closing.add_done_callback(self._closed)

    def _interrupt(self) -> None:
        if self._reading is not None and not (self._ending or self._core.ended):
            self._interrupts += 1
            self._reading.cancel()

    def give_up(self) -> None:
        """What is read did not notice the stop, or does not get closed: do not wait for it."""
        if self._closing is not None and not self._closing.done():
            self._closing.cancel()
            self._loop.create_task(self._tail())
        elif self._reading is not None:
            self._ending = False
            self._interrupt()

    def _closed(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._loop.create_task(self._tail())

    async def _finish(self) -> None:
        result, error = None, None
        try:
            result = self._result()
        except Exception as exc:  # noqa: BLE001 -- chunks that do not merge fail the run
            error = exc
        self._core.conclude(result, error)
        await self._tail()

    async def _failed(self, error: BaseException) -> None:
        """The stream raised, or the reader was cancelled: only the latter is raised to it."""
        if isinstance(error, GeneratorExit):  # the await is being closed, and may not go on
            self._reading = None
            self._core.stop("disconnect")
            raise error
        cancels = self._cancels_left()
        from_outside = isinstance(error, KeyboardInterrupt | SystemExit)
        if isinstance(error, asyncio.CancelledError) and cancels:
            from_outside = True
            self._core.stop_reason = self._core.stop_reason or "disconnect"
        await self._end(error)
        if from_outside:
            raise error

    def _cancels_left(self) -> int:
        """How often others have cancelled the reader: ours is taken back, as asyncio.timeout does.

        It may have got lost, where it arrived together with a chunk (wait_for before Python 3.12).
        """
        task = self._reading
        if task is None:
            return 0
        while self._interrupts:
            self._interrupts -= 1
            task.uncancel()
        return task.cancelling()

    async def _end(self, error: BaseException) -> None:
        self._ending = True  # and not to be interrupted in that
        try:
            await self._close_stream(tail=False)
        except asyncio.CancelledError:
            if self._cancels_left():
                self._loop.create_task(self._tail())
                raise
        finally:
            self._conclude(error)
        await self._tail()

    async def _close_stream(self, *, tail: bool = True) -> None:
        try:
            await (self._unread() if self._stream is None else self._stream.aclose())
        except Exception as exc:  # noqa: BLE001 -- the run ends as it does all the same
            LOGGER.warning("the stream of run %s did not close", self._core.run_id, exc_info=exc)
        if tail:
            await self._tail()

    def _conclude(self, error: BaseException) -> None:
        self._told(error)
        self._core.conclude(None, error)
