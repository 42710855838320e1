"""A quota in a Redis that loses connections, answers and its mind: nothing lost, nothing twice."""

from __future__ import annotations

import importlib.util
import logging
import socket
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as LostConnection

from langchain_streamkit import Budget, BudgetExceeded, Quota, StreamError, StreamUsageError, stream
from langchain_streamkit.errors import LimitsUnavailable
from langchain_streamkit.testing import ScriptedModel, Turn
from langchain_streamkit.tokens import quota_redis
from langchain_streamkit.tokens.meter import Meter
from langchain_streamkit.tokens.quota import QuotaStoreError
from langchain_streamkit.tokens.quota_redis import RedisQuotaStore
from langchain_streamkit.tokens.quota_store import KEEP_S
from langchain_streamkit.tokens.spending import Spent
from tests.test_project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.log.servers import RedisServer

WAIT_S = 20.0
START = int(time.time()) // 3600 * 3600
CALL = Spent(model_calls=1)
PIECE = Spent(output_tokens=1)


@pytest.fixture
def opened(own_redis: RedisServer) -> Iterator[Callable[..., RedisQuotaStore]]:
    """Opens a store as one more process does."""
    stores: list[RedisQuotaStore] = []

    def more(**given: Any) -> RedisQuotaStore:
        stores.append(RedisQuotaStore(own_redis.url, **given))
        return stores[-1]

    yield more
    for store in stores:
        store.close()


@pytest.fixture
def admin(own_redis: RedisServer) -> Iterator[Any]:
    with Redis.from_url(own_redis.url) as client:
        yield client


def until(fact: Callable[[], bool]) -> None:
    """Wait for what a thread or the server does in its own time."""
    end = time.monotonic() + WAIT_S
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


def told(admin: Any, field: str = "output_tokens") -> int:
    """What Redis knows, of all keys."""
    return sum(int(admin.hget(key, field) or 0) for key in admin.scan_iter("sk:quota:*"))


# ---- while it answers ----------------------------------------------------------------------------


def test_pieces_are_told_to_the_others_soon_by_a_thread(
    opened: Callable[..., RedisQuotaStore], admin: Any
) -> None:
    one, two = opened(), opened()
    one.add("ann", START, 3600, CALL)
    commands = admin.info("commandstats")["cmdstat_evalsha"]["calls"]
    for _ in range(1000):
        one.add("ann", START, 3600, PIECE)
    until(lambda: two.get("ann", START, 3600).output_tokens == 1000)
    sent = admin.info("commandstats")["cmdstat_evalsha"]["calls"] - commands
    assert sent < 1000


def test_runs_of_two_processes_that_speak_at_once_are_both_stopped_soon(
    opened: Callable[..., RedisQuotaStore],
) -> None:
    def whole(user: str | None, thread_id: str | None) -> str:
        return "all"

    budget = Budget(output_tokens=100)
    meters = [Meter(Quota(budget, whole, store=opened())) for _ in range(2)]

    def speak(meter: Meter) -> None:
        meter.call_starts(1, None, None, 0)
        while meter.stopped is None:
            meter.text(1, " a")
            time.sleep(0.01)

    threads = [threading.Thread(target=speak, args=(meter,)) for meter in meters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each says some 5 pieces until the other hears of it: more on a machine that is busy.
    assert 100 < sum(meter.spent.output_tokens for meter in meters) < 300


def test_window_is_kept_in_redis_for_an_hour_after_its_end(
    opened: Callable[..., RedisQuotaStore], admin: Any
) -> None:
    store = opened(clock=lambda: float(START + 600))
    store.add("ann", START, 3600, CALL)
    (key,) = admin.scan_iter()
    assert key == f"sk:quota:3600:{START}:ann".encode()
    left_s = 3000 + KEEP_S
    assert left_s - 60 < admin.ttl(key) <= left_s
    store.add("ann", START - KEEP_S - 7200, 3600, CALL)  # long over
    assert list(admin.scan_iter()) == [key]


def test_window_that_is_over_is_forgotten_here_when_another_begins(
    opened: Callable[..., RedisQuotaStore],
) -> None:
    now = [float(START)]
    store = opened(clock=lambda: now[0])
    for key in ("ann", "bob"):
        store.add(key, START, 60, CALL)
    now[0] += 60 + KEEP_S + 1
    store.add("ann", START + 3660, 60, CALL)
    assert list(store._windows) == [(START + 3660, 60)]


def test_script_that_redis_forgot_is_told_again(
    opened: Callable[..., RedisQuotaStore], admin: Any
) -> None:
    store = opened()
    for number in range(1, 4):
        admin.script_flush()
        assert store.add("ann", START, 3600, CALL).model_calls == number


@pytest.mark.parametrize(("how", "pieces"), [("exits", 100), ("forks", 300)])
def test_process_that_ends_has_told_all_it_spent(
    how: str, pieces: int, own_redis: RedisServer, admin: Any
) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "tests.limits.spending_child"),
            *(own_redis.url, "ann", str(START), how),
        ],
        check=True,
        cwd=ROOT,
    )
    assert (told(admin, "model_calls"), told(admin)) == (1, pieces)


# ---- while it does not ---------------------------------------------------------------------------


