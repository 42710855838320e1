"""What may be read in the reader's own task: a bare model's stream, and a stream of others."""

from __future__ import annotations

import asyncio
from time import time_ns
from typing import TYPE_CHECKING, Any

from langchain_streamkit.runs.adapted import Reading
from langchain_streamkit.runs.direct import DirectReader
from langchain_streamkit.runs.drive import Answer, as_agen
from langchain_streamkit.runs.opening import closed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langchain_streamkit.runs.adapted import SourcePlan
    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.direct import Tail
    from langchain_streamkit.sources.lane import Framing, TextLane
    from langchain_streamkit.sources.pieces import Piece
    from langchain_streamkit.wire.source import Frames


class ModelReader(DirectReader):
    """Of a bare model, whose text goes from its chunk to its frame."""

    def __init__(self, core: RunCore, frames: Frames, tail: Tail) -> None:
        super().__init__(core, frames, tail)
        self._answer = Answer(core)
        self._lane: tuple[TextLane, Framing] | None = None
        """The short way, while it is open, nothing else waits and nobody has asked to stop."""

    async def read(self, reader: object) -> bytes:
        """See ``DirectReader``."""
        self._reading = asyncio.current_task(self._loop)
        try:
            while True:
                lane = self._lane
                if lane is None:
                    if data := await self._taken():
                        return data
                    lane = self._lane
                try:
                    chunk = await self._next()
                    lane = self._lane  # a view may have been opened meanwhile
                    pieces = self._answer.note(chunk)
                    if lane is None or type(pieces) is not str:
                        self._say(chunk, pieces)
                        continue
                    block, framing = lane
                    frame = block.delta(pieces, time_ns() // 1_000_000, framing)
                    if frame is None and not block.open:
                        self._say(chunk, pieces)
                except StopAsyncIteration:
                    await self._finish()
                    continue
                except BaseException as exc:  # noqa: BLE001 -- becomes the terminal event
                    await self._failed(exc)
                    continue
                if frame:
                    return frame
        finally:
            self._left()

    def _opened(self) -> AsyncGenerator[Any, None]:
        self._answer.begin()
        plan = self._core.call
        return as_agen(plan.runnable.astream(plan.input, plan.config, **plan.kwargs))

    def _take(self, item: Any) -> None:
        self._answer.add(item)

    def _result(self) -> Any:
        return self._answer.end()

    def _told(self, error: BaseException) -> None:
        self._core.tap.failed(self._core.plan.run_id, error)

    def _no_short_way(self) -> None:
        self._lane = None

    def _say(self, chunk: Any, pieces: str | tuple[Piece, ...]) -> None:
        """Let a chunk go the long way."""
        self._lane = None
        self._answer.say(chunk, pieces)

    async def _taken(self) -> bytes:
        """The frames of what the sequencer holds. If there are none, and it is not the end: the
        stream has to be asked, and ``_lane`` is the short way of its text, if there is one.
        """
        sequencer = self._sequencer
        while True:
            ended = sequencer.ended
            if sequencer.has_more:
                if data := sequencer.encoded(self._frames):
                    return data
            elif ended:
                raise StopAsyncIteration
            if not self._core.stopping:
                lane = sequencer.lane(self._core.plan.run_id)
                self._lane = None if lane is None else (lane, lane.frame_with(self._frames))
                return b""
            self._cancels_left()
            await self._end(asyncio.CancelledError())


class SourceReader(DirectReader):
    """Of a stream that somebody else made."""

    def __init__(self, core: RunCore, plan: SourcePlan, frames: Frames, tail: Tail) -> None:
        super().__init__(core, frames, tail)
        self._source = Reading(core, plan)

    async def read(self, reader: object) -> bytes:
        """See ``DirectReader``."""
        core, sequencer = self._core, self._sequencer
        self._reading = asyncio.current_task(self._loop)
        try:
            while True:
                ended = sequencer.ended
                if sequencer.has_more and (data := sequencer.encoded(self._frames)):
                    return data
                if ended:
                    raise core.refusal or StopAsyncIteration
                if core.stopping:
                    self._cancels_left()
                    await self._end(asyncio.CancelledError())
                    continue
                try:
                    await self._next()
                except StopAsyncIteration:
                    await self._finish()
                except BaseException as exc:  # noqa: BLE001 -- becomes the terminal event
                    await self._failed(exc)
        finally:
            self._left()

    def _opened(self) -> AsyncGenerator[Any, None]:
        return self._source.steps()

    async def _unread(self) -> None:
        await closed(self._source.plan.source)

    def _take(self, item: Any) -> None:
        """It was told of when it was read."""

    def _result(self) -> Any:
        return self._source.end()

    def _told(self, error: BaseException) -> None:
        """The adapter has been told."""
