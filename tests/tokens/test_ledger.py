"""The ledger: each call once, sums that are exact, groups, threads, copies."""

from __future__ import annotations

import copy
import pickle
import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.sinks.base import as_sink
from langchain_streamkit.tokens.ledger import Ledger
from langchain_streamkit.tokens.totals import UsageTotal, total_of
from tests.tokens.usage_records import THREE, nothing_told, record

# ---- records -------------------------------------------------------------------------------------


def test_second_record_of_a_call_replaces_the_first_in_its_place() -> None:
    ledger = Ledger([record("a", source="estimated", output_tokens=9), record("b")])
    ledger.add(record("a", "0.5", output_tokens=12, late=True))
    assert [(r.call_id, r.output_tokens) for r in ledger] == [("a", 12), ("b", 0)]
    assert ledger.total().output_tokens == 12


def test_call_seen_by_two_runs_counts_once() -> None:
    ledger = Ledger([record("a", run_id="inner", output_tokens=5)])
    ledger.add(record("a", run_id="outer", output_tokens=5))
    assert ledger.total().output_tokens == 5


def test_what_was_retracted_stays_so_when_late_numbers_come() -> None:
    ledger = Ledger([record("a", retracted=True)])
    ledger.add(record("a", output_tokens=4))
    assert [(r.retracted, r.output_tokens) for r in ledger] == [(True, 4)]


@pytest.mark.parametrize("wrong", [None, record().to_dict(), "c1"])
def test_what_is_no_record_is_refused(wrong: Any) -> None:
    with pytest.raises(StreamUsageError, match="is not a UsageRecord"):
        Ledger().add(wrong)


def test_ledgers_of_processes_are_put_together_without_doubles() -> None:
    here, there = Ledger(THREE[:2]), Ledger(THREE[1:])
    here.merge(there)
    here.merge(here)
    assert here.records == tuple(THREE)
    assert len(there) == 2


def test_cleared_ledger_is_empty_and_goes_on() -> None:
    ledger = Ledger(THREE)
    ledger.clear()
    assert (len(ledger), ledger.total()) == (0, UsageTotal())
    ledger.add(THREE[0])
    assert list(ledger) == THREE[:1]


def test_iteration_goes_over_the_records_of_its_beginning() -> None:
    ledger = Ledger(THREE)
    for r in ledger:
        ledger.add(record(r.call_id + "'"))
    assert len(ledger) == 6


def test_ledger_is_taken_where_a_sink_is() -> None:
    ledger = Ledger()
    assert as_sink(ledger) is ledger


