"""Limits in the memory of the process: the default, for a server of one process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from langchain_streamkit.limits.rates import memory_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.limits.contract import Clock, Place, Rates


class MemoryLimitStore:
    """A ``LimitStore`` of one event loop, gone with the process.

    Keys without a place that is taken are dropped.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._taken: dict[str, dict[str, float]] = {}
        """By key and token, when the lease is over."""

    def __repr__(self) -> str:
        return f"<MemoryLimitStore of {sum(map(len, self._taken.values()))} places>"

    def rates(self) -> Rates:
        """See ``LimitStore.rates``."""
        return memory_rates()

    async def acquire(self, place: Place, most: int, lease_ms: int, /) -> float | None:
        """See ``LimitStore.acquire``."""
        now = self._clock()
        taken = self._taken.setdefault(place.key, {})
        for token in [token for token, end in taken.items() if end <= now]:
            del taken[token]
        if place.token not in taken and len(taken) >= most:
            return min(taken.values()) - now
        taken[place.token] = now + lease_ms / 1000
        return None

    async def renew(self, places: Sequence[Place], lease_ms: int, /) -> None:
        """See ``LimitStore.renew``."""
        end = self._clock() + lease_ms / 1000
        for key, token in places:
            self._taken.setdefault(key, {})[token] = end

    async def release(self, places: Sequence[Place], /) -> None:
        """See ``LimitStore.release``."""
        for key, token in places:
            taken = self._taken.get(key, {})
            taken.pop(token, None)
            if not taken:
                self._taken.pop(key, None)

    async def aclose(self) -> None:
        """Nothing to let go of."""
