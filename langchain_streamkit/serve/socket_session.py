"""The WebSocket endpoints of all protocols: one socket of one user, until one of them leaves.

Guarantees: who may not use the server is told by the code that closes the socket; when a client
has left, or the process ends, its session is stopped, and waited for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from starlette.websockets import WebSocket  # noqa: TC002 -- FastAPI reads the annotation

from langchain_streamkit.serve.client_socket import (
    GOING_AWAY,
    SERVER_ERROR,
    SERVICE_RESTART,
    ClientSocket,
)
from langchain_streamkit.serve.refusals import refusal_of
from langchain_streamkit.wire.socket_frames import PING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings

REFUSED: Final = 4000
"""A socket that is refused is closed with this and what the status would be over HTTP."""
MAX_SUBSCRIPTIONS: Final = 32
"""That one socket may have open."""


class SocketSession(Protocol):
    """What a client does over one socket."""

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        """Of all that it asked for, those that send their last frame included."""
        ...

    async def read(self) -> None:
        """Do what the client's frames say, until there are no more."""
        ...

    def stop(self, *, disconnected: bool) -> None:
        """End what is being sent; ``disconnected``: as the client has really gone."""
        ...

    async def say_goodbye(self) -> None:
        """Tell the client that the server goes away."""
        ...


class OpenSocket(NamedTuple):
    """A socket that was accepted, and whose it is."""

    websocket: WebSocket
    socket: ClientSocket
    service: RunService
    user: str | None
    max_frame_bytes: int


def socket_endpoint(
    service: RunService,
    settings: ServeSettings,
    session_of: Callable[[OpenSocket], Awaitable[SocketSession]],
    *,
    ping: str = PING,
    refused: Callable[[Exception], tuple[int, str]] | None = None,
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint of a route.

    ``refused`` names the status and the code of what ``session_of`` raises, and of who may not use
    the server; by default our own.
    """
    refused = refused or _refused

    async def serve(websocket: WebSocket) -> None:
        await ClientSocket.accept(websocket)  # a browser would not be told why it is refused
        socket = ClientSocket(
            websocket,
            heartbeat_s=settings.heartbeat_s,
            send_timeout_s=settings.send_timeout_s,
            ping=ping,
        )
        try:
            user = await service.user_of(websocket)
            session = await session_of(
                OpenSocket(websocket, socket, service, user, settings.max_body_bytes)
            )
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            status, code = refused(exc)
            await socket.hang_up(REFUSED + status, code)
        else:
            await _serve(socket, session, service.manager)

    return serve


def _refused(error: Exception) -> tuple[int, str]:
    refusal = refusal_of(error)
    return refusal.status, refusal.error["code"]


async def _serve(socket: ClientSocket, session: SocketSession, manager: RunManager) -> None:
    """Serve a socket until it closes, or the process ends."""
    reader = asyncio.create_task(session.read())
    bye = asyncio.create_task(manager.farewell())
    code, left = GOING_AWAY, False
    try:
        await socket.watch(reader, bye)
        if reader.done() and reader.exception() is not None:
            code = SERVER_ERROR
        elif reader.done():
            left = socket.closed_with != SERVICE_RESTART
        elif socket.closed:
            code, left = SERVER_ERROR, True
        else:
            session.stop(disconnected=False)
            await session.say_goodbye()
    finally:
        session.stop(disconnected=left)
        if socket.closed_with is None:
            await socket.hang_up(code)
        reader.cancel()
        bye.cancel()
        await asyncio.wait({reader, bye, *session.tasks})
    if not reader.cancelled():
        reader.result()
