from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import BaseEvent, TextDelta
from langchain_streamkit.testing import replay


class Time:
    """A clock that only moves when someone sleeps, and a little with each look."""

    def __init__(self, look: float = 0.0) -> None:
        self.now = 100.0
        self.look = look
        self.slept: list[float] = []

    def clock(self) -> float:
        self.now += self.look
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def event(seq: int, ts: int) -> TextDelta:
    return TextDelta(seq=seq, run_id="r", ts=ts, step_id="s", message_id="m", index=0, text="x")


EVENTS = [event(1, 1000), event(2, 1500), event(3, 1500), event(4, 3500)]


def recorded(tmp_path: Path, *lines: bytes) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return recorded(tmp_path, *(one.to_json() for one in EVENTS))


@pytest.mark.parametrize(("speed", "slept"), [(1.0, [0.5, 2.0]), (2.0, [0.25, 1.0])])
async def test_rhythm_is_that_of_ts_divided_by_speed(
    run: Path, speed: float, slept: list[float]
) -> None:
    plain, asynchronous = Time(), Time()
    assert list(replay(run, speed=speed, sleep=plain.sleep, clock=plain.clock)) == EVENTS
    played = replay(run, speed=speed, sleep=asynchronous.asleep, clock=asynchronous.clock)
    assert [one async for one in played] == EVENTS
    assert plain.slept == asynchronous.slept == slept


async def test_plain_sleep_serves_async_for_too(run: Path) -> None:
    fake = Time()
    played = replay(run, sleep=fake.sleep, clock=fake.clock)
    assert [one async for one in played] == EVENTS
    assert fake.slept == [0.5, 2.0]


@pytest.mark.parametrize("speed", [None, math.inf])
async def test_as_fast_as_possible_never_sleeps(run: Path, speed: float | None) -> None:
    fake = Time()
    played = replay(run, speed=speed, sleep=fake.sleep)
    assert list(played) == EVENTS
    assert [one async for one in played] == EVENTS
    assert fake.slept == []


def test_slow_reader_is_waited_for_less_so_that_delays_do_not_add_up(run: Path) -> None:
    fake = Time()
    for one in replay(run, sleep=fake.sleep, clock=fake.clock):
        if one.seq == 2:
            fake.now += 1.2  # the reader works on it
    assert fake.slept == [0.5, 0.8]


def test_real_clock_is_kept(tmp_path: Path) -> None:
    path = recorded(tmp_path, event(1, 0).to_json(), event(2, 60).to_json())
    start = time.monotonic()
    list(replay(path))
    assert time.monotonic() - start >= 0.06


async def test_real_clock_is_kept_in_async_for(tmp_path: Path) -> None:
    path = recorded(tmp_path, event(1, 0).to_json(), event(2, 60).to_json())
    start = time.monotonic()
    [_ async for _ in replay(path)]
    assert time.monotonic() - start >= 0.059  # an event loop's clock is that coarse


def test_each_iteration_starts_from_the_beginning(run: Path) -> None:
    played = replay(run, speed=None)
    assert next(iter(played)) == EVENTS[0]
    assert list(played) == EVENTS
    assert list(played) == EVENTS


def test_unknown_event_types_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    new = b'{"type":"run.teleported","seq":2,"run_id":"r","ts":1}'
    path = recorded(tmp_path, event(1, 0).to_json(), new, b"", event(3, 0).to_json())
    assert [one.seq for one in replay(path, speed=None)] == [1, 3]


def test_broken_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = recorded(tmp_path, event(1, 0).to_json(), b'{"type":"text.del')
    got: list[BaseEvent] = []
    with pytest.raises(StreamUsageError, match=r"run\.jsonl, line 2: .*is not an event"):
        got.extend(replay(path, speed=None))
    assert got == [event(1, 0)]


def test_async_sleep_in_a_plain_for_says_what_to_write(run: Path) -> None:
    fake = Time()
    with pytest.raises(StreamUsageError, match="write `async for`"):
        list(replay(run, sleep=fake.asleep, clock=fake.clock))


@pytest.mark.parametrize("speed", [0, -1.0, math.nan])
def test_speed_that_is_not_positive_is_refused(run: Path, speed: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"2\.0 is twice as fast"):
        replay(run, speed=speed)


def test_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StreamUsageError, match="is not a file"):
        replay(tmp_path)
