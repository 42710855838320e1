"""What is told when spending nears a limit or exceeds it, and when it is told.

Guarantees: a limit is told once to be near, and once to be exceeded if its budget only warns; a
limit that is exceeded at once is not told to be near.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import msgspec

from langchain_streamkit.amounts import EXACT
from langchain_streamkit.errors import BudgetExceeded
from langchain_streamkit.tokens.budget import LimitName
from langchain_streamkit.tokens.prices import cost_text

if TYPE_CHECKING:
    from langchain_streamkit.tokens.budget import Budget
    from langchain_streamkit.tokens.spending import Spent

Amount: TypeAlias = int | Decimal
"""A number of tokens or calls, or US dollars."""


class Exceeded(msgspec.Struct, frozen=True, kw_only=True):
    """More is spent than ``allowed``; or would be, with what was ``asked``."""

    limit: LimitName
    allowed: Amount
    spent: Amount
    """Without what was asked."""
    asked: Amount = 0
    """What a model call or tool would have spent at once that was about to start; 0 otherwise."""
    stop: bool = True
    """Whether the run has to end, and what was about to start must not: ``on_exceed="stop"``."""
    resets_at: datetime | None = None
    """The end of the quota's window; None for the run's own budget."""

    @property
    def message(self) -> str:
        """It in words, for people."""
        more = f", {_shown(self.limit, self.asked)} more asked for" if self.asked else ""
        return _said(self.limit, self.spent, self.allowed, self.resets_at) + more

    def error(self, run_id: str, spent: Spent) -> BudgetExceeded:
        """Return what ``result()`` of the run raises that was stopped, having ``spent`` in all."""
        return BudgetExceeded(
            f"run {run_id} was stopped: {self.message}",
            limit=self.limit,
            allowed=self.allowed,
            spent=spent,
            resets_at=self.resets_at,
        )


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """``warn_at`` of a limit is reached."""

    limit: LimitName
    allowed: Amount
    spent: Amount
    resets_at: datetime | None = None
    """The end of the quota's window; None for the run's own budget."""
    stop: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """It in words, for people."""
        return _said(self.limit, self.spent, self.allowed, self.resets_at)


class Unpriced(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of cost cannot hold the calls of this model: nobody knows its price."""

    model: str | None
    provider: str | None
    message: str
    """It in words, with how to give the price."""
    stop: ClassVar[bool] = False


Verdict: TypeAlias = Exceeded | Near | Unpriced
"""What is told of spending: each has ``stop`` and ``message``."""


class Gauge:
    """The limits of one budget, and what has been told of them. Not for several threads at once."""

    __slots__ = ("_levels", "_stop")

    def __init__(self, budget: Budget) -> None:
        self._stop = budget.on_exceed == "stop"
        self._levels = [_Level(*limit, budget.warn_at) for limit in budget.limits.items()]

    def check(
        self, spent: Spent, asked: Spent, window_end: int | None = None
    ) -> list[Exceeded | Near]:
        """Return what is to be told of ``spent``, which includes what was ``asked``.

        ``window_end`` is that of a quota, in seconds since the epoch.
        """
        told: list[Exceeded | Near] = []
        for level in self._levels:
            value: Amount = getattr(spent, level.limit)
            if value < level.next:
                continue
            resets_at = None if window_end is None else datetime.fromtimestamp(window_end, UTC)
            if value > level.allowed:
                if not self._stop:
                    level.next = _NEVER
                more: Amount = getattr(asked, level.limit)
                told.append(
                    Exceeded(
                        limit=level.limit,
                        allowed=level.allowed,
                        spent=value - more,
                        asked=more,
                        stop=self._stop,
                        resets_at=resets_at,
                    )
                )
            elif level.near is not None:
                level.near = None
                level.next = level.allowed
                told.append(
                    Near(
                        limit=level.limit,
                        allowed=level.allowed,
                        spent=value,
                        resets_at=resets_at,
                    )
                )
        return told


class _Level:
    """One limit."""

    __slots__ = ("allowed", "limit", "near", "next")

    def __init__(self, limit: LimitName, allowed: Amount, warn_at: float | None) -> None:
        self.limit: LimitName = limit
        self.allowed = allowed
        self.near: Amount | None = None
        """None once it is told."""
        if warn_at is not None and allowed:
            near = EXACT.multiply(Decimal(allowed), Decimal(str(warn_at)))
            self.near = near if isinstance(allowed, Decimal) else math.ceil(near)
        self.next: Amount = allowed if self.near is None else self.near
        """Below this nothing is to be told."""


_NEVER = Decimal("Infinity")


def _said(limit: LimitName, spent: Amount, allowed: Amount, resets_at: datetime | None) -> str:
    said = f"{limit} {_shown(limit, spent)} of {_shown(limit, allowed)} spent"
    if resets_at is None:
        return said
    return f"{said} in the quota's window, which ends at {resets_at:%Y-%m-%dT%H:%M:%SZ}"


def _shown(limit: LimitName, amount: Amount) -> str:
    return f"${cost_text(Decimal(amount))}" if limit == "cost" else str(amount)
