"""How often something may begin in a minute: the sliding window of the library ``limits``."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from langchain_streamkit.errors import StreamError

if TYPE_CHECKING:
    from limits.aio.storage import MemoryStorage, RedisStorage
    from redis.asyncio import BlockingConnectionPool

_WINDOW_S: Final = 60

_Step: TypeAlias = Callable[[], Awaitable[float | None]]
Persist: TypeAlias = Callable[[_Step], Awaitable[float | None]]
"""Makes a step, again where it fails."""


class WindowRates:
    """``Rates`` in a storage of ``limits``."""

    def __init__(self, storage: MemoryStorage | RedisStorage, persist: Persist) -> None:
        from limits.aio.strategies import SlidingWindowCounterRateLimiter

        self._storage = storage
        self._strategy = SlidingWindowCounterRateLimiter(storage)
        self._persist = persist

    async def hit(self, key: str, per_minute: int, /) -> float | None:
        """See ``Rates.hit``."""
        return await self._persist(lambda: self._hit(key, per_minute))

    async def _hit(self, key: str, per_minute: int) -> float | None:
        from limits import RateLimitItemPerMinute

        item = RateLimitItemPerMinute(per_minute)
        if await self._strategy.hit(item, key):
            return None
        before, before_left_s, now, now_left_s = await self._storage.get_sliding_window(
            item.key_for(key), _WINDOW_S
        )
        return wait_s(per_minute, before, before_left_s, now, now_left_s - _WINDOW_S)


def wait_s(most: int, before: int, before_left_s: float, now: int, now_left_s: float) -> float:
    """Return the seconds until the weighted count of the two windows is below ``most``.

    ``before`` began in the last window, which weighs ``before_left_s`` parts of a whole one;
    ``now`` in the present one, which ends in ``now_left_s``. The library's own time of reset is
    wrong in the first millisecond of a window: at once, instead of a minute later.
    """
    if now >= most:  # then the present window becomes the last one, and begins to weigh less
        return now_left_s
    if not before:
        return 0.0
    return max(0.0, before_left_s - (most - now) * _WINDOW_S / before)


def memory_rates() -> WindowRates:
    """Return rates in this process. Raises StreamError if the library is missing."""
    _need_library()
    from limits.aio.storage import MemoryStorage

    return WindowRates(MemoryStorage(), _once)


def redis_rates(pool: BlockingConnectionPool, prefix: str, persist: Persist) -> WindowRates:
    """Return rates in Redis. Raises StreamError if the library is missing."""
    _need_library()
    from limits.aio.storage import RedisStorage

    # With a pool of ours the storage takes nothing from the URL but the kind of server.
    pooled: dict[str, object] = {"connection_pool": pool}
    storage = RedisStorage(
        "async+redis://",
        implementation="redispy",
        key_prefix=prefix,
        **pooled,  # type: ignore[arg-type]
    )
    return WindowRates(storage, persist)


async def _once(step: _Step) -> float | None:
    return await step()


def _need_library() -> None:
    if importlib.util.find_spec("limits") is None:
        raise StreamError(
            "runs_per_minute= needs the extra serve: pip install 'langchain-streamkit[serve]'"
        )
