"""What is said to those who give ``adapt`` a stream that has nothing for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from langchain_streamkit import AdaptError, StreamUsageError, adapt, sse_bytes
from langchain_streamkit import events as ev
from tests.routes.played import Source, read, v2_items
from tests.scenarios.told import HI, graph, node_of, says

# ---- nothing in it -------------------------------------------------------------------------------


def check_no_items(events: list[ev.Event]) -> None:
    assert [event.type for event in events] == ["run.started", "diagnostic", "run.finished"]
    said = events[1]
    assert isinstance(said, ev.Diagnostic)
    assert said.code == "no_items"
    assert "once" in said.message


async def test_a_source_without_items_says_so() -> None:
    check_no_items(list(adapt([])))
    check_no_items(list(adapt(iter(()))))
    check_no_items(await read(adapt(Source())))


async def used_up() -> tuple[AsyncIterator[Any], Iterator[Any]]:
    items = await v2_items()

    async def play() -> AsyncIterator[Any]:
        for item in items:
            yield item

    played, plain = play(), (item for item in items)
    assert [item async for item in played] == list(plain)
    return played, plain


async def test_a_generator_that_was_read_to_its_end_is_refused_at_once() -> None:
    for source in await used_up():
        with pytest.raises(AdaptError, match=r"generator play|generator <genexpr>") as caught:
            adapt(source)
        assert "make a new one for each run" in str(caught.value)


async def test_a_generator_that_another_run_has_read_out_is_refused_when_it_is_read() -> None:
    items = await v2_items()

    async def play() -> AsyncIterator[Any]:
        for item in items:
            yield item

    source, plain = play(), (item for item in items)
    first, second, third = adapt(source), adapt(source), adapt(source)
    await first.result()
    with pytest.raises(AdaptError, match="make a new one for each run"):
        await read(second)
    with pytest.raises(AdaptError, match="make a new one for each run"):
        _ = [part async for part in sse_bytes(third)]
    one, other = adapt(plain), adapt(plain)
    list(one)
    with pytest.raises(AdaptError, match="make a new one for each run"):
        list(other)


# ---- read by two ---------------------------------------------------------------------------------


async def as_events(run: Any) -> None:
    await read(run)


async def as_bytes(run: Any) -> None:
    async for _ in sse_bytes(run):
        pass


@pytest.mark.parametrize("reading", [as_events, as_bytes])
async def test_a_stream_that_another_run_reads_is_refused_and_left_to_that_run(
    reading: Callable[[Any], Any],
) -> None:
    items = await v2_items()
    go_on = asyncio.Event()

    async def play() -> AsyncIterator[Any]:
        for item in items[:4]:
            yield item
        await go_on.wait()
        for item in items[4:]:
            yield item

    source = play()
    first, second = adapt(source), adapt(source)
    async with first:
        reader = asyncio.create_task(read(first))
        await first.started()
        with pytest.raises(AdaptError, match="is being read by another run") as caught:
            await reading(second)
        assert "make a new one for each run" in str(caught.value)
        go_on.set()
        await reader
    assert (first.outcome, first.snapshot.text) == ("finished", "Hello you")


async def test_a_plain_stream_that_another_run_reads_is_refused_and_left_to_that_run() -> None:
    items = await v2_items()
    source = iter(items)
    seen: list[str] = []

    def in_the_middle(event: ev.Event) -> None:
        if event.type == "message.started":
            try:
                list(adapt(source))
            except AdaptError as exc:
                seen.append(str(exc))

    run = adapt(source, sinks=[in_the_middle])
    list(run)
    assert (run.outcome, run.snapshot.text) == ("finished", "Hello you")
    assert len(seen) == 1
    assert "is being read by another run" in seen[0]


async def test_one_recording_may_be_read_by_any_number_of_runs_at_once() -> None:
    items = await v2_items()
    source = Source(*items)
    runs = [adapt(source) for _ in range(3)]
    await asyncio.gather(*map(read, runs))
    assert {run.snapshot.text for run in runs} == {"Hello you"}


# ---- version 1 -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_recorded_events_of_version_1_raise_to_whoever_reads() -> None:
    runnable = graph(one=node_of(says("Hello you"))).compile()
    items = [item async for item in runnable.astream_events(HI, version="v1")]
    with pytest.raises(AdaptError, match="version='v2'"):
        list(adapt(items))
    with pytest.raises(AdaptError, match="version='v2'"):
        list(adapt(items).text)
    run = adapt(Source(*items))
    events: list[ev.Event] = []

    async def read_into() -> None:
        async for event in run:
            events.append(event)  # noqa: PERF401 -- what came before the error is looked at

    with pytest.raises(AdaptError, match="version='v2'"):
        await read_into()
    assert [event.type for event in events] == ["run.started", "run.failed"]
    with pytest.raises(AdaptError, match="version='v2'"):
        await run.result()
    with pytest.raises(AdaptError, match="version='v2'"):
        await as_bytes(adapt(Source(*items)))


# ---- called as astream is ------------------------------------------------------------------------


def test_a_runnable_and_its_input_are_answered_with_what_to_write() -> None:
    runnable = graph(one=node_of(says("Hello you"))).compile()
    given: Any = adapt
    with pytest.raises(StreamUsageError) as caught:
        given(runnable, HI)
    assert "astream(CompiledStateGraph, input)" not in str(caught.value)
    assert "write astream(runnable, input)" in str(caught.value)
    assert "adapt(runnable.astream(input))" in str(caught.value)
    with pytest.raises(StreamUsageError, match=r"one stream.*mode='values'"):
        given([], "values")
