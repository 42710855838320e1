"""One WebSocket of a thread: commands and events of LangGraph's agent streaming protocol.

Guarantees: each command is answered, once, under its number; a subscription's events come in
order, and the end of a run after all that any subscription is sent of it; what a client sends
closes the socket only if it may not have it at all; closing the socket ends no run, unless the
manager's ``on_disconnect`` says so.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from langchain_streamkit.serve.client_socket import SERVICE_RESTART
from langchain_streamkit.serve.langgraph.v3_commands import ThreadCommands
from langchain_streamkit.serve.langgraph.v3_errors import fault_of
from langchain_streamkit.serve.langgraph.v3_meeting import Meeting
from langchain_streamkit.serve.langgraph.v3_reading import open_thread
from langchain_streamkit.serve.socket_session import (
    MAX_SUBSCRIPTIONS,
    REFUSED,
    OpenSocket,
    socket_endpoint,
)
from langchain_streamkit.wire.langgraph.v3_commands import (
    Command,
    CommandError,
    Subscribe,
    Unsubscribe,
    failure,
    read_command,
    read_params,
    success,
)
from langchain_streamkit.wire.langgraph.v3_frames import Wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.websockets import WebSocket

    from langchain_streamkit.serve.langgraph.v3_answers import Answers
    from langchain_streamkit.serve.langgraph.v3_reading import ThreadFrames
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings
    from langchain_streamkit.wire.langgraph.v3_frames import Data

_PING: Final = '{"type":"ping"}'
"""Clients pass over what is neither an event nor an answer."""


def thread_sockets(
    service: RunService, settings: ServeSettings, answers: Answers
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint of a route with ``thread_id`` in its path."""

    async def session(opened: OpenSocket) -> ThreadSocket:
        websocket, _, _, user, _ = opened
        thread_id = websocket.path_params["thread_id"]
        await open_thread(service, websocket, thread_id, Wanted(()), user, answers=answers)
        return ThreadSocket(opened, ThreadCommands(service, websocket, thread_id, user), answers)

    return socket_endpoint(service, settings, session, ping=_PING, refused=_refused)


def _refused(error: Exception) -> tuple[int, str]:
    fault = fault_of(error)
    return fault.status, fault.error.code


class _Subscription:
    """One subscription, while it is open."""

    def __init__(self, thread: ThreadFrames, place: AsyncExitStack) -> None:
        self.thread = thread
        self.place = place
        self.task: asyncio.Task[None] | None = None
        self.begun = self.left = False

    def leave(self) -> None:
        """Send nothing more; a task that has not begun would not give its place back."""
        self.left = True
        if self.begun and self.task is not None:
            self.task.cancel()


class ThreadSocket:
    """One socket of one user."""

    def __init__(self, opened: OpenSocket, commands: ThreadCommands, answers: Answers) -> None:
        self._socket = opened.socket
        self._commands = commands
        self._answers = answers
        self._max_frame_bytes = opened.max_frame_bytes
        self._open: dict[str, _Subscription] = {}
        self._made = 0
        self._meeting = Meeting()
        self.tasks: set[asyncio.Task[None]] = set()

    async def read(self) -> None:
        """See ``SocketSession``."""
        async for text in self._socket.frames():
            try:
                command = self._command(text)
            except CommandError as exc:
                await self._answer(failure(None, exc))
                continue
            with self._answers.awaited(self._commands.thread_id, command.method):
                try:
                    answer = await self._do(command)
                except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
                    answer = failure(command.id, fault_of(exc).error)
                await self._answer(answer)

    def stop(self, *, disconnected: bool) -> None:
        """See ``SocketSession``."""
        for subscription in self._open.values():
            subscription.thread.disconnected = disconnected
            subscription.leave()

    async def say_goodbye(self) -> None:
        """See ``SocketSession``: the code makes both clients come back."""
        await self._socket.hang_up(SERVICE_RESTART)

    def _command(self, text: str | None) -> Command:
        if text is None:
            raise CommandError("invalid_argument", "send text frames of JSON, not binary ones")
        if len(text) > self._max_frame_bytes:  # before any parsing, which takes more memory
            said = f"the frame is larger than {self._max_frame_bytes} bytes"
            raise CommandError("invalid_argument", said)
        return read_command(text)

    async def _do(self, command: Command) -> Data:
        match command.method:
            case "subscription.subscribe":
                return await self._subscribe(command)
            case "subscription.unsubscribe":
                asked = read_params(command.params, Unsubscribe, command.method)
                await self._unsubscribe(asked.subscription_id)
                return success(command.id, {})
            case _:
                return await self._commands.do(command)

    async def _subscribe(self, command: Command) -> Data:
        wanted = read_params(command.params, Subscribe, command.method).wanted()
        if len(self._open) >= MAX_SUBSCRIPTIONS:
            said = f"{MAX_SUBSCRIPTIONS} subscriptions are open on this socket"
            raise CommandError("invalid_argument", said)
        service, connection, thread_id, user = self._commands
        async with AsyncExitStack() as place:
            await place.enter_async_context(service.manager.place(user))
            asked = (thread_id, wanted, user)
            thread = await open_thread(service, connection, *asked, answers=self._answers)
            subscription = _Subscription(thread, place.pop_all())
        self._made += 1
        name = f"subscription-{self._made}"
        self._open[name] = subscription
        self._meeting.join(name, wanted.since)
        subscription.task = asyncio.create_task(self._send(name, subscription))
        self.tasks.add(subscription.task)
        subscription.task.add_done_callback(self.tasks.discard)
        return success(command.id, {"subscription_id": name})

    async def _unsubscribe(self, name: str) -> None:
        subscription = self._open.pop(name, None)
        if subscription is None or subscription.task is None:
            raise CommandError("no_such_subscription", f"there is no subscription {name!r}")
        subscription.leave()
        await asyncio.wait({subscription.task})

    async def _send(self, name: str, subscription: _Subscription) -> None:
        try:
            before_end = partial(self._meeting.end, name)
            found = subscription.thread.batches(before_end)
            async with subscription.place, aclosing(found) as batches:
                subscription.begun = True
                if subscription.left:
                    return
                async for batch in batches:
                    for frame in batch:
                        await self._socket.write(frame.json().decode())
                    if self._socket.closed:
                        return
                    await self._socket.give_way(len(batch))
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            fault = fault_of(exc)
            await self._write(failure(None, fault.error))
            await self._socket.hang_up(REFUSED + fault.status, fault.error.code)
        finally:
            self._open.pop(name, None)
            self._meeting.leave(name)

    async def _answer(self, answer: Data) -> None:
        self._meeting.heard()
        await self._write(answer)

    async def _write(self, answer: Data) -> None:
        await self._socket.write(msgspec.json.encode(answer).decode())
