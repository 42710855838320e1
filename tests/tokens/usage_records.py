"""Records that the tests of the ledger and its tables share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from langchain_streamkit.tokens.records import UsageRecord


def record(call_id: str = "c1", cost: str | None = None, **fields: Any) -> UsageRecord:
    """A call that the provider told of, of the run ``r1`` unless told."""
    given = {"run_id": "r1", "source": "provider", "started_ms": 1_700_000_000_000, **fields}
    price = None if cost is None else Decimal(cost)
    return UsageRecord(call_id=call_id, cost=price, **given)


def nothing_told(call_id: str, **fields: Any) -> UsageRecord:
    return record(call_id, source="none", **fields)


THREE = [
    record(
        "c1",
        "0.0123",
        model="gpt-4o",
        provider="openai",
        node="plan",
        path=("team", "worker"),
        tags=("a", "b"),
        user="ada",
        thread_id="t1",
        input_tokens=1000,
        output_tokens=200,
    ),
    record(
        "c2",
        model="mine",
        node="write",
        path=("team", "worker#2"),
        tags=("a",),
        user="bob",
        thread_id="t1",
        attempt=2,
        run_id="r2",
        input_tokens=1,
        output_tokens=3,
        source="estimated",
        status="aborted",
    ),
    record("c3", model="gpt-4o", source="cache"),
]