def test_killed_connections_lose_and_double_nothing(
    opened: Callable[..., RedisQuotaStore],
    own_redis: RedisServer,
    admin: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SEND_S", "AGAIN_S"):
        monkeypatch.setattr(quota_redis, name, 0.002)
    stores, done = [opened(when_unavailable="admit") for _ in range(3)], threading.Event()

    def spend(store: RedisQuotaStore) -> None:
        for number in range(1500):
            store.add(f"k{number % 7}", START, 3600, CALL if number % 5 == 0 else PIECE)

    def kill() -> None:
        with Redis.from_url(own_redis.url) as client:
            while not done.is_set():
                client.client_kill_filter(_type="normal", skipme=True)

    threads = [threading.Thread(target=spend, args=(store,)) for store in stores]
    killing = threading.Thread(target=kill)
    for thread in (killing, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    killing.join()
    until(lambda: (told(admin, "model_calls"), told(admin)) == (900, 3600))
    for store in stores:
        store.close()
    assert (told(admin, "model_calls"), told(admin)) == (900, 3600)


def test_batch_whose_answer_was_lost_counts_once(
    opened: Callable[..., RedisQuotaStore], admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = opened(when_unavailable="admit")
    at_once, losing = store._at_once, True

    def lossy(calls: Any) -> Any:
        replies = at_once(calls)
        if losing:
            raise LostConnection("the answer was lost")
        return replies

    monkeypatch.setattr(store, "_at_once", lossy)
    for _ in range(3):
        store.add("ann", START, 3600, CALL)
        store.add("ann", START, 3600, PIECE)
    assert store.get("ann", START, 3600) == Spent(model_calls=3, output_tokens=3)
    losing = False
    until(lambda: store._down is None)
    assert store.get("ann", START, 3600) == Spent(model_calls=3, output_tokens=3)
    assert (told(admin, "model_calls"), told(admin)) == (3, 3)


def test_without_redis_no_call_begins_and_answers_go_on_and_are_told_later(
    opened: Callable[..., RedisQuotaStore],
    own_redis: RedisServer,
    admin: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    quota = Quota(Budget(tokens=1000), lambda *_: "ann", window="1h", store=opened())
    going, meter = Meter(quota), Meter(quota)
    assert going.call_starts(1, None, None, 10) == ()
    own_redis.kill()
    caplog.set_level(logging.WARNING)
    with pytest.raises(QuotaStoreError, match=r"key 'ann': LimitsUnavailable: .*start the server"):
        meter.call_starts(1, None, None, 500)
    for _ in range(50):
        assert going.text(1, " a") == ()
    with pytest.raises(LimitsUnavailable):
        quota.spent()
    with pytest.raises(QuotaStoreError):
        meter.tool_starts()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    own_redis.start()
    # It came back empty: what it forgot has not been spent, but what it was not told yet, is.
    until(lambda: told(admin) == 50)
    assert quota.spent() == Spent(output_tokens=50)
    assert meter.call_starts(2, None, None, 10) == ()


def test_without_redis_calls_begin_by_what_is_known_here_if_that_is_asked(
    opened: Callable[..., RedisQuotaStore], own_redis: RedisServer, admin: Any
) -> None:
    store = opened(when_unavailable="admit")
    own_redis.kill()
    quota = Quota(Budget(model_calls=2), lambda *_: "ann", window="1h", store=store)
    told_of = [Meter(quota).call_starts(1, None, None, 0) for _ in range(3)]
    assert [any(verdict.stop for verdict in verdicts) for verdicts in told_of] == [
        False,
        False,
        True,
    ]
    assert quota.spent().model_calls == 2
    own_redis.start()
    until(lambda: told(admin, "model_calls") == 2)


def test_nobody_waits_for_a_redis_that_is_known_not_to_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quota_redis, "ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        store = RedisQuotaStore(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        began = time.monotonic()
        assert abs(store.now() - time.time()) < 60
        assert time.monotonic() - began < 10 * 0.3
        began = time.monotonic()
        for _ in range(100):
            store.add("ann", START, 3600, PIECE)
            with pytest.raises(LimitsUnavailable):
                store.add("ann", START, 3600, CALL)
        assert time.monotonic() - began < 100 * 0.3 / 4
        store.close()


# ---- by URL --------------------------------------------------------------------------------------


def test_runs_share_a_quota_by_its_url(own_redis: RedisServer, admin: Any) -> None:
    def by_user(user: str | None, thread_id: str | None) -> str:
        return user or "nobody"

    key = uuid.uuid4().hex
    budget = Budget(model_calls=1)
    one, two = (Quota(budget, by_user, store=own_redis.url) for _ in range(2))
    assert one.store is two.store
    model = ScriptedModel([Turn("one two three")], cycle=True)
    stream(model, "hi", user=key, budget=[one, two]).result()
    assert told(admin, "model_calls") == 1  # by both quotas together
    with pytest.raises(BudgetExceeded) as caught:
        stream(model, "hi", user=key, budget=two).result()
    assert caught.value.resets_at == two.resets_at
    spent = one.spent(key)
    assert (spent.model_calls, spent.output_tokens) == (1, 3)
    assert isinstance(one.store, RedisQuotaStore)
    one.store.close()


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("postgres://x", r"store='postgres://x' is no URL of a Redis server; write store='redis:"),
        ("redis://x/0?nonsense=1", r"no URL of a Redis server \(.*nonsense.*; write store='redis:"),
        ("redis://x:port/0", r"no URL of a Redis server \("),
    ],
)
def test_what_is_no_url_is_refused_with_what_to_write(store: str, message: str) -> None:
    with pytest.raises(StreamUsageError, match=message):
        Quota(Budget(tokens=1), lambda *_: "all", store=store)


def test_unknown_wish_for_when_redis_is_away_is_refused() -> None:
    wrong: Any = "hope"
    with pytest.raises(StreamUsageError, match="when_unavailable='hope' is not known; write"):
        RedisQuotaStore("redis://x", when_unavailable=wrong)


def test_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StreamError, match=r"langchain-streamkit\[redis\]"):
        Quota(Budget(tokens=1), lambda *_: "all", store="redis://missing.example")


def test_store_says_where_it_is() -> None:
    assert repr(RedisQuotaStore("redis://somewhere:1/0")) == "<RedisQuotaStore at somewhere:1>"
