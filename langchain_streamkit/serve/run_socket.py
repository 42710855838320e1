"""Runs over one WebSocket: started, subscribed to, stopped by their id, many at a time.

Guarantees: nothing a client sends closes the socket, reaches a config, or touches another user's
run; closing the socket ends no run, unless the manager's ``on_disconnect`` says so; a slow socket
is fed from the log. The frames are described in ``wire/run_frames.py``.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.log.position import Position
from langchain_streamkit.serve.line import Line
from langchain_streamkit.serve.refusals import Refusal, refusal_of
from langchain_streamkit.serve.requests import RunRequest
from langchain_streamkit.wire.run_frames import (
    BYE,
    PING,
    Asked,
    Cancel,
    Pong,
    Start,
    Subscribe,
    Unsubscribe,
    end,
    pack,
    parse,
    refused,
)
from langchain_streamkit.wire.ws import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_streamkit.serve.service import RunService

_GOING_AWAY: Final = 1001
_SERVER_ERROR: Final = 1011
_REFUSED: Final = {401: 4401, 403: 4403}
"""Close codes by status; those from 4000 on are an application's own."""
_FLUSH_S: Final = 1.0
MAX_FRAME_BYTES: Final = 1 << 16
"""Of a client's frame."""
MAX_SENT_BYTES: Final = 1 << 20
MAX_SUBSCRIPTIONS: Final = 32


class RunSocket:
    """One socket of one user."""

    def __init__(
        self,
        socket: WebSocket,
        service: RunService,
        user: str | None,
        *,
        heartbeat_s: float,
        send_timeout_s: float,
    ) -> None:
        self._socket = socket
        self._service = service
        self._user = user
        self._line = Line[str](
            socket.send_text,
            PING,
            heartbeat_s=heartbeat_s,
            send_timeout_s=send_timeout_s,
            # Starlette raises RuntimeError for a send after the close.
            lost_errors=(WebSocketDisconnect, RuntimeError, OSError),
        )
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._run_ids: dict[str, str] = {}
        self._left = False
        """The client has really gone."""

    @staticmethod
    def endpoint(
        service: RunService, *, heartbeat_s: float = 25, send_timeout_s: float
    ) -> Callable[[WebSocket], Awaitable[None]]:
        """Return the endpoint of a route."""

        async def serve(websocket: WebSocket) -> None:
            await websocket.accept()
            try:
                user = await service.user_of(websocket)
            except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
                refusal = refusal_of(exc)
                code = _REFUSED.get(refusal.status, _SERVER_ERROR)
                await websocket.close(code, refusal.error["code"])
                return
            timing = {"heartbeat_s": heartbeat_s, "send_timeout_s": send_timeout_s}
            await RunSocket(websocket, service, user, **timing).serve()

        return serve

    async def serve(self) -> None:
        """Serve the socket until it closes."""
        reader = asyncio.create_task(self._read())
        bye = asyncio.create_task(self._service.manager.farewell())
        code = _SERVER_ERROR
        try:
            await self._line.watch(reader, bye)
            self._left = reader.done() or self._line.closed
            if bye.done() and not self._left:
                code = _GOING_AWAY
                await self._line.write(BYE)
        finally:
            self._line.close()
            tasks = [reader, bye, *self._subscriptions.values()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if not self._left or self._line.stuck:
                with suppress(Exception):  # it may be closed already, or hang like all writes
                    async with asyncio.timeout(_FLUSH_S):
                        await self._socket.close(code)
        if not reader.cancelled():
            reader.result()

    async def _read(self) -> None:
        """Do what the client's frames say, until there are no more."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            asked = parse(message.get("text"), MAX_FRAME_BYTES)
            try:
                await self._do(asked)
            except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
                await self._refuse(getattr(asked, "id", None), exc)

    async def _do(self, asked: Asked | Refused) -> None:
        match asked:
            case Start(id=name) | Subscribe(id=name):
                self._subscribe(name, asked)
            case Unsubscribe(id=name):
                if (task := self._subscriptions.pop(name, None)) is not None:
                    task.cancel()
            case Cancel():
                await self._service.manager.cancel(self._run_of(asked), user=self._user)
            case Refused():
                raise Refusal(400, asked.code, asked.message)
            case Pong():
                pass

    def _subscribe(self, name: str, asked: Start | Subscribe) -> None:
        if name in self._subscriptions:
            raise Refusal(409, "duplicate_id", "this id is in use; choose another")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            said = f"{MAX_SUBSCRIPTIONS} subscriptions are open on this socket"
            raise Refusal(429, "too_many_subscriptions", said)
        self._subscriptions[name] = asyncio.create_task(self._serve_one(name, asked))

    def _run_of(self, asked: Cancel) -> str:
        run_id = asked.run_id or self._run_ids.get(asked.id or "")
        if run_id is None:
            raise Refusal(404, "unknown_id", "no run with this id is open; send its run_id")
        return run_id

    async def _serve_one(self, name: str, asked: Start | Subscribe) -> None:
        try:
            async with self._service.manager.place(self._user):
                since = None
                if isinstance(asked, Start):
                    run_id = await self._start(asked)
                else:
                    run_id, since = asked.run_id, _since(asked)
                self._run_ids[name] = run_id
                await self._send_events(name, run_id, since)
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            await self._refuse(name, exc)
        finally:
            if self._subscriptions.get(name) is asyncio.current_task():
                del self._subscriptions[name]
            self._run_ids.pop(name, None)

    async def _start(self, asked: Start) -> str:
        request = RunRequest(
            input=asked.input,
            thread_id=asked.thread_id,
            metadata=asked.metadata,
            resume=asked.resume,
        )
        starting = asyncio.ensure_future(self._service.start(self._socket, request, self._user))
        return await asyncio.shield(starting)  # a socket that closes does not half start a run

    async def _send_events(self, name: str, run_id: str, since: Position | None) -> None:
        view = self._service.view_after(since)
        manager = self._service.manager
        await manager.attend(run_id)
        try:
            batches = await self._service.entries(run_id, since, view, self._user)
            async with aclosing(batches):
                async for batch in batches:
                    shown = view.shown(batch)
                    for text in pack(name, run_id, batch.generation, shown, MAX_SENT_BYTES):
                        await self._line.write(text)
                    if view.ended:
                        break
                    await self._line.give_way(len(batch.data))
            self._subscriptions.pop(name, None)  # before the client uses the name again
            await self._line.write(end(name))
        finally:
            manager.leave(run_id, disconnected=self._left or self._line.closed)

    async def _refuse(self, name: str | None, error: Exception) -> None:
        await self._line.write(refused(name, refusal_of(error).error))


def _since(asked: Subscribe) -> Position | None:
    if asked.since is None:
        return None
    try:
        return Position.parse(asked.since)
    except StreamUsageError as exc:
        raise Refusal(400, "invalid_position", exc.wire or "this is no position") from exc
