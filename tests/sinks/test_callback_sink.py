from __future__ import annotations

import asyncio
import functools
from typing import Any, cast

import pytest

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.sinks import CallbackSink
from tests.wire.story import short_run

EVENTS = short_run()


def test_a_function_is_called_with_each_event_in_order() -> None:
    got: list[Any] = []

    assert CallbackSink(got.append).send(EVENTS) is None

    assert got == EVENTS


def test_batch_calls_once_with_a_list_of_its_own() -> None:
    got: list[Any] = []

    def take(events: list[Any]) -> None:
        got.append(events)

    CallbackSink(take, batch=True).send(EVENTS)

    assert got == [EVENTS]
    assert got[0] is not EVENTS


async def test_an_async_function_has_returned_before_it_is_called_again() -> None:
    got: list[Any] = []

    async def slowly(event: Any) -> None:
        got.append((event.seq, "in"))
        await asyncio.sleep(0)
        got.append((event.seq, "out"))

    await cast("Any", CallbackSink(slowly)).send(EVENTS)

    assert got == [(event.seq, what) for event in EVENTS for what in ("in", "out")]


async def test_an_async_batch_is_awaited() -> None:
    got: list[Any] = []

    async def slowly(events: Any) -> None:
        await asyncio.sleep(0)
        got.extend(events)

    await cast("Any", CallbackSink(slowly, batch=True)).send(EVENTS)

    assert got == EVENTS


async def test_a_plain_function_may_return_an_awaitable_now_and_then() -> None:
    got: list[Any] = []

    async def later(event: Any) -> None:
        got.append(event)

    def mixed(event: Any) -> Any:
        return later(event) if event.seq % 2 else got.append(event)

    await cast("Any", CallbackSink(mixed)).send(EVENTS)

    assert got == EVENTS


async def async_function(event: Any) -> None:
    pass


class AsyncCall:
    async def __call__(self, event: Any) -> None:
        pass


def test_it_says_whether_the_function_is_async() -> None:
    assert CallbackSink(async_function).is_async
    assert CallbackSink(functools.partial(async_function)).is_async
    assert CallbackSink(AsyncCall()).is_async
    assert not CallbackSink(print).is_async


def test_what_the_function_raises_reaches_the_caller_and_ends_the_batch() -> None:
    got: list[Any] = []

    def fails(event: Any) -> None:
        got.append(event)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        CallbackSink(fails).send(EVENTS)
    assert len(got) == 1


def test_close_is_nothing() -> None:
    CallbackSink(print).close()


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(StreamUsageError, match="takes a function of one event, not int"):
        CallbackSink(cast("Any", 5))
