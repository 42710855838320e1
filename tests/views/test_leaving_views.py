"""Who leaves early: the run goes on while somebody reads; the last one who leaves cancels it."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from langchain_streamkit import astream
from langchain_streamkit.testing import ScriptedModel, assert_legal
from tests.runs.scenes import QUESTION, endless, one_node
from tests.runs.watching import WAIT_S, aeventually
from tests.views.reading import aread, two_voices


def waiting() -> tuple[Any, asyncio.Event]:
    """A run that says one word, then waits."""
    gate = asyncio.Event()
    return astream(one_node(ScriptedModel([["one ", gate, "two"]])), QUESTION), gate


async def the_end(run: Any) -> str:
    await aeventually(lambda: run.outcome != "running", "the end of the run")
    return str(run.outcome)


async def test_a_view_left_alone_cancels_the_run() -> None:
    run = astream(one_node(endless()), QUESTION)
    async for _ in run.text:
        break
    assert await the_end(run) == "cancelled"


async def test_a_view_closed_alone_has_cancelled_the_run() -> None:
    run, _ = waiting()
    text = aiter(run.text)
    await anext(text)
    await text.aclose()
    assert run.outcome == "cancelled"
    assert await aread(text) == []


async def test_a_view_left_while_the_events_are_read_does_not_cancel() -> None:
    run, gate = waiting()
    events = aiter(run)
    async for _ in run.text:
        break
    gate.set()
    read = await aread(events)
    assert_legal(read)
    assert read[-1].type == "run.finished"


async def test_a_view_left_while_another_view_is_read_does_not_cancel() -> None:
    run, gate = waiting()
    other = aiter(run.text)
    async for _ in run.text:
        break
    gate.set()
    assert "".join(await aread(other)) == "one two"


async def test_the_events_left_while_a_view_is_read_do_not_cancel_and_are_not_kept() -> None:
    run, gate = waiting()
    text = aiter(run.text)
    async for _ in run:
        break
    gate.set()
    assert "".join(await aread(text)) == "one two"
    assert run.outcome == "finished"
    assert run._core.sequencer.discarded


async def test_closing_the_events_while_a_view_is_read_returns_at_once() -> None:
    run, gate = waiting()
    text = aiter(run.text)
    events = aiter(run)
    await anext(events)
    async with asyncio.timeout(WAIT_S):
        await events.aclose()
    assert run.outcome == "running"
    gate.set()
    assert "".join(await aread(text)) == "one two"


@pytest.mark.parametrize("last", ["events", "view"])
async def test_the_last_one_who_leaves_cancels(last: str) -> None:
    run, _ = waiting()
    readers = {"view": aiter(run.text), "events": aiter(run)}
    final = readers.pop(last)
    (other,) = readers.values()
    await anext(other)
    await other.aclose()
    assert run.outcome == "running"
    await final.aclose()
    assert run.outcome == "cancelled"


async def test_a_view_whose_task_dies_has_left() -> None:
    run = astream(one_node(endless()), QUESTION)

    async def read() -> None:
        async for _ in run.text:
            raise ValueError("reader")

    task = asyncio.ensure_future(read())
    await asyncio.wait({task})
    assert await the_end(run) == "cancelled"
    assert isinstance(task.exception(), ValueError)


async def test_a_view_whose_task_is_cancelled_has_left() -> None:
    run, gate = waiting()
    other = aiter(run.messages)
    task = asyncio.ensure_future(aread(run.text))
    await aeventually(lambda: run.snapshot.live_text == "one ", "the first word")
    task.cancel()
    await asyncio.wait({task})
    assert len(run._core.sequencer.views) == 1
    gate.set()
    assert len(await aread(other)) == 1
    assert run.outcome == "finished"


async def test_a_cancelled_await_of_the_next_piece_loses_nothing() -> None:
    run, gate = waiting()
    text = aiter(run.text)
    found = [await anext(text)]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(text), 0.01)
    gate.set()
    found += await aread(text)
    assert found == ["one ", "two"]


async def test_a_view_handed_to_another_task_outlives_the_one_that_opened_it() -> None:
    run, gate = waiting()
    text = aiter(run.text)

    async def opens() -> Any:
        return aiter(run.text), asyncio.ensure_future(aread(text))

    opened, reading = await asyncio.ensure_future(opens())
    gate.set()
    assert "".join(await reading) == "one two"
    assert "".join(await aread(opened)) == "one two"


async def test_a_dropped_iterator_that_was_never_read_has_left() -> None:
    run, _ = waiting()
    opened = aiter(run.text)
    await run.started()
    del opened
    gc.collect()
    assert await the_end(run) == "cancelled"


async def test_leaving_a_message_in_the_loop_over_messages_does_not_cancel() -> None:
    run = astream(two_voices(), QUESTION)
    nodes = []
    async for message in run.messages:
        nodes.append(message.node)
        async for _ in message:
            break
    assert nodes == ["first", "second"]
    assert run.outcome == "finished"


async def test_cancel_ends_all_views() -> None:
    run, _ = waiting()
    views = [asyncio.ensure_future(aread(view)) for view in (run.text, run.messages, run)]
    await aeventually(lambda: run.snapshot.live_text == "one ", "the first word")
    await run.cancel()
    text, messages, events = await asyncio.gather(*views)
    assert text == ["one "]
    assert (await messages[0].result()).status == "aborted"
    assert events[-1].type == "run.cancelled"


async def test_views_end_when_on_end_is_done() -> None:
    done: list[str] = []

    async def on_end(_: Any) -> None:
        await asyncio.sleep(0)
        done.append("done")

    await aread(astream(two_voices(), QUESTION, on_end=on_end).text)
    assert done == ["done"]
