"""Sources as iterators: awaited or entered where they have to be, closed whatever happens."""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, cast

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.runs.hanging_up import hang_up_of
from langchain_streamkit.sources.callbacks import StopRun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

    from langchain_streamkit.runs.core import RunCore


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
                " gives one for stream=True"
            )
    if not hasattr(source, "__aiter__"):
        async with source as entered, opened(entered) as inner:
            yield inner
        return
    items = cast("AsyncIterator[Any]", aiter(source))
    try:
        yield items, _is_live(source)
    finally:
        for one in (items, source):
            for name in ("aclose", "close", "abort"):
                close = getattr(one, name, None)
                if close is not None:
                    answer = close()
                    if inspect.isawaitable(answer):
                        await answer
                    break


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
    core.stop_work = hang_up_of(source) or _closer(items)
    try:
        if core.stopping:  # while the source was being opened
            raise StopRun
        yield items, _is_live(source)
    finally:
        for one in (items, source):
            close = getattr(one, "close", None) or getattr(one, "abort", None)
            if close is not None:
                close()


def _is_live(source: object) -> bool:
    """Whether ``source`` is LangGraph's or LangChain's own stream, which raises what its run does;
    a recording just ends.
    """
    return type(source).__module__.startswith(("langgraph.stream.", "langchain_core."))


def _closer(items: Iterator[Any]) -> Callable[[], None] | None:
    """What makes a blocked read end, from another thread: generators cannot be closed so."""
    close = getattr(items, "close", None)
    return None if inspect.isgenerator(items) else close
