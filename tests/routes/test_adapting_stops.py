"""A run made from somebody else's stream closes it, whatever ends the run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from langchain_streamkit import AsyncRun, RunCancelled, RunSnapshot, adapt, sse_bytes
from langchain_streamkit import events as ev
from langchain_streamkit.testing import assert_legal
from tests.routes.played import Held, Plain, Source, read, v2_items

# ---- stopping ------------------------------------------------------------------------------------


async def test_cancelling_closes_the_source() -> None:
    source = Source(*(await v2_items())[:4], hang=True)
    run = adapt(source)
    async with run:
        await source.waiting.wait()
        await run.cancel()
        assert (source.closed, run.outcome) == (True, "cancelled")
    with pytest.raises(RunCancelled):
        await run.result()


async def test_cancelling_before_the_first_item_ends_a_legal_stream() -> None:
    source = Source(hang=True)
    run = adapt(source)
    reading = asyncio.create_task(read(run))
    await source.waiting.wait()
    await run.cancel()
    assert [event.type for event in await reading] == ["run.started", "run.cancelled"]
    assert source.closed


async def test_leaving_the_loop_closes_the_source() -> None:
    source = Source(*(await v2_items())[:4], hang=True)
    async with adapt(source) as run:
        async for _ in run:
            break
    assert source.closed


async def test_the_bytes_of_a_source_left_early_close_it() -> None:
    source = Source(*(await v2_items())[:4], hang=True)
    frames: Any = aiter(sse_bytes(adapt(source)))
    await anext(frames)
    await anext(frames)
    await frames.aclose()
    assert source.closed


async def test_a_timeout_around_one_step_loses_nothing() -> None:
    items = await v2_items()
    go_on = asyncio.Event()

    async def source() -> AsyncIterator[Any]:
        for item in items[:5]:
            yield item
        await go_on.wait()
        for item in items[5:]:
            yield item

    run = adapt(source())
    reader = aiter(run)
    events: list[ev.Event] = []
    while True:
        try:
            events.append(await asyncio.wait_for(anext(reader), 0.05))
        except TimeoutError:
            go_on.set()
        except StopAsyncIteration:
            break
    assert_legal(events)
    assert run.snapshot.text == "Hello you"


async def test_cancelling_a_plain_source_that_blocks_closes_it() -> None:
    items = await v2_items()
    closed = threading.Event()
    blocked = threading.Event()

    class Blocking:
        def __iter__(self) -> Blocking:
            return self

        def __init__(self) -> None:
            self.left = iter(items[:4])

        def __next__(self) -> Any:
            for item in self.left:
                return item
            blocked.set()
            closed.wait(10)
            raise StopIteration

        def close(self) -> None:
            closed.set()

    run = adapt(Blocking())
    with run:
        assert blocked.wait(10)
        run.cancel()
    assert (run.outcome, closed.is_set()) == ("cancelled", True)


async def test_a_plain_generator_is_closed_when_its_run_is_left() -> None:
    items = await v2_items()
    closed = threading.Event()

    def source() -> Iterator[Any]:
        try:
            yield from items[:4]
            while True:
                yield items[4]
        finally:
            closed.set()

    with adapt(source()) as run:
        for event in run:
            if isinstance(event, ev.StepStarted):
                break
    assert closed.wait(10)
    assert run.outcome == "cancelled"


# ---- sources that close badly, or not at all -----------------------------------------------------


async def left_at_once(run: AsyncRun[Any]) -> None:
    async with run:
        pass


async def cancelled_at_once(run: AsyncRun[Any]) -> None:
    await run.cancel()


async def left_before_the_first_item(run: AsyncRun[Any]) -> None:
    frames: Any = sse_bytes(run)
    await anext(frames)
    await frames.aclose()


@pytest.mark.parametrize("leave", [left_at_once, cancelled_at_once, left_before_the_first_item])
async def test_a_run_that_is_stopped_before_it_reads_closes_its_source(leave: Any) -> None:
    source = Held(*await v2_items())
    run = adapt(source)
    await asyncio.wait_for(leave(run), 5)
    assert (run.outcome, source.closed) == ("cancelled", 1)


def test_a_plain_run_that_is_stopped_before_it_reads_closes_its_source() -> None:
    source = Plain(iter(asyncio.run(v2_items())))

    run = adapt(source)
    run._core.stop("user")
    run.cancel()
    assert (run.outcome, source.closed) == ("cancelled", 1)


def _broken() -> None:
    raise OSError("close broke")


@pytest.mark.parametrize("as_bytes", [False, True])
async def test_a_source_that_raises_in_close_hides_nothing(*, as_bytes: bool) -> None:
    items = await v2_items()
    failed = adapt(Held(*items[:5], then=ValueError("its own"), closing=_broken))
    finished = adapt(Held(*items, closing=_broken))
    for run in (failed, finished):
        async for _ in sse_bytes(run) if as_bytes else run:
            pass
    with pytest.raises(ValueError, match="its own"):
        await failed.result()
    assert (await finished.result())["messages"][-1].text == "Hello you"


def test_a_plain_source_that_raises_in_close_hides_nothing() -> None:
    items = asyncio.run(v2_items())

    def broken() -> Iterator[Any]:
        yield from items[:5]
        raise ValueError("its own")

    failed, finished = adapt(Plain(broken(), _broken)), adapt(Plain(iter(items), _broken))
    assert [list(run)[-1].type for run in (failed, finished)] == ["run.failed", "run.finished"]
    with pytest.raises(ValueError, match="its own"):
        failed.result()


def test_cancelling_a_plain_run_does_not_raise_what_closing_its_source_does() -> None:
    items = asyncio.run(v2_items())
    go_on = threading.Event()

    def play() -> Generator[Any, None, None]:
        yield from items[:6]
        go_on.wait(5)

    played = play()
    run = adapt(Plain(played, played.close))  # which raises while another thread is in it
    events = iter(run)
    next(events)
    try:
        run.cancel()
    finally:
        go_on.set()
    assert run.outcome == "cancelled"


@pytest.mark.parametrize("as_bytes", [False, True])
async def test_a_source_that_hangs_in_close_is_not_waited_for(*, as_bytes: bool) -> None:
    source = Held(
        *(await v2_items())[:6],
        hang=True,
        closing=lambda: asyncio.Event().wait(),
    )
    run = adapt(source)

    async def read_out() -> None:
        async for _ in sse_bytes(run) if as_bytes else run:
            pass

    reading = asyncio.create_task(read_out())
    await asyncio.sleep(0.05)
    await asyncio.wait_for(run.cancel(), 3)
    await asyncio.wait_for(reading, 3)
    assert (run.outcome, source.closed) == ("cancelled", 1)
    assert reading.cancelling() == 0


async def test_leaving_the_bytes_of_a_source_that_hangs_in_close_takes_a_second() -> None:
    source = Held(*await v2_items(), closing=lambda: asyncio.Event().wait())
    ends: list[str] = []
    run = adapt(source, on_end=lambda end: ends.append(end.outcome))
    frames: Any = sse_bytes(run)
    await anext(frames)
    await anext(frames)
    await asyncio.wait_for(frames.aclose(), 3)
    assert ends == ["cancelled"]


@pytest.mark.parametrize("as_bytes", [False, True])
async def test_a_source_may_cancel_its_own_run(*, as_bytes: bool) -> None:
    items = await v2_items()

    async def play() -> AsyncIterator[Any]:
        for item in items[:6]:
            yield item
        await run.cancel()
        await asyncio.Event().wait()

    run = adapt(play())

    async def read_out() -> None:
        async for _ in sse_bytes(run) if as_bytes else run:
            pass

    await asyncio.wait_for(read_out(), 3)
    assert run.outcome == "cancelled"


async def test_an_on_end_that_takes_its_time_is_not_cut_off_by_a_stop() -> None:
    source = Source(*(await v2_items())[:6], hang=True)
    ends: list[str] = []

    async def on_end(end: RunSnapshot) -> None:
        await asyncio.sleep(1.3)
        ends.append(end.outcome)

    run = adapt(source, on_end=on_end)

    async def read_out() -> None:
        async for _ in sse_bytes(run):
            pass

    reading = asyncio.create_task(read_out())
    await asyncio.wait_for(source.waiting.wait(), 3)
    await asyncio.wait_for(run.cancel(), 3)
    await asyncio.wait_for(reading, 3)
    assert ends == ["cancelled"]
