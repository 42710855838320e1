"""A bare model's stream, read in the reader's own task: no task, queue or hop between them.

For readers that live and die with the run, as ``sse_bytes`` is. Guarantees the same events, stop
and ending as the run in a task of its own: a stop from elsewhere interrupts the reader's await
without cancelling the reader; the provider's connection is closed at once.
"""

from __future__ import annotations

import asyncio
from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.drive import Answer, as_agen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.sources.lane import TextLane


Encode: TypeAlias = "Callable[[Sequence[Event]], bytes]"
"""Makes what is read of a batch of events; empty when there is nothing to be said of it."""


class DirectReader:
    """Drives the model's stream whenever the reader asks; ``tail`` follows the terminal event."""

    def __init__(self, core: RunCore, encode: Encode, tail: Callable[[], Awaitable[None]]) -> None:
        plan = core.plan
        self._core = core
        self._sequencer = core.sequencer
        self._encode = encode
        self._tail = tail
        self._answer = Answer(core)
        stream = plan.runnable.astream(plan.input, plan.config, **plan.kwargs)
        self._stream = as_agen(stream)
        self._reading: asyncio.Task[Any] | None = None
        self._interrupted = False
        self._closing: asyncio.Task[None] | None = None
        self._lane: TextLane | None = None
        """The short way, while it is open, nothing else waits and nobody has asked to stop."""
        self._loop = asyncio.get_running_loop()

    async def read(self, reader: object) -> bytes:
        """What ``encode`` makes of the next chunk. Raises StopAsyncIteration at the end.

        ``reader`` is whose dropping cancels the run: it is held while someone waits in here.
        """
        answer, encode, stream = self._answer, self._encode, self._stream
        self._reading = asyncio.current_task(self._loop)
        try:
            while True:
                lane = self._lane
                if lane is None:
                    events = await self._taken()
                    if events:
                        if data := encode(events):
                            return data
                        continue
                    lane = self._lane
                try:
                    chunk = await stream.__anext__()
                except StopAsyncIteration:
                    await self._finish()
                    continue
                except BaseException as exc:  # noqa: BLE001 -- becomes the terminal event
                    await self._failed(exc)
                    continue
                text = answer.plain(chunk)
                if lane is not None and text is not None:
                    event = lane.event(text, int(time() * 1000))
                    if event is not None:
                        if data := encode((event,)):
                            return data
                        continue
                    if lane.open:
                        continue
                self._lane = None
                answer.say(chunk, text)
        finally:
            self._reading = None

    async def _taken(self) -> list[Event]:
        """What the sequencer holds. If that is nothing, and no end: the stream has to be asked,
        and ``_lane`` is the short way of its text, if there is one.
        """
        sequencer = self._sequencer
        while True:
            ended = sequencer.ended
            if sequencer.has_more:
                events = sequencer.take()
                if events:
                    return events
            elif ended:
                raise StopAsyncIteration
            if not self._core.stopping:
                self._lane = sequencer.lane(self._core.plan.run_id)
                return []
            await self._close()

    async def aclose(self) -> None:
        """Leave the run: it is cancelled if it has not ended."""
        self._core.stop("disconnect")
        if self._closing is not None:
            await self._closing

    def stop(self) -> None:
        """Interrupt the reader's await, or close the stream while the reader is elsewhere."""
        self._lane = None
        if self._reading is not None:
            if self._reading is not asyncio.current_task():
                self._interrupted = True
                self._reading.cancel()
        elif self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def _finish(self) -> None:
        self._lane = None
        try:
            result, error = self._answer.end(), None
        except Exception as exc:  # noqa: BLE001 -- chunks that do not merge fail the run
            result, error = None, exc
        self._core.conclude(result, error)
        await self._tail()

    async def _failed(self, error: BaseException) -> None:
        self._lane = None
        ours = isinstance(error, Exception)
        if isinstance(error, asyncio.CancelledError):
            if self._interrupted:
                # The bookkeeping of asyncio.timeout: our cancel is taken back, another is not.
                self._interrupted = False
                ours = self._reading is None or self._reading.uncancel() == 0
            else:
                self._core.stop_reason = self._core.stop_reason or "disconnect"
        await self._end(error)
        if not ours:
            raise error

    async def _close(self) -> None:
        if self._interrupted and self._reading is not None:
            # The cancel arrived together with a chunk and got lost (wait_for before Python 3.12).
            self._interrupted = False
            self._reading.uncancel()
        await self._end(asyncio.CancelledError())

    async def _end(self, error: BaseException) -> None:
        try:
            await self._stream.aclose()
        except Exception as exc:  # noqa: BLE001 -- the run ends as it does all the same
            LOGGER.warning("the stream of run %s did not close", self._core.run_id, exc_info=exc)
        self._core.tap.failed(self._core.plan.run_id, error)
        self._core.conclude(None, error)
        await self._tail()
