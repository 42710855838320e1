"""Streams that tests play, sync and async, and that know whether they were closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from langchain_streamkit import AsyncRun, sse_bytes
from langchain_streamkit import events as ev
from tests.scenarios.told import HI, graph, node_of, says


class Source:
    """A stream of items, read by an async loop, that knows whether it was closed."""

    def __init__(self, *items: Any, then: BaseException | None = None, hang: bool = False) -> None:
        self.items = items
        self.then = then
        self.hang = hang
        self.read = 0
        self.waiting = asyncio.Event()
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            for item in self.items:
                self.read += 1
                yield item
            if self.then is not None:
                raise self.then
            if self.hang:
                self.waiting.set()
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def v2_items(runnable: Any = None, value: Any = HI) -> list[Any]:
    runnable = runnable or graph(one=node_of(says("Hello you"))).compile()
    return [item async for item in runnable.astream_events(value, version="v2")]


async def read(run: AsyncRun[Any]) -> list[ev.Event]:
    return [event async for event in run]


class Held:
    """A stream that is open from the start, like an HTTP response; with ``hang`` it never ends."""

    def __init__(
        self,
        *items: Any,
        then: BaseException | None = None,
        closing: Callable[[], Any] = lambda: None,
        hang: bool = False,
    ) -> None:
        self.items = list(items)
        self.hang = hang
        self.then = then
        self.closing = closing
        self.closed = 0

    def __aiter__(self) -> Held:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        if self.items:
            return self.items.pop(0)
        if self.hang:
            await asyncio.Event().wait()
        raise self.then or StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1
        answer = self.closing()
        if answer is not None:
            await answer


class Plain:
    """The same for plain code."""

    def __init__(self, items: Iterator[Any], closing: Callable[[], Any] = lambda: None) -> None:
        self.items = items
        self.closing = closing
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.items)

    def close(self) -> None:
        self.closed += 1
        self.closing()


async def frames_of(run: AsyncRun[Any]) -> bytes:
    return b"".join([part async for part in sse_bytes(run, view="all")])
