"""One WebSocket of a client: frames out as on any ``Line``, frames in one after the other.

Guarantees: who floods a socket with frames does not keep others from being served; hanging up
takes a second at the most.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from langchain_streamkit.serve.line import FLUSH_S, Line
from langchain_streamkit.wire.socket_frames import PING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
