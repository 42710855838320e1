"""Events to a queue, one by one, with a marked end.

Guarantees: order is kept whichever threads the events come from; every close puts the end mark,
even into a full queue; a reader that stopped reading holds a run for ``timeout_s`` at a time.
"""

from __future__ import annotations

import asyncio
import queue
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from langchain_streamkit.errors import SinkError, StreamUsageError
from langchain_streamkit.sinks.loop_queue import LoopQueue, Policy, overfull, refused, running_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from langchain_streamkit.events import Event

OnFull: TypeAlias = Literal["wait", "drop", "raise"]

_POLL_S = 0.005
"""Seconds between two looks at a full thread queue from a coroutine, which must not block."""


class QueueEnd(Enum):
    """The type of ``QueueSink.END``, for annotations: ``asyncio.Queue[Event | QueueEnd]``."""

    END = "END"

    def __repr__(self) -> str:
        return "QueueSink.END"


class QueueSink:
    """Put each event, by itself, into an ``asyncio.Queue``, ``queue.Queue`` or ``SimpleQueue``.

    After a run's terminal event comes ``end``: ``QueueSink.END``, or what you pass (``None``)::

        while (event := await queue.get()) is not QueueSink.END:
            ...

    A queue shared by several attachments gets one end mark from each.

    ``on_full`` says what happens when a queue with a ``maxsize`` has no room:

    * ``"wait"`` (default): the run waits for its reader (back-pressure), up to ``timeout_s``
      seconds for each event (``None``: for ever), then ``SinkError``.
    * ``"drop"``: the oldest unread event makes room, so that the newest, the terminal event and
      the end mark always arrive; ``dropped`` counts, and readers see the gap in ``seq``.
    * ``"raise"``: ``SinkError`` at once; what fitted stays.

    The end mark waits like an event; when there is still no room, the oldest unread event makes
    way for it.

    An ``asyncio.Queue`` may be fed from any thread; it is touched on its own loop only, which is
    the one running when the sink is made, else when the first event comes. A queue that was shut
    down (Python 3.13) or whose loop has ended raises ``SinkError``. Raises ``StreamUsageError``
    for another object, or an unknown ``on_full``.
    """

    END: Final = QueueEnd.END

    def __init__(
        self,
        target: asyncio.Queue[Any] | queue.Queue[Any] | queue.SimpleQueue[Any],
        *,
        on_full: OnFull = "wait",
        timeout_s: float | None = 30.0,
        end: object = QueueEnd.END,
    ) -> None:
        if on_full not in get_args(OnFull):
            raise StreamUsageError(
                f"on_full={on_full!r} is not known; write 'wait', 'drop' or 'raise'"
            )
        given = cast("object", target)
        if not isinstance(given, (asyncio.Queue, queue.Queue, queue.SimpleQueue)):
            raise StreamUsageError(
                f"QueueSink takes an asyncio.Queue, queue.Queue or queue.SimpleQueue, not "
                f"{type(given).__name__}; for another kind pass its put method as a function"
            )
        self._queue = (
            LoopQueue(target, timeout_s)
            if isinstance(target, asyncio.Queue)
            else _ThreadQueue(target, timeout_s)
        )
        self._on_full: OnFull = on_full
        self._end = end

    @property
    def dropped(self) -> int:
        """How many events were given up for want of room."""
        return self._queue.dropped

    def send(self, events: Sequence[Event]) -> Awaitable[None] | None:
        """Put the events; an awaitable comes back when a coroutine has to wait for room."""
        return self._queue.put(events, self._on_full)

    def close(self) -> Awaitable[None] | None:
        """Put the end mark."""
        return self._queue.put((self._end,), "drop" if self._on_full == "drop" else "end")


class _ThreadQueue:
    """A ``queue.Queue`` or ``SimpleQueue``, which any thread may touch."""

    def __init__(
        self, target: queue.Queue[Any] | queue.SimpleQueue[Any], timeout_s: float | None
    ) -> None:
        self.dropped = 0
        self._queue = target
        self._timeout_s = timeout_s

    def put(self, items: Sequence[object], policy: Policy) -> Awaitable[None] | None:
        """Put all items, waiting here, or in the awaitable returned where a loop is running."""
        for at, item in enumerate(items):
            if self._fits(item):
                continue
            if policy == "drop":
                self._force(item)
            elif policy == "raise":
                raise self._give_up(len(items) - at, "is full")
            elif running_loop() is not None:
                return self._wait(items[at:], policy)
            elif not self._fits(item, block=True):
                self._expire(item, len(items) - at, policy)
        return None

    async def _wait(self, items: Sequence[object], policy: Policy) -> None:
        for at, item in enumerate(items):
            waited_from = time.monotonic()
            while not self._fits(item):
                if self._timeout_s is not None and time.monotonic() - waited_from > self._timeout_s:
                    self._expire(item, len(items) - at, policy)
                    break
                await asyncio.sleep(_POLL_S)

    def _fits(self, item: object, *, block: bool = False) -> bool:
        try:
            self._queue.put(item, block, self._timeout_s)
        except queue.Full:
            return False
        except Exception as exc:
            raise refused(exc) from exc
        return True

    def _expire(self, item: object, lost: int, policy: Policy) -> None:
        if policy != "end":
            raise self._give_up(lost, f"stayed full for {self._timeout_s} s")
        self._force(item)

    def _force(self, item: object) -> None:
        """Make room until the item fits; a reader may be making some at the same time."""
        while not self._fits(item):
            with suppress(queue.Empty):
                self._queue.get_nowait()
                self.dropped += 1
                if isinstance(self._queue, queue.Queue):
                    self._queue.task_done()

    def _give_up(self, lost: int, how: str) -> SinkError:
        self.dropped += lost
        return overfull(getattr(self._queue, "maxsize", 0), lost, how)
