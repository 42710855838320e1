"""A run's log as the response of an endpoint: what a client missed, then what comes.

Guarantees: as those of ``SSEResponse``, but for the run, which goes on; a slow client is fed from
the log, so that nothing is dropped and little is held; one that reads nothing is cut off; readers
are told when the server goes away.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from langchain_streamkit.errors import ProducerLost, ReplayGap, RunGone, StreamError
from langchain_streamkit.serve.line import Line
from langchain_streamkit.serve.refusals import broken_off
from langchain_streamkit.serve.sse_response import SSE_HEADERS, body_message, disconnected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import Receive, Scope, Send

    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.serve.answering import Refused
    from langchain_streamkit.wire.log_frames import LogFraming


class LogResponse(Response):
    """Streams ``batches`` of a run's log, as ``framing`` puts them.

    ``place`` is closed when the client has gone; ``refused`` tells why there is nothing to send.
    With ``ends_run``, nobody can read the run again, so that it is cancelled then.
    ``heartbeat_s`` and ``send_timeout_s`` are those of ``SSEResponse``.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        manager: RunManager,
        run_id: str,
        batches: AsyncGenerator[Stretch],
        framing: LogFraming,
        *,
        place: AsyncExitStack,
        refused: Refused,
        ends_run: bool = False,
        heartbeat_s: float = 15,
        send_timeout_s: float = 30,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._manager = manager
        self._run_id = run_id
        self._batches = batches
        self._framing = framing
        self._place = place
        self._refused = refused
        self._ends_run = ends_run
        self._heartbeat_s = heartbeat_s
        self._send_timeout_s = send_timeout_s
        self.status_code = 200
        self.background = None
        self.init_headers({**SSE_HEADERS, **framing.headers, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        line = Line[Any](
            send,
            body_message(self._framing.ping),
            heartbeat_s=self._heartbeat_s,
            send_timeout_s=self._send_timeout_s,
        )
        async with self._place:
            try:
                await self._manager.attend(self._run_id)
            except StreamError as exc:  # nothing was sent yet
                await self._refused(exc)(scope, receive, send)
                return
            pump = asyncio.create_task(self._pump(line))
            left = asyncio.create_task(disconnected(receive))
            bye = asyncio.create_task(self._manager.farewell())
            try:
                await line.watch(pump, left, bye)
                if bye.done() and not pump.done() and not line.closed:
                    await self._say_goodbye(line, pump)
            finally:
                # Before any wait: whoever cancels the request may cancel that too.
                gone = line.closed or left.done()
                self._manager.leave(self._run_id, disconnected=gone, ends_run=self._ends_run)
                for task in (pump, left, bye):
                    task.cancel()
                await asyncio.wait({pump, left, bye})
            if not pump.cancelled():
                pump.result()

    async def _pump(self, line: Line[Any]) -> None:
        await line.write(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await line.write(body_message(self._framing.opening))
        last = b""
        try:
            async with aclosing(self._batches) as batches:
                async for batch in batches:
                    data = self._framing.frames(batch)
                    if self._framing.ended:
                        last = data
                        break
                    if data:
                        await line.write(body_message(data))
                    if line.closed:
                        return
                    await line.give_way(len(batch.data))
        except (RunGone, ReplayGap, ProducerLost) as exc:
            last = self._framing.gone(broken_off(exc).error)
        except StreamError:
            last = self._framing.cut()
        await line.write(body_message(last, more=False))

    async def _say_goodbye(self, line: Line[Any], pump: asyncio.Task[None]) -> None:
        """Between two writes of the pump, or instead of one that hangs."""
        pump.cancel()
        await asyncio.wait({pump})
        await line.write_last(body_message(self._framing.farewell(), more=False))
