"""``sse_bytes`` over a real run: read in the reader's own task (a bare model) or from a task."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser

from langchain_streamkit import RunSnapshot, astream, sse_bytes
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.runs.scenes import answering, held, one_node
from tests.runs.watching import WAIT_S, aeventually

WORKS: dict[str, Any] = {
    "model": lambda model: (model, "hi"),
    "chain": lambda model: (model | StrOutputParser(), "hi"),
    "graph": lambda model: (one_node(model), {"messages": [("user", "hi")]}),
}


@pytest.fixture(params=WORKS)
def make(request: pytest.FixtureRequest) -> Any:
    return WORKS[request.param]


def texts(frames: list[bytes]) -> str:
    """The text that a client assembles from the frames."""
    data = [line[6:] for line in b"".join(frames).split(b"\n") if line.startswith(b"data: ")]
    return "".join(json.loads(one).get("text", "") for one in data if b'"text.delta"' in one)


async def test_a_character_cut_in_half_arrives_whole(make: Any) -> None:
    run = astream(*make(ScriptedModel([Turn(["so ", "\ud83d", "\ude00", " nice"])])))
    assert texts([frame async for frame in sse_bytes(run)]) == "so 😀 nice"


async def test_the_snapshot_keeps_up_with_what_was_sent(make: Any) -> None:
    run = astream(*make(answering("one two three four five")))
    frames: list[bytes] = []
    async for frame in sse_bytes(run):
        frames.append(frame)
        if b'"text.delta"' in frame and b'"text.finished"' not in frame:
            assert run.snapshot.live_text == texts(frames)
    assert run.snapshot.text == texts(frames) == "one two three four five"


async def test_closing_it_before_the_first_frame_leaves_the_run_unstarted(make: Any) -> None:
    run = astream(*make(answering()))
    frames: Any = sse_bytes(run)
    await frames.aclose()
    assert [frame async for frame in frames] == []
    assert "not started" in repr(run)


async def test_nothing_comes_after_it_was_closed(make: Any) -> None:
    gate = threading.Event()
    frames: Any = sse_bytes(astream(*make(held(gate))))
    async for frame in frames:
        if b'"text.delta"' in frame:
            break
    await frames.aclose()
    assert [frame async for frame in frames] == []


async def drained(frames: Any) -> list[bytes]:
    return [frame async for frame in frames]


async def drop(frames: Any) -> None:
    async for frame in frames:
        if b'"text.delta"' in frame:
            return


async def close(frames: Any) -> None:
    await drop(frames)
    await frames.aclose()


async def cancel(frames: Any) -> None:
    reached = asyncio.Event()

    async def read() -> None:
        async for frame in frames:
            if b'"text.delta"' in frame:
                reached.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(reached.wait(), WAIT_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("leave", [drop, close, cancel], ids=lambda way: way.__name__)
async def test_leaving_it_cancels_the_run_as_a_disconnect(make: Any, leave: Any) -> None:
    ended: list[RunSnapshot] = []
    run = astream(*make(ScriptedModel([Turn("word " * 10_000, delay=0.001)])), on_end=ended.append)
    await leave(sse_bytes(run))
    gc.collect()
    await aeventually(lambda: bool(ended), "on_end is called")
    assert (run.outcome, len(ended)) == ("cancelled", 1)
    assert ended[0].cancel_reason == "disconnect"


async def test_an_await_that_is_cancelled_takes_the_run_with_it(make: Any) -> None:
    gate = threading.Event()
    run = astream(*make(held(gate)))
    reading = asyncio.create_task(drained(sse_bytes(run)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reading, 0.2)
    await aeventually(lambda: run.outcome == "cancelled", "the run ends")
    gate.set()
