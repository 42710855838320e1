"""Runs over one WebSocket: started, subscribed to, stopped by their id, many at a time.

Guarantees: nothing a client sends closes the socket, reaches a config, or touches another user's
run; closing the socket ends no run, unless the manager's ``on_disconnect`` says so; a slow socket
is fed from the log, so that nothing is dropped and little is held. The frames are described in
``docs/websocket.md``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.websockets import WebSocket  # noqa: TC002 - FastAPI looks for it

from langchain_streamkit.serve.client_socket import ClientSocket, serve_session
from langchain_streamkit.serve.refusals import Refusal, refusal_of
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

    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings

REFUSED: Final = 4000
"""A socket that is refused is closed with this and what the status would be over HTTP."""
MAX_SUBSCRIPTIONS: Final = 32


def run_sockets(
    service: RunService, settings: ServeSettings
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint of a route."""

    async def serve(websocket: WebSocket) -> None:
        await ClientSocket.accept(websocket)  # a browser would not be told why it is refused
        socket = ClientSocket(
            websocket, heartbeat_s=settings.heartbeat_s, send_timeout_s=settings.send_timeout_s
        )
        try:
            user = await service.user_of(websocket)
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            refusal = refusal_of(exc)
            await socket.hang_up(REFUSED + refusal.status, refusal.error["code"])
        else:
            session = RunSocket(websocket, socket, service, user, settings.max_body_bytes)
            await serve_session(socket, session, service.manager)

    return serve


class RunSocket:
    """One socket of one user."""

    def __init__(
        self,
        websocket: WebSocket,
        socket: ClientSocket,
        service: RunService,
        user: str | None,
        max_frame_bytes: int,
    ) -> None:
        self._websocket = websocket
        self._socket = socket
        self._service = service
        self._user = user
        self._max_frame_bytes = max_frame_bytes
        self._open: dict[str, Subscription] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def read(self) -> None:
        """See ``SocketSession``."""
        async for text in self._socket.frames():
            asked = READER.read(text, self._max_frame_bytes)
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
            await self._service.manager.cancel(asked.run_id, user=self._user)
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
        subscription = Subscription(
            asked, self._service, self._websocket, self._user, self._socket, self._freed
        )
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
