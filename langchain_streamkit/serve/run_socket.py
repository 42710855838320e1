"""Runs over one WebSocket: started, subscribed to, stopped by their id, many at a time.

Guarantees: nothing a client sends closes the socket, reaches a config, or touches another user's
run; closing the socket ends no run, unless the manager's ``on_disconnect`` says so; a slow socket
is fed from the log, so that nothing is dropped and little is held. The frames are described in
``docs/websocket.md``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from langchain_streamkit.serve.refusals import Refusal, refusal_of
from langchain_streamkit.serve.socket_session import (
    MAX_SUBSCRIPTIONS,
    OpenSocket,
    socket_endpoint,
)
from langchain_streamkit.serve.subscription import Subscription
from langchain_streamkit.wire.run_frames import (
    BYE,
    READER,
    Asked,
    Cancel,
    Pong,
    Start,
    Subscribe,
    Unsubscribe,
)
from langchain_streamkit.wire.socket_frames import BadFrame, error_frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.websockets import WebSocket

    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings


def run_sockets(
    service: RunService, settings: ServeSettings
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint of a route."""

    async def session(opened: OpenSocket) -> RunSocket:
        return RunSocket(opened)

    return socket_endpoint(service, settings, session)


class RunSocket:
    """One socket of one user."""

    def __init__(self, opened: OpenSocket) -> None:
        self._opened = opened
        self._socket = opened.socket
        self._open: dict[str, Subscription] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def read(self) -> None:
        """See ``SocketSession``."""
        async for text in self._socket.frames():
            asked = READER.read(text, self._opened.max_frame_bytes)
            try:
                await self._do(asked)
            except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
                await self._refuse(asked, refusal_of(exc))

    def stop(self, *, disconnected: bool) -> None:
        """See ``SocketSession``."""
        for subscription in self._open.values():
            subscription.stop(disconnected=disconnected)

    async def say_goodbye(self) -> None:
        """See ``SocketSession``."""
        await self._socket.write_last(BYE)

    async def _do(self, asked: Asked | BadFrame) -> None:
        match asked:
            case Start() | Subscribe():
                self._subscribe(asked)
            case Unsubscribe(id=name):
                if (subscription := self._open.pop(name, None)) is not None:
                    subscription.stop()
                    await asyncio.wait({subscription.task})
            case Cancel():
                await self._cancel(asked)
            case BadFrame():
                raise Refusal(400, asked.code, asked.message)
            case Pong():
                pass

    async def _cancel(self, asked: Cancel) -> None:
        if asked.run_id is not None:
            opened = self._opened
            await opened.service.manager.cancel(asked.run_id, user=opened.user)
        elif asked.id is None:
            raise Refusal(400, "invalid_frame", 'name what to cancel: "id" or "run_id"')
        elif asked.id in self._open:
            await self._open[asked.id].cancel()
        else:
            raise Refusal(404, "unknown_id", "no run with this id is open; send its run_id")

    def _subscribe(self, asked: Start | Subscribe) -> None:
        if asked.id in self._open:
            raise Refusal(409, "duplicate_id", "this id is in use; choose another")
        if len(self._open) >= MAX_SUBSCRIPTIONS:
            said = f"{MAX_SUBSCRIPTIONS} subscriptions are open on this socket"
            raise Refusal(429, "too_many_subscriptions", said)
        subscription = Subscription(asked, self._opened, self._freed)
        self._open[asked.id] = subscription
        self.tasks.add(subscription.task)
        subscription.task.add_done_callback(self.tasks.discard)

    def _freed(self, subscription: Subscription) -> None:
        if self._open.get(subscription.id) is subscription:
            del self._open[subscription.id]

    async def _refuse(self, asked: Asked | BadFrame, refusal: Refusal) -> None:
        """Say why a frame is not done; its ``id`` is named where that is not open, or ends."""
        name = None if isinstance(asked, Pong) else asked.id
        error = refusal.without_headers()
        if name in self._open:
            name, error = None, {**error, "id": name}
        if isinstance(asked, Cancel) and asked.run_id is not None:
            error = {**error, "run_id": asked.run_id}
        await self._socket.write(error_frame(name, error))
