"""Runs over one WebSocket: a client starts and cancels them, their events come back in batches.

Guarantees: nothing a client sends closes the socket, reaches a config, or ends another run; a
slow socket slows its runs, a stuck or closed one cancels them, and ``serve`` returns when they
have ended. The frames are described in ``wire/ws.py``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.serve.line import FLUSH_S, end_run, require_positive
from langchain_streamkit.wire.socket_frames import BadFrame
from langchain_streamkit.wire.views import Projection, View
from langchain_streamkit.wire.ws import READER, Cancel, Refused, Start, pack

if TYPE_CHECKING:
    from collections.abc import Collection

    from langchain_core.runnables import RunnableConfig
    from starlette.websockets import WebSocket

    from langchain_streamkit.events import CancelReason
    from langchain_streamkit.serve.client_socket import ClientSocket
    from langchain_streamkit.wire.source import AsyncRunLike

logger = logging.getLogger("langchain_streamkit")


class StartRun(Protocol):
    """How a run is made: ``astream``, or something called like it."""

    def __call__(
        self, runnable: Any, input: Any, config: Any, /, *, thread_id: str | None
    ) -> AsyncRunLike:
        """Return the run, not yet started."""
        ...


@dataclass
class _Live:
    """What a client's id stands for."""

    run: AsyncRunLike | None = None
    began: bool = False
    cancelled: bool = False


