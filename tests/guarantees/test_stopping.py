"""A run that is left ends: each thing that began has an end, and nothing goes on unseen.

The nodes call their models with ``ainvoke``, where LangChain tells no callback how they ended.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from langchain_streamkit import StreamCallbackHandler, astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import Turn
from tests.guarantees.pains import LEAVING, asked_in_a_node, left, legal, of, recorded, side_by_side
from tests.scenarios.told import HI, graph, says


def silent_after_two_words() -> Any:
    return says(Turn("one two three four", hold={2: asyncio.Event()}))


@pytest.mark.parametrize("way", LEAVING)
async def test_a_message_whose_model_nobody_ends_is_aborted_once(way: str) -> None:
    sink = recorded()
    run = astream(asked_in_a_node(silent_after_two_words()), HI, sinks=[sink])
    await left(LEAVING[way], run)
    events = legal(sink.events)
    ends = of((ev.MessageAborted, ev.MessageFinished, ev.MessageRetracted), events)
    assert [(end.type, end.reason) for end in ends] == [("message.aborted", "cancelled")]
    outcomes = [step.outcome for step in of(ev.StepFinished, events)]
    assert outcomes == ["cancelled", "cancelled"]
    assert events[-1].type == "run.cancelled"
    assert run.outcome == "cancelled"


async def test_a_watched_call_that_is_cancelled_ends_its_message_too() -> None:
    handler, sink = None, recorded()
    handler = StreamCallbackHandler(sink)
    call = asyncio.create_task(
        asked_in_a_node(silent_after_two_words()).ainvoke(HI, {"callbacks": [handler]})
    )
    await sink.await_for("text.delta")
    call.cancel()
    await asyncio.wait([call])
    await handler.aclose()
    events = legal(sink.events)
    assert [event.reason for event in of(ev.MessageAborted, events)] == ["cancelled"]
    assert events[-1].type == "run.cancelled"


async def test_cancel_has_stopped_every_subgraph_when_it_returns() -> None:
    stopped: list[str] = []

    def leaf(name: str) -> Any:
        model = silent_after_two_words()

        async def node(state: Any) -> dict[str, Any]:
            try:
                return {"messages": [await model.ainvoke(state["messages"])]}
            finally:
                await asyncio.sleep(0)  # work of its own while it is being stopped
                stopped.append(name)

        return graph(inside=graph(leaf=node).compile()).compile()

    run = astream(side_by_side(one=leaf("one"), two=leaf("two")).compile(), HI)
    async with asyncio.timeout(10):
        speaking: set[tuple[str, ...]] = set()
        async with run:
            async for event in run:
                if event.type == "text.delta":
                    speaking.add(event.path)
                if len(speaking) == 2:
                    await run.cancel()
                    assert sorted(stopped) == ["one", "two"]
    assert run.outcome == "cancelled"
    assert len(speaking) == 2
