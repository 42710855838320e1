"""What is served, the same for every contender: tokens at a steady rate that say their due time.

A stream says its first token at once and the others when ``Source.begin`` was called: with many
streams open, and silent, their memory is measured. The tokens of a stream come evenly, and those of
several are spread evenly over the time between two. Each carries the time at which it was due, not
that at which it was said: a server that gets behind does not hide it.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Final

from langchain_streamkit.events import TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.wire.source import Frames

RATE: Final = 20
"""Tokens per second of each stream."""
WARM: Final = "warm-"
"""What the names of streams begin with that wait for nobody, and soon fall silent."""
_WARM_TOKENS: Final = 5


class Source:
    """The tokens of all streams of a server."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._begun: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Let all streams go on."""
        self._begun.set_result(time.monotonic())

    async def events(self, name: str) -> AsyncGenerator[TextDelta]:
        """Yield one token after the other, without end."""
        warm = name.startswith(WARM)
        for number in range(1, _WARM_TOKENS + 1 if warm else 2):
            yield _token(number, time.monotonic(), name)
        begun = await asyncio.shield(self._begun)
        if warm:
            return
        shift = int(name) / self._streams
        for number in count(2):
            due = begun + (number + shift) / RATE
            await asyncio.sleep(due - time.monotonic())
            yield _token(number, due, name)


def _token(number: int, due: float, run_id: str) -> TextDelta:
    return TextDelta(
        seq=number,
        run_id=run_id,
        ts=int(time.time() * 1000),
        path=("agent",),
        step_id="model",
        message_id="message",
        index=0,
        text=repr(due),
    )


class Fed:
    """An ``AsyncRunLike`` of one stream."""

    def __init__(self, source: Source, name: str) -> None:
        self.run_id = name
        self._events = source.events(name)

    async def started(self) -> None:
        """See ``AsyncRunLike.started``."""

    async def batches(self) -> AsyncGenerator[list[Event]]:
        """See ``AsyncRunLike.batches``; but there is no terminal event."""
        async for event in self._events:
            yield [event]

    async def encoded(self, frames: Frames, /) -> AsyncGenerator[bytes]:
        """See ``AsyncRunLike.encoded``."""
        async for batch in self.batches():
            yield frames.encode(batch)

    async def cancel(self, reason: CancelReason = "user") -> None:
        """See ``AsyncRunLike.cancel``: whoever reads ends with its server."""
