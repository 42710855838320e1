"""Logs in Redis Streams: for many processes on many hosts. Needs the extra ``redis``."""

from __future__ import annotations

import asyncio
import hashlib
import random
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Final

from redis.exceptions import AuthenticationError, AuthorizationError, NoScriptError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from langchain_streamkit.errors import LogUnavailable
from langchain_streamkit.log.contract import Added, Answer, Info, Page
from langchain_streamkit.log.listeners import Listeners
from langchain_streamkit.log.redis_health import RedisHealth
from langchain_streamkit.log.redis_hub import RedisHub
from langchain_streamkit.log.redis_links import RedisLinks
from langchain_streamkit.log.redis_script import (
    APPEND,
    ATTEND,
    CANCEL_CHANNEL,
    OF_USER,
    STEP,
    digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from langchain_streamkit.log.contract import Append, Claim, Clock, Listener

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
MOST_IN_ONE: Final = 64
"""Streams that one script appends to: Redis does nothing else meanwhile."""


class RedisStore:
    """A ``LogStore`` in a Redis server (6.2 or later, one primary; no cluster).

    Each step is one script or transaction; appends to many streams share a script, each of them
    is done or not by itself. A step whose answer is lost is done again, which changes nothing the
    second time. Readers of a process share one subscribed connection. How much of a log outlives a
    crash of Redis is a matter of Redis' own settings (``appendonly``); what it lost is told as
    ``ReplayGap`` or ``RunGone``.
    """

    waits: ClassVar[bool] = True

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._clock = clock
        self._links = RedisLinks(url)
        self._listeners = Listeners()
        self._closed = False
        self._health = RedisHealth(f"the log in {self!r}")
        self._hub = RedisHub(self._links.live, self._listeners, _channel, self._health)

    def __repr__(self) -> str:
        return f"<RedisStore at {self._links}>"

    async def claim(self, claim: Claim, /) -> Answer:
        """See ``LogStore.claim``."""
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
        """See ``LogStore.append``; one script for ``MOST_IN_ONE`` of them, all at once."""
        calls = [
            self._appending(appends[at : at + MOST_IN_ONE])
            for at in range(0, len(appends), MOST_IN_ONE)
        ]
        return [
            Added(status.decode(), top, why.decode())
            for replies in await self._persist(calls)
            for status, top, why in replies
        ]

    async def read(self, name: str, after: int, limit: int, /) -> Page | None:
        """See ``LogStore.read``."""
        if not limit:
            info = (await self._step("info", name)).info
            return info and Page(info, [])
        # Not in the script: Redis takes ten times as long to give entries to a script as to us.
        range_ = ("XRANGE", _keys(name)[1], after + 1, "+", "COUNT", limit)
        calls = [("MULTI",), self._call("info", name), range_, ("EXEC",)]
        *_, (told, found) = await self._persist(calls)
        info = _answer(name, told).info
        return info and Page(info, [(_seq(entry_id), fields[1]) for entry_id, fields in found])

    async def cancel(self, name: str, reason: str, /) -> Answer:
        """See ``LogStore.cancel``."""
        return await self._step("cancel", name, reason, CANCEL_CHANNEL, name)

    async def expire(self, name: str, ttl_ms: int, /) -> Answer:
        """See ``LogStore.expire``."""
        return await self._step("expire", name, ttl_ms)

    async def of_user(self, user: str, /) -> list[str]:
        """See ``LogStore.of_user``."""
        call = ("EVALSHA", _OF_USER, 1, _index(user), self._now())
        (reply,) = await self._persist([call])
        return [name.decode() for name in reply]

    async def attend(self, name: str, reader: str, lease_ms: int, /) -> int:
        """See ``LogStore.attend``."""
        call = ("EVALSHA", _ATTEND, 1, f"sk:{{{name}}}:r", self._now(), reader, lease_ms)
        (present,) = await self._persist([call])
        return int(present)

    async def listen(self, name: str, listener: Listener, /) -> Callable[[], None]:
        """See ``LogStore.listen``."""
        try:
            async with asyncio.timeout(RETRY_S):
                return await self._hub.listen(name, listener)
        except TimeoutError as exc:
            raise self._unavailable(self._hub.trouble) from exc

    def on_cancel(self, told: Callable[[str | None], None], /) -> Callable[[], None]:
        """See ``LogStore.on_cancel``."""
        return self._listeners.add_cancel(told)

    async def aclose(self) -> None:
        """Close all connections."""
        self._closed = True
        await self._hub.aclose()
        await self._links.drop_idle()

    def _appending(self, appends: Sequence[Append]) -> tuple[Any, ...]:
        keys: list[str] = []
        args: list[bytes | str | int] = [self._now()]
        for name, owner, first, entries, then in appends:
            keys += _keys(name)
            args += (owner, first, then, len(entries), *entries)
        return ("EVALSHA", _APPEND, len(keys), *keys, *args)

    async def _step(
        self, step: str, name: str, *args: bytes | str | int, more_keys: tuple[str, ...] = ()
    ) -> Answer:
        (reply,) = await self._persist([self._call(step, name, *args, more_keys=more_keys)])
        return _answer(name, reply)

    def _call(
        self, step: str, name: str, *args: bytes | str | int, more_keys: tuple[str, ...] = ()
    ) -> tuple[Any, ...]:
        keys = (*_keys(name), *more_keys)
        return ("EVALSHA", _STEP, len(keys), *keys, self._now(), _channel(name), step, *args)

    def _now(self) -> str | int:
        return "" if self._clock is None else int(self._clock() * 1000)

    async def _persist(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Try until it works, or ``RETRY_S`` seconds are over: ``LogUnavailable``."""
        if not self._closed:
            self._hub.start()  # which notices at once when the server goes, and comes back
        loop = asyncio.get_running_loop()
        end = loop.time() + RETRY_S
        wait_s = FIRST_WAIT_S
        trouble: Exception | None = None
        while True:
            # The first try may have met a connection that is half open; others have time for what
            # merely takes long.
            left_s = end - loop.time()
            within_s = min(self._links.answer_s, left_s) if trouble is None else left_s
            began = monotonic()
            try:
                replies = await self._attempt(calls, within_s)
            except (AuthenticationError, AuthorizationError) as exc:
                raise self._unavailable(str(exc)) from exc
            except (RedisConnectionError, RedisTimeoutError, OSError) as exc:
                self._health.failed("calls", exc, began)
                if trouble is None or not isinstance(exc, RedisTimeoutError):
                    trouble = exc
                if loop.time() + wait_s > end:
                    raise self._unavailable(str(trouble)) from trouble
                # What cut one connection has most likely cut those that nobody uses.
                await self._links.drop_idle()
            except RedisError as exc:
                raise self._unavailable(str(exc)) from exc
            else:
                self._health.answered("calls")
                return replies
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - no secret
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    async def _attempt(self, calls: Sequence[tuple[Any, ...]], within_s: float) -> list[Any]:
        """Make all calls at once, and again if Redis does not know their script."""
        replies = await self._links.exchange(calls, within_s)
        if any(isinstance(error, NoScriptError) for error in _errors(replies)):
            loads = [("SCRIPT", "LOAD", script) for script in _SCRIPTS]
            replies = (await self._links.exchange([*loads, *calls], within_s))[len(loads) :]
        for error in _errors(replies):
            raise error
        return replies

    def _unavailable(self, why: str) -> LogUnavailable:
        return LogUnavailable(
            f"the log in {self!r} cannot be used: {why}; start the server, or mend the URL that"
            " open_log() was given"
        )


def _keys(name: str) -> tuple[str, str]:
    return f"sk:{{{name}}}:m", f"sk:{{{name}}}:s"


def _channel(name: str) -> str:
    return f"sk:{{{name}}}:c"


def _index(user: str) -> str:
    """The key of what is kept of a user's streams; a user's name may be anything."""
    return f"sk:u:{hashlib.sha256(user.encode()).hexdigest()}"


def _seq(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _errors(replies: list[Any]) -> Iterator[Exception]:
    """Those of a transaction are among its replies."""
    for reply in replies:
        yield from (part for part in _parts(reply) if isinstance(part, Exception))


def _parts(reply: Any) -> Iterable[Any]:
    several: Any = reply
    return several if isinstance(reply, list) else [reply]


def _answer(name: str, reply: Any) -> Answer:
    status = reply[0].decode()
    if status == "gone":
        return Answer("gone", None)
    _, generation, state, top, oldest, run_id, start, lasting, left_ms, cancel, user, thread = reply
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
        thread_id=thread.decode(),
    )
    return Answer(status, info)
