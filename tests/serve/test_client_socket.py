"""A client's socket at a server that has everything ready at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket

from langchain_streamkit.serve.client_socket import ClientSocket

if TYPE_CHECKING:
    from starlette.types import Message

FRAMES = 2000


class Server:
    """The server's side of ASGI."""

    def __init__(self, *, takes: int = FRAMES) -> None:
        self.left = FRAMES
        self.takes = takes
        self.sent: list[Message] = []

    async def receive(self) -> Any:
        self.left -= 1
        if self.left < 0:
            return {"type": "websocket.disconnect"}
        return {
            "type": "websocket.receive",
            **({"text": "{}"} if self.left % 2 else {"bytes": b""}),
        }

    async def send(self, message: Message) -> None:
        if len(self.sent) == self.takes:
            await asyncio.Event().wait()
        self.sent.append(message)

    def socket(self) -> WebSocket:
        return WebSocket({"type": "websocket"}, self.connect, self.send)

    async def connect(self) -> Any:
        if not self.sent:
            return {"type": "websocket.connect"}
        return await self.receive()


def test_flood_of_frames_leaves_the_event_loop_to_others() -> None:
    async def main() -> tuple[list[str | None], int, int | None]:
        ws = Server().socket()
        await ClientSocket.accept(ws)
        await ClientSocket.accept(ws)
        socket = ClientSocket(ws, heartbeat_s=10, send_timeout_s=10)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        going = asyncio.create_task(other())
        read = [text async for text in socket.frames()]
        going.cancel()
        return read, turns, socket.closed_with

    read, turns, code = asyncio.run(main())
    assert read == [None if number % 2 else "{}" for number in range(FRAMES)]
    assert turns >= FRAMES / 100
    assert code == 1005


def test_hanging_up_on_a_client_that_takes_nothing_is_given_up() -> None:
    async def main() -> None:
        ws = Server(takes=1).socket()
        await ClientSocket.accept(ws)
        socket = ClientSocket(ws, heartbeat_s=10, send_timeout_s=10)
        async with asyncio.timeout(10):
            await socket.hang_up(1001)
            await socket.write("x")
        assert socket.closed

    asyncio.run(main())
