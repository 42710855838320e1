"""``replay``: a recorded run again, in its own rhythm.

Guarantees: the events of the file in its order, each at its ``ts`` after the first one (divided by
``speed``), never earlier, and late ones at once so that delays do not add up; the same for ``for``
and ``async for``; the file is read as it is played, so its size does not matter.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import UnknownEventError, decode_event

if TYPE_CHECKING:
    import os

    from langchain_streamkit.events import Event

Sleep: TypeAlias = Callable[[float], Awaitable[None] | None]


def replay(
    path: str | os.PathLike[str],
    *,
    speed: float | None = 1.0,
    sleep: Sleep | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Replay:
    """Play the events of a JSON lines file (``JSONLSink`` writes them) in ``for`` or ``async for``.

    ``speed`` 2.0 plays twice as fast; None or ``math.inf`` does not wait at all. Event types this
    version does not know, and empty lines, are skipped. ``sleep`` (seconds; plain, or async for
    ``async for``) and ``clock`` (seconds) take the place of the real ones in tests. Each iteration
    starts from the beginning.

    Raises StreamUsageError for a ``path`` that is no file and a ``speed`` that is not positive;
    while iterating, for a line that is not an event, with its number.
    """
    file = Path(path)
    if not file.is_file():
        raise StreamUsageError(
            f"{file} is not a file; pass the path of a recorded run (JSON lines)"
        )
    rate = math.inf if speed is None else speed
    if not rate > 0:
        raise StreamUsageError(
            f"speed={speed!r} must be positive; 2.0 is twice as fast, None does not wait"
        )
    return Replay(file, rate, sleep, clock)


class Replay:
    """A recorded run to iterate over, as often as wanted; made by ``replay``."""

    def __init__(
        self, path: Path, speed: float, sleep: Sleep | None, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._speed = speed
        self._sleep = sleep
        self._clock = clock

    def __iter__(self) -> Iterator[Event]:
        sleep = self._sleep or time.sleep
        for wait, event in self._schedule():
            if wait > 0:
                pending = sleep(wait)
                if inspect.isawaitable(pending):
                    if inspect.iscoroutine(pending):
                        pending.close()
                    raise StreamUsageError(
                        "replay(sleep=...) is async, and a plain `for` cannot await it; pass a "
                        "plain function, or write `async for`"
                    )
            yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        sleep = self._sleep or asyncio.sleep
        for wait, event in self._schedule():
            if wait > 0:
                pending = sleep(wait)
                if inspect.isawaitable(pending):
                    await pending
            yield event

    def _schedule(self) -> Iterator[tuple[float, Event]]:
        """Each event with the seconds to wait before it, counted when it is asked for."""
        start: float | None = None
        first_ts = 0
        for event in self._events():
            if math.isinf(self._speed):
                yield 0.0, event
                continue
            if start is None:
                start, first_ts = self._clock(), event.ts
            due = start + (event.ts - first_ts) / 1000 / self._speed
            yield due - self._clock(), event

    def _events(self) -> Iterator[Event]:
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    event = decode_event(line)
                except UnknownEventError:
                    continue
                except StreamUsageError as exc:
                    raise StreamUsageError(f"{self._path}, line {number}: {exc}") from exc
                yield event
