"""Which limit stops what: before a call, while it speaks, and after it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.runnables import RunnableLambda

from langchain_streamkit import Budget, BudgetExceeded, astream, stream
from langchain_streamkit.testing import Reasoning, ToolCall, Turn, scripted_provider
from tests.budgets.served import (
    ASYNC_ROUTES,
    SYNC_ROUTES,
    Work,
    by_route,
    by_route_sync,
    model_of,
    nothing,
    words,
)
from tests.runs.scenes import QUESTION, graph, speaking

if TYPE_CHECKING:
    from collections.abc import Mapping

LONG = " ".join(["long"] * 500)
PRICES = {"scripted": {"input": 1, "output": 1_000_000}}
"""A dollar for a token of the answer."""


def twice(model: Any) -> Any:
    """Asks the model twice, and returns both answers."""

    def ask(text: str) -> str:
        return str(model.invoke(text).text) + str(model.invoke(text).text)

    async def aask(text: str) -> str:
        return str((await model.ainvoke(text)).text) + str((await model.ainvoke(text)).text)

    return RunnableLambda(ask, aask)


def told(events: Any, code: str) -> list[str]:
    return [event.message for event in events if getattr(event, "code", None) == code]


def end_of(events: Any) -> tuple[str, str | None]:
    return events[-1].type, getattr(events[-1], "reason", None)


STOPPED = ("run.cancelled", "budget")
ASYNC = ["reader", "sse_bytes", "with_sinks_ainvoke", "handler_ainvoke"]
SYNC = ["stream", "with_sinks_invoke", "handler_invoke"]


# ---- before ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "budget"),
    [("input_tokens", Budget(input_tokens=100)), ("tokens", Budget(tokens=100))],
)
@pytest.mark.parametrize("route", ASYNC)
async def test_a_prompt_that_is_too_long_makes_no_request(
    route: str, limit: str, budget: Budget
) -> None:
    async with scripted_provider(["never asked"]) as provider:
        work = Work(model_of(provider), LONG)
        seen = await by_route(ASYNC_ROUTES[route], work, budget)
        assert not provider.requests
    assert end_of(seen.events) == STOPPED
    assert isinstance(seen.error, BudgetExceeded)
    assert (seen.error.limit, seen.error.allowed) == (limit, 100)
    assert seen.error.spent.model_calls == 0


@pytest.mark.parametrize("route", SYNC)
def test_a_prompt_that_is_too_long_makes_no_request_in_plain_code(route: str) -> None:
    with scripted_provider(["never asked"]) as provider:
        budget = Budget(input_tokens=100)
        seen = by_route_sync(SYNC_ROUTES[route], Work(model_of(provider), LONG), budget)
        assert not provider.requests
    assert end_of(seen.events) == STOPPED
    assert isinstance(seen.error, BudgetExceeded)


@pytest.mark.parametrize("route", ASYNC)
async def test_one_model_call_more_is_not_made(route: str) -> None:
    async with scripted_provider(["one ", "two ", "never asked"]) as provider:
        three = twice(model_of(provider)) | model_of(provider)
        seen = await by_route(ASYNC_ROUTES[route], Work(three, "hi"), Budget(model_calls=2))
        assert len(provider.requests) == 2
    assert end_of(seen.events) == STOPPED
    assert isinstance(seen.error, BudgetExceeded)
    assert (seen.error.limit, seen.error.spent.model_calls) == ("model_calls", 2)


async def test_a_limit_of_model_calls_lets_that_many_through() -> None:
    async with scripted_provider(["one ", "two "]) as provider:
        run = astream(twice(model_of(provider)), "hi", budget=Budget(model_calls=2))
        assert await run.result() == "one two "


@pytest.mark.parametrize("route", ["reader", "with_sinks_ainvoke", "handler_ainvoke"])
async def test_one_tool_call_more_is_not_made(route: str) -> None:
    ran: list[str] = []

    def look(thing: str) -> str:
        """Look."""
        ran.append(thing)
        return thing

    calls = [ToolCall("look", {"thing": "a"}), ToolCall("look", {"thing": "b"})]
    async with scripted_provider([Turn(tool_calls=calls), "never asked"]) as provider:
        agent = create_agent(model_of(provider), [look])
        seen = await by_route(ASYNC_ROUTES[route], Work(agent, QUESTION), Budget(tool_calls=1))
        assert len(provider.requests) == 1
    assert len(ran) <= 1
    assert end_of(seen.events) == STOPPED
    assert isinstance(seen.error, BudgetExceeded)
    assert (seen.error.limit, seen.error.allowed) == ("tool_calls", 1)


# ---- while ----------------------------------------------------------------------------------

SPEAKING: dict[str, Turn] = {
    "text": Turn(words(60)),
    "reasoning": Turn(chunks=[*map(Reasoning, words(60)), "so"]),
    "arguments": Turn(tool_calls=[ToolCall("nothing", ['{"thing": "', *words(60), '"}'])]),
}


@pytest.mark.parametrize("what", SPEAKING)
@pytest.mark.parametrize("route", ["reader", "handler_ainvoke"])
async def test_whatever_a_model_says_counts(route: str, what: str) -> None:
    turn = SPEAKING[what]
    async with scripted_provider([turn]) as provider:
        model = model_of(provider, use_responses_api=True).bind_tools([nothing])
        seen = await by_route(ASYNC_ROUTES[route], Work(model, "hi"), Budget(output_tokens=20))
    assert end_of(seen.events) == STOPPED
    assert isinstance(seen.error, BudgetExceeded)
    assert 20 < seen.error.spent.output_tokens <= 40


# ---- after ----------------------------------------------------------------------------------

HIDDEN: Mapping[str, Any] = {"input_tokens": 9, "output_tokens": 5_000}
"""The model thought for long, and did not show it."""


@pytest.mark.parametrize("route", ASYNC)
async def test_an_answer_that_came_whole_is_kept_whatever_the_provider_says_of_it(
    route: str,
) -> None:
    async with scripted_provider([Turn("whole answer", usage=HIDDEN)]) as provider:
        model = model_of(provider, stream_usage=True)
        seen = await by_route(ASYNC_ROUTES[route], Work(model, "hi"), Budget(output_tokens=100))
    assert seen.error is None
    assert end_of(seen.events) == ("run.finished", None)
    [warning] = told(seen.events, "budget_warning")
    assert "5000" in warning


@pytest.mark.parametrize("route", ["reader", "with_sinks_ainvoke", "handler_ainvoke"])
async def test_what_the_provider_says_stops_what_follows(route: str) -> None:
    turns = [Turn("whole answer", usage=HIDDEN), Turn("never asked")]
    async with scripted_provider(turns) as provider:
        work = Work(twice(model_of(provider, stream_usage=True)), "hi")
        seen = await by_route(ASYNC_ROUTES[route], work, Budget(output_tokens=100))
        assert len(provider.requests) == 1
    assert end_of(seen.events) == STOPPED
    assert isinstance(seen.error, BudgetExceeded)
    assert seen.error.spent.output_tokens == 5_000
    assert seen.events[-1].usage.output_tokens == 5_000  # type: ignore[union-attr]


@pytest.mark.parametrize("usage", [True, False])
async def test_answers_that_do_not_stream_are_counted_when_they_are_there(usage: bool) -> None:  # noqa: FBT001
    async with scripted_provider([Turn(words(60)), "never asked"], usage=usage) as provider:
        work = Work(twice(model_of(provider, disable_streaming=True)), "hi")
        route = ASYNC_ROUTES["reader"]
        seen = await by_route(route, work, Budget(output_tokens=20), streaming=False)
        assert len(provider.requests) == 1
    assert end_of(seen.events) == STOPPED


# ---- money and the cache --------------------------------------------------------------------


@pytest.mark.parametrize("route", ["reader", "sse_bytes", "with_sinks_ainvoke", "handler_ainvoke"])
async def test_a_limit_of_dollars_stops_the_answer(route: str) -> None:
    async with scripted_provider([Turn(words(60))]) as provider:
        work = Work(model_of(provider), "hi")
        seen = await by_route(ASYNC_ROUTES[route], work, Budget(cost="5.5"), prices=PRICES)
    assert end_of(seen.events) == STOPPED
    error = seen.error
    assert isinstance(error, BudgetExceeded)
    assert (error.limit, error.allowed) == ("cost", Decimal("5.5"))
    assert 6 <= error.spent.cost < 7


def test_an_answer_from_the_cache_costs_nothing_and_is_no_call() -> None:
    cache = InMemoryCache()
    with scripted_provider([Turn(words(15), usage={"input_tokens": 8, "output_tokens": 15})]) as p:
        model = model_of(p, cache=cache)
        model.invoke("hi")
        budget = [Budget(output_tokens=20), Budget(model_calls=1), Budget(cost="20")]
        run = stream(twice(model), "hi", budget=budget, prices=PRICES)
        run.result()
        assert len(p.requests) == 1
    assert run.outcome == "finished"


async def test_a_model_of_unknown_price_is_told_once() -> None:
    async with scripted_provider(["one ", "two "]) as provider:
        run = astream(twice(model_of(provider)), "hi", budget=Budget(cost=1), tokens="off")
        events = [event async for event in run]
    assert end_of(events) == ("run.finished", None)
    [text] = [text for text in told(events, "price_unknown") if "limit of cost" in text]
    assert "scripted" in text


async def test_a_budget_that_only_warns_never_stops_and_tells_it_once() -> None:
    async with scripted_provider([Turn(words(60)), Turn(words(60))]) as provider:
        budget = Budget(output_tokens=20, on_exceed="warn", warn_at=None)
        run = astream(twice(model_of(provider)), "hi", budget=budget)
        events = [event async for event in run]
    assert end_of(events) == ("run.finished", None)
    assert len(told(events, "budget_warning")) == 1


async def test_a_limit_that_is_near_is_told_once() -> None:
    async with scripted_provider([Turn(words(9))]) as provider:
        run = astream(model_of(provider), "hi", budget=Budget(output_tokens=10))
        events = [event async for event in run]
    assert end_of(events) == ("run.finished", None)
    [text] = told(events, "budget_warning")
    assert "output_tokens 8 of 10" in text


async def test_what_a_stopped_run_has_spent_is_in_its_last_event_and_its_error() -> None:
    async with scripted_provider([Turn("four words are said"), Turn(words(60))]) as provider:
        node = speaking(model_of(provider, stream_usage=True))
        run = astream(graph(("a", node), ("b", node)), QUESTION, budget=Budget(output_tokens=20))
        events: Any = [event async for event in run]
        with pytest.raises(BudgetExceeded) as caught:
            await run.result()
    used = events[-1].usage
    assert used.output_tokens == caught.value.spent.output_tokens
    assert caught.value.spent.model_calls == 2
    assert [record.status for record in run.ledger.records] == ["ok", "aborted"]
