"""What one run spends, counted while it happens and held against its budgets and quotas."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens.budget import Budget
from langchain_streamkit.tokens.limits import Exceeded, Gauge, Near, Unpriced, Verdict
from langchain_streamkit.tokens.metered import CallStatus, MeteredCall
from langchain_streamkit.tokens.prices import Prices
from langchain_streamkit.tokens.quota import Quota, QuotaStoreError
from langchain_streamkit.tokens.spending import NOTHING, Spent

if TYPE_CHECKING:
    from langchain_streamkit.tokens.prices import Counted

Limit: TypeAlias = Budget | Quota


def as_limits(budget: Limit | Iterable[Limit] | None) -> tuple[Limit, ...]:
    """Return the budgets and quotas of a run, given one, several or None.

    Raises StreamUsageError for what is neither.
    """
    if budget is None:
        return ()
    if isinstance(budget, Budget | Quota):
        return (budget,)
    given: Any = budget
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise StreamUsageError(
            f"budget={given!r} is no Budget; write budget=Budget(tokens=10_000), or a list of"
            " budgets and quotas"
        )
    limits = tuple(cast("Iterable[Any]", given))  # type: ignore[redundant-cast]
    for limit in limits:
        if not isinstance(limit, Budget | Quota):
            raise StreamUsageError(
                f"budget= holds {limit!r}; write Budget(tokens=10_000) or"
                " Quota(Budget(...), key=lambda user, thread_id: user)"
            )
    return limits


class Meter:
    """Counts what one run spends, and says when a limit is near or exceeded.

    Told of everything by callbacks, in any thread. Each method returns what is to be told: almost
    always nothing (an empty tuple), and each warning once. A verdict with ``stop`` comes alone, and
    from then on every method returns it: for all calls that are still going on, and for all that
    would start.

    Guarantees: output is counted exactly after every piece (as ``TokenCounter`` does) with the
    model's encoding, or o200k_base where that is not known; the first piece whose end exceeds a
    limit is told of; what is spent after a stop is counted too. A run that shares a quota sees what
    others have spent each time it spends something itself: at its next piece.

    Of two calls that start at once where only one has room in a quota, never both are made; for
    that moment each counts, so a third that would fit beside one of them may be refused too.

    Args:
        limits: budgets and quotas; without any it only counts.
        user, thread_id: whose run it is; what keys of quotas are made of.
        prices: what models cost; if None, the known prices where a limit is one of cost, and
            otherwise none: all calls count as unpriced.

    Raises:
        StreamUsageError: where ``Quota.key`` does.
    """

    def __init__(
        self,
        *limits: Limit,
        user: str | None = None,
        thread_id: str | None = None,
        prices: Prices | None = None,
    ) -> None:
        quotas = [limit for limit in limits if isinstance(limit, Quota)]
        budgets = [limit for limit in limits if isinstance(limit, Budget)]
        self._gauges = [Gauge(budget) for budget in budgets]
        self._shares = _shares(quotas, user, thread_id)
        budgets += [quota.budget for quota in quotas]
        self._limits_cost = any(budget.cost is not None for budget in budgets)
        self._prices = Prices() if prices is None and self._limits_cost else prices
        self._lock = threading.Lock()
        self._spent = NOTHING
        self._calls: dict[Hashable, MeteredCall] = {}
        self._told_unpriced: set[tuple[str | None, str | None]] = set()
        self._stopped: tuple[Exceeded] | tuple[()] = ()

    @property
    def spent(self) -> Spent:
        """What this run has spent so far, calls that are still going on included."""
        return self._spent

    @property
    def stopped(self) -> Exceeded | None:
        """Why the run has to end."""
        return self._stopped[0] if self._stopped else None

    def call_starts(
        self, call_id: Hashable, model: str | None, provider: str | None, prompt_tokens: int
    ) -> tuple[Verdict, ...]:
        """Say whether a model call may be made; with ``stop`` it must not, and counts as none.

        Its prompt is spent from here on; said again of a call that is going on, nothing is. The
        first call in the process loads a vocabulary, and the prices if they are needed: up to 0.8 s
        in which other calls go on.
        """
        call = MeteredCall(model, provider, prompt_tokens, self._prices, self._windows())
        with self._lock:
            if call_id in self._calls:
                return self._stopped
            verdicts = self._admit(call.opening, call.windows)
            if not self._stopped:
                self._calls[call_id] = call
                verdicts += self._unpriced(call)
            return verdicts

    def text(self, call_id: Hashable, text: str, block: Hashable = 0) -> tuple[Verdict, ...]:
        """Count a piece of the call's output: of a text, of reasoning, of a tool call's arguments.

        The pieces of one ``block`` make up one text; blocks may come in turns. What belongs to no
        call that is going on is left out.
        """
        with self._lock:
            call = self._calls.get(call_id)
            if call is None:
                return self._stopped
            return self._book(call.feed(text, block), call.windows)

    def heard(self, call_id: Hashable) -> bool:
        """Whether the call has said anything so far."""
        call = self._calls.get(call_id)
        return call is not None and call.heard

    def call_ends(
        self, call_id: Hashable, counts: Counted | None = None, status: CallStatus = "ok"
    ) -> tuple[Verdict, ...]:
        """Put what the provider says in the place of what was counted of the call.

        Without ``counts``, or if they are all 0, the estimate of the prompt and the counted output
        stay; but a call that ``failed`` before any output has then spent no tokens. One that was
        ``cached`` has spent nothing and was no call.
        """
        with self._lock:
            call = self._calls.pop(call_id, None)
        if call is None:
            return self._stopped
        correction = call.final(counts, status) - call.spent
        with self._lock:
            return self._book(correction, call.windows)

    def tool_starts(self) -> tuple[Verdict, ...]:
        """Say whether a tool may run; with ``stop`` it must not, and counts as none."""
        with self._lock:
            return self._admit(_ONE_TOOL, self._windows())

    def _admit(self, asked: Spent, windows: list[int]) -> tuple[Verdict, ...]:
        """Book what is about to start, if it may."""
        if self._stopped:
            return self._stopped
        verdicts = self._book(asked, windows, asked)
        if self._stopped:
            self._book(NOTHING - asked, windows)
        return verdicts

    def _book(
        self, change: Spent, windows: list[int], asked: Spent = NOTHING
    ) -> tuple[Verdict, ...]:
        """Add to what is spent, everywhere; return what is to be told of it."""
        self._spent = spent = self._spent + change
        told: list[Exceeded | Near] = []
        for gauge in self._gauges:
            told += gauge.check(spent, asked)
        for share, window_start in zip(self._shares, windows, strict=True):
            told += share.add(window_start, change, asked)
        if not told or self._stopped:
            return self._stopped
        for verdict in told:
            if isinstance(verdict, Exceeded) and verdict.stop:
                self._stopped = (verdict,)
                return self._stopped
        return tuple(told)

    def _windows(self) -> list[int]:
        return [share.window_start() for share in self._shares]

    def _unpriced(self, call: MeteredCall) -> tuple[Unpriced, ...]:
        """Tell, once for each model, that a limit of cost does not hold its calls."""
        named = call.model, call.provider
        if call.priced or not self._limits_cost or named in self._told_unpriced:
            return ()
        self._told_unpriced.add(named)
        why = "the model does not say its name"
        if self._prices is not None and call.model is not None:
            why = self._prices.unknown.get((call.model, call.provider), why)
        message = f"the limit of cost does not count this model's calls: {why}"
        return (Unpriced(model=call.model, provider=call.provider, message=message),)


_ONE_TOOL = Spent(tool_calls=1)


class _Share:
    """A run's part in quotas that add up the same spending: one key, one window, one store."""

    __slots__ = ("_budgets", "_gauges", "_key", "_quota")

    def __init__(self, quotas: list[Quota], key: str) -> None:
        self._quota = quotas[0]
        self._budgets = [quota.budget for quota in quotas]
        self._key = key
        self._gauges: dict[int, list[Gauge]] = {}

    def window_start(self) -> int:
        return self._quota.window_start()

    def add(self, window_start: int, change: Spent, asked: Spent) -> list[Exceeded | Near]:
        """Add to what is spent by all who share it; return what is to be told of that."""
        window_s = self._quota.window_s
        try:
            total = self._quota.store.add(self._key, window_start, window_s, change)
        except Exception as exc:
            raise QuotaStoreError(
                f"the quota's store failed for key {self._key!r}: {type(exc).__name__}: {exc}"
            ) from exc
        gauges = self._gauges.get(window_start)
        if gauges is None:  # each window is told of anew
            gauges = self._gauges[window_start] = [Gauge(budget) for budget in self._budgets]
        end = window_start + window_s
        return [verdict for gauge in gauges for verdict in gauge.check(total, asked, end)]


def _shares(quotas: list[Quota], user: str | None, thread_id: str | None) -> list[_Share]:
    together: dict[tuple[int, str, int], list[Quota]] = {}
    for quota in quotas:
        key = quota.key(user, thread_id)
        together.setdefault((id(quota.store), key, quota.window_s), []).append(quota)
    return [_Share(same, key) for (_, key, _), same in together.items()]
