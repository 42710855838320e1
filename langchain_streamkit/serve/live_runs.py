"""The runs a server has open, found by their id so that another request can stop one.

Guarantees: a run is known from its making to its end, then forgotten; every run goes to the same
sinks, and tells what it uses while it goes on (``usage.updated``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_streamkit.api import astream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.runnables import Runnable

    from langchain_streamkit.events import CancelReason
    from langchain_streamkit.runs.async_run import AsyncRun
    from langchain_streamkit.sinks.base import SinkLike
    from langchain_streamkit.snapshot import RunSnapshot
    from langchain_streamkit.tokens.budget import Budget
    from langchain_streamkit.tokens.prices import PriceTable


class LiveRuns:
    """Makes the runs of one agent, whose state is ``{"messages": [...]}``, and knows the open ones.

    Used from one event loop. A run that is made has to be read, or cancelled. ``prices`` are those
    of ``astream``.
    """

    def __init__(
        self,
        agent: Runnable[Any, Any],
        sinks: Sequence[SinkLike] = (),
        prices: PriceTable | None = None,
    ) -> None:
        self._agent = agent
        self._sinks = sinks
        self._prices = prices
        self._runs: dict[str, AsyncRun[Any]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def make(self, text: str, thread_id: str | None, budget: Budget | None = None) -> AsyncRun[Any]:
        """A run that says ``text`` in a conversation; a new one where ``thread_id`` is None.

        It may spend ``budget``. It is not started yet. Raises StreamUsageError for an agent that
        cannot run so.
        """
        run = astream(
            self._agent,
            {"messages": [("user", text)]},
            thread_id=thread_id or uuid4().hex,
            sinks=list(self._sinks),
            capture={"usage"},
            prices=self._prices,
            budget=budget,
            on_end=self._forget,
        )
        self._runs[run.run_id] = run
        return run

    def get(self, run_id: str) -> AsyncRun[Any] | None:
        """The open run of this id, if there is one."""
        return self._runs.get(run_id)

    async def cancel_all(self, reason: CancelReason) -> None:
        """Stop all open runs, and wait for their end."""
        await asyncio.gather(*(run.cancel(reason) for run in self._runs.values()))

    def _forget(self, snapshot: RunSnapshot) -> None:
        self._runs.pop(str(snapshot.run_id), None)
