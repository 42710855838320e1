"""One usage record per model call, and the run's clock readings.

Guarantees: the run's usage is the sum of its records, whatever became of the calls; nothing is
summed per chunk (see ``usage.py``); what was not reported is ``none``, never invented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import Timing, Usage, UsageDetails

if TYPE_CHECKING:
    from langchain_streamkit.events import UsageSource, UsageStatus
    from langchain_streamkit.sources.usage import TokenCounts

_SOURCES: tuple[UsageSource, ...] = ("none", "estimated", "counted", "provider", "cache")
"""Least certain first: a sum is as certain as its least certain part."""


class Accounts:
    """The records of one run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._records: list[Usage] = []
        self.started = 0
        self._first_token: int | None = None

    def begin(self, ts: int) -> None:
        self.started = ts

    def has(self, call_id: str) -> bool:
        """Whether the call has its record."""
        return any(record.call_id == call_id for record in self._records)

    def token_seen(self, ts: int) -> None:
        """A model said something visible at ``ts`` (ms since the epoch)."""
        if self._first_token is None:
            self._first_token = ts

    def record(
        self,
        call_id: str,
        counts: TokenCounts | None,
        *,
        model: str | None,
        status: UsageStatus,
        first_token_ms: int | None,
        cached: bool = False,
    ) -> Usage:
        """Write the one record of a call: cached answers cost no tokens."""
        source: UsageSource = "cache" if cached else "none" if counts is None else "provider"
        if cached:
            counts = None
        usage = Usage(
            call_id=call_id,
            model=model,
            input_tokens=counts.input_tokens if counts else 0,
            output_tokens=counts.output_tokens if counts else 0,
            total_tokens=counts.total_tokens if counts else 0,
            details=counts.details if counts else UsageDetails(),
            source=source,
            status=status,
            first_token_ms=first_token_ms,
        )
        self._records.append(usage)
        return usage

    def total(self, ts: int) -> tuple[Usage, Timing]:
        """The run's usage and timing, were it to end at ``ts``."""
        records = self._records
        models = {record.model for record in records}
        first = self._first_token
        usage = Usage(
            call_id=self._run_id,
            model=models.pop() if len(models) == 1 else None,
            input_tokens=sum(r.input_tokens for r in records),
            output_tokens=sum(r.output_tokens for r in records),
            total_tokens=sum(r.total_tokens for r in records),
            details=UsageDetails(
                cache_read=sum(r.details.cache_read for r in records),
                cache_creation=sum(r.details.cache_creation for r in records),
                reasoning=sum(r.details.reasoning for r in records),
                audio=sum(r.details.audio for r in records),
            ),
            source=_least_certain({r.source for r in records}),
            status=_worst([r.status for r in records]),
            first_token_ms=first - self.started if first is not None else None,
        )
        speaking = ts - first if first is not None else 0
        timing = Timing(
            duration_ms=max(0, ts - self.started),
            first_token_ms=usage.first_token_ms,
            tokens_per_second=(
                round(usage.output_tokens * 1000 / speaking, 1)
                if speaking > 0 and usage.output_tokens
                else None
            ),
        )
        return usage, timing


def _least_certain(sources: set[UsageSource]) -> UsageSource:
    for source in _SOURCES:
        if source in sources:
            return source
    return "none"


def _worst(statuses: list[UsageStatus]) -> UsageStatus:
    for status in ("failed", "aborted"):
        if status in statuses:
            return status
    return "ok"
