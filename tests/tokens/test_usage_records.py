"""One call's record: exact costs, valid text, JSON and back."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens.ledger import Ledger
from langchain_streamkit.tokens.records import UsageRecord
from tests.tokens.usage_records import record

COUNT = st.integers(0, 2**53)
TEXT = st.text()  # with lone surrogates
COST = st.decimals(0, 10**14, allow_nan=False, allow_infinity=False, places=12) | st.sampled_from(
    [Decimal("1E-60"), Decimal("1E+3"), Decimal("0.10"), Decimal("-0"), Decimal("0E-70")]
)
RECORDS = st.builds(
    UsageRecord,
    call_id=TEXT,
    run_id=TEXT,
    message_id=st.none() | TEXT,
    model=st.none() | TEXT,
    path=st.lists(TEXT).map(tuple),
    tags=st.lists(TEXT).map(tuple),
    user=st.none() | TEXT,
    input_tokens=COUNT,
    output_tokens=COUNT,
    total_tokens=COUNT,
    reasoning=COUNT,
    counted_tokens=st.none() | COUNT,
    source=st.sampled_from(["provider", "counted", "estimated", "cache", "none"]),
    status=st.sampled_from(["ok", "aborted", "failed"]),
    cost=st.none() | COST,
    started_ms=COUNT,
    duration_ms=st.none() | COUNT,
    tokens_per_second=st.none() | st.floats(0, 1e6),
    late=st.booleans(),
    retracted=st.booleans(),
)


@given(RECORDS)
def test_record_is_equal_after_json(made: UsageRecord) -> None:
    assert UsageRecord.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@given(st.lists(RECORDS, max_size=4))
def test_ledger_has_equal_records_after_json(made: list[UsageRecord]) -> None:
    ledger = Ledger(made)
    assert Ledger.from_json(ledger.to_json()).records == ledger.records


def test_dict_has_every_field_with_null_for_what_is_not_known() -> None:
    fields = record(path=("a",)).to_dict()
    assert set(fields) == set(UsageRecord.__struct_fields__)
    assert fields["cost"] is None
    assert fields["path"] == ["a"]


@pytest.mark.parametrize(
    ("cost", "text"), [("0.10", "0.1"), ("1E-9", "0.000000001"), ("3E+2", "300"), ("0E-9", "0")]
)
def test_cost_is_a_decimal_string_without_exponent(cost: str, text: str) -> None:
    assert record(cost=cost).to_dict()["cost"] == text


@pytest.mark.parametrize(
    "cost",
    [Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal("1E+15"), Decimal("1E-61"), 0.1, 1],
)
def test_cost_that_is_no_amount_of_dollars_is_refused(cost: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"write US dollars as a Decimal"):
        UsageRecord(call_id="c", run_id="r", source="provider", started_ms=0, cost=cost)


def test_cached_answer_costs_nothing_and_an_unknown_price_stays_unknown() -> None:
    assert record(source="cache").cost == 0
    assert record(source="provider").cost is None
    assert record(source="none").cost is None


def test_total_tokens_left_out_are_input_and_output() -> None:
    assert record(input_tokens=3, output_tokens=4).total_tokens == 7
    assert record(input_tokens=3, output_tokens=4, total_tokens=9).total_tokens == 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run_id": None}, r"\$\.run_id"),
        ({"source": "guessed"}, r"\$\.source"),
        ({"cost": "free"}, r"\$\.cost"),
        ({"cost": "-1"}, "write US dollars"),
        ({"input_tokens": "7"}, r"\$\.input_tokens"),
    ],
)
def test_wrong_field_of_a_dict_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(StreamUsageError, match=said):
        UsageRecord.from_dict({**record().to_dict(), **change})


def test_missing_field_of_a_dict_is_named_and_a_foreign_one_ignored() -> None:
    fields = record().to_dict()
    assert UsageRecord.from_dict({**fields, "of_a_newer_version": 1}) == record()
    del fields["started_ms"]
    with pytest.raises(StreamUsageError, match="missing required field `started_ms`"):
        UsageRecord.from_dict(fields)


def test_record_never_changes_and_can_be_a_key() -> None:
    made = record(path=["a"], tags=["x"])
    assert made.path == ("a",)
    assert {made: 1}[record(path=("a",), tags=("x",))] == 1
    with pytest.raises(AttributeError):
        msgspec.structs.replace(made).model = "other"  # type: ignore[misc]
