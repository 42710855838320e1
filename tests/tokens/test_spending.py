"""The meter: every limit, at its very boundary; what is told, when, and what is counted."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit.sources.usage import TokenCounts
from langchain_streamkit.tokens.budget import Budget
from langchain_streamkit.tokens.details import TokenDetails
from langchain_streamkit.tokens.limits import Exceeded, Near
from langchain_streamkit.tokens.meter import Meter
from langchain_streamkit.tokens.prices import Prices
from langchain_streamkit.tokens.spending import NOTHING, Spent
from langchain_streamkit.tokens.vocabularies import load_encoding
from tests.tokens.texts import chunked, texts

MODEL = "gpt-4o"
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


# ---- each limit lets through what it names, and no more ------------------------------------------


@pytest.mark.parametrize("limit", ["tokens", "input_tokens"])
def test_prompt_that_just_fits_is_let_through_and_one_token_more_is_refused(limit: str) -> None:
    assert quiet(**{limit: 100}).call_starts(1, MODEL, "openai", 100) == ()
    meter = quiet(**{limit: 100})
    (refused,) = meter.call_starts(1, MODEL, "openai", 101)
    assert isinstance(refused, Exceeded)
    assert refused.stop
    assert (refused.limit, refused.allowed, refused.spent, refused.asked) == (limit, 100, 0, 101)
    assert refused.message == f"{limit} 0 of 100 spent, 101 more asked for"
    assert meter.spent == NOTHING
    assert meter.stopped is refused


@pytest.mark.parametrize(("limit", "prompt"), [("tokens", 7), ("output_tokens", 0)])
def test_answer_may_reach_the_limit_and_is_stopped_at_the_next_token(
    limit: str, prompt: int
) -> None:
    meter = quiet(**{limit: 10 + prompt})
    meter.call_starts(1, MODEL, "openai", prompt)
    assert [meter.text(1, " a") for _ in range(10)] == [()] * 10
    (stop,) = meter.text(1, " a")
    assert isinstance(stop, Exceeded)
    assert (stop.spent, stop.allowed, stop.asked) == (11 + prompt, 10 + prompt, 0)
    assert stop.message == f"{limit} {11 + prompt} of {10 + prompt} spent"


def test_model_calls_are_counted_when_they_start_and_the_one_too_many_is_refused() -> None:
    meter = quiet(model_calls=3)
    assert [meter.call_starts(n, MODEL, None, 1) for n in range(3)] == [()] * 3
    (stop,) = meter.call_starts(3, MODEL, None, 1)
    assert stop.message == "model_calls 3 of 3 spent, 1 more asked for"
    assert meter.spent.model_calls == 3


def test_tool_calls_are_counted_when_they_start_and_the_one_too_many_is_refused() -> None:
    meter = quiet(tool_calls=1)
    assert meter.tool_starts() == ()
    (stop,) = meter.tool_starts()
    assert stop.stop
    assert meter.spent == Spent(tool_calls=1)


def test_cost_may_be_reached_by_an_answer_and_is_stopped_at_the_next_token() -> None:
    meter = quiet(cost=12)
    assert meter.call_starts(1, "mine", None, 4) == ()
    assert meter.text(1, words(4)) == ()
    assert meter.spent.cost == 12
    (stop,) = meter.text(1, " a")
    assert stop.message == "cost $14 of $12 spent"


def test_prompt_that_costs_more_than_is_left_is_refused() -> None:
    meter = quiet(cost="12.5")
    assert meter.call_starts(1, "mine", None, 10) == ()
    (stop,) = meter.call_starts(2, "mine", None, 3)
    assert stop.message == "cost $10 of $12.5 spent, $3 more asked for"
    assert meter.spent == Spent(input_tokens=10, cost=Decimal(10), model_calls=1)


@pytest.mark.parametrize("limit", ["model_calls", "input_tokens", "tokens", "cost"])
def test_limit_of_zero_refuses_the_first_call(limit: str) -> None:
    none: dict[str, Any] = {limit: 0}
    (stop,) = Meter(Budget(**none), prices=DOLLAR).call_starts(1, "mine", None, 1)
    assert isinstance(stop, Exceeded)
    assert stop.limit == limit


def test_limit_of_zero_is_not_told_to_be_near() -> None:
    meter = Meter(Budget(tool_calls=0, output_tokens=0))
    assert meter.call_starts(1, MODEL, None, 5) == ()


# ---- after a stop --------------------------------------------------------------------------------


def test_after_a_stop_everything_is_told_to_stop_and_is_counted_all_the_same() -> None:
    meter = quiet(output_tokens=10)
    for call in (1, 2):
        meter.call_starts(call, MODEL, "openai", 5)
    stop = meter.text(1, words(11))
    assert stop == (meter.stopped,)
    assert meter.text(2, words(3)) == stop
    assert meter.call_starts(3, MODEL, "openai", 1) == stop
    assert meter.tool_starts() == stop
    assert meter.call_ends(1, None, "aborted") == stop
    assert meter.call_ends(3) == meter.text(3, "x") == stop
    assert (meter.spent.tokens, meter.spent.model_calls) == (24, 2)


def test_usage_below_the_limit_after_a_stop_does_not_set_the_run_going_again() -> None:
    meter = quiet(output_tokens=10)
    meter.call_starts(1, MODEL, "openai", 5)
    stop = meter.text(1, words(11))
    assert meter.call_ends(1, counts(5, 2)) == stop
    assert meter.call_starts(2, MODEL, "openai", 5) == stop


def test_error_of_a_stopped_run_says_what_was_exceeded_and_what_was_spent() -> None:
    meter = quiet(output_tokens=100)
    meter.call_starts(1, "mine", None, 5)
    meter.text(1, words(101))
    assert meter.stopped is not None
    error = meter.stopped.error("r1", meter.spent)
    assert str(error) == (
        "run r1 was stopped: output_tokens 101 of 100 spent"
        " (in all 1 model call, 5 input and 101 output tokens, $207)"
    )
    assert (error.limit, error.allowed, error.spent) == ("output_tokens", 100, meter.spent)


# ---- warnings ------------------------------------------------------------------------------------


def test_limit_is_told_once_to_be_near() -> None:
    meter = Meter(Budget(output_tokens=10, tokens=1000))
    meter.call_starts(1, MODEL, None, 0)
    assert meter.text(1, words(7)) == ()
    (near,) = meter.text(1, " a")
    assert isinstance(near, Near)
    assert not near.stop
    assert near.message == "output_tokens 8 of 10 spent"
    assert [meter.text(1, " a") for _ in range(2)] == [(), ()]
    (stop,) = meter.text(1, " a")
    assert stop.stop


def test_several_limits_are_told_to_be_near_at_once() -> None:
    meter = Meter(Budget(output_tokens=10, model_calls=1), Budget(tokens=10, warn_at=0.5))
    assert [near.message for near in meter.call_starts(1, MODEL, None, 0)] == [
        "model_calls 1 of 1 spent"
    ]
    told = meter.text(1, words(9))
    assert [near.message for near in told] == [
        "output_tokens 9 of 10 spent",
        "tokens 9 of 10 spent",
    ]


def test_budget_that_only_warns_tells_each_limit_once_and_stops_nothing() -> None:
    meter = Meter(Budget(output_tokens=10, model_calls=1, on_exceed="warn", warn_at=None))
    assert meter.call_starts(1, MODEL, None, 0) == ()
    (over,) = meter.call_starts(2, MODEL, None, 0)
    assert (over.stop, over.message) == (False, "model_calls 1 of 1 spent, 1 more asked for")
    (over,) = meter.text(2, words(11))
    assert (over.stop, over.message) == (False, "output_tokens 11 of 10 spent")
    assert meter.text(2, words(11)) == meter.call_starts(3, MODEL, None, 0) == ()
    assert meter.spent.model_calls == 3
    assert meter.stopped is None


def test_strictest_of_several_budgets_stops() -> None:
    wide, narrow = (Budget(output_tokens=n, warn_at=None) for n in (100, 10))
    meter = Meter(wide, narrow)
    meter.call_starts(1, MODEL, None, 0)
    (stop,) = meter.text(1, words(11))
    assert isinstance(stop, Exceeded)
    assert stop.allowed == 10


# ---- counting ------------------------------------------------------------------------------------


@given(pieces=st.lists(st.tuples(texts(max_size=20), st.sampled_from(["text", 1, ("call", 0)]))))
def test_blocks_that_come_in_turns_are_each_counted_as_one_text(
    pieces: list[tuple[str, object]],
) -> None:
    encoding = load_encoding("o200k_base")
    meter = Meter()
    meter.call_starts("c", MODEL, "openai", 0)
    blocks: dict[Any, str] = {}
    for piece, block in pieces:
        blocks[block] = blocks.get(block, "") + piece
        meter.text("c", piece, block=block)
        exact = sum(len(encoding.encode_ordinary(text)) for text in blocks.values())
        assert meter.spent.output_tokens == exact


@given(text=texts(), sizes=st.lists(st.integers(1, 9), min_size=1), limit=st.integers(0, 20))
def test_stop_comes_at_the_first_piece_whose_end_exceeds_the_limit(
    text: str, sizes: list[int], limit: int
) -> None:
    encoding = load_encoding("o200k_base")
    meter = quiet(output_tokens=limit)
    meter.call_starts(1, MODEL, "openai", 0)
    exceeded, so_far = False, ""
    for piece in chunked(text, sizes):
        so_far += piece
        exact = len(encoding.encode_ordinary(so_far))
        exceeded = exceeded or exact > limit
        assert bool(meter.text(1, piece)) == exceeded
        assert meter.spent.output_tokens == exact


@pytest.mark.parametrize(
    ("model", "provider", "encoding"),
    [
        ("gpt-4", "openai", "cl100k_base"),
        ("claude", None, "o200k_base"),
        (None, None, "o200k_base"),
    ],
)
def test_output_is_counted_with_the_models_own_encoding_where_that_is_known(
    model: str | None, provider: str | None, encoding: Any
) -> None:
    text = "Ähnlichkeit 中文字符 unübersehbar"
    meter = Meter()
    meter.call_starts(1, model, provider, 0)
    meter.text(1, text)
    assert meter.spent.output_tokens == len(load_encoding(encoding).encode_ordinary(text))


def test_run_longer_than_is_counted_at_once_is_exact_at_the_end_of_the_call() -> None:
    meter = Meter()
    meter.call_starts(1, MODEL, "openai", 0)
    for _ in range(257):
        meter.text(1, "哈")
    exact = len(load_encoding("o200k_base").encode_ordinary("哈" * 257))
    assert meter.spent.output_tokens == exact - 1
    meter.call_ends(1)
    assert meter.spent.output_tokens == exact


def test_pieces_of_calls_in_several_threads_are_all_counted() -> None:
    meter = quiet(output_tokens=10**6)
    start = threading.Barrier(4)

    def call(number: int) -> None:
        start.wait()
        meter.call_starts(number, "mine", None, 3)
        for _ in range(500):
            meter.text(number, " a")
        meter.tool_starts()
        meter.call_ends(number, counts(3, 500) if number % 2 else None)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.spent == Spent(
        input_tokens=12, output_tokens=2000, cost=Decimal(4012), model_calls=4, tool_calls=4
    )
