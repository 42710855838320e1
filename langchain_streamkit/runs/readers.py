"""The one reader of an async run: event by event, in batches, or encoded for a wire.

Guarantees: nothing is lost when the await of the next item is cancelled; a reader that is dropped
before the end cancels its run. Whoever waits here holds the reader.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from langchain_streamkit.runs.driver import AsyncDriver

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.runs.direct import DirectReader
    from langchain_streamkit.wire.source import Frames


class _Reader:
    """What the readers have in common: whoever leaves one early, or drops it, cancels the run."""

    __slots__ = ("__weakref__", "_driver", "_sequencer", "_stop")

    def __init__(self, driver: AsyncDriver, reason: CancelReason = "user") -> None:
        self._driver = driver
        self._sequencer = driver.core.sequencer
        self._stop = weakref.finalize(self, AsyncDriver.abandoned, driver, reason)

    async def aclose(self) -> None:
        """Leave the run: it is cancelled if it has not ended, and no view reads on."""
        self._stop()
        core = self._driver.core
        if core.stopping or core.ended:
            await self._driver.finished(reading=False)


class Batches(_Reader):
    """All events that are ready, again and again."""

    __slots__ = ()

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> list[Event]:
        sequencer = self._sequencer
        while True:
            ended = sequencer.ended  # asked first: what ended in between is there to be taken
            events = sequencer.take()
            if events:
                return events
            if ended:
                # The loop over a run ends when its sinks and on_end are done.
                await self._driver.finished()
                raise self._driver.core.refusal or StopAsyncIteration
            await self._driver.more()


class Events:
    """One event after the other."""

    __slots__ = ("_batches", "_events")

    def __init__(self, driver: AsyncDriver) -> None:
        self._batches = Batches(driver)
        self._events: list[Event] = []

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        events = self._events
        if not events:
            events = await self._batches.__anext__()
            events.reverse()
            self._events = events
        return events.pop()

    async def aclose(self) -> None:
        """Leave the run: it is cancelled if it has not ended."""
        await self._batches.aclose()


class Encoded(_Reader):
    """What ``frames`` makes of each batch; an await that fails takes the run with it."""

    __slots__ = ("_frames",)

    def __init__(self, driver: AsyncDriver, frames: Frames) -> None:
        super().__init__(driver, "disconnect")
        self._frames = frames

    def __aiter__(self) -> Encoded:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self._ready()

    async def _ready(self) -> bytes:
        sequencer = self._sequencer
        try:
            while True:
                ended = sequencer.ended
                if sequencer.has_more and (data := sequencer.encoded(self._frames)):
                    return data
                if ended:
                    await self._driver.finished()
                    raise self._driver.core.refusal or StopAsyncIteration
                await self._driver.more()
        except StopAsyncIteration:
            raise
        except BaseException:
            await self.aclose()
            raise


class Direct(Encoded):
    """The same of what is read in the reader's own task unless a view is open too."""

    __slots__ = ("_direct",)

    def __init__(self, driver: AsyncDriver, direct: DirectReader, frames: Frames) -> None:
        super().__init__(driver, frames)
        self._direct = direct

    def __anext__(self) -> Awaitable[bytes]:
        return self._ready() if self._direct.shared else self._direct.read(self)

    async def aclose(self) -> None:
        """Leave the run: it is cancelled if it has not ended, and no view reads on."""
        if self._direct.shared:
            await super().aclose()
        else:
            self._direct.leave()
            await self._driver.finished(reading=False)
