"""What ``adapt`` takes for a stream, and what it says of what is none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from langchain_streamkit import (
    AdaptError,
    AsyncRun,
    Run,
    RunSnapshot,
    StreamUsageError,
    adapt,
    astream,
    sse_bytes,
    stream,
)
from langchain_streamkit import events as ev
from langchain_streamkit.testing import assert_legal
from tests.routes.played import Source, read, v2_items
from tests.scenarios.told import add


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
