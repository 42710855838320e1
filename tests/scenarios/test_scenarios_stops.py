"""A run that is left early, at every place where it can be left."""

from __future__ import annotations

import pytest

from langchain_streamkit import astream
from langchain_streamkit.testing import RecordingSink
from tests.scenarios.story import story
from tests.scenarios.told import HI, graph, lines, node_of, says

NOTHING_STARTED = lines("""
    run.started
    run.cancelled user
""")


async def test_leaving_at_run_started_leaves_nothing_pending() -> None:
    sink = RecordingSink()
    run = astream(graph(a=node_of(says("Hello you"))).compile(), HI, sinks=[sink])
    async with run:
        async for _ in run:
            break
    assert story(sink.events) == NOTHING_STARTED


@pytest.mark.parametrize("steps", ["graph", "all"])
async def test_cancelling_at_run_started_leaves_nothing_pending(steps: str) -> None:
    run = astream(says("Hello you"), "hi", steps=steps)
    events = []
    async for event in run:
        events.append(event)
        await run.cancel()
    assert story(events) == NOTHING_STARTED
