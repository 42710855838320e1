"""Events to a function, plain or async."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.sinks.loop_queue import running_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from langchain_streamkit.events import Event


class CallbackSink:
    """Call ``fn`` with each event, or with each batch (a list) when ``batch=True``.

    ``fn`` may be plain or ``async`` (also a partial or an object with an async ``__call__``); an
    async one has returned before it is called again. What it returns is ignored. What it raises
    reaches the run as it is, and the rest of that batch is not delivered. Nothing happens on
    close. Raises ``StreamUsageError`` if ``fn`` cannot be called.
    """

    @overload
    def __init__(self, fn: Callable[[Event], object], *, batch: Literal[False] = False) -> None: ...

    @overload
    def __init__(self, fn: Callable[[list[Event]], object], *, batch: Literal[True]) -> None: ...

    def __init__(self, fn: Callable[[Any], object], *, batch: bool = False) -> None:
        if not callable(fn):
            raise StreamUsageError(
                f"CallbackSink takes a function of one event, not {type(fn).__name__}"
            )
        self._fn = fn
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
            getattr(fn, "__call__", None)  # noqa: B004 -- whether calling it gives a coroutine
        )
        """Whether ``fn`` is known to be async, so that a run feeds it from its event loop."""
        self._batch = batch

    def send(self, events: Sequence[Event]) -> Awaitable[None] | None:
        """Call the function; the awaitable returned for an async one has to be awaited."""
        calls = iter((list(events),)) if self._batch else iter(events)
        for argument in calls:
            result = self._fn(argument)
            if inspect.isawaitable(result):
                if running_loop() is None:
                    raise self._no_loop(result)
                return self._go_on(cast("Awaitable[object]", result), calls)
        return None

    def _no_loop(self, result: object) -> StreamUsageError:
        if inspect.iscoroutine(result):
            result.close()
        name = getattr(self._fn, "__name__", type(self._fn).__name__)
        return StreamUsageError(
            f"{name} returned an awaitable, and no event loop runs here to await it; use astream(),"
            " or pass a plain function"
        )

    async def _go_on(self, first: Awaitable[object], calls: Iterator[object]) -> None:
        await first
        for argument in calls:
            result = self._fn(argument)
            if inspect.isawaitable(result):
                await result

    def close(self) -> None:
        """Do nothing: the terminal event has told the function."""
