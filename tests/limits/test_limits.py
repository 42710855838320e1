"""What a user may start and read at once: on each store, exactly as many as are allowed."""

from __future__ import annotations

import asyncio
import gc

import pytest

from langchain_streamkit import LimitExceeded, Limits
from langchain_streamkit.limits.contract import Place
from langchain_streamkit.limits.memory import MemoryLimitStore
from tests.limits.asking import admitted, new_user

# ---- at the same time ----------------------------------------------------------------------------


async def test_of_400_at_once_just_the_10_that_are_allowed_are_admitted(url: str) -> None:
    user = new_user()
    async with Limits(concurrent_runs=10, open_streams=10, url=url) as limits:
        runs = await admitted(*(limits.admit_run(user, f"r{n}") for n in range(400)))
        streams = await admitted(*(limits.open_stream(user) for _ in range(400)))
        assert (len(runs), len(streams)) == (10, 10)
        for hold in runs[:4]:
            await hold.release()
        again = await admitted(*(limits.admit_run(user, f"s{n}") for n in range(400)))
        assert len(again) == 4


async def test_place_that_is_given_back_is_free_at_once_and_only_once(url: str) -> None:
    user = new_user()
    async with Limits(concurrent_runs=1, url=url) as limits:
        first = await limits.admit_run(user, "r1")
        for _ in range(2):
            await first.release()
        second = await limits.admit_run(user, "r2")
        await first.release()
        with pytest.raises(LimitExceeded):
            await limits.admit_run(user, "r3")
        await second.release()


async def test_one_run_id_asked_for_twice_takes_two_places(url: str) -> None:
    user = new_user()
    async with Limits(concurrent_runs=2, url=url) as limits:
        holds = [await limits.admit_run(user, "same") for _ in range(2)]
        with pytest.raises(LimitExceeded):
            await limits.admit_run(user, "same")
        await holds[0].release()
        assert len(await admitted(*(limits.admit_run(user, name) for name in "ab"))) == 1


async def test_reader_gives_its_place_back_when_it_leaves_its_block(url: str) -> None:
    user = new_user()
    async with Limits(open_streams=1, url=url) as limits:
        for _ in range(3):
            async with await limits.open_stream(user):
                with pytest.raises(LimitExceeded):
                    await limits.open_stream(user)


async def test_users_do_not_share_and_those_without_a_name_do(url: str) -> None:
    async with Limits(open_streams=1, url=url) as limits:
        holds = [await limits.open_stream(user) for user in (None, "", "anonymous", "\ud800")]
        with pytest.raises(LimitExceeded):
            await limits.open_stream(None)
        for hold in holds:
            await hold.release()


async def test_runs_and_streams_are_counted_apart(url: str) -> None:
    user = new_user()
    async with (
        Limits(concurrent_runs=1, open_streams=1, url=url) as limits,
        await limits.admit_run(user, "r1"),
        await limits.open_stream(user),
    ):
        pass


async def test_what_is_not_limited_holds_nothing(url: str) -> None:
    async with Limits(open_streams=1, url=url) as limits:
        hold = await limits.admit_run("ann", "r1")
        await hold.renew()
        await hold.release()
        assert repr(hold) == "<Hold of nothing>"


# ---- callers that are cancelled ------------------------------------------------------------------


async def test_place_is_given_back_though_its_holder_is_cancelled(url: str) -> None:
    user = new_user()
    async with Limits(open_streams=1, url=url) as limits:
        reading = asyncio.Event()

        async def reader() -> None:
            hold = await limits.open_stream(user)
            reading.set()
            try:
                await asyncio.Event().wait()
            finally:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
                await hold.release()

        task = asyncio.create_task(reader())
        await reading.wait()
        task.cancel()
        await asyncio.wait([task])
    async with Limits(open_streams=1, url=url) as limits:
        await (await limits.open_stream(user)).release()


async def test_caller_that_is_cancelled_at_any_moment_leaves_no_place_taken(url: str) -> None:
    user = new_user()
    async with Limits(open_streams=1, url=url) as limits:
        for moment in range(30):
            opening = asyncio.create_task(limits.open_stream(user))
            for _ in range(moment):
                await asyncio.sleep(0)
            if opening.cancel():
                await asyncio.wait([opening])
                assert opening.cancelled()
            else:
                await opening.result().release()
            await limits._keeper.aclose()  # what is being given back, is
            assert not limits._keeper._held
    async with Limits(open_streams=1, url=url) as limits:
        await (await limits.open_stream(user)).release()


# ---- leases --------------------------------------------------------------------------------------


async def test_held_place_outlives_its_lease(url: str) -> None:
    user = new_user()
    async with Limits(concurrent_runs=1, url=url, lease_s=2) as limits:
        hold = await limits.admit_run(user, "r1")
        await asyncio.sleep(2.5)
        with pytest.raises(LimitExceeded):
            await limits.admit_run(user, "r2")
        await hold.release()


async def test_lease_that_is_over_is_no_place_and_a_renewal_takes_it_again() -> None:
    clock = Turned()
    store = MemoryLimitStore(clock=clock)
    first, second = Place("key", "t1"), Place("key", "t2")
    assert await store.acquire(first, 1, 1000) is None
    clock.now += 0.4
    assert await store.acquire(second, 1, 1000) == pytest.approx(0.6)
    clock.now += 0.6
    assert await store.acquire(second, 1, 1000) is None
    await store.renew([first], 1000)
    assert repr(store) == "<MemoryLimitStore of 2 places>"
    await store.release([first, second])
    assert repr(store) == "<MemoryLimitStore of 0 places>"


class Turned:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_all_places_are_renewed_by_one_timer_and_none_is_left_behind(url: str) -> None:
    before = len(asyncio.all_tasks())
    async with Limits(concurrent_runs=100, url=url) as limits:
        holds = [await limits.admit_run("ann", f"r{n}") for n in range(50)]
        assert len(asyncio.all_tasks()) == before
        await asyncio.gather(*(hold.release() for hold in holds))
        gc.collect()
        assert limits._keeper._next is None


# ---- what is told --------------------------------------------------------------------------------


async def test_refusal_names_the_limit_and_when_to_come_again(url: str) -> None:
    user = new_user()
    async with Limits(concurrent_runs=1, open_streams=3, url=url) as limits:
        await limits.admit_run(user, "r1")
        with pytest.raises(LimitExceeded) as caught:
            await limits.admit_run(user, "r2")
        assert (caught.value.limit, caught.value.allowed) == ("concurrent_runs", 1)
        assert caught.value.retry_after_s == 5
        assert str(caught.value) == (
            "limit concurrent_runs: a user may have 1 run at the same time; try again in 5 s"
        )
        for _ in range(3):
            await limits.open_stream(user)
        with pytest.raises(LimitExceeded, match="open_streams: a user may read 3 streams at the"):
            await limits.open_stream(user)


async def test_place_whose_lease_is_over_sooner_is_told_to_be_free_then(url: str) -> None:
    user = new_user()
    async with Limits(concurrent_runs=1, url=url, lease_s=2) as limits:
        await limits.admit_run(user, "r1")
        with pytest.raises(LimitExceeded) as caught:
            await limits.admit_run(user, "r2")
        assert caught.value.retry_after_s in {1, 2}
