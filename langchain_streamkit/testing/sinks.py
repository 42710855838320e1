"""``RecordingSink``: keeps what it is sent, so that a test can look at it.

Guarantees: everything sent is kept in order, as it came (``batches``) and flat (``events``); it may
be sent to from one thread and read from another; waits are bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from langchain_streamkit.events import EVENT_CLASSES
from langchain_streamkit.testing.turns import ScriptError
from langchain_streamkit.testing.waiting import await_until, wait_until

if TYPE_CHECKING:
    from typing import Self

    from langchain_streamkit.events import BaseEvent, Event

E = TypeVar("E", bound="BaseEvent")


class RecordingSink:
    """A sink for tests: records events, and fails when it is told to.

    ``fail_after=n`` takes ``n`` events (also when they are the first of a batch) and then raises
    ``error`` (an OSError, unless given) at this and every later ``send``. ``async_=True`` makes
    ``send`` and ``close`` coroutine functions. It may serve several runs: ``closed`` is true after
    the first ``close()``, ``closes`` counts them.
    """

    def __new__(
        cls,
        *,
        fail_after: int | None = None,
        error: BaseException | None = None,
        async_: bool = False,
    ) -> Self:
        """Choose the plain or the async flavour."""
        del fail_after, error
        flavour = _AsyncRecordingSink if async_ and cls is RecordingSink else cls
        return super().__new__(cast("type[Self]", flavour))

    def __init__(
        self,
        *,
        fail_after: int | None = None,
        error: BaseException | None = None,
        async_: bool = False,
    ) -> None:
        del async_
        self._lock = threading.Lock()
        self._batches: list[tuple[Event, ...]] = []
        self._count = 0
        self._fail_after = fail_after
        self._error = error or OSError(f"scripted sink failure after {fail_after} events")
        self._closes = 0

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<{type(self).__name__.lstrip('_')} {self._count} events, {state}>"

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        return tuple(event for batch in self.batches for event in batch)

    @property
    def batches(self) -> tuple[tuple[Event, ...], ...]:
        """The events as they were sent together."""
        with self._lock:
            return tuple(self._batches)

    @property
    def closes(self) -> int:
        """How often ``close()`` was called."""
        return self._closes

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._closes > 0

    def send(self, events: Sequence[Event], /) -> Awaitable[None] | None:
        """Record the events. Raises ``error`` once ``fail_after`` events have been taken."""
        self._record(events)
        return None

    def close(self) -> Awaitable[None] | None:
        """Note that an attachment ended."""
        self._note_close()
        return None

    @overload
    def wait_for(self, what: type[E], timeout: float = ...) -> E: ...

    @overload
    def wait_for(self, what: str, timeout: float = ...) -> Event: ...

    def wait_for(self, what: str | type[Any], timeout: float = 5.0) -> Any:
        """Block until an event of this type (``"run.finished"`` or its class) has come.

        Returns the first one, at once if it came before. Raises WaitTimeout with the types that
        did come, ScriptError for a type that does not exist.
        """
        kind = _type_name(what)
        wait_until(lambda: self._first(kind) is not None, timeout, lambda: self._missing(kind))
        return self._first(kind)

    @overload
    async def await_for(self, what: type[E], timeout: float = ...) -> E: ...

    @overload
    async def await_for(self, what: str, timeout: float = ...) -> Event: ...

    async def await_for(self, what: str | type[Any], timeout: float = 5.0) -> Any:
        """``wait_for`` for coroutines: the event loop runs on."""
        kind = _type_name(what)
        await await_until(
            lambda: self._first(kind) is not None, timeout, lambda: self._missing(kind)
        )
        return self._first(kind)

    def _record(self, events: Sequence[Event]) -> None:
        with self._lock:
            batch = tuple(events)
            room = None if self._fail_after is None else self._fail_after - self._count
            taken = batch if room is None else batch[:room]
            if taken:
                self._batches.append(taken)
                self._count += len(taken)
            if len(taken) < len(batch):
                raise self._error.with_traceback(None)

    def _note_close(self) -> None:
        with self._lock:
            self._closes += 1

    def _first(self, kind: str) -> Event | None:
        return next((event for event in self.events if event.type == kind), None)

    def _missing(self, kind: str) -> str:
        return f"no {kind} among {[event.type for event in self.events]}"


class _AsyncRecordingSink(RecordingSink):
    async def send(self, events: Sequence[Event], /) -> None:
        self._record(events)

    async def close(self) -> None:
        self._note_close()


def _type_name(what: str | type[Any]) -> str:
    kind = what if isinstance(what, str) else getattr(what, "type", what)
    if kind not in EVENT_CLASSES:
        raise ScriptError(f"{what!r} is no event type; write one of {', '.join(EVENT_CLASSES)}")
    return cast("str", kind)
