"""Prices: the user's first, exact, never 0 for what nobody knows."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens import prices as module
from langchain_streamkit.tokens.details import TokenDetails
from langchain_streamkit.tokens.prices import FIELDS, Prices, PriceTable, cost_text, price_of

FOR_5M, FOR_1H = "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"
OWN: PriceTable = {"mine": {"input": 2, "output": "10", "cache_read": 0.5}}


def usage(tokens_in: int, tokens_out: int, **details: dict[str, int]) -> dict[str, object]:
    return {"input_tokens": tokens_in, "output_tokens": tokens_out, **details}


# Worked out by hand from the prices per million tokens that genai-prices 0.2.3 lists.
@pytest.mark.parametrize(
    ("model", "provider", "used", "dollars"),
    [
        ("gpt-4o", "openai", usage(1_000_000, 0), "2.5"),
        ("gpt-4o", "openai", usage(0, 1_000_000), "10"),
        ("gpt-4o-2024-08-06", "openai", usage(1000, 100), "0.0035"),
        ("gpt-4o", "azure", usage(1000, 100), "0.0035"),
        ("gpt-4o", None, usage(1000, 100), "0.0035"),
        (
            "gpt-5",
            "openai",
            usage(1000, 100, input_token_details={"cache_read": 500}),
            "0.0016875",  # 500 * 1.25 + 500 * 0.125 + 100 * 10
        ),
        (
            "claude-sonnet-4-5",
            "anthropic",
            usage(1000, 200, input_token_details={"cache_read": 400, "cache_creation": 300}),
            "0.005145",  # 300 * 3 + 400 * 0.3 + 300 * 3.75 + 200 * 15
        ),
        (
            "claude-sonnet-4-5",
            "anthropic",
            usage(1000, 200, input_token_details={"cache_read": 400, FOR_5M: 300}),
            "0.005145",
        ),
        (
            "claude-sonnet-4-5",
            "anthropic",
            usage(1000, 200, input_token_details={"cache_read": 400, FOR_1H: 300}),
            "0.00582",  # 1 hour costs 6, not 3.75
        ),
    ],
)
def test_price_of_a_known_model(
    model: str, provider: str | None, used: dict[str, object], dollars: str
) -> None:
    assert price_of(used, model, provider) == Decimal(dollars)


def test_service_tier_has_its_own_price() -> None:
    def at(prefix: str, **own: int) -> Decimal:
        details = {f"{prefix}cache_read": 500, **own}
        found = price_of(usage(1000, 100, input_token_details=details), "gpt-5", "openai")
        assert found is not None
        return found

    standard = at("")
    assert at("flex_", flex=500) == standard / 2
    assert at("priority_", priority=500) == standard * 2


def test_price_of_what_the_usage_reader_gives_is_that_of_its_usage_metadata() -> None:
    from langchain_streamkit.sources.usage import read_counts

    used = usage(1000, 100, input_token_details={"flex_cache_read": 500, "flex": 500})
    counts = read_counts(used)
    assert counts is not None
    assert price_of(counts, "gpt-5", "openai") == price_of(used, "gpt-5", "openai")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("smollm2-135m", "openai"),
        ("llama3", "ollama"),
        ("gpt-4o", "ollama"),
        ("nobody-knows", None),
        (None, "openai"),
        ("", "openai"),
        ("gpt-4.1", "github-copilot"),  # listed without a price for tokens
        ("text-embedding-3-small", "openai"),  # has no price for output
    ],
)
def test_unknown_price_is_none_and_never_zero(model: str | None, provider: str | None) -> None:
    assert price_of(usage(1000, 100), model, provider) is None


# ---- the user's own ------------------------------------------------------------------------------


def test_own_price_comes_first() -> None:
    own: PriceTable = {"gpt-4o": {"input": 1, "output": 1}}
    assert price_of(usage(1_000_000, 1_000_000), "gpt-4o", "openai", own) == 2


def test_own_price_of_every_field() -> None:
    table = {name: Decimal(10) ** power for power, name in enumerate(FIELDS)}
    parts = {
        "input_token_details": {
            "cache_read": 1,
            "ephemeral_5m_input_tokens": 1,
            "ephemeral_1h_input_tokens": 1,
            "audio": 1,
        },
        "output_token_details": {"audio": 1, "reasoning": 1},
    }
    one_of_each = price_of(usage(5, 2, **parts), "mine", None, {"mine": table})
    assert one_of_each == Decimal("1.111111")


def test_own_price_that_is_left_out_is_that_of_the_plain_tokens() -> None:
    details = {"cache_read": 400, "ephemeral_1h_input_tokens": 100, "audio": 100}
    used = usage(1000, 10, input_token_details=details)
    expected = Decimal(600 * 2 + 10 * 10) + Decimal(400) * Decimal("0.5")
    assert price_of(used, "mine", "anywhere", OWN) == expected / 1_000_000


def test_own_price_of_zero_is_zero() -> None:
    assert price_of(usage(9, 9), "free", None, {"free": {"input": 0, "output": 0}}) == 0


def test_floats_mean_the_decimal_they_are_written_as() -> None:
    table = {"mine": {"input": 0.1, "output": 0.2}}
    assert price_of(usage(1, 1), "mine", None, table) == Decimal("0.0000003")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"inputs": 1, "output": 1},
            r"prices\['m'\] has no field 'inputs'; there are input, output",
        ),
        ({"input": 1}, r"lacks 'output'; write 0 if it is free"),
        ({"output": 1}, r"lacks 'input'"),
        ({"input": "cheap", "output": 1}, r"prices\['m'\]\['input'\] is 'cheap'"),
        ({"input": -1, "output": 1}, r"\['input'\] is -1"),
        ({"input": float("nan"), "output": 1}, "is nan"),
        ({"input": True, "output": 1}, "is True"),
        ({"input": None, "output": 1}, "is None"),
        (0.5, r"prices\['m'\] is a float: write"),
    ],
)
def test_own_price_that_makes_no_sense_is_refused_with_what_to_write(
    table: Any, message: str
) -> None:
    with pytest.raises(StreamUsageError, match=message):
        Prices({"m": table})


# ---- what nobody knows ---------------------------------------------------------------------------


def test_unknown_model_is_told_once_with_what_to_do_and_by_each_run_anew() -> None:
    for _ in range(2):
        told: list[str] = []
        prices = Prices(on_unknown=told.append)
        for _ in range(3):
            assert prices.price_of(usage(1, 1), "smollm2", "openai") is None
            assert prices.price_of(usage(1, 1), "gpt-4o", "openai") is not None
        (message,) = told
        assert message == prices.unknown["smollm2", "openai"]
        assert "'smollm2' of provider 'openai'" in message
        assert 'prices={\'smollm2\': {"input": ..., "output": ...}}' in message
        assert "pip install" not in message


def test_without_the_extra_own_prices_count_and_the_message_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices = Prices(OWN)
    assert module.load_prices() is None
    assert prices.price_of(usage(1_000_000, 0), "mine") == 2
    assert prices.price_of(usage(1, 1), "gpt-4o", "openai") is None
    (message,) = prices.unknown.values()
    assert "pip install 'langchain-streamkit[cost]'" in message


# ---- numbers that cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mine", "gpt-4o", "claude-sonnet-4-5"])
def test_parts_larger_than_the_whole_never_make_a_price_negative_or_raise(model: str) -> None:
    details = {"cache_read": 500, "cache_creation": 500, "audio": 900}
    used = usage(
        100, 5, input_token_details=details, output_token_details={"audio": 50, "reasoning": 99}
    )
    found = price_of(used, model, None, OWN)
    assert found is not None
    assert 0 < found < 1
    assert price_of(usage(0, 0, input_token_details=details), model, None, OWN) == 0


def test_broken_usage_is_no_exception() -> None:
    broken: dict[str, object] = {"input_tokens": None, "output_tokens": "7"}
    assert price_of(broken, "mine", None, OWN) == 0


def test_cost_is_written_without_exponent_or_trailing_zeros() -> None:
    assert cost_text(Decimal("1E-7")) == "0.0000001"
    assert cost_text(Decimal("0.00500")) == "0.005"
    assert cost_text(Decimal("2.00")) == "2"
    assert cost_text(Decimal(100)) == "100"
    assert cost_text(Decimal("1E+2")) == "100"


def test_sum_of_many_prices_is_exact() -> None:
    one = price_of(usage(1, 1), "gpt-4o-mini", "openai")
    assert one is not None
    assert sum([one] * 1_000_000, Decimal(0)) == one * 1_000_000


def test_details_say_how_they_are_put_together() -> None:
    one = TokenDetails(cache_read=1, reasoning=5)
    other = TokenDetails(cache_read=2, audio_input=3, service_tier="flex")
    assert one.combined(max, other) == TokenDetails(
        cache_read=2, reasoning=5, audio_input=3, service_tier="flex"
    )
