"""A budget: what is a limit, and what is refused with what to write instead."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any, cast

import pytest

from langchain_streamkit.errors import BudgetExceeded, RunCancelled, StreamUsageError
from langchain_streamkit.tokens.budget import LIMITS, Budget
from langchain_streamkit.tokens.meter import as_limits
from langchain_streamkit.tokens.quota import Quota
from langchain_streamkit.tokens.spending import Spent

make = cast("Any", Budget)


def test_budget_holds_the_limits_it_was_given_and_no_others() -> None:
    assert Budget(tokens=1000, tool_calls=0).limits == {"tokens": 1000, "tool_calls": 0}
    given: dict[str, Any] = dict.fromkeys(LIMITS, 5)
    assert tuple(Budget(**given).limits) == LIMITS


@pytest.mark.parametrize("cost", ["0.1", 0.1, Decimal("0.10")])
def test_cost_is_the_decimal_that_was_written(cost: Any) -> None:
    assert Budget(cost=cost).cost == Decimal("0.1")
    assert Budget(cost=2).limits == {"cost": Decimal(2)}


def test_budget_cannot_be_changed_and_equal_ones_are_one_key() -> None:
    budget = Budget(cost="0.50")
    with pytest.raises(dataclasses.FrozenInstanceError):
        budget.cost = Decimal(9)  # type: ignore[misc]
    assert {budget, Budget(cost=0.5)} == {budget}
    assert budget != Budget(cost=0.5, on_exceed="warn")


def test_repr_shows_what_was_given() -> None:
    assert repr(Budget(tokens=9, cost="0.10")) == "Budget(tokens=9, cost='0.10')"
    assert repr(Budget(tokens=9, on_exceed="warn")) == "Budget(tokens=9, on_exceed='warn')"
    shown = Budget(tokens=9, warn_at=None)
    assert eval(repr(shown)) == shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tokens": -1}, "tokens=-1 is below zero; write 0 to allow none, or leave it out"),
        ({"tokens": 1e6}, "tokens=1000000.0 is no whole number; write tokens=1000000"),
        ({"output_tokens": 0.5}, "output_tokens=0.5 is no whole number; write output_tokens=1000"),
        ({"input_tokens": float("nan")}, "input_tokens=nan is no whole number"),
        ({"model_calls": True}, "model_calls=True is no whole number"),
        ({"tool_calls": "3"}, "tool_calls='3' is no whole number"),
        ({"cost": -1}, 'cost=-1 is no sum of US dollars; write cost="0.05" or cost=0.05'),
        ({"cost": "cheap"}, "cost='cheap' is no sum"),
        ({"cost": float("nan")}, "cost=nan is no sum"),
        ({"cost": "Infinity"}, "cost='Infinity' is no sum"),
        ({"cost": True}, "cost=True is no sum"),
        ({"cost": [1]}, r"cost=\[1\] is no sum"),
        ({"tokens": 1, "on_exceed": "raise"}, "write on_exceed='stop' or on_exceed='warn'"),
        ({"tokens": 1, "warn_at": 0}, "warn_at=0 is no part of a limit; write a number above 0"),
        ({"tokens": 1, "warn_at": 1.1}, "warn_at=1.1 is no part"),
        ({"tokens": 1, "warn_at": float("nan")}, "warn_at=nan is no part"),
        ({"tokens": 1, "warn_at": True}, "warn_at=True is no part"),
        ({"tokens": 1, "warn_at": "80 %"}, "warn_at='80 %' is no part"),
        ({}, "limits nothing; give one of tokens, input_tokens, output_tokens, cost, model_calls"),
        ({"on_exceed": "warn"}, "limits nothing"),
        ({"token": 1}, r"Budget\(\) has no limit token=; did you mean tokens=\?"),
        ({"costs": 1}, r"did you mean cost=\?"),
        ({"xyz": 1}, "no limit xyz=; it takes tokens, input_tokens, .*, on_exceed, warn_at"),
    ],
)
def test_what_is_no_budget_is_refused_with_what_to_write(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(StreamUsageError, match=message):
        make(**given)


def test_a_number_without_a_name_is_refused_with_the_names() -> None:
    with pytest.raises(StreamUsageError, match=r"write Budget\(tokens=\.\.\.\), or another of"):
        make(1000)


def test_one_budget_or_several_or_none_are_the_limits_of_a_run() -> None:
    budget = Budget(tokens=1)
    quota = Quota(budget, key=lambda user, thread_id: "all")
    assert as_limits(None) == as_limits([]) == ()
    assert as_limits(budget) == (budget,)
    both: list[Budget | Quota] = [quota, budget]
    assert as_limits(iter(both)) == (quota, budget)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (1000, r"budget=1000 is no Budget; write budget=Budget\(tokens=10_000\)"),
        ("1000", "budget='1000' is no Budget"),
        ([Budget(tokens=1), 5], r"budget= holds 5; write Budget\(tokens=10_000\) or Quota"),
        ({"tokens": 5}, r"budget={'tokens': 5} is no Budget; write budget=Budget\(tokens"),
    ],
)
def test_what_is_no_limit_of_a_run_is_refused(given: Any, message: str) -> None:
    with pytest.raises(StreamUsageError, match=message):
        as_limits(given)


def test_budget_exceeded_is_a_cancelled_run_whose_reason_is_the_budget() -> None:
    error = BudgetExceeded("why", limit="tokens", allowed=1, spent=Spent(input_tokens=2))
    assert isinstance(error, RunCancelled)
    assert str(error) == "why (in all 0 model calls, 2 input and 0 output tokens, $0)"
    assert (error.reason, error.limit, error.allowed) == ("budget", "tokens", 1)
    assert error.spent.tokens == 2
