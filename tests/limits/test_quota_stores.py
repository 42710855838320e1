"""What every store of quotas does: one suite, in memory and in Redis."""

from __future__ import annotations

import threading
import time
import uuid
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_streamkit import Budget, Quota
from langchain_streamkit.tokens.meter import Meter
from langchain_streamkit.tokens.quota_redis import RedisQuotaStore
from langchain_streamkit.tokens.quota_store import MemoryQuotaStore
from langchain_streamkit.tokens.spending import NOTHING, Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_streamkit.tokens.quota import QuotaStore
    from tests.log.servers import RedisServer

NOW = int(time.time())
# A window of 60 seconds is kept for an hour after its end: it must not have ended long ago.
START = NOW - NOW % 60

dollars = st.decimals("-0.01", "1000", places=18) | st.decimals("0", "1", places=7)
counts = st.integers(0, 10**9)
spendings = st.builds(
    Spent,
    input_tokens=counts,
    output_tokens=counts,
    cost=dollars,
    unpriced_calls=counts,
    model_calls=st.integers(-1, 1),
    tool_calls=st.integers(-1, 1),
)


def new_key() -> str:
    return uuid.uuid4().hex


@pytest.fixture(params=["memory", "redis"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[], QuotaStore]]:
    """Opens the store: in Redis, as one more process does."""
    if request.param == "memory":
        memory = MemoryQuotaStore()
        yield lambda: memory
        return
    server: RedisServer = request.getfixturevalue("shared_redis")
    stores: list[RedisQuotaStore] = []

    def more() -> RedisQuotaStore:
        stores.append(RedisQuotaStore(server.url))
        return stores[-1]

    yield more
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], QuotaStore]) -> QuotaStore:
    return opened()


def test_store_adds_up_by_key_and_window_and_can_be_taken_from(store: QuotaStore) -> None:
    a, b = new_key(), new_key()
    one = Spent(output_tokens=1, cost=Decimal("0.1"))
    assert store.add(a, START, 60, one) == one
    assert store.add(a, START, 60, one) == store.get(a, START, 60) == one + one
    assert store.add(a, START, 60, NOTHING - one) == one
    others = [store.get(b, START, 60), store.get(a, START + 60, 60), store.get(a, START, 30)]
    assert others == [NOTHING] * 3


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(spendings, min_size=1, max_size=8))
def test_every_sum_is_exact_to_the_last_digit(
    amounts: list[Spent], opened: Callable[[], QuotaStore]
) -> None:
    store, key = opened(), new_key()
    total = NOTHING
    for amount in amounts:
        total += amount
        assert store.add(key, START, 3600, amount) == total
    assert store.get(key, START, 3600) == total
    assert opened().get(key, START, 3600) == total


@pytest.mark.parametrize("key", ["", " ", "a:b", "ä\n", "\ud800", "x" * 5000])
def test_any_string_is_a_key(key: str, store: QuotaStore) -> None:
    whose = key + new_key()
    store.add(whose, START, 3600, Spent(tool_calls=1))
    assert store.get(whose, START, 3600) == Spent(tool_calls=1)
    assert store.get(whose + "\x00", START, 3600) == NOTHING


def test_stores_agree_with_the_clock_of_the_world(store: QuotaStore) -> None:
    assert abs(store.now() - time.time()) < 60


def test_what_many_threads_add_at_once_is_all_there(opened: Callable[[], QuotaStore]) -> None:
    stores, key = [opened() for _ in range(3)], new_key()
    kinds = (Spent(model_calls=1, cost=Decimal("0.000000000000000001")), Spent(output_tokens=1))

    def spend(store: QuotaStore) -> None:
        for number in range(100):
            store.add(key, START, 3600, kinds[number % 2])

    in_threads([partial(spend, store) for store in stores * 2])
    # What a store has not told the others yet, it tells when it is asked.
    for store in stores:
        store.get(key, START, 3600)
    assert {store.get(key, START, 3600) for store in stores} == {
        Spent(model_calls=300, cost=Decimal("0.0000000000000003"), output_tokens=300)
    }


def test_of_calls_that_begin_at_once_anywhere_just_as_many_are_made_as_are_allowed(
    opened: Callable[[], QuotaStore],
) -> None:
    key = new_key()

    def quota() -> Quota:
        return Quota(Budget(model_calls=5), lambda *_: key, window="1d", store=opened())

    quotas = [quota() for _ in range(4)]
    meters = [Meter(quotas[n % 4]) for n in range(12)]
    in_threads([partial(meter.call_starts, 1, None, None, 1) for meter in meters])
    assert sum(meter.spent.model_calls for meter in meters) == 5


def test_quota_that_is_spent_elsewhere_refuses_the_first_call_here(
    opened: Callable[[], QuotaStore],
) -> None:
    key = new_key()
    one, two = (
        Quota(Budget(tokens=100), lambda *_: key, window="1d", store=opened()) for _ in range(2)
    )
    assert Meter(one).call_starts(1, None, None, 90) != ()  # it is near: a warning
    one.spent()
    (stop,) = Meter(two).call_starts(1, None, None, 11)
    assert stop.stop
    assert "tokens 90 of 100 spent" in stop.message


def in_threads(work: list[Callable[[], object]]) -> None:
    """Do all of it at once."""
    start = threading.Barrier(len(work))

    def begin(one: Callable[[], object]) -> None:
        start.wait()
        one()

    threads = [threading.Thread(target=begin, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
