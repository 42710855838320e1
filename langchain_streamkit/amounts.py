"""Tokens and dollars in words for people.

Guarantees: ``~`` stands before what is an estimate; of what nobody told nothing is said; a cost
above zero never looks like zero.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_streamkit.events import Usage

EXACT: Final = Context(prec=100, traps=[])
"""Reckons with dollars whatever the application has set for its own decimals."""
_FEWEST_PLACES: Final = 4


def usage_facts(usage: Usage) -> list[str]:
    """Return tokens and cost as far as they are known: ``["12 in + 34 out tokens", "$0.0002"]``."""
    return [fact for fact in (tokens_fact(usage), cost_fact(usage)) if fact]


def tokens_fact(usage: Usage) -> str:
    """Return ``12 in + 34 out tokens``, or ``""``."""
    counts = {"in": usage.input_tokens, "out": usage.output_tokens}
    said = [f"{_about(usage, way)}{count:,} {way}" for way, count in counts.items() if count]
    return f"{' + '.join(said)} tokens" if said else ""


def cost_fact(usage: Usage) -> str:
    """Return ``$0.0002``, or ``""``: of what used no tokens only an answer from a cache has one."""
    if usage.cost is None or not (usage.total_tokens or usage.source == "cache"):
        return ""
    cost = Decimal(usage.cost)
    return f"{_about(usage)}{dollars(cost, places_for([cost]))}"


def _about(usage: Usage, way: str = "") -> str:
    # of a counted call only the answer is exact, neither the prompt nor what both cost
    exact = usage.source != "estimated" and (usage.source != "counted" or way == "out")
    return "" if exact else "~"


def dollars(cost: Decimal, places: int) -> str:
    """Return a cost with so many decimals, half a unit rounded up: ``$1,204.0050``."""
    return f"${cost.quantize(Decimal((0, (1,), -places)), ROUND_HALF_UP, EXACT):,f}"


def places_for(costs: Iterable[Decimal | None]) -> int:
    """Return how many decimals show two digits of the smallest of the costs, four at least."""
    smallest = min((cost for cost in costs if cost), default=None)
    return _FEWEST_PLACES if smallest is None else max(_FEWEST_PLACES, 1 - smallest.adjusted())


def amount_of(value: object) -> Decimal | None:
    """Return the amount that somebody wrote as a number or text; None if it is none, or below 0."""
    if not isinstance(value, Decimal | int | float | str) or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))  # by way of str: 0.1 means a tenth
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None
