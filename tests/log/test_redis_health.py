"""When a Redis that fails is worth a line in the log, and how many."""

from __future__ import annotations

import pytest

from langchain_streamkit.log import redis_health
from langchain_streamkit.log.redis_health import AWAY_S, RedisHealth


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(redis_health, "monotonic", made)
    return made


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_what_is_over_within_a_second_is_not_told(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    health = RedisHealth("the log")
    for _ in range(5):
        health.failed("calls", "refused", clock.now)
        clock.now += AWAY_S - 0.1
        health.failed("calls", "refused", clock.now)
        health.answered("calls")
    assert told(caplog) == []


def test_call_that_took_long_to_fail_is_told_at_once(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    health = RedisHealth("the log")
    clock.now += 2
    health.failed("calls", "", 100.0)
    [said] = told(caplog)
    assert said.startswith("the log does not answer: no reason is known;")


def test_server_that_lets_nobody_subscribe_is_told_once_although_calls_work(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    health = RedisHealth("the log")
    for _ in range(10):
        health.failed("live", "NOPERM", clock.now)
        clock.now += 1
        health.answered("calls")
    [said] = told(caplog)
    assert "NOPERM" in said
    health.connected()
    assert told(caplog) == ["the log answers again, after 10.0 s"]


def test_server_is_back_when_it_is_connected_to_though_nobody_calls(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    health = RedisHealth("the log")
    for part in ("calls", "live"):
        health.failed(part, "refused", clock.now - 2)
    health.connected()
    health.answered("calls")
    away, back = told(caplog)
    assert away.startswith("the log does not answer: refused;")
    assert back == "the log answers again, after 2.0 s"
