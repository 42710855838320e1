"""Places that are given back while their store takes its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit.limits import Hold
from langchain_streamkit.limits.contract import Place
from langchain_streamkit.limits.holds import Keeper
from langchain_streamkit.limits.memory import MemoryLimitStore

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE = Place("ann", "t1")


class Slow(MemoryLimitStore):
    """A store whose steps are done when it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def renew(self, places: Sequence[Place], lease_ms: int, /) -> None:
        await self.goes_on.wait()
        await super().renew(places, lease_ms)

    async def release(self, places: Sequence[Place], /) -> None:
        await self.goes_on.wait()
        await super().release(places)


@pytest.fixture
async def store() -> Slow:
    return Slow()


async def held(store: Slow) -> tuple[Keeper, Hold]:
    keeper = Keeper(store, 30)
    assert await keeper.take(PLACE, 1, refuse=True) is None
    return keeper, Hold(keeper, PLACE)


def places(store: Slow) -> list[str]:
    return [token for tokens in store._taken.values() for token in tokens]


async def test_place_is_given_back_though_who_gives_it_back_is_cancelled(store: Slow) -> None:
    keeper, hold = await held(store)
    giving = asyncio.create_task(hold.release())
    await asyncio.sleep(0)
    giving.cancel()
    await asyncio.wait([giving])
    assert giving.cancelled()
    assert places(store) == ["t1"]
    store.goes_on.set()
    await keeper.aclose()
    assert places(store) == []


async def test_place_that_is_given_back_during_its_renewal_is_free(store: Slow) -> None:
    keeper, hold = await held(store)
    renewing = asyncio.create_task(hold.renew())
    await asyncio.sleep(0)
    # The store gives it back before it renews it: two connections keep no order.
    giving = asyncio.create_task(hold.release())
    await asyncio.sleep(0)
    await MemoryLimitStore.release(store, [PLACE])
    giving.cancel()
    store.goes_on.set()
    await renewing
    await keeper.aclose()
    assert places(store) == []


async def test_place_that_is_given_back_is_renewed_no_more(store: Slow) -> None:
    store.goes_on.set()
    keeper, hold = await held(store)
    await hold.release()
    await hold.renew()
    await keeper.aclose()
    assert places(store) == []
