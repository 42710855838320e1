"""How many runs a user may start in a minute, and when there is room again."""

from __future__ import annotations

import pytest

from langchain_streamkit import LimitExceeded, Limits
from langchain_streamkit.limits import rates
from tests.limits.asking import admitted, new_user


class Time:
    """The ``time`` of the library's memory, turned by hand; Redis keeps its own."""

    now = 1_800_000_007.25

    def time(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr("limits.aio.storage.memory.time", clock)
    return clock


async def test_of_400_in_a_minute_just_the_10_that_are_allowed_are_admitted(url: str) -> None:
    user = new_user()
    async with Limits(runs_per_minute=10, url=url) as limits:
        asking = (limits.admit_run(user, f"r{n}") for n in range(400))
        assert len(await admitted(*asking)) == 10


async def test_start_is_held_against_the_minute_before_the_places(url: str) -> None:
    user = new_user()
    async with Limits(runs_per_minute=2, concurrent_runs=1, url=url) as limits:
        hold = await limits.admit_run(user, "r1")
        names: list[str] = []
        for _ in range(2):
            with pytest.raises(LimitExceeded) as caught:
                await limits.admit_run(user, "r2")
            names.append(caught.value.limit)
        assert names == ["concurrent_runs", "runs_per_minute"]
        await hold.release()


async def test_refusal_says_how_many_and_when_to_come_again(url: str) -> None:
    user = new_user()
    async with Limits(runs_per_minute=1, url=url) as limits:
        await limits.admit_run(user, "r1")
        with pytest.raises(LimitExceeded) as caught:
            await limits.admit_run(user, "r2")
        after_s = caught.value.retry_after_s
        assert (caught.value.limit, caught.value.allowed) == ("runs_per_minute", 1)
        assert str(caught.value) == (
            f"limit runs_per_minute: a user may start 1 run in a minute; try again in {after_s} s"
        )
        assert 1 <= after_s <= 61


@pytest.mark.parametrize(
    ("counters", "after_s"),
    [
        ((10, 0, 0.0, 10, 60.0), 60.0),  # all in the first moment of this window
        ((10, 10, 60.0, 0, 60.0), 0.0),  # the next moment the old ones weigh less than 10
        ((10, 10, 54.0, 1, 54.0), 0.0),
        ((10, 10, 54.0, 4, 54.0), 18.0),  # 10 * 36 / 60 + 4 = 10
        ((10, 10, 24.0, 10, 24.0), 24.0),
        ((1, 0, 0.0, 0, 0.0), 0.0),
    ],
)
def test_there_is_room_in_the_minute_when_the_weighted_count_says_so(
    counters: tuple[int, int, float, int, float], after_s: float
) -> None:
    assert rates.wait_s(*counters) == pytest.approx(after_s)


async def test_user_who_waits_as_told_is_admitted_and_not_a_second_before(
    clock: Time,
) -> None:
    async with Limits(runs_per_minute=3) as limits:
        waited: list[int] = []
        for number in range(40):
            try:
                await limits.admit_run("ann", f"r{number}")
            except LimitExceeded as exc:
                waited.append(exc.retry_after_s)
                clock.now += exc.retry_after_s - 1.001
                with pytest.raises(LimitExceeded):
                    await limits.admit_run("ann", "too early")
                clock.now += 1.001
                await limits.admit_run("ann", f"again {number}")
            clock.now += number % 5
    assert len(waited) > 10
