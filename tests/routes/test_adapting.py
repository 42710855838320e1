"""A run made from somebody else's stream behaves as every run: lazy, with one ending."""

from __future__ import annotations

import asyncio
import json

import pytest

from langchain_streamkit import RunSnapshot, adapt, sse_bytes
from langchain_streamkit import events as ev
from langchain_streamkit.errors import ProducerLost
from langchain_streamkit.testing import assert_legal
from tests.routes.played import Source, frames_of, read, v2_items

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
