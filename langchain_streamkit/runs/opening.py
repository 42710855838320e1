"""Sources as iterators: awaited or entered where they have to be, closed whatever happens.

Guarantees: what closing raises is a line in the log, since the source has said by then how its run
ended; a source whose run is stopped before it was opened is closed too; an iterator has one run
that reads it at a time, and a generator with nothing left is refused.
"""

from __future__ import annotations

import inspect
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.hanging_up import hang_up_of
from langchain_streamkit.sources.control_flow import StopRun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

    from langchain_streamkit.runs.core import RunCore

READ_ONCE: Final = "a stream is read once: make a new one for each run, or keep its items in a list"
_reading_now: set[int] = set()
"""The iterators that runs read, by ``id``."""
_reading_lock = threading.Lock()


@asynccontextmanager
async def opened(source: Any) -> AsyncGenerator[tuple[AsyncIterator[Any], bool], None]:
    """The iterator of a source, which may have to be awaited or entered, and whether it is live;
    closed in the end.
    """
    if not hasattr(source, "__aiter__") and inspect.isawaitable(source):
        source = await source
        if not (hasattr(source, "__aiter__") or hasattr(source, "__aenter__")):
            raise AdaptError(
                f"what was awaited gave no stream but a {type(source).__name__}; an OpenAI client"
                " gives one for stream=True; for a runnable write astream(runnable, input)"
            )
    if not hasattr(source, "__aiter__"):
        async with source as entered, opened(entered) as inner:
            yield inner
        return
    items = cast("AsyncIterator[Any]", aiter(source))
    with _read_alone(items):
        try:
            yield items, _is_live(source)
        finally:
            await closed(items, source)


async def closed(*parts: Any) -> None:
    """Close what can be closed."""
    for part in parts:
        close = _close_of(part, "aclose", "close", "abort")
        try:
            answer = None if close is None else close()
            if inspect.isawaitable(answer):
                await answer
        except Exception as exc:  # noqa: BLE001 -- the run ends as it does all the same
            _not_closed(part, exc)


@contextmanager
def opened_sync(source: Any, core: RunCore) -> Generator[tuple[Iterator[Any], bool], None, None]:
    """The same of a plain source; a stop of ``core`` ends a read that blocks, where it can.

    Raises StopRun if the stop came while the source was being opened.
    """
    if not hasattr(source, "__iter__"):
        with source as entered, opened_sync(entered, core) as inner:
            yield inner
        return
    items = iter(source)
    with _read_alone(items):
        core.stop_work = hang_up_of(source) or _closer(items)
        try:
            if core.stopping:  # while the source was being opened
                raise StopRun
            yield items, _is_live(source)
        finally:
            closed_sync(items, source)


def closed_sync(*parts: Any) -> None:
    """Close what can be closed, in plain code."""
    for part in parts:
        close = _close_of(part, "close", "abort")
        try:
            if close is not None:
                close()
        except Exception as exc:  # noqa: BLE001 -- the run ends as it does all the same
            _not_closed(part, exc)


def check_unread(source: object) -> None:
    """Raise AdaptError for a generator that was read to its end, or closed."""
    is_async = inspect.isasyncgen(source) and source.ag_frame is None
    if is_async or (inspect.isgenerator(source) and source.gi_frame is None):
        raise AdaptError(f"{_called(source)} was read to its end, or closed, before; {READ_ONCE}")


@contextmanager
def _read_alone(items: object) -> Generator[None, None, None]:
    """Keep other runs away from an iterator. Raises AdaptError if one reads it."""
    check_unread(items)
    with _reading_lock:
        if id(items) in _reading_now:
            raise AdaptError(f"{_called(items)} is being read by another run; {READ_ONCE}")
        _reading_now.add(id(items))
    try:
        yield
    finally:
        _reading_now.discard(id(items))


def _called(items: object) -> str:
    if inspect.isasyncgen(items) or inspect.isgenerator(items):
        return f"the generator {items.__name__}"
    return f"this {type(items).__name__}"


def _close_of(part: Any, *names: str) -> Callable[[], Any] | None:
    found = (getattr(part, name, None) for name in names)
    return next((close for close in found if callable(close)), None)


def _not_closed(part: object, error: Exception) -> None:
    LOGGER.warning("a source, %s, did not close", type(part).__name__, exc_info=error)


def _is_live(source: object) -> bool:
    """Whether ``source`` is LangGraph's or LangChain's own stream, which raises what its run does;
    a recording just ends.
    """
    return type(source).__module__.startswith(("langgraph.stream.", "langchain_core."))


def _closer(items: Iterator[Any]) -> Callable[[], None] | None:
    """What makes a blocked read end, from another thread: generators cannot be closed so."""
    if inspect.isgenerator(items) or not hasattr(items, "close"):
        return None
    return lambda: closed_sync(items)  # it may hold a generator, and raise
