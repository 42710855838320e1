"""What a budget holds a run to is what its calls used, however that is told, and whenever."""

from __future__ import annotations

import decimal
import threading
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig, RunnableLambda

from langchain_streamkit import (
    Budget,
    BudgetExceeded,
    Quota,
    StreamCallbackHandler,
    adapt,
    stream,
)
from langchain_streamkit.events import RunFinished
from langchain_streamkit.testing import ScriptedModel, Turn, assert_legal
from tests.runs.watching import WAIT_S

USAGE = {"input_tokens": 9, "output_tokens": 7}
SEVEN = Turn("one two three four five six seven", usage=USAGE)


def shared() -> Quota:
    return Quota(Budget(tokens=1000), key=lambda user, thread_id: "all")


@pytest.mark.parametrize("usage_on", ["last_chunk", "every_chunk"])
@pytest.mark.parametrize("route", ["stream", "handler"])
def test_usage_that_each_chunk_repeats_is_spent_once(route: str, usage_on: Any) -> None:
    model = ScriptedModel([SEVEN], usage_on=usage_on)
    quota, budget = shared(), Budget(tokens=16, warn_at=None)
    if route == "stream":
        run = stream(model, "hi", budget=[quota, budget])
        events = list(run)
        assert_legal(events)
        assert [event.type for event in events if event.type == "diagnostic"] == []
    else:
        model.invoke("hi", {"callbacks": [StreamCallbackHandler(budget=[quota, budget])]})
    spent = quota.spent()
    assert (spent.model_calls, spent.input_tokens, spent.output_tokens) == (1, 9, 7)


def test_what_the_provider_told_of_a_prompt_is_spent_if_the_answer_breaks_off() -> None:
    counts: Any = {"input_tokens": 100, "output_tokens": 1, "total_tokens": 101}
    first = AIMessageChunk(content="", usage_metadata=counts)
    model = ScriptedModel([[first, "one two three four", ValueError("gone")]])
    quota = shared()
    run = stream(model, "hi", budget=quota)
    with pytest.raises(ValueError, match="gone"):
        run.result()
    spent, usage = quota.spent(), run.ledger.total()
    assert (spent.input_tokens, spent.output_tokens) == (100, 4)
    assert (usage.input_tokens, usage.output_tokens) == (100, 4)


@pytest.mark.parametrize("traps", [[], [decimal.Inexact, decimal.Rounded]])
def test_costs_are_exact_whatever_precision_the_application_has_set(traps: Any) -> None:
    prices = {"scripted": {"input": "2.512345", "output": "10.98765"}}
    with decimal.localcontext(decimal.Context(prec=3, traps=traps)):
        quota = Quota(Budget(cost=1), key=lambda user, thread_id: "all")
        run = stream(ScriptedModel([SEVEN]), "hi", prices=prices, budget=quota)
        run.result()
        table, spent = str(run.ledger.table()), quota.spent().cost
        cost = run.ledger.total().cost
    right = (9 * Decimal("2.512345") + 7 * Decimal("10.98765")) / 1_000_000
    assert run.usage is not None
    assert (run.usage.cost, cost, spent) == (format(right, "f"), right, right)
    assert "$0.000100" in table


def test_a_call_that_goes_on_after_its_run_meets_an_error_it_can_catch() -> None:
    """Not the stop that only a run that is still there takes back."""
    model, ended = ScriptedModel([SEVEN]), threading.Event()
    met: list[BaseException] = []
    late: list[threading.Thread] = []

    def node(_: str, config: RunnableConfig) -> str:
        def ask() -> None:
            ended.wait(WAIT_S)
            try:
                model.invoke("hi", config)
            except BaseException as error:  # noqa: BLE001 -- which kind it is, is the question
                met.append(error)

        late.append(threading.Thread(target=ask))
        late[0].start()
        return "done"

    run = stream(RunnableLambda(node), "hi", budget=Budget(output_tokens=3))
    events = list(run)
    ended.set()
    late[0].join(WAIT_S)
    assert run.result() == "done"
    assert events[-1].type == "run.finished"
    assert [type(error) for error in met] == [BudgetExceeded]


@pytest.mark.parametrize(
    ("tokens_in", "price", "cost"),
    [(10**30, "1", None), (9, "1e30", None), (9, "0." + "1" * 70, "0.000001")],
)
def test_a_cost_that_no_record_can_hold_never_keeps_a_run_from_its_end(
    tokens_in: int, price: str, cost: str | None
) -> None:
    model = ScriptedModel([Turn("one two", usage={"input_tokens": tokens_in, "output_tokens": 2})])
    prices: Any = {"scripted": {"input": price, "output": 0}}
    events = list(stream(model, "hi", prices=prices, budget=Budget(cost=100)))
    assert_legal(events)
    assert isinstance(events[-1], RunFinished)
    told = events[-1].usage.cost
    assert (told and told[:8]) == cost


@pytest.mark.parametrize("usage_on", ["last_chunk", "every_chunk"])
async def test_what_the_provider_told_an_adapted_stream_is_spent(usage_on: Any) -> None:
    model = ScriptedModel([SEVEN], usage_on=usage_on)
    quota = shared()
    run = adapt(model.astream_events("hi", version="v2"), budget=quota)
    await run.result()
    spent = quota.spent()
    assert (spent.model_calls, spent.input_tokens, spent.output_tokens) == (1, 9, 7)
