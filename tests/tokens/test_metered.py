"""Sums of what is spent; what a call has spent at its end; what cannot be held to a cost."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from typing import Any

import pytest

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.sources.usage import TokenCounts
from langchain_streamkit.tokens.budget import Budget
from langchain_streamkit.tokens.details import TokenDetails
from langchain_streamkit.tokens.limits import Unpriced
from langchain_streamkit.tokens.meter import Meter
from langchain_streamkit.tokens.prices import Prices, price_of
from langchain_streamkit.tokens.spending import NOTHING, Spent

DOLLAR = Prices({"mine": {"input": 1_000_000, "output": 2_000_000, "cache_read": 0}})
"""One dollar for a token of the prompt, two for one of the answer."""


def quiet(**limits: Any) -> Meter:
    """A meter that tells of no limit before it is exceeded."""
    return Meter(Budget(**limits, warn_at=None), prices=DOLLAR)


def words(number: int) -> str:
    """So many tokens, whichever way they are cut at the blanks."""
    return " a" * number


def counts(tokens_in: int, tokens_out: int, **parts: Any) -> TokenCounts:
    return TokenCounts(tokens_in, tokens_out, tokens_in + tokens_out, TokenDetails(**parts))


# ---- sums ----------------------------------------------------------------------------------------

SOME = Spent(
    input_tokens=10,
    output_tokens=5,
    cost=Decimal("0.0100"),
    unpriced_calls=1,
    model_calls=2,
    tool_calls=1,
)


def test_sums_and_differences_are_those_of_every_field() -> None:
    assert SOME.tokens == 15
    assert SOME + SOME - SOME == SOME
    assert (SOME + SOME).to_dict() == {
        "tokens": 30,
        "input_tokens": 20,
        "output_tokens": 10,
        "cost": "0.02",
        "unpriced_calls": 2,
        "model_calls": 4,
        "tool_calls": 2,
    }
    assert NOTHING - SOME + SOME == NOTHING


@pytest.mark.parametrize("spent", [NOTHING, SOME, NOTHING - SOME])
def test_dict_form_gives_the_same_sum_back(spent: Spent) -> None:
    assert Spent.from_dict(spent.to_dict()) == spent
    strings = {name: str(value) for name, value in spent.to_dict().items()}
    assert Spent.from_dict(strings) == spent
    assert Spent.from_dict({}) == NOTHING


@pytest.mark.parametrize("wrong", [{"cost": "much"}, {"model_calls": None}, {"cost": None}, [1]])
def test_what_is_no_sum_is_refused(wrong: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"it takes what spent\.to_dict\(\) gives"):
        Spent.from_dict(wrong)


def test_sum_in_words_leaves_out_nothing_and_calls_nothing_free() -> None:
    assert str(SOME) == (
        "2 model calls, 1 tool call, 10 input and 5 output tokens,"
        " $0.01 without 1 call of unknown price"
    )
    assert str(Spent(model_calls=1)) == "1 model call, 0 input and 0 output tokens, $0"


# ---- the end of a call ---------------------------------------------------------------------------


@pytest.mark.parametrize(("tokens_in", "tokens_out"), [(3, 5), (30, 50), (0, 7), (7, 0)])
def test_providers_usage_replaces_what_was_counted(tokens_in: int, tokens_out: int) -> None:
    meter = quiet(cost=1000)
    meter.call_starts(1, "mine", None, 10)
    meter.text(1, words(20))
    assert meter.call_ends(1, counts(tokens_in, tokens_out)) == ()
    assert meter.spent == Spent(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost=Decimal(tokens_in + 2 * tokens_out),
        model_calls=1,
    )
    assert meter.call_ends(1, counts(9, 9)) == ()
    assert meter.spent.tokens == tokens_in + tokens_out


def test_usage_above_what_was_counted_can_exceed_a_limit() -> None:
    meter = quiet(output_tokens=100)
    meter.call_starts(1, "gpt-4o", None, 10)
    meter.text(1, words(20))
    (stop,) = meter.call_ends(1, counts(10, 120, reasoning=100))
    assert stop.message == "output_tokens 120 of 100 spent"


def test_usage_below_what_was_counted_makes_room_again() -> None:
    meter = quiet(tokens=100)
    meter.call_starts(1, "gpt-4o", None, 90)
    assert meter.call_ends(1, counts(50, 0)) == ()
    assert meter.call_starts(2, "gpt-4o", None, 50) == ()


def test_parts_with_prices_of_their_own_are_priced_when_the_call_ends() -> None:
    meter = quiet(cost=1000)
    meter.call_starts(1, "mine", None, 10)
    meter.call_ends(1, counts(10, 1, cache_read=8))
    assert meter.spent.cost == 2 + 2


@pytest.mark.parametrize("status", ["ok", "aborted"])
@pytest.mark.parametrize("said", [None, counts(0, 0)])
def test_without_usage_what_was_counted_stays(status: Any, said: TokenCounts | None) -> None:
    meter = quiet(cost=1000)
    meter.call_starts(1, "mine", None, 10)
    meter.text(1, words(20))
    meter.call_ends(1, said, status)
    assert meter.spent == Spent(input_tokens=10, output_tokens=20, cost=Decimal(50), model_calls=1)


def test_rejected_call_was_made_but_spent_no_tokens_and_one_that_broke_off_did() -> None:
    meter = quiet(cost=1000)
    for call in (1, 2):
        meter.call_starts(call, "mine", None, 10)
    meter.call_ends(1, None, "failed")
    assert meter.spent == Spent(input_tokens=10, cost=Decimal(10), model_calls=2)
    meter.text(2, " a")
    meter.call_ends(2, None, "failed")
    assert meter.spent == Spent(input_tokens=10, output_tokens=1, cost=Decimal(12), model_calls=2)


def test_answer_from_a_cache_costs_nothing_and_is_no_call() -> None:
    meter = quiet(model_calls=1)
    for call in range(3):
        assert meter.call_starts(call, "mine", None, 10) == ()
        assert meter.call_ends(call, counts(10, 10), "cached") == ()
    assert meter.spent == NOTHING


def test_call_that_is_told_twice_is_one_and_text_of_no_call_is_none() -> None:
    meter = quiet(model_calls=1)
    assert meter.call_starts(1, "mine", None, 10) == meter.call_starts(1, "mine", None, 10) == ()
    assert meter.text(2, "what?") == meter.call_ends(2, counts(1, 1)) == ()
    meter.call_ends(1)
    assert meter.text(1, "late") == ()
    assert meter.spent == Spent(input_tokens=10, cost=Decimal(10), model_calls=1)


# ---- cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", [0, 1000, 300_000])
@pytest.mark.parametrize(("model", "provider"), [("gpt-4o", "openai"), ("gemini-2.5-pro", None)])
def test_cost_while_an_answer_streams_is_its_price_at_every_piece(
    model: str, provider: str | None, prompt: int
) -> None:
    meter = Meter(Budget(cost=1000))
    meter.call_starts(1, model, provider, prompt)
    for so_far in range(1, 50):
        meter.text(1, " a")
        usage = {"input_tokens": prompt, "output_tokens": so_far}
        assert meter.spent.cost == price_of(usage, model, provider)


def test_price_is_asked_for_when_a_call_starts_and_ends_and_not_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    known = Prices.price_of

    def price_of(self: Prices, usage: Any, *named: Any) -> Decimal | None:
        asked.append(usage)
        return known(self, usage, *named)

    monkeypatch.setattr(Prices, "price_of", price_of)
    meter = quiet(cost=10_000)
    meter.call_starts(1, "mine", None, 10)
    for _ in range(100):
        meter.text(1, " a")
    meter.call_ends(1, counts(10, 100))
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("model", "provider", "why"),
    [
        ("smollm2", "openai", r"no price is known for model 'smollm2' .* prices=\{'smollm2'.*"),
        (None, None, "the model does not say its name"),
    ],
)
def test_call_of_unknown_price_is_told_once_for_each_model_and_never_counted_as_free(
    model: str | None, provider: str | None, why: str
) -> None:
    meter = Meter(Budget(cost=1, tokens=100))
    (told,) = meter.call_starts(1, model, provider, 10)
    assert isinstance(told, Unpriced)
    assert not told.stop
    assert re.fullmatch(f"the limit of cost does not count this model's calls: {why}", told.message)
    assert meter.call_starts(2, model, provider, 10) == ()
    meter.call_ends(1, counts(10, 10))
    assert meter.spent.cost == 0
    assert meter.spent.unpriced_calls == 2
    (other,) = meter.call_starts(3, "someone-elses", provider, 10)
    assert isinstance(other, Unpriced)


def test_call_of_unknown_price_is_held_to_the_other_limits() -> None:
    meter = quiet(cost=1, output_tokens=10)
    meter.call_starts(1, "unheard-of", None, 10)
    (stop,) = meter.text(1, words(11))
    assert stop.stop


def test_without_a_limit_of_cost_no_prices_are_loaded_and_none_are_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "genai_prices", raising=False)
    meter = Meter(Budget(tokens=100))
    assert meter.call_starts(1, "gpt-4o", "openai", 10) == ()
    meter.call_ends(1, counts(10, 10))
    assert meter.spent == Spent(input_tokens=10, output_tokens=10, unpriced_calls=1, model_calls=1)
    assert "genai_prices" not in sys.modules


def test_call_that_ends_in_a_way_without_a_price_keeps_that_of_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meter = quiet(cost=1000)
    meter.call_starts(1, "mine", None, 10)
    monkeypatch.setattr(Prices, "price_of", lambda *asked: None)
    meter.call_ends(1, counts(10, 7))
    assert meter.spent.cost == 10 + 2 * 7
