"""One WebSocket of a client: frames out as on any ``Line``, frames in one after the other.

Guarantees: who floods a socket with frames does not keep others from being served; hanging up
takes a second at the most; when a client has left, or the process ends, its session is stopped,
and waited for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from langchain_streamkit.serve.line import FLUSH_S, Line
from langchain_streamkit.wire.socket_frames import PING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from langchain_streamkit.manager.run_manager import RunManager

# Close codes, https://www.iana.org/assignments/websocket/websocket.xhtml
GOING_AWAY: Final = 1001
NOT_SAID: Final = 1005
SERVER_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
"""uvicorn says so to the application, and to the client, when it shuts down."""


class ClientSocket(Line[str]):
    """The line of a socket that was accepted; pings are frames, as browsers see no others."""

    def __init__(
        self, ws: WebSocket, *, heartbeat_s: float, send_timeout_s: float, ping: str = PING
    ) -> None:
        super().__init__(
            ws.send_text,
            ping,
            heartbeat_s=heartbeat_s,
            send_timeout_s=send_timeout_s,
            # Starlette raises RuntimeError for a send after the close.
            lost_errors=(WebSocketDisconnect, RuntimeError, OSError),
        )
        self._progress = self._loop.time()  # nothing has to be written before a ping
        self._ws = ws
        self.closed_with: int | None = None
        """The code, when the client has closed the socket, or is gone."""

    @staticmethod
    async def accept(ws: WebSocket) -> None:
        """Accept a socket, unless somebody has."""
        if ws.application_state is WebSocketState.CONNECTING:
            await ws.accept()

    async def frames(self) -> AsyncIterator[str | None]:
        """Yield what the client sends until it closes the socket; None is a binary frame."""
        while True:
            message = await self._ws.receive()
            if message["type"] == "websocket.disconnect":
                self.closed_with = message.get("code") or NOT_SAID
                return
            yield message.get("text")
            await self.give_way(1)

    async def hang_up(self, code: int, reason: str = "") -> None:
        """Close the socket, if it can be told so."""
        self.close()
        with suppress(Exception):  # it may be closed already, or hang like all writes
            async with asyncio.timeout(FLUSH_S):
                await self._ws.close(code, reason)


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


async def serve_session(socket: ClientSocket, session: SocketSession, manager: RunManager) -> None:
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
