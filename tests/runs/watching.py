"""One call watched by each of our routes: what the reader got, what a sink got, how it ended.

Every stream that passes through here has been checked to be legal.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_streamkit import StreamCallbackHandler, astream, stream, with_sinks
from langchain_streamkit.events import TERMINAL_TYPES, Event
from langchain_streamkit.testing import RecordingSink, assert_legal

WAIT_S = 10.0
"""Longer than anything takes that works; what hangs fails here."""


@dataclass
class Seen:
    """What one run looked like from outside."""

    events: Sequence[Event]
    """What the reader got, or the sink where the route has no reader."""
    result: Any = None
    error: BaseException | None = None
    types: list[str] = field(init=False)

    def __post_init__(self) -> None:
        assert_legal(self.events)
        self.types = [event.type for event in self.events]

    @property
    def end(self) -> Any:
        """The terminal event."""
        return self.events[-1]

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if e.type == "text.delta")


def the_end(events: Sequence[Event]) -> Any:
    """The one terminal event of a legal stream."""
    assert_legal(events)
    (end,) = [event for event in events if event.type in TERMINAL_TYPES]
    return end


async def by_astream(runnable: Any, value: Any, **options: Any) -> Seen:
    sink = RecordingSink()
    run = astream(runnable, value, sinks=[sink], **options)
    read = [event async for event in run]
    assert tuple(read) == sink.events
    return await _outcome(read, run.result())


async def by_reader_alone(runnable: Any, value: Any, **options: Any) -> Seen:
    run = astream(runnable, value, **options)
    read = [event async for event in run]
    return await _outcome(read, run.result())


async def by_async_sink(runnable: Any, value: Any, **options: Any) -> Seen:
    sink = RecordingSink(async_=True)
    run = astream(runnable, value, sinks=[sink], **options)
    read = [event async for event in run]
    assert tuple(read) == sink.events
    assert sink.closes == 1
    return await _outcome(read, run.result())


async def by_stream(runnable: Any, value: Any, **options: Any) -> Seen:
    def call() -> Seen:
        sink = RecordingSink()
        run = stream(runnable, value, sinks=[sink], **options)
        read = list(run)
        assert tuple(read) == sink.events
        try:
            return Seen(read, run.result())
        except BaseException as exc:  # noqa: BLE001 -- told to the test
            return Seen(read, error=exc)

    return await asyncio.to_thread(call)


async def by_handler_ainvoke(runnable: Any, value: Any, config: Any = None) -> Seen:
    sink = RecordingSink()
    config = {**(config or {}), "callbacks": [StreamCallbackHandler(sink)]}
    outcome = await _outcome(None, runnable.ainvoke(value, config))
    return Seen(sink.events, outcome.result, outcome.error)


async def by_handler_invoke(runnable: Any, value: Any, config: Any = None) -> Seen:
    def call() -> Seen:
        handler = StreamCallbackHandler()
        given = {**(config or {}), "callbacks": [handler]}
        result, error = None, None
        try:
            result = runnable.invoke(value, given)
        except BaseException as exc:  # noqa: BLE001 -- told to the test
            error = exc
        return Seen(list(handler), result, error)

    return await asyncio.to_thread(call)


async def by_with_sinks_ainvoke(runnable: Any, value: Any, config: Any = None) -> Seen:
    sink = RecordingSink(async_=True)
    outcome = await _outcome(None, with_sinks(runnable, sink).ainvoke(value, config))
    return Seen(sink.events, outcome.result, outcome.error)


async def by_with_sinks_invoke(runnable: Any, value: Any, config: Any = None) -> Seen:
    def call() -> Seen:
        sink = RecordingSink()
        result, error = None, None
        try:
            result = with_sinks(runnable, sink).invoke(value, config)
        except BaseException as exc:  # noqa: BLE001 -- told to the test
            error = exc
        return Seen(sink.events, result, error)

    return await asyncio.to_thread(call)


ROUTES: dict[str, Any] = {
    route.__name__.removeprefix("by_"): route
    for route in (
        by_astream,
        by_reader_alone,
        by_async_sink,
        by_stream,
        by_handler_ainvoke,
        by_handler_invoke,
        by_with_sinks_ainvoke,
        by_with_sinks_invoke,
    )
}
"""Every way a call is watched from its beginning to its own end."""


async def _outcome(read: Sequence[Event] | None, call: Any) -> Seen:
    async with asyncio.timeout(WAIT_S):
        try:
            return Seen(read, await call) if read is not None else _Unread(await call)
        except Exception as exc:  # noqa: BLE001 -- told to the test
            return Seen(read, error=exc) if read is not None else _Unread(None, exc)


class _Unread(Seen):
    """A call without events of its own."""

    def __init__(self, result: Any, error: BaseException | None = None) -> None:
        self.result = result
        self.error = error


def eventually(condition: Callable[[], bool], what: str, timeout: float = WAIT_S) -> None:
    """Wait, in plain code, until something holds that another thread does."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.002)


async def aeventually(condition: Callable[[], bool], what: str, timeout: float = WAIT_S) -> None:
    """The same in a coroutine."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.002)


def run_threads() -> list[str]:
    """The names of our worker threads that are alive."""
    return [t.name for t in threading.enumerate() if t.name.startswith("streamkit")]