class WebSocketSession:
    """Serve runs of ``runnable`` on one Starlette or FastAPI WebSocket, accepted or not yet.

    Write::

        @app.websocket("/ws")
        async def ws(socket: WebSocket) -> None:
            await WebSocketSession(socket, agent).serve()

    Check who it is and the ``Origin`` header before: browsers let any page open a socket.

    * ``view`` and ``metadata`` choose what is sent (see ``Projection``).
    * ``config_for``: plain or async, gets the ``Start`` frame (``id``, ``input``, ``thread_id``)
      and returns the run's config. This is where to check that the thread is the user's; an
      exception refuses the run. A config is never taken from the client.
    * ``max_frame_bytes``: a larger frame of the client is refused, larger batches are split. (Set
      the server's own limit, such as uvicorn's ``ws_max_size``, no lower.)
    * ``max_runs``: how many may be open at once.
    * ``heartbeat_s``: a ping frame is sent after so many seconds of silence; browsers cannot see
      the protocol's own pings. ``send_timeout_s``: a socket that takes nothing for so long is
      closed.
    * ``start``: what makes a run, called as ``start(runnable, input, config, thread_id=...)``;
      ``astream`` by default.
    """

    def __init__(
        self,
        ws: WebSocket,
        runnable: Any,
        *,
        view: View = "chat",
        metadata: Collection[str] = (),
        config_for: Callable[[Start], RunnableConfig | Awaitable[RunnableConfig]] | None = None,
        max_frame_bytes: int = 1 << 20,
        max_runs: int = 8,
        heartbeat_s: float = 25,
        send_timeout_s: float = 30,
        start: StartRun | None = None,
    ) -> None:
        if not all(callable(getattr(ws, name, None)) for name in ("accept", "receive", "send")):
            raise StreamUsageError(
                f"WebSocketSession takes a Starlette or FastAPI WebSocket, not {type(ws).__name__}"
            )
        require_positive(
            max_frame_bytes=max_frame_bytes,
            max_runs=max_runs,
            heartbeat_s=heartbeat_s,
            send_timeout_s=send_timeout_s,
        )
        Projection(view, metadata=metadata)  # an unknown view fails here, not in a client's run
        self._ws = ws
        self._runnable = runnable
        self._view: View = view
        self._metadata = metadata
        self._config_for = config_for
        self._max_frame_bytes = max_frame_bytes
        self._max_runs = max_runs
        self._heartbeat_s = heartbeat_s
        self._send_timeout_s = send_timeout_s
        self._start: StartRun = start or _astream
        self._live: dict[str, _Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Accept the socket if need be, and serve it until it closes and its runs have ended.

        When the client leaves, its runs are cancelled with ``reason="disconnect"``. When this
        coroutine is cancelled, or the server restarts, with ``"shutdown"``: then the last events
        are sent and the socket is closed with 1001. An error of our own closes it with 1011.
        """
        try:
            from langchain_streamkit.serve.client_socket import (
                GOING_AWAY,
                SERVER_ERROR,
                SERVICE_RESTART,
                ClientSocket,
            )
        except ImportError as exc:
            raise StreamError(
                "WebSocketSession needs Starlette; install it with: "
                'pip install "langchain-streamkit[serve]"'
            ) from exc

        await ClientSocket.accept(self._ws)
        socket = ClientSocket(
            self._ws, heartbeat_s=self._heartbeat_s, send_timeout_s=self._send_timeout_s
        )
        reader = asyncio.create_task(self._read(socket))
        try:
            await socket.watch(reader)
            if reader.done():
                reader.result()
        except asyncio.CancelledError:
            await self._end("shutdown", socket, flush=True)
            await socket.hang_up(GOING_AWAY)
            raise
        except Exception:
            await self._end("disconnect", socket)
            await socket.hang_up(SERVER_ERROR)
            raise
        finally:
            reader.cancel()
        restarting = socket.closed_with == SERVICE_RESTART
        await self._end("shutdown" if restarting else "disconnect", socket)
        if socket.stuck:
            await socket.hang_up(SERVER_ERROR)

    async def _read(self, socket: ClientSocket) -> None:
        """Do what the client's frames say, until there are no more."""
        async for text in socket.frames():
            asked = READER.read(text, self._max_frame_bytes)
            match asked:
                case Start():
                    refused = self._begin(asked, socket)
                case Cancel():
                    refused = self._cancel(asked)
                case BadFrame():
                    refused = Refused(asked.code, asked.message, asked.id)
            if refused is not None:
                await socket.write(refused.text())

    def _begin(self, asked: Start, socket: ClientSocket) -> Refused | None:
        if asked.id in self._live:
            return Refused("duplicate_id", "a run with this id is open; choose another", asked.id)
        if len(self._live) >= self._max_runs:
            return Refused("too_many_runs", f"{self._max_runs} runs are open", asked.id)
        live = self._live[asked.id] = _Live()
        self._spawn(self._serve_run(asked, live, socket))
        return None

    def _cancel(self, asked: Cancel) -> Refused | None:
        live = self._live.get(asked.id)
        if live is None:
            return Refused("unknown_id", "no run with this id is open", asked.id)
        if live.run is not None and not live.cancelled:
            self._spawn(end_run(live.run, "user"))
        live.cancelled = True
        return None

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_run(self, asked: Start, live: _Live, socket: ClientSocket) -> None:
        refused: Refused | None = None
        try:
            if (run := await self._make(asked, live)) is None:
                refused = Refused("cancelled", "cancelled before it began", asked.id)
            else:
                await self._send_events(asked.id, run, live, socket)
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            refused = _refusal(asked, live, exc)
            if live.run is not None:
                await end_run(live.run, "disconnect")
        finally:
            self._forget(asked.id, live)
        if refused is not None:
            await socket.write(refused.text())

    async def _make(self, asked: Start, live: _Live) -> AsyncRunLike | None:
        config: Any = None
        if self._config_for is not None:
            config = self._config_for(asked)
            if inspect.isawaitable(config):
                config = await config
        if live.cancelled:
            return None
        run = self._start(self._runnable, asked.input, config, thread_id=asked.thread_id)
        live.run = run
        return run

    async def _send_events(
        self, name: str, run: AsyncRunLike, live: _Live, socket: ClientSocket
    ) -> None:
        apply = Projection(self._view, metadata=self._metadata).apply
        async for batch in run.batches():
            live.began = True
            if batch[-1].type in TERMINAL_TYPES:
                # Before the client learns of the end and uses the name again; the iteration
                # itself goes on until `on_end` is done.
                self._forget(name, live)
            shown = [event for made in batch if (event := apply(made)) is not None]
            for text in pack(name, shown, self._max_frame_bytes):
                await socket.write(text)
            await socket.give_way(len(batch))

    def _forget(self, name: str, live: _Live) -> None:
        if self._live.get(name) is live:
            del self._live[name]

    async def _end(
        self, reason: CancelReason, socket: ClientSocket, *, flush: bool = False
    ) -> None:
        """End all runs; what they still say is sent only if ``flush``."""
        if not flush:
            socket.close()
        runs: list[AsyncRunLike] = []
        for live in self._live.values():
            live.cancelled = True
            if live.run is not None:
                runs.append(live.run)
        await asyncio.gather(*(end_run(run, reason) for run in runs), return_exceptions=True)
        if flush and self._tasks:
            await asyncio.wait(self._tasks, timeout=FLUSH_S)
        socket.close()
        for task in self._tasks:
            task.cancel()  # out of config_for, or a write that hangs; their runs have ended
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FLUSH_S)


def _astream(runnable: Any, input: Any, config: Any, /, *, thread_id: str | None) -> AsyncRunLike:
    from langchain_streamkit.api import astream

    return astream(runnable, input, config, thread_id=thread_id)


def _refusal(asked: Start, live: _Live, error: Exception) -> Refused:
    """What the client is told of an error of ours or its own; the rest goes to the log."""
    if isinstance(error, StreamUsageError) and error.wire is not None:
        return Refused("start_failed", error.wire, asked.id)
    error_id = uuid4().hex
    said = "the run failed to be sent" if live.began else "the run could not be started"
    logger.error("%s (error_id=%s)", said, error_id, exc_info=error)
    return Refused("internal" if live.began else "start_failed", said, asked.id, error_id)
