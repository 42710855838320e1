"""Limits in Redis: for all processes that serve the same users. Needs the extra ``redis``.

The places of a key are a sorted set, ``sk:limits:<key>``: tokens by the millisecond, on Redis' own
clock, in which their lease is over. Each step is one script.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from langchain_streamkit.errors import LimitsUnavailable
from langchain_streamkit.limits.rates import redis_rates

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_streamkit.limits.contract import Place, Rates

T = TypeVar("T")

TRY_S: Final = 1.0
"""How long a step is tried again before it is ``LimitsUnavailable``: somebody waits for it."""
ANSWER_S: Final = 2.0
"""How long one try waits for an answer, or to be connected."""
QUEUE_S: Final = 5.0
"""How long it waits for one of the connections: a busy server is not one that is away."""
FIRST_WAIT_S: Final = 0.02
"""Between two tries: doubled each time, and up to half of it left to chance."""
CONNECTIONS: Final = 20
MOST_AT_ONCE: Final = 500
"""Places in one call of a script."""

_PREFIX: Final = "sk:limits"
_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_TAKE: Final = """
local function take(key, token, lease)
  redis.call('ZADD', key, string.format('%.0f', now + lease), token)
  if redis.call('PTTL', key) < lease then redis.call('PEXPIRE', key, lease) end
end
"""
ACQUIRE: Final = f"""{_NOW}{_TAKE}
local key, token, most, lease = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
if not redis.call('ZSCORE', key, token) and redis.call('ZCARD', key) >= most then
  return redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] - now
end
take(key, token, lease)
return false
"""
RENEW: Final = f"""{_NOW}{_TAKE}
for i, key in ipairs(KEYS) do take(key, ARGV[i + 1], tonumber(ARGV[1])) end
"""
RELEASE: Final = "for i, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[i]) end"


class RedisLimitStore:
    """A ``LimitStore`` in a Redis server (6.2 or later, one primary; a cluster was not tried).

    A step whose answer is lost is done again; a beginning may then count twice, a place never.
    """

    def __init__(self, url: str) -> None:
        # Retries are made in `_persist`, for a whole step and with one limit of time.
        self._pool: BlockingConnectionPool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            max_connections=CONNECTIONS,
            timeout=QUEUE_S,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
        )
        # refuses what the URL may not say, now and not at the first use
        self._pool.connection_class(**self._pool.connection_kwargs)
        client: Any = Redis(connection_pool=self._pool)
        self._acquire = client.register_script(ACQUIRE)
        self._renew = client.register_script(RENEW)
        self._release = client.register_script(RELEASE)

    def __repr__(self) -> str:
        where = self._pool.connection_kwargs
        return (
            f"<RedisLimitStore at {where.get('host') or where.get('path')}:{where.get('port', '')}>"
        )

    def rates(self) -> Rates:
        """See ``LimitStore.rates``."""
        return redis_rates(self._pool, f"{_PREFIX}:rate", self._persist)

    async def acquire(self, place: Place, most: int, lease_ms: int, /) -> float | None:
        """See ``LimitStore.acquire``."""
        keys, args = [f"{_PREFIX}:{place.key}"], [place.token, most, lease_ms]
        left_ms: int | None = await self._persist(lambda: self._acquire(keys, args))
        return None if left_ms is None else left_ms / 1000

    async def renew(self, places: Sequence[Place], lease_ms: int, /) -> None:
        """See ``LimitStore.renew``."""
        await self._each(self._renew, places, lease_ms)

    async def release(self, places: Sequence[Place], /) -> None:
        """See ``LimitStore.release``."""
        await self._each(self._release, places)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.disconnect()

    async def _each(self, script: Any, places: Sequence[Place], *args: int) -> None:
        for start in range(0, len(places), MOST_AT_ONCE):
            some = places[start : start + MOST_AT_ONCE]
            keys = [f"{_PREFIX}:{place.key}" for place in some]
            values = [*args, *(place.token for place in some)]

            async def step(keys: list[str] = keys, values: list[Any] = values) -> None:
                await script(keys, values)

            await self._persist(step)

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works, or ``TRY_S`` seconds are over: ``LimitsUnavailable``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + TRY_S
        wait_s = FIRST_WAIT_S
        task = asyncio.current_task()
        cancels = 0 if task is None else task.cancelling()
        while True:
            try:
                done = await attempt()
            except (RedisConnectionError, RedisTimeoutError, OSError) as exc:
                if loop.time() + wait_s > end:
                    raise self._unavailable(exc) from exc
                await self._pool.disconnect(inuse_connections=False)
            except RedisError as exc:
                raise self._unavailable(exc) from exc
            else:
                # Before Python 3.12 `asyncio.wait_for`, which the client writes with, loses a
                # cancel that comes as it ends (https://github.com/python/cpython/issues/86296).
                if task is not None and task.cancelling() > cancels:
                    raise asyncio.CancelledError
                return done
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - no secret
            wait_s *= 2

    def _unavailable(self, why: Exception) -> LimitsUnavailable:
        return LimitsUnavailable(
            f"the limits in {self!r} cannot be asked: {why}; start the server, or mend the url="
            " that Limits() was given"
        )
