"""Connections to a Redis server, made when needed and kept: each carries one exchange at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from hiredis import pack_command  # pyright: ignore[reportUnknownVariableType]
from redis.asyncio.connection import Connection, UnixDomainSocketConnection, parse_url
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio.connection import AbstractConnection

_pack = cast("Callable[[tuple[Any, ...]], bytes]", pack_command)

CONNECTIONS: Final = 20
"""At most, beside the one for live events; who needs one more waits for one."""
ANSWER_S: Final = 2.0
"""How long the first try of an exchange may take; a connection that gives no answer is dropped."""


class RedisLinks:
    """The connections of one store to the server that a URL names.

    The client's own pool is not used: taking a connection from it, sending under its timeout and
    reading each reply under another costs several times what the exchange itself does. Here one
    clock runs for an exchange. The URL's ``socket_timeout`` and ``max_connections`` are heeded;
    raises ``ValueError`` or ``TypeError`` for one that says what no connection knows.
    """

    def __init__(self, url: str) -> None:
        settings = cast("dict[str, Any]", parse_url(url))
        self._class: type[AbstractConnection] = settings.pop("connection_class", Connection)
        self.answer_s: float = settings.pop("socket_timeout", ANSWER_S)
        self._free = asyncio.Semaphore(settings.pop("max_connections", CONNECTIONS))
        self._settings: dict[str, Any] = {
            "socket_connect_timeout": self.answer_s,
            **settings,
            "socket_timeout": None,
            "decode_responses": False,
        }
        if not issubclass(self._class, UnixDomainSocketConnection):
            self._settings.setdefault("socket_keepalive", True)
        self._idle: list[AbstractConnection] = []
        self.live()  # refuses what the URL may not say, now and not at the first use

    def __str__(self) -> str:
        where = self._settings
        return f"{where.get('host') or where.get('path')}:{where.get('port', '')}"

    def live(self) -> AbstractConnection:
        """Return a connection that is not connected yet, speaks RESP2 and waits without limit."""
        settings: dict[str, Any] = {**self._settings, "protocol": 2}
        return self._class(**settings)

    async def exchange(self, calls: Sequence[tuple[Any, ...]], within_s: float) -> list[Any]:
        """Make all calls at once; a reply for each, or the exception that Redis answered with.

        Raises what the client raises for a connection that is lost or refused, and its
        ``TimeoutError`` after ``within_s`` seconds; the calls may have been made or not.
        """
        try:
            async with asyncio.timeout(within_s), self._free:
                connection = self._idle.pop() if self._idle else self._class(**self._settings)
                try:
                    replies = await _exchange(connection, calls)
                except BaseException:  # answers that nobody waits for are not those of others
                    await connection.disconnect(nowait=True)
                    raise
                self._idle.append(connection)
                return replies
        except TimeoutError as exc:
            raise RedisTimeoutError(f"no answer within {within_s:.1f} s") from exc

    async def drop_idle(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)


async def _exchange(connection: AbstractConnection, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    if not connection.is_connected:
        await connection.connect()  # type: ignore[no-untyped-call]
    await connection.send_packed_command(b"".join(map(_pack, calls)))
    replies: list[Any] = []
    for _ in calls:
        try:
            replies.append(await connection.read_response())
        except ResponseError as exc:
            replies.append(exc)
    return replies
