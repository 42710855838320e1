"""``UsageLedger`` as a LangChain callback: it agrees with LangChain's own where that is right."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessageChunk

from langchain_streamkit import StreamCallbackHandler, StreamUsageError, UsageLedger
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn, scripted_provider
from tests.guarantees.pains import asked_in_a_node
from tests.scenarios.told import HI, USAGE, add, calls, says
from tests.usage.counting import DEAR, asking, known

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

DETAILS = {"input_token_details": {"cache_read": 4}, "output_token_details": {"reasoning": 2}}
FULL = Turn("Full answer", usage={**USAGE, **DETAILS})


async def by_invoke(model: Any, config: Any) -> None:
    await asyncio.to_thread(model.invoke, "hi", config)


async def by_ainvoke(model: Any, config: Any) -> None:
    await model.ainvoke("hi", config)


async def by_batch(model: Any, config: Any) -> None:
    await asyncio.to_thread(model.batch, ["hi", "ho"], config)


async def by_stream(model: Any, config: Any) -> None:
    list(model.stream("hi", config))


async def by_astream(model: Any, config: Any) -> None:
    _ = [chunk async for chunk in model.astream("hi", config)]


async def by_a_graph(model: Any, config: Any) -> None:
    await asked_in_a_node(model).ainvoke(HI, config)


async def by_retry(model: Any, config: Any) -> None:
    await model.with_retry().ainvoke("hi", config)


async def by_fallback(model: Any, config: Any) -> None:
    await says(RuntimeError("no")).with_fallbacks([model]).ainvoke("hi", config)


async def by_an_agent(model: Any, config: Any) -> None:
    asked = Turn(tool_calls=[ToolCall("add", {"a": 1, "b": 2}, "c1")], usage=USAGE)
    agent: Any = create_agent(says(asked, FULL), [add])
    await agent.ainvoke(HI, config)


CALLS: dict[str, Callable[[Any, Any], Coroutine[Any, Any, None]]] = {
    call.__name__: call
    for call in (
        *(by_invoke, by_ainvoke, by_batch, by_stream, by_astream),
        *(by_a_graph, by_retry, by_fallback, by_an_agent),
    )
}


def both() -> tuple[UsageLedger, UsageMetadataCallbackHandler, Any]:
    ledger, theirs = UsageLedger(), UsageMetadataCallbackHandler()
    return ledger, theirs, {"callbacks": [ledger, theirs]}


def as_theirs(ledger: UsageLedger) -> dict[Any, tuple[int, ...]]:
    return {
        model: (t.input_tokens, t.output_tokens, t.total_tokens, t.cache_read, t.reasoning)
        for model, t in ledger.by("model").items()
    }


def numbers(theirs: UsageMetadataCallbackHandler) -> dict[Any, tuple[int, ...]]:
    return {
        model: (
            *(used["input_tokens"], used["output_tokens"], used["total_tokens"]),
            used.get("input_token_details", {}).get("cache_read", 0),
            used.get("output_token_details", {}).get("reasoning", 0),
        )
        for model, used in theirs.usage_metadata.items()
    }


# ---- where LangChain's is right ------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
async def test_the_ledger_agrees_with_langchains_own_callback(call: str) -> None:
    ledger, theirs, config = both()
    await CALLS[call](says(FULL, FULL), config)
    assert as_theirs(ledger) == numbers(theirs) != {}


@pytest.mark.parametrize("call", ["by_invoke", "by_ainvoke", "by_batch", "by_stream", "by_astream"])
@pytest.mark.parametrize("api", ["chat completions", "responses"])
async def test_the_ledger_agrees_with_langchains_own_at_a_real_client(call: str, api: str) -> None:
    ledger, theirs, config = both()
    with scripted_provider([FULL], cycle=True) as provider:
        options = {"stream_usage": True, "use_responses_api": api == "responses"}
        with asking(provider, **options) as model:
            await CALLS[call](model, config)
    assert as_theirs(ledger) == numbers(theirs) != {}


# ---- where it is not -----------------------------------------------------------------------------


class Nameless(ScriptedModel):
    """A model whose answers do not say its name."""

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "nameless"}


async def test_a_model_without_a_name_is_counted_where_langchain_drops_it() -> None:
    ledger, theirs, config = both()
    counts: Any = {**USAGE, "total_tokens": 15}
    turn = ["Hello", AIMessageChunk(content=" you", usage_metadata=counts)]
    _ = [c async for c in Nameless(turns=[turn]).astream("hi", config)]
    assert theirs.usage_metadata == {}
    assert [(r.model, r.total_tokens, r.source) for r in ledger] == [(None, 15, "provider")]


async def test_an_aborted_stream_is_estimated_where_langchain_has_nothing() -> None:
    ledger, theirs, config = both()
    model = known(Turn(["one", " two", " three"], hold={2: asyncio.Event()}))
    async with contextlib.aclosing(model.astream("hi", config)) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            if "two" in chunk.text:
                break
    assert theirs.usage_metadata == {}
    (record,) = ledger
    assert (record.status, record.source, record.output_tokens) == ("aborted", "estimated", 2)
    assert record.input_tokens > 0


async def test_a_stream_without_usage_is_counted_where_langchain_has_nothing() -> None:
    ledger, theirs, config = both()
    with (
        scripted_provider(["one two three"]) as provider,
        asking(provider, model="gpt-4o") as model,
    ):
        _ = [chunk async for chunk in model.astream("hi", config)]
    assert theirs.usage_metadata == {}
    (record,) = ledger
    assert (record.source, record.output_tokens) == ("counted", 3)
    assert record.input_tokens > 0


async def test_a_cached_answer_costs_nothing_where_langchain_counts_it_again() -> None:
    ledger, theirs, config = both()
    model = ScriptedModel([FULL], cache=InMemoryCache())
    for _ in range(2):
        await model.ainvoke("hi", config)
    assert len(model.calls) == 1
    assert numbers(theirs)["scripted"][2] == 30
    assert [(r.source, r.total_tokens) for r in ledger] == [("provider", 15), ("cache", 0)]
    assert ledger.total().total_tokens == 15


async def test_usage_that_every_chunk_repeats_is_counted_once_where_langchain_adds_it_up() -> None:
    ledger, theirs, config = both()
    model = says(Turn("one two three", usage=USAGE), usage_on="every_chunk")
    _ = [chunk async for chunk in model.astream("hi", config)]
    assert numbers(theirs)["scripted"][0] > 10
    assert ledger.total().total_tokens == 15


# ---- what it does to the calls: nothing ----------------------------------------------------------


def test_an_option_it_does_not_have_is_refused_with_the_nearest() -> None:
    wrong: dict[str, Any] = {"price": DEAR}
    with pytest.raises(StreamUsageError, match=r"UsageLedger\(\) has no option price=; .*prices="):
        UsageLedger(**wrong)


async def test_it_does_not_make_models_stream() -> None:
    model = says(FULL, FULL)
    await model.ainvoke("hi", {"callbacks": [UsageLedger()]})
    await asked_in_a_node(model).ainvoke(HI, {"callbacks": [UsageLedger()]})
    assert [call.streamed for call in model.calls] == [False, False]


async def test_an_answer_that_came_whole_without_usage_is_counted_too() -> None:
    ledger = UsageLedger()
    await known("one two three").ainvoke("hi", {"callbacks": [ledger]})
    (record,) = ledger
    assert (record.source, record.output_tokens, record.first_token_ms) == ("counted", 3, None)


async def test_it_has_prices_and_a_thread_of_its_own_for_this_use() -> None:
    ledger = UsageLedger(prices=DEAR)
    config: Any = {"callbacks": [ledger], "configurable": {"thread_id": "t1"}}
    await asked_in_a_node(says(FULL)).ainvoke(HI, config)
    (record,) = ledger
    assert (record.thread_id, record.node) == ("t1", "writer")
    assert ledger.total().cost == 20


async def test_a_tool_of_an_agent_whose_model_asks_for_it_is_told_by_node() -> None:
    ledger = UsageLedger()
    agent: Any = create_agent(says(calls(ToolCall("add", {"a": 1, "b": 2}, "c1")), FULL), [add])
    await agent.ainvoke(HI, {"callbacks": [ledger]})
    assert [(r.node, r.path) for r in ledger] == [("model", ("model",))] * 2


def test_calls_from_many_threads_go_into_one_ledger() -> None:
    ledger = UsageLedger()
    says(FULL, cycle=True).batch(["hi"] * 40, {"callbacks": [ledger], "max_concurrency": 8})
    assert (ledger.total().calls, ledger.total().total_tokens) == (40, 600)


def test_as_a_callback_beside_a_handler_that_knows_the_price_it_keeps_the_cost() -> None:
    ledger = UsageLedger()
    prices: Any = {"scripted": {"input": 1, "output": 1}}
    handler = StreamCallbackHandler(ledger, prices=prices)
    ScriptedModel(["one two"]).invoke("hi", {"callbacks": [handler, ledger]})
    (record,) = ledger
    assert record.cost == Decimal(record.total_tokens) / 1_000_000
