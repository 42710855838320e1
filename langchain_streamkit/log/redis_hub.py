"""The live side of a Redis log: one subscribed connection for all readers of a process.

It promises nothing but a try: whenever Redis confirms a subscription, for the first time or after
a lost connection, the readers concerned are told to read again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import RedisError

from langchain_streamkit.log.redis_script import CANCEL_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio.connection import AbstractConnection

    from langchain_streamkit.log.contract import Listener
    from langchain_streamkit.log.listeners import Listeners
    from langchain_streamkit.log.redis_health import RedisHealth

LOGGER = logging.getLogger("langchain_streamkit")
SILENCE_S: Final = 15.0
"""A connection that is silent for so long is asked whether anybody is there."""
PONG_S: Final = 2.0
"""How long an answer may take, and a connection to be made, before it is made anew."""
FIRST_WAIT_S: Final = 0.02
LONGEST_WAIT_S: Final = 1.0
"""Between attempts to connect; doubled each time."""
_CANCELS: Final = CANCEL_CHANNEL.encode()


class RedisHub:
    """Subscriptions on one connection, which is made anew when it is lost.

    ``connect`` makes a connection that is not connected yet, speaks RESP2 and has no read timeout;
    ``channel_of`` names the channel of a stream; ``health`` is told whether the server is there.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractConnection],
        listeners: Listeners,
        channel_of: Callable[[str], str],
        health: RedisHealth,
    ) -> None:
        self._connect = connect
        self._listeners = listeners
        self._channel_of = channel_of
        self._health = health
        self._names: dict[bytes, str] = {}
        """Of all streams that are subscribed to, or are to be, by their channel."""
        self._confirmed: dict[bytes, asyncio.Event] = {}
        self.trouble = "it did not answer"
        """Why nobody is subscribed, while nobody is."""
        self._heard = False
        self._told: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, if that was not done yet."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def listen(self, name: str, listener: Listener) -> Callable[[], None]:
        """See ``LogStore.listen``; returns when Redis has confirmed the subscription."""
        self.start()
        end = self._listeners.add(name, listener)
        channel = self._channel_of(name).encode()
        if channel not in self._names:
            self._names[channel] = name
            self._confirmed[channel] = asyncio.Event()
            self._told.put_nowait(("SUBSCRIBE", channel))

        def stop() -> None:
            end()
            if name not in self._listeners.names and channel in self._names:
                del self._names[channel], self._confirmed[channel]
                self._told.put_nowait(("UNSUBSCRIBE", channel))

        try:
            await self._confirmed[channel].wait()
        except BaseException:
            stop()
            raise
        return stop

    async def aclose(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            connection = self._connect()
            began: float | None = monotonic()
            try:
                async with asyncio.timeout(PONG_S):
                    await connection.connect()  # type: ignore[no-untyped-call]
                while not self._told.empty():
                    self._told.get_nowait()  # all that is subscribed to is said at once
                await connection.send_command("SUBSCRIBE", _CANCELS, *self._names)
                wait_s = FIRST_WAIT_S
                began = None
                await self._serve(connection)
            except (RedisError, OSError) as exc:
                self.trouble = str(exc) or self.trouble
                LOGGER.info("the connection for live events of the log was lost: %s", exc)
                self._health.failed("live", self.trouble, began or monotonic())
            finally:
                await connection.disconnect(nowait=True)
            self._listeners.all_changed()
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    async def _serve(self, connection: AbstractConnection) -> None:
        """Read until the connection is lost, which raises; one task reads and one writes."""
        writing = asyncio.get_running_loop().create_task(self._write(connection))
        try:
            while True:
                reply = cast("list[Any]", await connection.read_response())
                self._heard = True
                kind, channel, data = [*reply, b""][:3]  # a pong is shorter
                if kind == b"message":
                    self._message(channel, data)
                elif kind == b"subscribe" and channel == _CANCELS:
                    self._health.connected()
                    self._listeners.cancelled(None)  # those of the time before
                elif kind == b"subscribe" and channel in self._names:
                    self._confirmed[channel].set()
                    self._listeners.changed(self._names[channel])
        finally:
            writing.cancel()
            await asyncio.wait([writing])

    async def _write(self, connection: AbstractConnection) -> None:
        """Say what is to be subscribed to, and now and then ask whether anybody is there."""
        asked = False
        try:
            while self._heard or not asked:
                asked = not self._heard
                if asked:
                    await connection.send_command("PING")
                self._heard = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(PONG_S if asked else SILENCE_S):
                        while True:
                            await connection.send_command(*await self._told.get())
        except (RedisError, OSError) as exc:
            self.trouble = str(exc)
        await connection.disconnect(nowait=True)  # which the reader sees

    def _message(self, channel: bytes, data: bytes) -> None:
        if channel == _CANCELS:
            self._listeners.cancelled(data.decode())
            return
        name = self._names.get(channel)
        if name is None:
            return
        if not data:
            self._listeners.changed(name)
            return
        head, *entries = data.split(b"\n")
        generation, first = head.split(b" ")
        self._listeners.added(name, generation.decode(), int(first), entries)
