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
    from uuid import UUID

    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.direct import Tail
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.sources.pieces import Piece
    from langchain_streamkit.wire.source import Frames


class ModelReader(DirectReader):
    """Of a bare model, whose text goes from its chunk to its frame."""

    def __init__(self, core: RunCore, frames: Frames, tail: Tail) -> None:
        super().__init__(core, frames, tail)
        self._answer = Answer(core)

    async def read(self, reader: object) -> bytes:
        """See ``DirectReader``."""
        sequencer = self._sequencer
        self._reading = asyncio.current_task(self._loop)
        try:
            while True:
                if sequencer.short is None:
                    if data := await self._taken():
                        return data
                    sequencer.short_of(self._core.plan.run_id)
                try:
                    chunk = await self._next()
                    pieces = self._answer.note(chunk)
                    lane = sequencer.short  # a view may have been opened meanwhile
                    if lane is None or type(pieces) is not str:
                        self._answer.say(chunk, pieces)
                        continue
                    framing = lane.framing or lane.frame_with(self._frames)
                    ts = lane.ts = time_ns() // 1_000_000
                    frame = lane.delta(pieces, ts, framing)
                    if frame is None and not lane.open:
                        self._answer.say(chunk, pieces)
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


class SourceReader(DirectReader):
    """Of a stream that somebody else made, whose text goes from its item to its frame."""

    def __init__(self, core: RunCore, plan: SourcePlan, frames: Frames, tail: Tail) -> None:
        super().__init__(core, frames, tail)
        self._source = Reading(core, plan, self._token)
        self._sent = b""
        """Frames of text that went the short way: they come before all that waits."""

    async def read(self, reader: object) -> bytes:
        """See ``DirectReader``."""
        sequencer = self._sequencer
        self._reading = asyncio.current_task(self._loop)
        try:
            while True:
                if data := self._sent:
                    self._sent = b""
                    return data
                if sequencer.short is None and (data := await self._taken()):
                    return data
                try:
                    await self._next()
                except StopAsyncIteration:
                    await self._finish()
                except BaseException as exc:  # noqa: BLE001 -- becomes the terminal event
                    await self._failed(exc)
        finally:
            self._left()

    def _token(self, run_id: UUID, message_id: str | None, pieces: str | tuple[Piece, ...]) -> None:
        """Text becomes a frame at once, if it can; all else goes the long way."""
        if type(pieces) is str:
            lane = self._sequencer.short
            if lane is None or lane.run_id is not run_id:
                lane = self._sequencer.short_of(run_id)
            if lane is not None:
                framing = lane.framing or lane.frame_with(self._frames)
                ts = lane.ts = time_ns() // 1_000_000
                frame = lane.delta(pieces, ts, framing)
                if frame:
                    self._sent += frame
                if frame is not None or lane.open:
                    return
        self._core.lanes.token(run_id, message_id, pieces)

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
