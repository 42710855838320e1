"""A view: what can be iterated, any number of times, at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.views.reading import AsyncReading, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from langchain_streamkit.runs.driver import AsyncDriver
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.runs.worker import Worker

T = TypeVar("T")


class AsyncView(Generic[T]):
    """Read with ``async for``; each iteration is a reader of its own, and starts the run."""

    def __init__(self, driver: AsyncDriver, feed: Callable[[], Feed[T]]) -> None:
        self._driver = driver
        self._feed = feed

    def __aiter__(self) -> AsyncReading[T]:
        return AsyncReading(self._driver, self._feed())

    def __iter__(self) -> NoReturn:
        raise StreamUsageError("this run is async, so its views are: write `async for`")

    def __await__(self) -> Generator[Any, None, Any]:
        raise StreamUsageError(
            "a view is not awaited: write `async for`; `await run.result()` is what the run returns"
        )

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} of run {self._driver.core.run_id}: read it with `async for`>"
        )


class View(Generic[T]):
    """Read with ``for``; each iteration is a reader of its own, and starts the run."""

    def __init__(self, worker: Worker, feed: Callable[[], Feed[T]]) -> None:
        self._worker = worker
        self._feed = feed

    def __iter__(self) -> Reading[T]:
        return Reading(self._worker, self._feed())

    def __aiter__(self) -> NoReturn:
        raise StreamUsageError("this run is not async, nor are its views: write `for`")

    def __await__(self) -> Generator[Any, None, Any]:
        raise StreamUsageError("this run is not async, nor are its views: write `for`")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of run {self._worker.core.run_id}: read it with `for`>"
