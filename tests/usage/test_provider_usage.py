"""Usage at a real client and server: what the server says is what is told, in whatever form."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_streamkit import adapt, astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import Turn, scripted_provider
from tests.guarantees.pains import all_of, asked_in_a_node, of
from tests.routes.openai_parts import COUNTED, async_sdk
from tests.scenarios.told import HI, graph, node_of, says
from tests.usage.counting import asking, tokens_of

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

USAGE = {
    "input_tokens": 100,
    "output_tokens": 20,
    "input_token_details": {"cache_read": 60},
    "output_token_details": {"reasoning": 8},
}
TURN = Turn("one two three", usage=USAGE)


def codes(events: list[Event]) -> list[str]:
    return [e.code for e in of(ev.Diagnostic, events) if e.code.startswith("usage_")]


async def run_at(provider: Any, **options: Any) -> tuple[Any, list[Event]]:
    """A run of a client with these options, and its events."""
    with asking(provider, **options) as model:
        run = astream(model, "hi")
        return run, await all_of(run)


@pytest.mark.parametrize("api", ["chat completions", "responses"])
async def test_usage_of_the_provider_replaces_what_was_counted(api: str) -> None:
    with scripted_provider([TURN]) as provider:
        options = {"stream_usage": True, "use_responses_api": api == "responses"}
        run, events = await run_at(provider, model="gpt-4o", **options)
    (record,) = run.ledger
    assert (record.input_tokens, record.output_tokens, record.total_tokens) == (100, 20, 120)
    assert (record.cache_read, record.reasoning, record.source) == (60, 8, "provider")
    assert record.counted_tokens == 3
    assert codes(events) == []
    (finished,) = of(ev.MessageFinished, events)
    assert finished.usage.details.cache_read == 60


async def test_a_base_url_of_ones_own_leaves_usage_off_and_the_remedy_is_said() -> None:
    with scripted_provider(["one two three"] * 2) as provider:
        run, events = await run_at(provider, model="gpt-4o")
        (diagnostic,) = [e for e in of(ev.Diagnostic, events) if e.code == "usage_not_requested"]
        assert "stream_usage=True" in diagnostic.message
        assert "gpt-4o" in diagnostic.message
    (record,) = run.ledger
    assert record.source == "counted"
    assert record.output_tokens == tokens_of("one two three")
    assert record.input_tokens == 8  # 3 and the role, "hi", 3 for the reply
    assert run.usage.source == "counted"


async def test_a_missing_usage_is_said_once_for_a_model() -> None:
    with scripted_provider(["one", "two"]) as provider, asking(provider) as model:
        made: Any = graph(a=node_of(model), b=node_of(model)).compile()
        events = await all_of(astream(made, HI))
    assert codes(events) == ["usage_not_requested"]


async def test_with_stream_usage_there_is_no_diagnostic() -> None:
    with scripted_provider(["one two three"]) as provider:
        run, events = await run_at(provider, stream_usage=True)
        assert codes(events) == []
    assert run.usage.source == "provider"


async def test_a_server_that_ignores_the_question_is_named() -> None:
    with scripted_provider(["one two three"], usage=False) as provider:
        run, events = await run_at(provider, model="gpt-4o", stream_usage=True)
        assert codes(events) == ["usage_not_reported"]
    assert run.usage.source == "counted"


@pytest.mark.parametrize(
    "options",
    [
        {"model_kwargs": {"stream_options": {"include_usage": True}}},
        {"stream_usage": True},
    ],
    ids=["model_kwargs", "stream_usage"],
)
async def test_usage_may_be_asked_for_in_either_way(options: dict[str, Any]) -> None:
    with scripted_provider(["one two three"]) as provider:
        _, events = await run_at(provider, **options)
        assert codes(events) == []


async def test_a_stream_of_the_sdk_without_include_usage_has_the_diagnostic() -> None:
    asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    with scripted_provider(["one two three"] * 2) as provider:
        async with async_sdk(provider) as client:
            chat = client.chat.completions
            without = await all_of(adapt(await chat.create(**asked, stream=True)))
            run = adapt(await chat.create(**asked, stream=True, **COUNTED))
            with_usage = await all_of(run)
    assert codes(without) == ["usage_not_requested"]
    assert "include_usage" in of(ev.Diagnostic, without)[0].message
    assert codes(with_usage) == []
    assert run.usage is not None
    assert run.usage.source == "provider"


async def test_usage_that_comes_after_the_finish_reason_is_in_the_record() -> None:
    counts: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    turn = [
        "Hello",
        AIMessageChunk(content="", response_metadata={"finish_reason": "stop"}),
        AIMessageChunk(content="", usage_metadata=counts),
        AIMessageChunk(content="", chunk_position="last"),
    ]
    run = astream(says(turn), "hi")
    (finished,) = of(ev.MessageFinished, await all_of(run))
    assert (finished.finish_reason, finished.usage.total_tokens) == ("stop", 15)


async def test_cumulative_usage_is_recognised() -> None:
    run = astream(says(Turn("one two three", usage=USAGE), usage_on="every_chunk"), "hi")
    await all_of(run)
    (record,) = run.ledger
    assert (record.input_tokens, record.output_tokens, record.cache_read) == (100, 20, 60)


@pytest.mark.parametrize("usage_on", ["last_chunk", "every_chunk"])
async def test_zeros_are_no_report(usage_on: Any) -> None:
    zeros = {"input_tokens": 0, "output_tokens": 0}
    run = astream(says(Turn("one two three", usage=zeros), usage_on=usage_on), "hi")
    await all_of(run)
    (record,) = run.ledger
    assert (record.source, record.output_tokens) == ("estimated", 3)


async def test_details_that_a_service_tier_renames_are_found() -> None:
    counts: Any = {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_token_details": {"priority_cache_read": 60, "priority": 40},
        "output_token_details": {"priority_reasoning": 8, "priority": 12},
    }
    run = astream(says(["Hello", AIMessageChunk(content=" you", usage_metadata=counts)]), "hi")
    await all_of(run)
    (record,) = run.ledger
    assert (record.cache_read, record.reasoning, record.total_tokens) == (60, 8, 120)


async def test_live_usage_is_told_every_sixteen_tokens_at_the_most() -> None:
    words = [f" word{n}" for n in range(60)]
    prices: Any = {"gpt-4o": {"input": 0, "output": 1_000_000}}
    said = scripted_provider([Turn(words, usage=USAGE)])
    with said as provider, asking(provider, model="gpt-4o", stream_usage=True) as model:
        events = await all_of(astream(model, "hi", capture={"usage"}, prices=prices))
    told = [e.usage for e in of(ev.UsageUpdated, events)]
    spoken = [usage.output_tokens for usage in told]
    assert len(told) >= 3
    assert all(later - earlier >= 16 for earlier, later in pairwise(spoken))
    assert [usage.cost for usage in told] == [str(tokens) for tokens in spoken]
    assert {usage.source for usage in told} == {"counted"}
    (finished,) = of(ev.MessageFinished, events)
    assert (finished.usage.source, finished.usage.cost) == ("provider", "20")


async def test_nothing_live_is_told_unasked() -> None:
    assert of(ev.UsageUpdated, await all_of(astream(says("word " * 100), "hi"))) == []


async def test_usage_before_the_answer_is_no_first_token() -> None:
    counts: Any = {"input_tokens": 10, "output_tokens": 0, "total_tokens": 10}
    gate = asyncio.Event()
    first = AIMessageChunk(content="", usage_metadata=counts)
    run = astream(asked_in_a_node(says([first, gate, "Hello"])), HI)
    async with run:
        await run.started()
        asyncio.get_running_loop().call_later(0.05, gate.set)
        await run.result()
    (record,) = run.ledger
    assert record.first_token_ms is not None
    assert record.first_token_ms >= 40
