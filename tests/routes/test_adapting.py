"""A run made from somebody else's stream behaves as every run: lazy, closed, one ending."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

from langchain_streamkit import (
    AdaptError,
    AsyncRun,
    Run,
    RunCancelled,
    RunSnapshot,
    StreamUsageError,
    adapt,
    astream,
    sse_bytes,
    stream,
)
from langchain_streamkit import events as ev
from langchain_streamkit.errors import ProducerLost
from langchain_streamkit.testing import assert_legal
from tests.scenarios.told import HI, add, graph, node_of, says


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


# ---- one ending ----------------------------------------------------------------------------------


async def test_nothing_is_read_before_the_run_is() -> None:
    source = Source(*await v2_items())
    run = adapt(source)
    assert (run.outcome, source.read) == ("pending", 0)
    assert "not started" in repr(run)


async def test_the_events_are_those_of_the_run_it_tells_of() -> None:
    run = adapt(Source(*await v2_items()))
    events = await read(run)
    assert_legal(events)
    assert (run.snapshot.text, run.outcome) == ("Hello you", "finished")
    assert (await run.result())["messages"][-1].text == "Hello you"
    assert isinstance(events[0], ev.RunStarted)
    assert {event.run_id for event in events} == {run.run_id}


async def test_an_exception_of_the_source_is_the_runs() -> None:
    source = Source(*(await v2_items())[:4], then=ConnectionError("gone"))
    run = adapt(source)
    assert isinstance((await read(run))[-1], ev.RunFailed)
    with pytest.raises(ConnectionError, match="gone"):
        await run.result()
    assert source.closed


async def test_an_exception_in_mid_answer_is_the_models() -> None:
    items = await v2_items()
    told = [n for n, item in enumerate(items) if item["event"] == "on_chat_model_stream"]
    events = await read(adapt(Source(*items[: told[0] + 1], then=RuntimeError("died"))))
    last = events[-1]
    assert isinstance(last, ev.RunFailed)
    assert last.error.code == "model_error"
    assert any(isinstance(event, ev.MessageAborted) for event in events)


async def test_an_exception_before_the_first_item_is_the_runs() -> None:
    run = adapt(Source(then=PermissionError("no key")))
    assert [event.type for event in await read(run)] == ["run.started", "run.failed"]
    with pytest.raises(PermissionError):
        await run.started()


async def test_a_recording_that_was_cut_off_has_lost_its_producer() -> None:
    run = adapt((await v2_items())[:-2])
    last = list(run)[-1]
    assert isinstance(last, ev.RunFailed)
    assert (last.error.code, last.error.retryable) == ("producer_lost", True)
    with pytest.raises(ProducerLost):
        run.result()


async def test_a_source_without_items_is_a_run_without_events() -> None:
    assert [event.type for event in adapt([])] == ["run.started", "run.finished"]
    assert [e.type for e in await read(adapt(Source()))] == ["run.started", "run.finished"]


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


# ---- what is given to it -------------------------------------------------------------------------


async def test_a_coroutine_that_makes_the_stream_is_awaited() -> None:
    items = await v2_items()

    async def opened() -> Source:
        return Source(*items)

    run = adapt(opened())
    await read(run)
    assert run.snapshot.text == "Hello you"


async def test_an_async_context_manager_is_entered_and_left() -> None:
    items = await v2_items()
    left: list[bool] = []

    class Manager:
        async def __aenter__(self) -> Source:
            return Source(*items)

        async def __aexit__(self, *_: object) -> None:
            left.append(True)

    given: Any = Manager()
    run = adapt(given)
    await read(run)
    assert (run.snapshot.text, left) == ("Hello you", [True])


async def test_async_sources_give_async_runs_and_plain_ones_plain_runs() -> None:
    assert isinstance(adapt(Source()), AsyncRun)
    assert isinstance(adapt([]), Run)
    assert isinstance(adapt(iter(())), Run)


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: add, r"astream\(runnable, input\)"),
        (lambda: {"event": "on_chain_start"}, "takes a stream, not dict"),
        (lambda: "text", "takes a stream, not str"),
        (lambda: None, "takes a stream, not NoneType"),
        (lambda: 7, "takes a stream, not int"),
        (lambda: astream(add, {}), "a run already"),
        (lambda: astream(add, {}).text, "a view of a run already"),
        (lambda: stream(add, {}).text, "a view of a run already"),
        (lambda: add.astream, r"write adapt\(astream\(\.\.\.\)\)"),
    ],
)
def test_what_is_no_stream_is_refused_at_once(make: Callable[[], Any], advice: str) -> None:
    with pytest.raises(StreamUsageError, match=advice):
        adapt(make())


def test_unknown_options_are_refused_with_the_nearest() -> None:
    with pytest.raises(StreamUsageError, match="on_end="):
        adapt([], on_ende=print)
    with pytest.raises(StreamUsageError, match="mode='value' is no stream mode"):
        adapt([], mode="value")


@pytest.mark.parametrize("first", [object(), 1, None, {"a": {"b"}}, ("x", "y", "z", "w"), ["a"]])
async def test_a_stream_nobody_knows_raises_at_its_first_item_and_shows_it(first: Any) -> None:
    ended: list[RunSnapshot] = []
    run = adapt(Source(first, hang=True), on_end=ended.append)
    events: list[ev.Event] = []

    async def read_into() -> None:
        async for event in run:
            events.append(event)  # noqa: PERF401 -- what came before the error is looked at

    with pytest.raises(AdaptError) as caught:
        await read_into()
    assert repr(first)[:20] in str(caught.value)
    assert (events, ended) == ([], [])
    with pytest.raises(AdaptError):
        await run.result()
    with pytest.raises(AdaptError):
        list(adapt([first]))
    with pytest.raises(AdaptError):
        b"".join([part async for part in sse_bytes(adapt(Source(first)))])


async def test_an_item_that_breaks_the_format_is_left_out_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    items = await v2_items()
    odd = {**items[1], "name": ["no name"]}
    with caplog.at_level(logging.WARNING, "langchain_streamkit"):
        run = adapt([items[0], odd, odd, *items[1:]])
        events = list(run)
    assert_legal(events)
    found = [event for event in events if isinstance(event, ev.Diagnostic)]
    assert [event.code for event in found] == ["item_skipped"]
    assert "name" in found[0].message
    assert run.snapshot.text == "Hello you"


async def test_an_adapted_run_has_no_runnable_to_resume() -> None:
    run = adapt(await v2_items())
    list(run)
    with pytest.raises(StreamUsageError, match="adapted from a stream"):
        run.resume({"x": 1})


# ---- what every run has --------------------------------------------------------------------------


async def test_sinks_on_end_map_and_user_work_as_on_every_run() -> None:
    seen: list[ev.Event] = []
    ended: list[RunSnapshot] = []
    run = adapt(Source(*await v2_items()), sinks=[seen.append], on_end=ended.append, user="u1")
    run.map(lambda event: None if isinstance(event, ev.StepStarted) else event)
    events = await read(run)
    assert seen == events
    assert [snapshot.text for snapshot in ended] == ["Hello you"]
    assert isinstance(events[0], ev.RunStarted)
    assert events[0].user == "u1"
    assert not any(isinstance(event, ev.StepStarted) for event in events)


async def test_its_bytes_are_those_of_its_events() -> None:
    items = await v2_items()
    data = b"".join([part async for part in sse_bytes(adapt(Source(*items)))])
    assert b'"type":"text.finished"' in data
    assert b'"text":"Hello you"' in data
    assert data.endswith(b"event: end\ndata: {}\n\n")
    assert b"".join(sse_bytes(iter(adapt(items)))).count(b"text.delta") > 0


async def test_included_events_only() -> None:
    run = adapt(Source(*await v2_items()), include=["text"])
    kinds = {event.type for event in await read(run)}
    assert kinds == {"run.started", "text.started", "text.delta", "text.finished", "run.finished"}


# ---- read in the reader's own task, as bytes -----------------------------------------------------


async def frames_of(run: AsyncRun[Any]) -> bytes:
    return b"".join([part async for part in sse_bytes(run, view="all")])


async def test_the_bytes_of_a_source_are_the_frames_of_its_events() -> None:
    items = await v2_items()
    data = await frames_of(adapt(Source(*items)))
    events = await read(adapt(Source(*items)))
    told = [line[6:] for line in data.splitlines() if line.startswith(b'data: {"type')]
    kinds = [json.loads(line)["type"] for line in told]
    joined = [kind for kind in kinds if kind != "text.delta"]
    assert joined == [event.type for event in events if event.type != "text.delta"]
    assert data.endswith(b"event: end\ndata: {}\n\n")


async def test_cancelling_a_source_that_is_read_as_bytes_closes_it_and_ends_the_bytes() -> None:
    source = Source(*(await v2_items())[:4], hang=True)
    run = adapt(source)
    reading = asyncio.create_task(frames_of(run))
    await source.waiting.wait()
    await run.cancel()
    assert b"run.cancelled" in await reading
    assert (source.closed, run.outcome) == (True, "cancelled")


async def test_cancelling_the_task_that_reads_the_bytes_closes_the_source() -> None:
    source = Source(*(await v2_items())[:4], hang=True)
    run = adapt(source)
    reading = asyncio.create_task(frames_of(run))
    await source.waiting.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (source.closed, run.outcome) == (True, "cancelled")


async def test_an_exception_of_a_source_ends_its_bytes() -> None:
    source = Source(*(await v2_items())[:4], then=ConnectionError("gone"))
    run = adapt(source)
    assert b"run.failed" in await frames_of(run)
    assert (source.closed, run.outcome) == (True, "failed")


async def test_a_view_beside_the_bytes_of_a_source_loses_nothing() -> None:
    items = await v2_items()
    run = adapt(Source(*items))

    async def text() -> str:
        return "".join([piece async for piece in run.text])

    data, spoken = await asyncio.gather(frames_of(run), text())
    assert spoken == "Hello you"
    assert data.endswith(b"event: end\ndata: {}\n\n")


# ---- sources that close badly, or not at all -----------------------------------------------------


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
