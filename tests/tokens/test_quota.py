"""Quotas: runs that share a limit, in windows of time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.sources.usage import TokenCounts
from langchain_streamkit.tokens.budget import Budget
from langchain_streamkit.tokens.limits import Exceeded, Near
from langchain_streamkit.tokens.meter import Meter
from langchain_streamkit.tokens.quota import Quota
from langchain_streamkit.tokens.quota_store import KEEP_S, MemoryQuotaStore
from langchain_streamkit.tokens.spending import NOTHING, Spent

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
DAY = 86_400


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> float:
        return self.time


def whole(user: str | None, thread_id: str | None) -> str:
    return "all"


def by_user(user: str | None, thread_id: str | None) -> str:
    return user or "anonymous"


def quota(clock: Clock | None = None, window: Any = "1d", **limits: Any) -> Quota:
    store = MemoryQuotaStore(clock or Clock())
    limits.setdefault("warn_at", None)
    return Quota(Budget(**limits), by_user, window=window, store=store)


def tokens(number: int) -> str:
    return " a" * number


# ---- runs that share a limit ---------------------------------------------------------------------


def test_two_runs_at_once_share_the_limit_and_both_are_stopped_at_their_next_piece() -> None:
    shared = quota(output_tokens=10)
    one, two = (Meter(shared, user="ann") for _ in range(2))
    for meter in (one, two):
        assert meter.call_starts(1, None, None, 0) == ()
    assert one.text(1, tokens(5)) == two.text(1, tokens(5)) == ()
    (stop,) = one.text(1, " a")
    assert isinstance(stop, Exceeded)
    assert (stop.spent, stop.allowed) == (11, 10)
    assert two.stopped is None
    (stop,) = two.text(1, "")
    assert stop.stop
    assert (one.spent.output_tokens, two.spent.output_tokens) == (6, 5)


def test_others_of_another_key_do_not_share_it() -> None:
    shared = quota(output_tokens=10)
    ann, bob = (Meter(shared, user=user) for user in ("ann", "bob"))
    for meter in (ann, bob):
        meter.call_starts(1, None, None, 0)
        assert meter.text(1, tokens(10)) == ()
    assert shared.spent(user="ann") == Spent(output_tokens=10, unpriced_calls=1, model_calls=1)
    assert shared.spent(user="eve") == NOTHING


def test_later_run_begins_with_what_earlier_ones_have_spent() -> None:
    shared = quota(tokens=100)
    first = Meter(shared, user="ann")
    first.call_starts(1, None, None, 40)
    first.call_ends(1, TokenCounts(40, 50, 90))
    (stop,) = Meter(shared, user="ann").call_starts(1, None, None, 11)
    assert stop.message == (
        "tokens 90 of 100 spent in the quota's window, which ends at 2026-11-24T00:00:00Z,"
        " 11 more asked for"
    )
    assert Meter(shared, user="ann").call_starts(1, None, None, 10) == ()


def test_refused_call_is_not_counted_and_leaves_room_for_a_smaller_one() -> None:
    shared = quota(tokens=100, model_calls=1)
    assert Meter(shared).call_starts(1, None, None, 101) != ()
    assert shared.spent() == NOTHING
    assert Meter(shared).call_starts(1, None, None, 100) == ()
    assert Meter(shared).tool_starts() == ()


def test_of_calls_that_start_in_many_threads_just_as_many_are_made_as_are_allowed() -> None:
    shared = quota(model_calls=5)
    meters = [Meter(shared) for _ in range(12)]
    start = threading.Barrier(len(meters))

    def begin(meter: Meter) -> None:
        start.wait()
        meter.call_starts(1, None, None, 1)

    threads = [threading.Thread(target=begin, args=(meter,)) for meter in meters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(meter.spent.model_calls for meter in meters) == 5
    assert shared.spent().model_calls == 5


def test_cached_answer_and_lower_usage_are_given_back_to_the_quota() -> None:
    shared = quota(tokens=100)
    meter = Meter(shared)
    for call in (1, 2):
        meter.call_starts(call, None, None, 50)
    meter.call_ends(1, None, "cached")
    meter.call_ends(2, TokenCounts(30, 5, 35))
    assert shared.spent().tokens == 35


def test_run_is_held_to_its_own_budget_and_to_every_quota() -> None:
    shared = quota(output_tokens=10)
    hourly = Quota(Budget(output_tokens=5, on_exceed="warn", warn_at=None), whole, window="1h")
    meter = Meter(Budget(output_tokens=8, warn_at=None), shared, hourly)
    meter.call_starts(1, None, None, 0)
    (over,) = meter.text(1, tokens(6))
    assert (over.stop, isinstance(over, Exceeded) and over.allowed) == (False, 5)
    (stop,) = meter.text(1, tokens(3))
    assert isinstance(stop, Exceeded)
    assert (stop.allowed, stop.resets_at) == (8, None)


def test_quotas_of_one_store_key_and_window_count_a_run_once() -> None:
    store = MemoryQuotaStore()
    few = Quota(Budget(tokens=100), whole, store=store)
    cheap = Quota(Budget(cost=1), whole, store=store)
    meter = Meter(few, cheap, few)
    meter.call_starts(1, "gpt-4o", "openai", 30)
    assert few.spent() == cheap.spent() == meter.spent


def test_quota_that_is_near_is_told_once_in_each_run_with_its_end() -> None:
    shared = quota(output_tokens=10, warn_at=0.5)
    for _ in range(2):
        meter = Meter(shared)
        (near,) = (*meter.call_starts(1, None, None, 0), *meter.text(1, tokens(5)))
        assert isinstance(near, Near)
        assert near.resets_at == shared.resets_at == datetime(2026, 11, 24, tzinfo=UTC)
        assert meter.text(1, "") == ()


# ---- windows -------------------------------------------------------------------------------------


def test_new_window_begins_with_nothing_spent() -> None:
    clock = Clock()
    shared = quota(clock, "1h", model_calls=1)
    assert Meter(shared).call_starts(1, None, None, 1) == ()
    clock.time += 3599.9
    assert Meter(shared).call_starts(1, None, None, 1) != ()
    clock.time += 0.1
    assert shared.spent() == NOTHING
    assert Meter(shared).call_starts(1, None, None, 1) == ()


def test_call_belongs_whole_to_the_window_in_which_it_starts() -> None:
    clock = Clock()
    shared = quota(clock, "1h", output_tokens=10)
    meter = Meter(shared)
    meter.call_starts(1, None, None, 100)
    clock.time += 3600
    assert meter.text(1, tokens(10)) == ()
    meter.call_starts(2, None, None, 0)
    assert meter.text(2, tokens(10)) == ()
    meter.call_ends(1, TokenCounts(5, 5, 10))
    assert shared.spent().tokens == 10
    assert shared.store.get("anonymous", int(NOON), 3600).tokens == 10


def test_each_window_is_told_of_anew() -> None:
    clock = Clock()
    shared = quota(clock, "30s", tool_calls=1, warn_at=0.8, on_exceed="warn")
    meter = Meter(shared)
    for _ in range(2):
        told = [*meter.tool_starts(), *meter.tool_starts(), *meter.tool_starts()]
        assert [type(verdict) for verdict in told] == [Near, Exceeded]
        clock.time += 30


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        ("30s", 30),
        ("15m", 900),
        ("1h", 3600),
        ("1d", DAY),
        ("1w", 7 * DAY),
        (45, 45),
        (timedelta(hours=2), 7200),
    ],
)
def test_windows_follow_one_another_from_the_epoch(window: Any, seconds: int) -> None:
    clock = Clock()
    clock.time += 1234.5
    found = quota(clock, window, tokens=1)
    assert found.window_s == seconds
    start, end = found.window_start(), found.resets_at.timestamp()
    assert start % seconds == 0
    assert start <= clock.time < end == start + seconds
    assert found.resets_at.tzinfo is UTC


def test_day_begins_at_midnight_and_week_on_thursday() -> None:
    assert quota(window="1d", tokens=1).resets_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert quota(window="1w", tokens=1).resets_at == datetime(2026, 11, 26, tzinfo=UTC)


# ---- the store in memory; what all stores do: tests/limits/test_quota_stores.py ---------------


def test_store_keeps_a_window_for_an_hour_after_its_end_and_then_drops_it() -> None:
    clock = Clock()
    store = MemoryQuotaStore(clock)
    start = int(NOON)
    for key in ("a", "b"):
        store.add(key, start, 30, Spent(model_calls=1))
    clock.time += 30 + KEEP_S
    store.add("a", start + 3600, 30, NOTHING)
    assert len(store) == 3
    clock.time += 1
    store.add("a", start + 3630, 30, NOTHING)
    assert len(store) == 2
    assert store.get("a", start, 30) == NOTHING


# ---- what is no quota ----------------------------------------------------------------------------


async def asleep(user: str | None, thread_id: str | None) -> str:
    return "never"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"a quota needs a key, .* key=lambda user, thread_id: user \(what each user spends\)"),
        ({"key": "user"}, "key='user' is no function; write key=lambda user, thread_id: user"),
        ({"key": asleep}, "key= is an async function"),
        ({"key": whole, "window": "1 day"}, "window='1 day' is no length of time; write"),
        ({"key": whole, "window": "0s"}, "window='0s' is no length"),
        ({"key": whole, "window": -5}, "window=-5 is no length"),
        ({"key": whole, "window": True}, "window=True is no length"),
        ({"key": whole, "window": 1.5}, r"window=1\.5 is no length"),
        ({"key": whole, "window": 10**30}, r"is no length.*up to '5200w'"),
        ({"key": whole, "window": "5201w"}, "window='5201w' is no length"),
        ({"key": whole, "window": None}, "window=None is no length"),
        ({"key": whole, "window": timedelta(seconds=0.5)}, "a timedelta of whole seconds"),
        ({"key": whole, "store": {}}, r"store=\{\} is no QuotaStore: it has no now\(\)"),
        ({"key": whole, "tokens": 5}, r"Quota\(\) has no option tokens=; .* limits stand in its"),
    ],
)
def test_what_is_no_quota_is_refused_with_what_to_write(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(StreamUsageError, match=message):
        Quota(Budget(tokens=1), **given)


def test_quota_of_no_budget_is_refused() -> None:
    wrong: Any = {"tokens": 5}
    with pytest.raises(
        StreamUsageError, match=r"takes a Budget first, not .*; write Quota\(Budget"
    ):
        Quota(wrong, key=whole)


@pytest.mark.parametrize("key", [lambda user, thread_id: user, lambda *_: 7, lambda *_: ""])
def test_key_that_is_no_string_is_refused_when_the_run_is_made(key: Any) -> None:
    message = r"key= returned .* for user=None, thread_id='t1'; it has to return a string"
    with pytest.raises(StreamUsageError, match=message):
        Meter(Quota(Budget(tokens=1), key), thread_id="t1")


def test_key_that_raises_is_told_with_whose_it_was() -> None:
    bad = Quota(Budget(tokens=1), lambda user, thread_id: {"ann": "a"}[str(user)])
    assert bad.key("ann", None) == "a"
    with pytest.raises(StreamUsageError, match="raised KeyError: 'bob' for user='bob'") as caught:
        bad.key("bob", None)
    assert isinstance(caught.value.__cause__, KeyError)


def test_repr_shows_budget_and_window() -> None:
    assert repr(quota(tokens=1)) == "Quota(Budget(tokens=1, warn_at=None), window=86400)"
