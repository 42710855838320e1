"""``UsageLedger``: the ledger, as people hold it: part of each run, a sink, and a callback."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Never, Self

from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.options import Options, refuse_unknown
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.runs.roots import Roots
from langchain_streamkit.sources.callbacks import TapHandler
from langchain_streamkit.tokens.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.sources.lane import Lanes
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.tokens.prices import PriceTable
    from langchain_streamkit.tokens.records import UsageRecord


class UsageLedger(Ledger, TapHandler):
    """Every model call once, with who made it, what it used and what it cost; and the sums.

    A run has one (``run.ledger``). One for several runs is given to them as a sink, or to
    LangChain as a callback: ``model.invoke(x, config={"callbacks": [ledger]})``. As a callback it
    does not make models stream, and tells of answers that came whole what the provider told;
    ``tokens`` and ``prices``, as for ``astream``, are for this use (a run has its own). See
    ``Ledger`` for what it guarantees and for all it can tell. Raises StreamUsageError for other
    options, with the nearest one.
    """

    def __init__(
        self,
        records: Iterable[UsageRecord] = (),
        *,
        tokens: Counting = "exact",
        prices: PriceTable | None = None,
        **unknown: Never,
    ) -> None:
        refuse_unknown("UsageLedger", unknown, ("records", "tokens", "prices"))
        Ledger.__init__(self, records)
        self._options = Options(streaming=False, tokens=tokens, prices=prices).checked()

    @functools.cached_property
    def router(self) -> Roots:  # type: ignore[override]
        """Who hears the callbacks: made when the first one comes."""
        return Roots(Outlets((), _no_sink, self), self._options, (self,))

    @property
    def lanes(self) -> Lanes:  # type: ignore[override]
        """Takes the chunks of every model that streams anyway."""
        return self.router.lanes

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: a config that is copied still writes into the same ledger."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("router", None)
        return state


def _no_sink(sink: Sink, error: Exception) -> None:
    """A ledger gives nothing on."""
    LOGGER.error("%s of a ledger failed", type(sink).__name__, exc_info=error)
