"""Usage: one record for each model call, however it ended, and never a sum over chunks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessageChunk

from langchain_streamkit import astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.guarantees.pains import LEAVING, all_of, asked_in_a_node, left, legal, of, recorded
from tests.scenarios.told import HI, USAGE, says

FOUR = "one two three four"


def counted(usage: Any) -> tuple[int, int, str]:
    return usage.input_tokens, usage.output_tokens, usage.source


def bare(model: Any) -> Any:
    return model


@pytest.mark.parametrize(
    ("place", "asked"), [(bare, "hi"), (asked_in_a_node, HI)], ids=["alone", "in a node"]
)
async def test_usage_that_is_repeated_on_every_chunk_is_counted_once_where_langchain_adds_it_up(
    place: Any, asked: Any
) -> None:
    model = says(Turn(FOUR, usage=USAGE), usage_on="every_chunk", cycle=True)
    merged = await model.ainvoke("hi", stream=True)
    assert merged.usage_metadata is not None
    assert merged.usage_metadata["input_tokens"] == 50
    run = astream(place(model), asked)
    (finished,) = of(ev.MessageFinished, await all_of(run))
    assert counted(finished.usage) == (10, 5, "provider")
    assert counted(run.usage) == (10, 5, "provider")


class Nameless(ScriptedModel):
    """A model that tells its name nowhere."""

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "nameless"}


async def test_usage_of_a_model_without_a_name_is_counted_where_langchain_drops_it() -> None:
    counts: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    turn = ["Hello", AIMessageChunk(content=" you", usage_metadata=counts)]
    model = Nameless(turns=[turn])
    theirs = UsageMetadataCallbackHandler()
    run = astream(asked_in_a_node(model), HI, {"callbacks": [theirs]})
    (finished,) = of(ev.MessageFinished, await all_of(run))
    assert counted(finished.usage) == (10, 5, "provider")
    assert finished.usage.model is None
    assert counted(run.usage) == (10, 5, "provider")
    assert theirs.usage_metadata == {}


@pytest.mark.parametrize("way", LEAVING)
async def test_what_the_provider_counted_before_a_run_was_left_is_kept(way: str) -> None:
    turn = Turn(FOUR, usage=USAGE, hold={2: asyncio.Event()})
    sink, theirs = recorded(), UsageMetadataCallbackHandler()
    model = says(turn, usage_on="every_chunk")
    run = astream(asked_in_a_node(model), HI, {"callbacks": [theirs]}, sinks=[sink])
    await left(LEAVING[way], run)
    (aborted,) = of(ev.MessageAborted, legal(sink.events))
    assert aborted.usage.input_tokens == 10
    assert (aborted.usage.source, aborted.usage.status) == ("provider", "aborted")
    assert counted(run.usage) == counted(aborted.usage)
    assert theirs.usage_metadata == {}


async def test_what_the_provider_counted_before_it_failed_is_kept() -> None:
    model = says(Turn(FOUR, usage=USAGE, fail_after=2), usage_on="every_chunk")
    (aborted,) = of(ev.MessageAborted, await all_of(astream(asked_in_a_node(model), HI)))
    assert counted(aborted.usage) == (10, 5, "provider")
    assert aborted.usage.status == "failed"


@pytest.mark.parametrize("ending", ["well", "badly"])
async def test_a_call_that_nobody_counts_has_a_record_that_says_so(ending: str) -> None:
    turn = Turn(FOUR, fail_after=None if ending == "well" else 2)
    run = astream(asked_in_a_node(says(turn)), HI, tokens="off")
    (end,) = of((ev.MessageFinished, ev.MessageAborted), await all_of(run))
    assert counted(end.usage) == (0, 0, "none")
    assert counted(run.usage) == (0, 0, "none")


@pytest.mark.parametrize(("ending", "said"), [("well", 4), ("badly", 2)])
async def test_what_a_provider_does_not_count_is_counted_here_and_called_an_estimate(
    ending: str, said: int
) -> None:
    turn = Turn(FOUR, fail_after=None if ending == "well" else 2)
    run = astream(asked_in_a_node(says(turn)), HI)
    (end,) = of((ev.MessageFinished, ev.MessageAborted), await all_of(run))
    assert counted(end.usage) == (8, said, "estimated")
    assert counted(run.usage) == (8, said, "estimated")


async def test_a_failed_attempt_counts_too_each_call_once() -> None:
    first = says(Turn(FOUR, usage=USAGE, fail_after=2), usage_on="every_chunk")
    model = first.with_fallbacks([says(Turn(FOUR, usage=USAGE))])
    run = astream(asked_in_a_node(model), HI)
    ends = of((ev.MessageFinished, ev.MessageAborted), await all_of(run))
    assert [counted(end.usage) for end in ends] == [(10, 5, "provider"), (10, 5, "provider")]
    assert len({end.usage.call_id for end in ends}) == 2
    assert counted(run.usage) == (20, 10, "provider")
