"""Logs in Redis Streams: for many processes on many hosts. Needs the extra ``redis``."""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from hiredis import pack_command  # pyright: ignore[reportUnknownVariableType]
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from langchain_streamkit.errors import LogUnavailable
from langchain_streamkit.log.contract import Added, Answer, Info, Page
from langchain_streamkit.log.listeners import Listeners
from langchain_streamkit.log.redis_hub import RedisHub
from langchain_streamkit.log.redis_script import (
    APPEND,
    ATTEND,
    CANCEL_CHANNEL,
    OF_USER,
    STEP,
    digest,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio.connection import AbstractConnection

    from langchain_streamkit.log.contract import Append, Claim, Clock, Listener

T = TypeVar("T")

_pack = cast("Callable[[tuple[Any, ...]], bytes]", pack_command)
_APPEND: Final = digest(APPEND)
_STEP: Final = digest(STEP)
_OF_USER: Final = digest(OF_USER)
_ATTEND: Final = digest(ATTEND)
_SCRIPTS: Final = (APPEND, STEP, OF_USER, ATTEND)

RETRY_S: Final = 5.0
"""How long a step is tried again before it is ``LogUnavailable``."""
FIRST_WAIT_S: Final = 0.02
LONGEST_WAIT_S: Final = 0.5
"""Between two tries: doubled each time, and up to half of it left to chance."""
ANSWER_S: Final = 5.0
"""How long one try waits for a connection, and for an answer."""
CONNECTIONS: Final = 20
"""At most, beside the one for live events; who needs one more waits for one."""


class RedisStore:
    """A ``LogStore`` in a Redis server (6.2 or later, one primary; a cluster was not tried).

    Each step is one script. A step whose answer is lost is done again, which changes nothing the
    second time. Readers of a process share one subscribed connection. How much of a log outlives a
    crash of Redis is a matter of Redis' own settings (``appendonly``); what it lost is told as
    ``ReplayGap`` or ``RunGone``.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._clock = clock
        # Retries are made in `_persist`, for a whole step and with one limit of time: a client that
        # tries to connect again inside of a command it tries again multiplies the two.
        self._pool: BlockingConnectionPool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            decode_responses=False,
        )
        self._live_connection()  # refuses what the URL may not say, now and not at the first use
        self._listeners = Listeners()
        self._hub = RedisHub(self._live_connection, self._listeners, _channel)

    def __repr__(self) -> str:
        where = self._pool.connection_kwargs
        return f"<RedisStore at {where.get('host') or where.get('path')}:{where.get('port', '')}>"

    async def claim(self, claim: Claim, /) -> Answer:
        """See ``LogStore.claim``."""
        self._hub.start()
        return await self._step(
            "claim",
            claim.name,
            claim.owner,
            claim.run_id,
            claim.generation,
            "1" if claim.lasting else "",
            claim.lease_ms,
            claim.ttl_ms,
            claim.keep,
            claim.user,
            claim.thread_id,
            claim.name,
            more_keys=(_index(claim.user),),
        )

    async def take_over(self, name: str, owner: str, lease_ms: int, /) -> Answer:
        """See ``LogStore.take_over``."""
        return await self._step("take_over", name, owner, lease_ms)

    async def append(self, appends: Sequence[Append], /) -> list[Added]:
        """See ``LogStore.append``; all of them go in one pipeline."""
        calls = [
            self._call(_APPEND, wish.name, wish.owner, wish.first, wish.then, *wish.entries)
            for wish in appends
        ]
        replies = await self._persist(lambda: self._pipeline(calls))
        return [Added(status.decode(), top, why.decode()) for status, top, why in replies]

    async def read(self, name: str, after: int, limit: int, /) -> Page | None:
        """See ``LogStore.read``."""
        call = self._call(_STEP, name, "read", after, limit)
        (reply,) = await self._persist(lambda: self._pipeline([call]))
        info = _answer(name, reply).info
        if info is None:
            return None
        return Page(info, [(_seq(entry_id), fields[1]) for entry_id, fields in reply[12]])

    async def cancel(self, name: str, reason: str, /) -> Answer:
        """See ``LogStore.cancel``."""
        return await self._step("cancel", name, reason, CANCEL_CHANNEL, name)

    async def expire(self, name: str, ttl_ms: int, /) -> Answer:
        """See ``LogStore.expire``."""
        return await self._step("expire", name, ttl_ms)

    async def of_user(self, user: str, /) -> list[str]:
        """See ``LogStore.of_user``."""
        call = ("EVALSHA", _OF_USER, 1, _index(user), self._now)
        (reply,) = await self._persist(lambda: self._pipeline([call]))
        return [name.decode() for name in reply]

    async def attend(self, name: str, reader: str, lease_ms: int, /) -> int:
        """See ``LogStore.attend``."""
        call = ("EVALSHA", _ATTEND, 1, f"sk:{{{name}}}:r", self._now, reader, lease_ms)
        (present,) = await self._persist(lambda: self._pipeline([call]))
        return int(present)

    async def listen(self, name: str, listener: Listener, /) -> Callable[[], None]:
        """See ``LogStore.listen``."""
        try:
            async with asyncio.timeout(RETRY_S):
                return await self._hub.listen(name, listener)
        except TimeoutError as exc:
            raise self._unavailable("no answer to a subscription") from exc

    def on_cancel(self, told: Callable[[str], None], /) -> Callable[[], None]:
        """See ``LogStore.on_cancel``."""
        return self._listeners.add_cancel(told)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._hub.aclose()
        await self._pool.disconnect()

    @property
    def _now(self) -> int | str:
        """The turned clock's time in ms; empty for that of Redis."""
        return "" if self._clock is None else int(self._clock() * 1000)

    def _call(
        self, script: str, name: str, *args: bytes | str | int, more_keys: tuple[str, ...] = ()
    ) -> tuple[Any, ...]:
        keys = (f"sk:{{{name}}}:m", f"sk:{{{name}}}:s", *more_keys)
        return ("EVALSHA", script, len(keys), *keys, self._now, _channel(name), *args)

    async def _step(
        self, step: str, name: str, *args: bytes | str | int, more_keys: tuple[str, ...] = ()
    ) -> Answer:
        call = self._call(_STEP, name, step, *args, more_keys=more_keys)
        (reply,) = await self._persist(lambda: self._pipeline([call]))
        return _answer(name, reply)

    async def _pipeline(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Make all calls at once; those of which Redis does not know the script, again."""
        replies = await self._at_once(calls)
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            await self._at_once([("SCRIPT", "LOAD", script) for script in _SCRIPTS])
            again = await self._at_once([calls[at] for at in unknown])
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _at_once(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return a reply, or the exception that Redis answered with, for each call.

        What the client's own pipeline does, but packed by hiredis: packing a call of ours takes it
        2.5 us, where the client takes 21 us.
        """
        get = cast("Callable[[], Awaitable[AbstractConnection]]", self._pool.get_connection)  # pyright: ignore[reportUnknownMemberType]
        connection = await get()
        try:
            await connection.send_packed_command(b"".join(map(_pack, calls)))
            replies: list[Any] = []
            for _ in calls:
                try:
                    replies.append(await connection.read_response())
                except ResponseError as exc:
                    replies.append(exc)
        except BaseException:  # answers that nobody waits for would be taken for those of others
            await connection.disconnect(nowait=True)
            raise
        else:
            return replies
        finally:
            await self._pool.release(connection)

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works, or ``RETRY_S`` seconds are over: ``LogUnavailable``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + RETRY_S
        wait_s = FIRST_WAIT_S
        task = asyncio.current_task()
        cancels = 0 if task is None else task.cancelling()

        def heed() -> None:
            # Before Python 3.12 `asyncio.wait_for`, which the client writes with, loses a cancel
            # that comes as it ends (https://github.com/python/cpython/issues/86296).
            if task is not None and task.cancelling() > cancels:
                raise asyncio.CancelledError

        while True:
            try:
                done = await attempt()
                heed()
                return done
            except (RedisConnectionError, RedisTimeoutError, OSError) as exc:
                if loop.time() + wait_s > end:
                    raise self._unavailable(str(exc)) from exc
                # What cut one connection has most likely cut those that wait in the pool.
                await self._pool.disconnect(inuse_connections=False)
            except RedisError as exc:
                raise self._unavailable(str(exc)) from exc
            heed()
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - no secret
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def _unavailable(self, why: str) -> LogUnavailable:
        return LogUnavailable(
            f"the log in {self!r} cannot be used: {why}; start the server, or mend the URL that"
            " open_log() was given"
        )

    def _live_connection(self) -> AbstractConnection:
        settings: dict[str, Any] = {**self._pool.connection_kwargs}
        settings |= {"socket_timeout": None, "protocol": 2}
        return self._pool.connection_class(**settings)


def _channel(name: str) -> str:
    return f"sk:{{{name}}}:c"


def _index(user: str) -> str:
    """The key of what is kept of a user's streams; a user's name may be anything."""
    return f"sk:u:{hashlib.sha256(user.encode()).hexdigest()}"


def _seq(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _answer(name: str, reply: Any) -> Answer:
    status = reply[0].decode()
    if status == "gone":
        return Answer("gone", None)
    (
        _,
        generation,
        state,
        top,
        oldest,
        run_id,
        start,
        lasting,
        left_ms,
        cancel,
        user,
        thread_id,
        _,
    ) = reply
    info = Info(
        name=name,
        generation=generation.decode(),
        state=state.decode(),
        top=top,
        oldest=oldest,
        run_id=run_id.decode(),
        start=start,
        lasting=bool(lasting),
        lease_left_s=left_ms / 1000,
        cancel=cancel.decode(),
        user=user.decode(),
        thread_id=thread_id.decode(),
    )
    return Answer(status, info)
