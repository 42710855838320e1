"""One usage record per model call, and the run's clock readings.

Guarantees: the run's usage is the sum of its records, whatever became of the calls; nothing is
summed per chunk (see ``usage.py``); what was not reported is counted and says so, or is ``none``.
Every record goes into the run's ledgers at once, and again when more is learnt of the call.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from langchain_streamkit.events import Timing, Usage, UsageDetails
from langchain_streamkit.sources.reckoning import Reckoned, Said, reckoned
from langchain_streamkit.sources.tree import COMPOSITION_TAGS
from langchain_streamkit.sources.usage import TokenCounts
from langchain_streamkit.tokens.message_meter import MessageMeter, method_for
from langchain_streamkit.tokens.prices import cost_text
from langchain_streamkit.tokens.prompt import prompt_tokens
from langchain_streamkit.tokens.records import UsageRecord
from langchain_streamkit.tokens.totals import total_of
from langchain_streamkit.tokens.usage_events import rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import UsageStatus
    from langchain_streamkit.sources.endings import Ending
    from langchain_streamkit.sources.model_calls import Call
    from langchain_streamkit.sources.tree import RunNode
    from langchain_streamkit.tokens.ledger import Ledger
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.tokens.prices import Prices
    from langchain_streamkit.tokens.totals import UsageTotal


class Accounting(NamedTuple):
    """How the calls of a run are accounted for."""

    counting: Counting = "off"
    prices: Prices | None = None
    own_prices: bool = False
    """The run brought the prices; else a model without one is a matter of the log, once."""
    ledgers: tuple[Ledger, ...] = ()
    live: bool = False
    """Tell ``usage.updated`` while models speak."""


class Accounts:
    """The records of one run. ``report`` is called with what to say of a model without a price."""

    def __init__(self, run_id: str, how: Accounting, report: Callable[[str], None]) -> None:
        self.how = how
        self.started = 0
        self._over = False
        """The terminal event is made: there is nobody to report to."""
        self._run_id = run_id
        self._report = report
        self._thread_id: str | None = None
        self._user: str | None = None
        self._records: dict[str, UsageRecord] = {}
        self._told: dict[str, UsageRecord] = {}
        """The same as events have told them: what is learnt later changes no sum of the stream."""
        self._first_token: int | None = None

    def begin(self, ts: int, user: str | None, thread_id: str | None) -> None:
        self.started = ts
        self._user = user
        self._thread_id = thread_id

    def has(self, call_id: str) -> bool:
        """Whether the call has its record."""
        return call_id in self._records

    def token_seen(self, ts: int) -> None:
        """A model said something visible at ``ts`` (ms since the epoch)."""
        if self._first_token is None:
            self._first_token = ts

    def meter(self, model: str | None, provider: str | None) -> MessageMeter | None:
        """What counts a message of this model; None if nothing is to be counted."""
        method = method_for(self.how.counting, model, provider)
        return None if method is None else MessageMeter(method)

    # ---- records -----------------------------------------------------------------------------

    def record(
        self,
        node: RunNode,
        call: Call,
        told: TokenCounts | None,
        status: UsageStatus,
        ts: int,
        *,
        cached: bool = False,
    ) -> Usage:
        """Write the record of a call that ended at ``ts``; an answer from a cache costs nothing."""
        said = self._said(call)
        if cached:
            numbers = Reckoned(_CACHED, "cache")
        else:
            numbers = reckoned(told, said, status, lambda: self._prompt(call))
        first = call.first_token
        speaking = ts - first if first is not None else 0
        return self._written(
            self._of_call(node, call, numbers, status),
            message_id=call.message.writer.message_id if call.message is not None else None,
            counted_tokens=said.tokens if said is not None else None,
            started_ms=call.started,
            duration_ms=max(0, ts - call.started),
            first_token_ms=first - call.started if first is not None else None,
            tokens_per_second=rate(numbers.counts.output_tokens, speaking),
        )

    def unseen(self, node: RunNode, call_id: str, message_id: str, answer: Ending) -> Usage:
        """Write the record of a call that nobody told us of, by its answer."""
        numbers = reckoned(answer.usage, None, "ok", lambda: None)
        record = self._of(node, call_id, numbers, "ok", answer.model, answer.provider)
        return self._written(record, message_id=message_id)

    def live(self, node: RunNode, call: Call, told: TokenCounts | None) -> Usage:
        """What a call has used so far, were it to end now."""
        numbers = reckoned(told, self._said(call), "live", lambda: self._prompt(call))
        return _usage(self._of_call(node, call, numbers, "ok"))

    def retracted(self, message_id: str) -> None:
        """A message was taken back: its call is paid for all the same."""
        for record in self._records.values():
            if record.message_id == message_id:
                self._put(replace(record, retracted=True))
                return

    def late(self, call_id: str, told: TokenCounts | None, model: str | None) -> None:
        """The call ended after the run: the ledgers take what it told, the stream cannot."""
        known = self._records.get(call_id)
        if told is None and known is not None:
            self._put(replace(known, late=True))
            return
        numbers = reckoned(told, None, "ok", lambda: None)
        record = known or UsageRecord(
            call_id=call_id,
            run_id=self._run_id,
            model=model,
            thread_id=self._thread_id,
            user=self._user,
            source="none",
            started_ms=self.started,
        )
        fields = _fields(numbers)
        cost = self._cost(numbers, "ok", record.model, record.provider)
        self._put(replace(record, **fields, cost=cost, late=True))

    def failed_late(self, call_id: str) -> None:
        """If this is a call that was open when the run ended: it used what had been seen of it."""
        known = self._records.get(call_id)
        if known is not None:
            self._put(replace(known, late=True))

    def _of_call(
        self, node: RunNode, call: Call, numbers: Reckoned, status: UsageStatus
    ) -> UsageRecord:
        prices = self.how.prices
        priced_as = call.model if prices is None else prices.name_of(call.model, call.asked)
        record = self._of(node, node.id, numbers, status, priced_as, call.provider)
        return record if priced_as == call.model else replace(record, model=call.model)

    def _of(
        self,
        node: RunNode,
        call_id: str,
        numbers: Reckoned,
        status: UsageStatus,
        model: str | None,
        provider: str | None,
    ) -> UsageRecord:
        return UsageRecord(
            call_id=call_id,
            run_id=self._run_id,
            model=model,
            provider=provider,
            path=node.path,
            node=node.metadata.get("langgraph_node"),
            tags=tuple(tag for tag in node.tags if not tag.startswith(COMPOSITION_TAGS)),
            thread_id=self._thread_id,
            user=self._user,
            attempt=node.attempt(),
            started_ms=self.started,
            status=status,
            cost=self._cost(numbers, status, model, provider),
            **_fields(numbers),
        )

    def _written(self, record: UsageRecord, **more: object) -> Usage:
        record = replace(record, **more)
        self._told[record.call_id] = record
        self._put(record)
        return _usage(record)

    def _put(self, record: UsageRecord) -> None:
        self._records[record.call_id] = record
        for ledger in self.how.ledgers:
            ledger.add(record)

    def _said(self, call: Call) -> Said | None:
        meter = call.message.assembler.meter if call.message is not None else None
        if meter is not None:
            return Said(meter.final(), meter.exact)
        return None if self.how.counting == "off" else Said(0, own=False)

    def _prompt(self, call: Call) -> int | None:
        if call.prompt is None:
            return None
        if call.prompt_tokens is None:
            method = method_for(self.how.counting, call.model, call.provider)
            if method is not None:
                call.prompt_tokens = prompt_tokens(call.prompt, call.tools, call.model, method)
        return call.prompt_tokens

    def _cost(
        self, numbers: Reckoned, status: UsageStatus, model: str | None, provider: str | None
    ) -> Decimal | None:
        if numbers.source == "cache" or (numbers.source == "none" and status == "failed"):
            return Decimal(0)  # nobody was asked, or the request was refused
        if numbers.source == "none" or self.how.prices is None:
            return None
        priced = self.how.prices.priced(numbers.counts, model, provider)
        if priced.news is not None and not self._over:
            self._report(priced.news)
        return priced.cost

    # ---- the run -----------------------------------------------------------------------------

    def unknown(self, ts: int) -> tuple[Usage, Timing]:
        """The run ends, and cannot be added up."""
        self._over = True
        usage = Usage(
            call_id=self._run_id, input_tokens=0, output_tokens=0, total_tokens=0, source="none"
        )
        return usage, Timing(duration_ms=max(0, ts - self.started))

    def close(self, ts: int) -> tuple[Usage, Timing]:
        """The run ends at ``ts``: its usage and timing. What comes now is late."""
        self._over = True
        records = list(self._told.values())
        models = {record.model for record in records}
        first = self._first_token
        total = total_of(records)
        usage = Usage(
            call_id=self._run_id,
            model=models.pop() if len(models) == 1 else None,
            input_tokens=total.input_tokens,
            output_tokens=total.output_tokens,
            total_tokens=total.total_tokens,
            details=_details(total),
            source=total.source,
            status=total.status,
            first_token_ms=first - self.started if first is not None else None,
            cost=None if total.unpriced or total.cost is None else cost_text(total.cost),
        )
        timing = Timing(
            duration_ms=max(0, ts - self.started),
            first_token_ms=usage.first_token_ms,
            tokens_per_second=rate(usage.output_tokens, ts - first if first is not None else 0),
        )
        return usage, timing


_CACHED = TokenCounts(0, 0, 0)


def _fields(numbers: Reckoned) -> dict[str, Any]:
    counts = numbers.counts
    details = counts.details
    return {
        "input_tokens": counts.input_tokens,
        "output_tokens": counts.output_tokens,
        "total_tokens": counts.total_tokens,
        "cache_read": details.cache_read,
        "cache_creation": details.cache_creation,
        "reasoning": details.reasoning,
        "audio": details.audio,
        "source": numbers.source,
    }


def _usage(record: UsageRecord) -> Usage:
    return Usage(
        call_id=record.call_id,
        model=record.model,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        total_tokens=record.total_tokens,
        details=_details(record),
        source=record.source,
        status=record.status,
        first_token_ms=record.first_token_ms,
        cost=None if record.cost is None else cost_text(record.cost),
    )


def _details(used: UsageRecord | UsageTotal) -> UsageDetails:
    return UsageDetails(
        cache_read=used.cache_read,
        cache_creation=used.cache_creation,
        reasoning=used.reasoning,
        audio=used.audio,
    )
