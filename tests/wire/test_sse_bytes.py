from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from langchain_streamkit import astream, stream
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.testing import ScriptedModel
from langchain_streamkit.wire.byte_stream import sse_bytes
from langchain_streamkit.wire.sse import END, encode_event
from tests.wire.story import Story, short_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.source import Frames

EVENTS = short_run("Hello", " world")


class FakeRun:
    """A plain run of given batches; ``__aiter__`` is there only to say what to write instead."""

    run_id = "run-1"

    def __init__(self, *batches: list[Event]) -> None:
        self.made = batches
        self.opened = False
        self.cancels: list[str] = []

    def batches(self) -> Iterator[list[Event]]:
        self.opened = True
        yield from self.made

    def cancel(self, reason: str = "user") -> None:
        self.cancels.append(reason)

    def __aiter__(self) -> AsyncIterator[Event]:
        raise StreamUsageError("this run is not async")

    def __iter__(self) -> Iterator[Event]:
        raise AssertionError("batches() is there")


class FakeAsyncRun:
    run_id = "run-1"

    def __init__(self, *batches: list[Event]) -> None:
        self.made = batches
        self.opened = False
        self.cancels: list[str] = []

    async def started(self) -> None:
        pass

    async def batches(self) -> AsyncIterator[list[Event]]:
        self.opened = True
        for batch in self.made:
            yield batch

    async def encoded(self, frames: Frames) -> AsyncIterator[bytes]:
        ended = False
        try:
            async for batch in self.batches():
                ended = batch[-1].type in TERMINAL_TYPES
                yield frames.encode(batch)
        finally:
            if not ended:
                await self.cancel("disconnect")

    async def cancel(self, reason: str = "user") -> None:
        self.cancels.append(reason)

    def __aiter__(self) -> AsyncIterator[Event]:
        raise AssertionError("batches() is there")


def frames_of(*events: Event) -> bytes:
    return b"".join(map(encode_event, events))


def test_an_iterable_of_events_gives_an_iterator_ending_with_the_end_frame() -> None:
    assert list(sse_bytes(EVENTS)) == [b": ok\n\n", *map(encode_event, EVENTS), END]


async def test_an_async_iterable_of_events_gives_an_async_iterator() -> None:
    async def source() -> AsyncIterator[Event]:
        for event in EVENTS:
            yield event

    got = [data async for data in sse_bytes(source())]

    assert got == [b": ok\n\n", *map(encode_event, EVENTS), END]


def test_a_run_gives_one_piece_for_all_that_is_ready() -> None:
    run: Any = FakeRun(EVENTS[:3], EVENTS[3:])

    assert list(sse_bytes(run)) == [
        b": ok\n\n",
        frames_of(*EVENTS[:3]),
        frames_of(*EVENTS[3:]) + END,
    ]
    assert run.cancels == []


async def test_an_async_run_gives_one_piece_for_all_that_is_ready() -> None:
    run: Any = FakeAsyncRun(EVENTS[:3], EVENTS[3:])

    got = [data async for data in sse_bytes(run)]

    assert got == [b": ok\n\n", frames_of(*EVENTS[:3]), frames_of(*EVENTS[3:]) + END]
    assert run.cancels == []


def test_the_first_bytes_come_before_the_run_is_touched() -> None:
    run: Any = FakeRun(EVENTS)

    stream: Any = sse_bytes(run, retry_ms=500)

    assert next(stream) == b": ok\n\nretry: 500\n\n"
    assert not run.opened


def test_a_stream_without_a_terminal_event_has_no_end_frame() -> None:
    assert END not in list(sse_bytes(EVENTS[:-1]))


def test_events_of_several_runs_end_with_one_end_frame() -> None:
    both = [*EVENTS, *short_run(run_id="run-2")]

    got = list(sse_bytes(both))

    assert got.count(END) == 1
    assert got[-1] == END


def test_a_batch_the_view_does_not_show_gives_no_bytes() -> None:
    story = Story()
    hidden = story.message_start("m1", audience="internal")

    got = list(sse_bytes(cast("Any", FakeRun([hidden], [story.finish()]))))

    assert len(got) == 2


def test_closing_early_cancels_the_run_as_disconnect() -> None:
    run: Any = FakeRun(EVENTS[:3], EVENTS[3:])
    stream: Any = sse_bytes(run)
    next(stream)
    next(stream)

    stream.close()

    assert run.cancels == ["disconnect"]


async def test_closing_early_cancels_the_async_run_as_disconnect() -> None:
    run: Any = FakeAsyncRun(EVENTS[:3], EVENTS[3:])
    stream: Any = sse_bytes(run)
    await anext(stream)
    await anext(stream)

    await stream.aclose()

    assert run.cancels == ["disconnect"]


def test_closing_before_the_first_event_leaves_the_run_unstarted() -> None:
    run: Any = FakeRun(EVENTS)
    stream: Any = sse_bytes(run)
    next(stream)

    stream.close()

    assert not run.opened
    assert run.cancels == []


def test_closing_after_the_terminal_event_cancels_nothing() -> None:
    run: Any = FakeRun(EVENTS)
    stream: Any = sse_bytes(run)
    next(stream)
    next(stream)

    stream.close()

    assert run.cancels == []


def test_closing_early_closes_a_generator_of_events() -> None:
    closed = []

    def source() -> Iterator[Event]:
        try:
            yield from EVENTS
        finally:
            closed.append(True)

    stream: Any = sse_bytes(source())
    next(stream)
    next(stream)
    stream.close()

    assert closed


async def test_closing_early_closes_an_async_generator_of_events() -> None:
    closed = []

    async def source() -> AsyncIterator[Event]:
        try:
            for event in EVENTS:
                yield event
        finally:
            closed.append(True)

    stream: Any = sse_bytes(source())
    await anext(stream)
    await anext(stream)
    await stream.aclose()

    assert closed


def test_what_is_not_iterable_is_refused_at_once() -> None:
    with pytest.raises(StreamUsageError, match=r"not int; write sse_bytes\(astream"):
        sse_bytes(cast("Any", 5))


def test_an_unknown_view_is_refused_at_once() -> None:
    with pytest.raises(StreamUsageError, match="'chat', 'steps' or 'all'"):
        sse_bytes(EVENTS, view=cast("Any", "everything"))


@pytest.mark.parametrize("runnable", [ScriptedModel(["hi"]), ScriptedModel(["hi"]) | str])
def test_a_runnable_is_refused_at_once_with_what_to_write(runnable: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"sse_bytes\(astream\(runnable, input\)\)"):
        sse_bytes(runnable)


async def test_what_are_no_events_is_refused_with_what_to_write() -> None:
    async def chunks() -> AsyncIterator[Any]:
        yield "text"

    given: Any = ["text"]
    with pytest.raises(StreamUsageError, match="got a str"):
        list(sse_bytes(given))
    with pytest.raises(StreamUsageError, match="got a str"):
        [frame async for frame in sse_bytes(chunks())]


def test_the_bytes_of_an_async_run_say_what_a_plain_loop_needs() -> None:
    given: Any = sse_bytes(astream(ScriptedModel(["hi"]), "hi"))
    with pytest.raises(StreamUsageError, match=r"sse_bytes\(stream\(runnable, input\)\)"):
        list(given)


def test_run_of_plain_code_is_read_by_a_plain_loop() -> None:
    parts: Iterator[bytes] = sse_bytes(stream(ScriptedModel(["Hi"]), "x"))  # to type checkers, too
    assert [*parts][-1].endswith(END)
