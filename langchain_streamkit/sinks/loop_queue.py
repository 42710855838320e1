"""Putting into an ``asyncio.Queue`` from any thread, in order.

Guarantees: the queue is touched on the loop it lives on and nowhere else; what was taken first is
put first, since everything passes one backlog; nothing is put twice when a wait is cancelled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from concurrent.futures import TimeoutError as WaitedTooLong
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from langchain_streamkit.errors import SinkError

Policy: TypeAlias = Literal["wait", "drop", "raise", "end"]
"""What to do when a queue is full; ``end`` waits, then makes room: for the end mark."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop running in this thread, if there is one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def overfull(maxsize: int, lost: int, how: str) -> SinkError:
    """Return the error of a queue without room."""
    return SinkError(
        f"the queue (maxsize={maxsize}) {how}; {lost} events were not put: read it faster, make it "
        "larger, or pass QueueSink(queue, on_full='drop')"
    )


def refused(exc: BaseException) -> SinkError:
    """Return the error of a queue that takes nothing any more."""
    return SinkError(
        f"the queue takes no events ({type(exc).__name__}: {exc}); it was shut down, or the loop "
        "it belongs to has ended: keep it open until the run has ended"
    )


class LoopQueue:
    """An ``asyncio.Queue`` and its loop: the one running when this is made, or at the first put."""

    def __init__(self, target: asyncio.Queue[Any], timeout_s: float | None) -> None:
        self.dropped = 0
        self._queue = target
        self._timeout_s = timeout_s
        self._loop = running_loop()
        self._backlog: deque[object] = deque()
        self._moving = asyncio.Lock()

    def put(self, items: Sequence[object], policy: Policy) -> Awaitable[None] | None:
        """Put all items; an awaitable comes back when that has to wait for room.

        From a thread without a loop this waits itself; see ``QueueSink`` for what is raised.
        """
        here = running_loop()
        loop = self._loop = self._loop or here
        if loop is None:
            raise SinkError(
                "the event loop of this asyncio.Queue is not known: make QueueSink(queue) inside "
                "the coroutine that reads the queue, or use a queue.Queue"
            )
        if loop.is_closed():
            raise refused(RuntimeError("event loop is closed"))
        self._backlog.extend(items)
        if here is loop:
            return self._advance(policy)
        if self._queue.maxsize <= 0 or policy == "drop":
            loop.call_soon_threadsafe(self._flush, policy)  # never waits, so never deadlocks
            return None
        moved = asyncio.run_coroutine_threadsafe(self._move(policy), loop)
        if here is not None:
            return asyncio.wrap_future(moved)
        try:
            # More than the wait for room, which has its own limit: the loop itself may be blocked.
            return moved.result(None if self._timeout_s is None else self._timeout_s + 1)
        except WaitedTooLong:
            moved.cancel()
            raise overfull(self._queue.maxsize, len(items), "was not served by its loop") from None

    def _flush(self, policy: Policy) -> None:
        with suppress(SinkError):  # shut down meanwhile: the sender has gone on long ago
            self._advance(policy)

    def _advance(self, policy: Policy) -> Awaitable[None] | None:
        """Put what fits now; on the loop."""
        if self._moving.locked():
            return self._move(policy)
        while self._backlog:
            if self._queue.full():
                if policy in {"wait", "end"}:
                    return self._move(policy)
                if policy == "raise":
                    raise self._give_up("is full")
                self._drop_oldest()
            self._put_first()
        return None

    async def _move(self, policy: Policy) -> None:
        """Put everything, waiting for room at most ``timeout_s`` for each event."""
        async with self._moving:
            while self._backlog:
                if self._queue.full():
                    if policy == "raise":
                        raise self._give_up("is full")
                    try:
                        async with asyncio.timeout(self._timeout_s):
                            await self._queue.put(self._backlog[0])
                    except TimeoutError:
                        if policy != "end":
                            raise self._give_up(f"stayed full for {self._timeout_s} s") from None
                        self._drop_oldest()
                    except Exception as exc:
                        self._backlog.clear()
                        raise refused(exc) from exc
                    else:
                        self._backlog.popleft()
                        continue
                self._put_first()

    def _put_first(self) -> None:
        try:
            self._queue.put_nowait(self._backlog[0])
        except Exception as exc:
            self._backlog.clear()
            raise refused(exc) from exc
        self._backlog.popleft()

    def _drop_oldest(self) -> None:
        self._queue.get_nowait()
        self._queue.task_done()
        self.dropped += 1

    def _give_up(self, how: str) -> SinkError:
        lost = len(self._backlog)
        self._backlog.clear()
        self.dropped += lost
        return overfull(self._queue.maxsize, lost, how)
