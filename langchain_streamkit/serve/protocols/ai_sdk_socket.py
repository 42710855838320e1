"""The AI SDK's ``WebSocketChatTransport`` (``ai`` 7): chats over one socket, many at a time.

Guarantees: each request gets chunks numbered 0, 1, 2 … and one last frame; ``abort`` stops its run;
what a client of the transport never sends closes the socket with 4400, as no frame could say it.
Frames: https://ai-sdk.dev/docs/ai-sdk-ui/transport, and docs/ai-sdk.md.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from langchain_streamkit.serve.protocols.ai_sdk import asked_by
from langchain_streamkit.serve.refusals import broken_off, refusal_of
from langchain_streamkit.serve.socket_session import (
    MAX_SUBSCRIPTIONS,
    REFUSED,
    OpenSocket,
    socket_endpoint,
)
from langchain_streamkit.wire.ai_sdk.chunks import UIMessageChunks
from langchain_streamkit.wire.ai_sdk.request import read_chat_request
from langchain_streamkit.wire.openai.terms import to_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.websockets import WebSocket

    from langchain_streamkit.serve.protocols.ai_sdk import AiSdk
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings

PING: Final = '{"type":"start","requestId":""}'
"""Of no request, so that the client ignores it; it knows no other frame that says nothing."""
_BYE: Final = "The server is shutting down; ask again."


class _Frame(msgspec.Struct, frozen=True, rename="camel"):
    type: Literal["send", "resume", "abort"]
    request_id: str
    id: str = ""
    body: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Frame).decode


def chat_sockets(
    service: RunService, settings: ServeSettings, ai_sdk: AiSdk
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint of a route."""

    async def session(opened: OpenSocket) -> ChatSocket:
        return ChatSocket(opened, ai_sdk)

    return socket_endpoint(service, settings, session, ping=PING)


class ChatSocket:
    """One socket of one user; a ``SocketSession``."""

    def __init__(self, opened: OpenSocket, ai_sdk: AiSdk) -> None:
        self.opened = opened
        self.ai_sdk = ai_sdk
        self._open: dict[str, ChatStream] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def read(self) -> None:
        """See ``SocketSession``."""
        socket, most = self.opened.socket, self.opened.max_frame_bytes
        async for text in socket.frames():
            asked = None
            if text is not None and len(text.encode("utf-8", "replace")) <= most:
                with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
                    asked = _decode(text)
            if text is None or asked is None:
                await socket.hang_up(REFUSED + 400, "invalid_frame")
                return
            await self._do(asked, text)

    async def _do(self, asked: _Frame, text: str) -> None:
        open_one = self._open.get(asked.request_id)
        if asked.type == "abort":
            if open_one is not None:
                open_one.abort()
        elif open_one is not None or len(self._open) >= MAX_SUBSCRIPTIONS:
            said = f"this request is open, or {MAX_SUBSCRIPTIONS} others are; wait for one to end"
            await self.opened.socket.write(_error(asked.request_id, said))
        else:
            stream = self._open[asked.request_id] = ChatStream(self, asked, text)
            self.tasks.add(stream.task)
            stream.task.add_done_callback(self.tasks.discard)

    def freed(self, request_id: str) -> None:
        """A request gets its last frame now."""
        self._open.pop(request_id, None)

    def stop(self, *, disconnected: bool) -> None:
        """See ``SocketSession``."""
        for stream in list(self._open.values()):
            stream.leave(disconnected=disconnected)

    async def say_goodbye(self) -> None:
        """See ``SocketSession``: a request without a last frame would be waited for."""
        for request_id in list(self._open):
            await self.opened.socket.write_last(_error(request_id, _BYE))


class ChatStream:
    """What answers one request, in ``task``."""

    def __init__(self, session: ChatSocket, asked: _Frame, text: str) -> None:
        self._session = session
        self._asked = asked
        self._text = text
        self._run_id: str | None = None
        self._reading = self._left = self._aborted = self._disconnected = False
        self._number = 0
        """Of the next chunk."""
        self.task = asyncio.create_task(self._serve())

    def abort(self) -> None:
        """Stop the run; the client has stopped to listen."""
        self._aborted = True
        self.leave(disconnected=False)

    def leave(self, *, disconnected: bool) -> None:
        """Send nothing more."""
        self._left = True
        self._disconnected = disconnected
        if self._reading:
            self.task.cancel()

    async def _serve(self) -> None:
        session, request_id = self._session, self._asked.request_id
        opened = session.opened
        manager = opened.service.manager
        try:
            async with manager.place(opened.user):
                last = await self._answer()
        except asyncio.CancelledError:
            if not self._left:
                raise
            last = ""
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            refusal = broken_off(exc) if self._reading else refusal_of(exc)
            last = _error(request_id, refusal.error["message"])
        finally:
            session.freed(request_id)
        if self._aborted and self._run_id is not None:
            await manager.cancel(self._run_id, user=opened.user)
        if not self._left:
            await opened.socket.write(last)

    async def _answer(self) -> str:
        """Send all chunks; return the last frame."""
        _, socket, service, user, _ = self._session.opened
        asked, ai_sdk = self._asked, self._session.ai_sdk
        resumed = asked.type == "resume"
        if resumed:
            self._run_id = await service.manager.active(asked.id, user=user)
            if self._run_id is None:
                return _frame("no-active", asked.request_id)
        else:
            given = asked_by(read_chat_request(self._body()), ai_sdk.new_encoder())
            self._run_id = await service.start(self._session.opened.websocket, given, user)
        chunks = UIMessageChunks(ai_sdk.sdk_version or 7, resumed=resumed)
        await service.manager.attend(self._run_id)
        try:
            self._reading = True
            if self._left:
                return ""
            async with aclosing(service.events(self._run_id, user)) as batches:
                async for batch in batches:
                    for event in batch:
                        await self._send(chunks.feed(event))
                    await socket.give_way(len(batch))
        finally:
            service.manager.leave(self._run_id, disconnected=self._disconnected)
        return _frame("end", asked.request_id)

    async def _send(self, chunks: list[dict[str, Any]]) -> None:
        for chunk in chunks:
            if self._left:
                return
            frame = _frame("chunk", self._asked.request_id, sequence=self._number, chunk=chunk)
            self._number += 1
            await self._session.opened.socket.write(frame)

    def _body(self) -> bytes:
        """What HTTP would have sent: the transport's own keys, and those of ``body``."""
        frame: dict[str, Any] = msgspec.json.decode(self._text)
        own = ("id", "messages", "trigger", "messageId")
        said = {**self._asked.body, **{key: frame[key] for key in own if key in frame}}
        return msgspec.json.encode(said)


def _frame(kind: str, request_id: str, **more: Any) -> str:
    return to_json({"type": kind, "requestId": request_id, **more}).decode()


def _error(request_id: str, said: str) -> str:
    return _frame("error", request_id, errorText=said)
