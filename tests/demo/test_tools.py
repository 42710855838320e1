"""The demo's tools: right, bounded, harmless."""

from __future__ import annotations

import pytest

from langchain_streamkit.serve.demo_tools import CalculationError, evaluate, get_weather


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ^ 10", "1024"),
        ("-2 ** 2", "-4"),
        ("7 / 2", "3.5"),
        ("7 // 2 % 2", "1"),
        ("12 × 34 ÷ 2 − 4", "200"),  # noqa: RUF001
        ("0.1 + 0.2", "0.3"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("1 / 3", "0.333333333333"),
    ],
)
def test_expression_has_its_value(expression: str, value: str) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("1 / 0", "divides by zero"),
        ("9 ** 9 ** 9 ** 9", "too large"),
        ("1e99 * 1e99", "too large"),
        ("0 ** -1", "divides by zero"),
        ("2 ** -1e9 ** 9", "too large"),
        ("(-8) ** 0.5", "not a real number"),
        ("__import__('os')", "not arithmetic"),
        ("True + 1", "not arithmetic"),
        ("'a' * 9", "not arithmetic"),
        ("1 +", "not an arithmetic expression"),
        ("", "not an arithmetic expression"),
        ("\0", "not an arithmetic expression"),
        ("(" * 150, "not an arithmetic expression"),
        ("1" * 201, "at most 200"),
    ],
)
def test_expression_without_a_value_says_why(expression: str, reason: str) -> None:
    with pytest.raises(CalculationError, match=reason):
        evaluate(expression)


async def test_weather_of_a_city_is_the_same_however_it_is_written() -> None:
    first = await get_weather.ainvoke({"city": "Lisbon"})
    assert await get_weather.ainvoke({"city": " lisbon "}) == first
    assert first == "heavy rain, 13 °C, wind 20 km/h"
