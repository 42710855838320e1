"""The two tools of the demo's agent: a weather report and a calculator.

Guarantees: no network and no ``eval``; the same question has the same answer; a calculation is
refused before it can take long. The weather is invented.
"""

from __future__ import annotations

import ast
import asyncio
import math
import zlib
from collections.abc import Callable

from langchain_core.tools import tool

_LOOKUP_S = 0.6
"""What a real service would take, so that one sees a tool run."""
_MAX_EXPRESSION = 200
_MAX_SIZE = 1e100

_SKIES = ("sunny", "partly cloudy", "overcast", "light rain", "heavy rain", "fog", "snow showers")

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {
    ast.UAdd: lambda a: a,
    ast.USub: lambda a: -a,
}


class CalculationError(ValueError):
    """An expression that has no value; the message is for the model."""


@tool
async def get_weather(city: str) -> str:
    """Tell the weather in a city now; as this is a demo, it is invented."""
    await asyncio.sleep(_LOOKUP_S)
    seed = zlib.crc32(city.strip().casefold().encode())
    sky = _SKIES[seed % len(_SKIES)]
    degrees = seed // 7 % 5 - 4 if sky == "snow showers" else 6 + seed // 7 % 24
    return f"{sky}, {degrees} °C, wind {3 + seed // 199 % 35} km/h"


@tool
async def calculate(expression: str) -> str:
    """Calculate an arithmetic expression, such as 2 * (3 + 4) ** 2."""
    await asyncio.sleep(_LOOKUP_S / 2)
    return evaluate(expression)


def evaluate(expression: str) -> str:
    """The value of an arithmetic expression, as text. Raises CalculationError."""
    text = expression.replace("^", "**").replace("×", "*").replace("÷", "/").replace("−", "-")  # noqa: RUF001
    if len(text) > _MAX_EXPRESSION:
        raise CalculationError(f"an expression has at most {_MAX_EXPRESSION} characters")
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        raise CalculationError(f"{expression!r} is not an arithmetic expression") from None
    except ZeroDivisionError:
        raise CalculationError(f"{expression!r} divides by zero") from None
    except OverflowError:
        raise CalculationError(f"{expression!r} is too large") from None
    return str(int(value)) if value == int(value) else f"{value:.12g}"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
            a, b = _value(left), _value(right)
            if isinstance(op, ast.Pow) and abs(b) * math.log10(max(abs(a), 1)) > 100:
                raise OverflowError
            value = _BINARY[type(op)](a, b)
            if isinstance(value, complex):
                raise CalculationError(f"{ast.unparse(node)!r} is not a real number")
            return _bounded(value)
        case _:
            raise CalculationError(
                f"{ast.unparse(node)!r} is not arithmetic; use numbers, + - * / // % ** and ()"
            )


def _bounded(value: float) -> float:
    if abs(value) > _MAX_SIZE:
        raise OverflowError
    return value