def test_threads_add_and_read_at_once_and_nothing_is_lost_or_doubled() -> None:
    ledger = Ledger()
    together = threading.Barrier(6)
    wrong: list[object] = []

    def write(thread: int) -> None:
        together.wait()
        for n in range(300):
            ledger.add(record(f"{thread}-{n}", "0.001", output_tokens=1))
            ledger.add(record(f"all-{n}", "0.001", output_tokens=1))

    def read() -> None:
        together.wait()
        for _ in range(30):
            total = total_of(ledger.records)
            if total.output_tokens != total.calls:
                wrong.append(total)
            Ledger.from_json(ledger.to_json())
            pickle.dumps(ledger)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert (len(ledger), ledger.total().cost) == (1500, Decimal("1.5"))


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copy_has_the_records_and_a_life_of_its_own(copied: Any) -> None:
    ledger = Ledger(THREE)
    other = copied(ledger)
    assert other.records == ledger.records
    other.add(record("new"))
    other.send([])
    assert (len(ledger), len(other)) == (3, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`"),
        ("{}", "missing required field `records`"),
        (
            '{"records": [{"call_id": "c"}]}',
            r"missing required field `run_id` - at `\$.records\[0\]`",
        ),
        (b"\xff", "ledger"),
        (None, "None is not the JSON of a ledger"),
        ({"records": []}, "pass what to_json"),
    ],
)
def test_json_that_is_no_ledger_is_refused_with_the_field(text: Any, said: str) -> None:
    with pytest.raises(StreamUsageError, match=said):
        Ledger.from_json(text)


# ---- sums ----------------------------------------------------------------------------------------


def test_total_adds_up_and_says_what_is_not_known() -> None:
    total = Ledger(THREE).total()
    assert (total.calls, total.input_tokens, total.output_tokens) == (3, 1001, 203)
    assert (total.total_tokens, total.cost, total.unpriced) == (1204, Decimal("0.0123"), 1)
    assert (total.estimated, total.unreported) == (1, 0)
    assert (total.source, total.status) == ("estimated", "aborted")


def test_details_are_summed() -> None:
    one = record("a", cache_read=1, cache_creation=2, reasoning=3, audio=4)
    total = total_of([one, one])
    assert (total.cache_read, total.cache_creation) == (2, 4)
    assert (total.reasoning, total.audio) == (6, 8)


@given(st.lists(st.decimals(0, 10**14, allow_nan=False, places=40), max_size=20))
def test_sum_of_costs_is_exact(costs: list[Decimal]) -> None:
    total = total_of([record(f"{n}", str(cost)) for n, cost in enumerate(costs)])
    assert total.cost is not None
    assert Fraction(total.cost) == sum(map(Fraction, costs), Fraction(0))


def test_ten_dimes_are_a_dollar() -> None:
    assert total_of([record(f"{n}", "0.1") for n in range(10)]).cost == 1


def test_cost_is_none_if_no_price_is_known_and_zero_if_there_were_no_calls() -> None:
    assert total_of([record("a"), record("b")]).cost is None
    assert total_of([record("a"), record("b", "0")]).cost == 0
    assert total_of([]).cost == 0


@pytest.mark.parametrize(
    ("records", "source"),
    [
        ([record("a"), record("b", source="cache")], "provider"),
        ([record("a", source="cache")], "cache"),
        ([record("a"), record("b", source="counted")], "counted"),
        ([record("a"), nothing_told("b")], "none"),
        ([record("a"), nothing_told("b", status="aborted")], "none"),
        ([record("a"), nothing_told("refused", status="failed")], "provider"),
        ([nothing_told("refused", status="failed")], "none"),
        ([], "none"),
    ],
)
def test_sum_is_as_certain_as_its_least_certain_part(records: Any, source: str) -> None:
    assert total_of(records).source == source


def test_status_of_a_sum_is_the_worst() -> None:
    ok, aborted, failed = (record(s, status=s) for s in ("ok", "aborted", "failed"))
    assert total_of([ok, aborted, failed]).status == "failed"
    assert total_of([ok, aborted]).status == "aborted"
    assert total_of([ok]).status == "ok"


# ---- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "calls"),
    [
        ("model", {"gpt-4o": 2, "mine": 1}),
        ("provider", {"openai": 1, None: 2}),
        ("node", {"plan": 1, "write": 1, None: 1}),
        ("path", {("team", "worker"): 2, (): 1}),
        ("user", {"ada": 1, "bob": 1, None: 1}),
        ("thread", {"t1": 2, None: 1}),
        ("tag", {"a": 2, "b": 1, None: 1}),
        ("run", {"r1": 2, "r2": 1}),
        ("source", {"provider": 1, "estimated": 1, "cache": 1}),
        ("status", {"ok": 2, "aborted": 1}),
        ("attempt", {1: 2, 2: 1}),
        (lambda r: r.output_tokens > 100, {True: 1, False: 2}),
    ],
)
def test_groups_come_in_order_of_first_appearance(key: Any, calls: dict[Any, int]) -> None:
    groups = Ledger(THREE).by(key)
    assert list(groups) == list(calls)
    assert {found: total.calls for found, total in groups.items()} == calls


def test_record_with_a_tag_twice_counts_once_under_it() -> None:
    assert Ledger([record(tags=("a", "a"))]).by("tag")["a"].calls == 1


@pytest.mark.parametrize(
    ("key", "said"),
    [("models", "did you mean 'model'"), ("thread_id", "'thread'"), (7, "There are 'model', ")],
)
def test_unknown_group_is_refused_with_the_names_there_are(key: Any, said: str) -> None:
    with pytest.raises(StreamUsageError, match=said):
        Ledger().by(key)


def test_function_that_returns_no_key_is_refused() -> None:
    with pytest.raises(StreamUsageError, match=r"returned \['a', 'b'\], which cannot be a key"):
        Ledger(THREE).by(lambda r: list(r.tags))  # type: ignore[arg-type, return-value]
