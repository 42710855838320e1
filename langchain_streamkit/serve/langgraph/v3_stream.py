"""A thread's events as a response that stays open, from run to run.

Guarantees: those of ``serve/log_response.py``, but that nothing ends it while the client reads and
the server goes on: clients take the end of the stream for a broken connection. Where it cannot go
on it says why, in the protocol's form of error, and closes.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from langchain_streamkit.errors import LogUnavailable
from langchain_streamkit.serve.langgraph.v3_errors import fault_of
from langchain_streamkit.serve.line import Line
from langchain_streamkit.serve.sse_response import SSE_HEADERS, body_message, disconnected
from langchain_streamkit.wire.langgraph.v3_commands import failure
from langchain_streamkit.wire.sse import OK, PING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.serve.langgraph.v3_reading import ThreadFrames
    from langchain_streamkit.serve.settings import ServeSettings

COME_BACK: Final = b'event: bye\ndata: the server goes away; read on with "since"\n\n'
"""Python's client takes a stream that merely ends for the end of all runs, and comes back only from
one that is broken: what it cannot read as JSON is. JavaScript's comes back from both."""
HEARTBEAT_S: Final = 5.0
"""At most: JavaScript's client measures the pauses, and takes one that is long for a cut."""


class ThreadResponse(Response):
    """Streams a thread; ``place`` is closed when the client has gone."""

    media_type = "text/event-stream"

    def __init__(
        self,
        manager: RunManager,
        thread: ThreadFrames,
        settings: ServeSettings,
        *,
        place: AsyncExitStack,
    ) -> None:
        self._manager = manager
        self._thread = thread
        self._settings = settings
        self._place = place
        self.status_code = 200
        self.background = None
        self.init_headers(SSE_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        line = Line[Any](
            send,
            body_message(PING),
            heartbeat_s=min(HEARTBEAT_S, self._settings.heartbeat_s),
            send_timeout_s=self._settings.send_timeout_s,
        )
        async with self._place:
            pump = asyncio.create_task(self._pump(line))
            left = asyncio.create_task(disconnected(receive))
            bye = asyncio.create_task(self._manager.farewell())
            try:
                await line.watch(pump, left, bye)
            finally:
                self._thread.disconnected = line.closed or left.done()
                said = pump.done()
                for task in (pump, left, bye):
                    task.cancel()
                await asyncio.wait({pump, left, bye})
            if not pump.cancelled():
                pump.result()
            if not (said or self._thread.disconnected):
                await line.write_last(body_message(COME_BACK, more=False))

    async def _pump(self, line: Line[Any]) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await line.write({"type": "http.response.start", **start})
        await line.write(body_message(OK))
        last = b""
        try:
            async with aclosing(self._thread.batches()) as batches:
                async for batch in batches:
                    await line.write(body_message(b"".join(frame.sse() for frame in batch)))
                    if line.closed:
                        return
                    await line.give_way(len(batch))
        except LogUnavailable:
            last = COME_BACK
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            told = msgspec.json.encode(failure(None, fault_of(exc).error))
            last = b"event: error\ndata: %b\n\n" % told
        await line.write(body_message(last, more=False))
