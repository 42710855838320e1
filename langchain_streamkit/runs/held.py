"""A run that is held to budgets: what counts for it, and what it is stopped with.

Guarantees: the first limit that is exceeded is the one that is told, to everybody; what the run has
spent is what it had spent when it ended, not when it was stopped.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, NoReturn

from langchain_streamkit.sources.guard import Guard, GuardedLanes

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.errors import BudgetExceeded
    from langchain_streamkit.sources.normaliser import Normaliser
    from langchain_streamkit.sources.signals import Token
    from langchain_streamkit.sources.tap import RunTap
    from langchain_streamkit.tokens.limits import Exceeded
    from langchain_streamkit.tokens.meter import Meter

UNWIND_S = 0.02
"""Seconds from a stop that was raised in a call to the cancel of what has not ended by it."""


class Held:
    """The budgets of one run, whose ``tap`` is guarded from now on.

    ``stop`` is called, in the callback that exceeds a limit, with what stops the run, and raises.
    """

    def __init__(
        self,
        meter: Meter,
        tap: RunTap,
        normaliser: Normaliser,
        stop: Callable[[BudgetExceeded], NoReturn],
    ) -> None:
        self._meter = meter
        self._normaliser = normaliser
        self._stop = stop
        self._lock = threading.Lock()
        self._error: BudgetExceeded | None = None
        self._note = functools.partial(tap.note, tap.root)
        self._guard = tap.guard = Guard(meter, self._halt, self._note)

    def lanes(self, long: Callable[[Token], None]) -> GuardedLanes:
        """Lanes for this run alone, in which every chunk is counted."""
        return GuardedLanes(long, lambda _: self._guard)

    @property
    def error(self) -> BudgetExceeded | None:
        """What stopped the run, if a budget did; always the same object."""
        if self._error is not None:
            self._error.spent = self._meter.spent
        return self._error

    def _halt(self, exceeded: Exceeded) -> NoReturn:
        with self._lock:
            first = self._error is None
            if self._error is None:
                self._error = exceeded.error(self._normaliser.run_id, self._meter.spent)
                self._normaliser.stopped_by = "budget"
                self._normaliser.stopped_with = self._error
        if first:
            self._note("budget_exceeded", exceeded.message)
        self._stop(self._error)
