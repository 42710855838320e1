"""A view: what can be iterated, any number of times, at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.views.reading import AsyncReading, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

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


class View(Generic[T]):
    """Read with ``for``; each iteration is a reader of its own, and starts the run."""

    def __init__(self, worker: Worker, feed: Callable[[], Feed[T]]) -> None:
        self._worker = worker
        self._feed = feed

    def __iter__(self) -> Reading[T]:
        return Reading(self._worker, self._feed())

    def __aiter__(self) -> NoReturn:
        raise StreamUsageError("this run is not async, nor are its views: write `for`")
