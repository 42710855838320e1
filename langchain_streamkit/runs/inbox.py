"""The events of a handler without sinks, kept until someone iterates it.

Guarantees: safe between threads and loops; iteration ends when every run has ended or the handler
is closed; more than ``max_unread`` unread events are an error of the reader, told to the reader.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import deque
from typing import TYPE_CHECKING

from langchain_streamkit.errors import ReaderOverflow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_streamkit.events import Event


class Inbox:
    """A sink that is read by iterating it."""

    def __init__(self, max_unread: int) -> None:
        self._max_unread = max_unread
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._wakers: list[Callable[[], None]] = []
        self._idle = False
        self._closed = False
        self._lost = 0

    @property
    def lag(self) -> int:
        """How many events are unread."""
        return len(self._events)

    def send(self, events: Sequence[Event]) -> None:
        """Keep the events, as far as there is room."""
        with self._changed:
            room = self._max_unread - len(self._events)
            self._events.extend(events[: max(room, 0)])
            self._lost += max(len(events) - max(room, 0), 0)
            self._notify()

    def close(self) -> None:
        """No more events come; what is there can still be read."""
        with self._changed:
            self._closed = True
            self._notify()

    def idle(self, *, idle: bool) -> None:
        """Say whether all runs seen so far have ended."""
        with self._changed:
            self._idle = idle
            self._notify()

    def _notify(self) -> None:
        self._changed.notify_all()
        wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    def _next(self) -> Event | None:
        """The next event; None to wait; StopIteration at the end."""
        if self._events:
            return self._events.popleft()
        if self._lost:
            lost, self._lost = self._lost, 0
            raise ReaderOverflow(
                f"{lost} events were lost: more than max_unread={self._max_unread} were not read;"
                " iterate the handler while the run goes on, or give it a sink"
            )
        if self._idle or self._closed:
            raise StopIteration
        return None

    def __iter__(self) -> Iterator[Event]:
        while True:
            with self._changed:
                try:
                    event = self._next()
                except StopIteration:
                    return
                if event is None:
                    self._changed.wait()
                    continue
            yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        while True:
            changed = asyncio.Event()
            with self._changed:
                try:
                    event = self._next()
                except StopIteration:
                    return
                if event is None:
                    self._wakers.append(functools.partial(_set, loop, changed))
            if event is None:
                await changed.wait()
            else:
                yield event


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)
