"""Places that are held: renewed together, by one task, and given back whatever happens.

Guarantees: a place is held from the answer of the store until ``release``; then it is given back
even if whoever gives it back is cancelled. Of a process that dies it is free a lease later.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Self

from langchain_streamkit.errors import LimitsUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from langchain_streamkit.limits.contract import LimitStore, Place

logger = logging.getLogger("langchain_streamkit")

RENEWALS: Final = 3
"""In one lease: places outlive one that fails."""
AGAIN_S: Final = 1.0
"""How soon a renewal that failed is tried again."""


class Hold:
    """What was admitted, until ``release``; an async context manager that releases at its end.

    It is renewed in the background. Nothing is held where nothing is limited.
    """

    __slots__ = ("_keeper", "_place")

    def __init__(self, keeper: Keeper, place: Place | None) -> None:
        self._keeper = keeper
        self._place = place

    def __repr__(self) -> str:
        return "<Hold>" if self._place is not None else "<Hold of nothing>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.release()

    async def renew(self) -> None:
        """Let the lease begin anew at once; the background does it in time by itself.

        A place that was lost (a process that stood still for longer than its lease, a store that
        forgot) is taken again, limit or not: what it stands for is going on. Raises
        ``LimitsUnavailable`` if the store cannot be reached. Does nothing once released.
        """
        if self._place is not None:
            await self._keeper.renew([self._place])

    async def release(self) -> None:
        """Give the place back; again, it does nothing.

        Never raises for a store that cannot be reached: that is logged, and the place is free when
        its lease is over. If the caller is cancelled, it is given back all the same.
        """
        place, self._place = self._place, None
        if place is not None:
            await self._keeper.give_back(place)


class Keeper:
    """All places that are held by way of one ``Limits``, renewed together."""

    def __init__(self, store: LimitStore, lease_s: float) -> None:
        self._store = store
        self._lease_ms = int(lease_s * 1000)
        self._every_s = lease_s / RENEWALS
        self._held: set[Place] = set()
        self._next: asyncio.TimerHandle | None = None
        """The next renewal."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost = False

    async def take(self, place: Place, most: int, *, refuse: bool) -> float | None:
        """Take a place and hold it: None; otherwise what ``LimitStore.acquire`` returned.

        Where the store cannot be reached, ``refuse`` raises ``LimitsUnavailable``; else the place
        is held, and taken with the first renewal that succeeds. A caller that is cancelled holds
        nothing.
        """
        try:
            left_s = await self._store.acquire(place, most, self._lease_ms)
        except LimitsUnavailable as exc:
            if refuse:
                raise
            logger.warning("admitted without being counted: %s", exc)
            left_s = None
        except BaseException:  # it may have been taken
            self._spawn(self._give_back(place))
            raise
        if left_s is None:
            self._held.add(place)
            self._renew_later(self._every_s)
        return left_s

    async def renew(self, places: list[Place]) -> None:
        """Renew places, except those that are given back meanwhile."""
        await self._store.renew(places, self._lease_ms)
        late = [place for place in places if place not in self._held]
        if late:
            await self._store.release(late)

    async def give_back(self, place: Place) -> None:
        """Hold the place no longer."""
        self._held.discard(place)
        if not self._held:
            self._renew_no_more()
        await asyncio.shield(self._spawn(self._give_back(place)))

    async def aclose(self) -> None:
        """Renew nothing more: what is still held is free when its lease is over."""
        self._held.clear()
        self._renew_no_more()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _give_back(self, place: Place) -> None:
        try:
            await self._store.release([place])
        except LimitsUnavailable as exc:
            logger.warning("a place is given back by the end of its lease alone: %s", exc)

    def _renew_later(self, after_s: float) -> None:
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(after_s, self._begin_renewal)

    def _begin_renewal(self) -> None:
        self._next = None
        self._spawn(self._renew_all())

    def _renew_no_more(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    async def _renew_all(self) -> None:
        try:
            await self.renew(list(self._held))
        except LimitsUnavailable as exc:
            if not self._lost:
                logger.warning("places are not renewed: %s", exc)
            self._lost = True
        else:
            self._lost = False
        if self._held:
            self._renew_later(min(self._every_s, AGAIN_S) if self._lost else self._every_s)
