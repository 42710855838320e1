"""A run as the response of a Starlette or FastAPI endpoint: server-sent events.

Guarantees: an error before the run's first event is an HTTP error, not an empty 200; the first
bytes leave as soon as the run has started; all events that are ready leave in one write; a silent
stream is kept open by a comment; a client that leaves, or reads nothing, is noticed at once and
the run is cancelled or goes on, as asked; the last frame of a whole stream is ``event: end``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.serve.line import Line, end_run, outlive, require_positive
from langchain_streamkit.wire.encoders import EncodedFrames, encoder_for
from langchain_streamkit.wire.source import as_async_run
from langchain_streamkit.wire.sse import END, PING, SSEFrames, opening

try:
    from starlette.responses import Response
except ImportError as exc:
    raise StreamError(
        'SSEResponse needs Starlette; install it with: pip install "langchain-streamkit[serve]"'
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.background import BackgroundTask
    from starlette.types import Message, Receive, Scope, Send

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.encoders import WireProtocol
    from langchain_streamkit.wire.protocol import Encoder
    from langchain_streamkit.wire.source import AsyncRunLike
    from langchain_streamkit.wire.views import View

OnDisconnect: TypeAlias = Literal["cancel", "continue"]

SSE_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-store, no-transform",
    "x-accel-buffering": "no",  # nginx with gzip would hold everything back to the end
    "x-content-type-options": "nosniff",
}


class SSEResponse(Response):
    """Stream a run of ``astream()`` as server-sent events; return it from an endpoint.

    * ``protocol``: ``"native"``, our own frames, of which ``view`` and ``metadata`` choose what is
      sent (see ``Projection``); or that of a front end: ``"ai-sdk"``, ``"ag-ui"``,
      ``"openai-chat"``, ``"openai-responses"``, or one of their encoders with options of your own.
    * ``on_disconnect``: ``"cancel"`` (default) stops the run with ``reason="disconnect"`` when the
      client leaves; ``"continue"`` lets it go on to its end, unread.
    * ``heartbeat_s``: a comment is sent after so many seconds of silence.
    * ``send_timeout_s``: a client that takes nothing for so long counts as gone.
    * ``retry_ms``: how long a browser's ``EventSource`` waits before it reconnects. It does so
      after every end: close it in its listener for ``end``, or it begins a new run.
    * ``headers`` are added to ours, and win. ``background`` runs after the stream.

    The run starts when the response is sent; what ``run.started()`` raises reaches your exception
    handlers, as nothing has been sent by then. (A run that has said nothing for ``heartbeat_s`` is
    answered 200 all the same, or proxies would give up.) HEAD is answered without starting it.

    Raises ``StreamUsageError`` for what is not an async run and for unknown options.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        run: AsyncRunLike,
        *,
        view: View = "chat",
        metadata: Collection[str] = (),
        protocol: WireProtocol | Encoder = "native",
        on_disconnect: OnDisconnect = "cancel",
        heartbeat_s: float = 15,
        send_timeout_s: float = 30,
        retry_ms: int = 2000,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
        status_code: int = 200,
    ) -> None:
        if as_async_run(run) is None:
            raise StreamUsageError(
                f"SSEResponse takes the run that astream() returns, not {type(run).__name__}; "
                "write SSEResponse(astream(runnable, input)), or, for another iterable of events, "
                "StreamingResponse(sse_bytes(events), media_type='text/event-stream')"
            )
        encoder = encoder_for(protocol)
        if encoder is not None and (view != "chat" or metadata):
            raise StreamUsageError(
                f"view= and metadata= are for protocol='native'; {type(encoder).__name__} has what"
                " is for the user"
            )
        if on_disconnect not in get_args(OnDisconnect):
            raise StreamUsageError(
                f"on_disconnect={on_disconnect!r} is not known; write 'cancel' or 'continue'"
            )
        require_positive(heartbeat_s=heartbeat_s, send_timeout_s=send_timeout_s, retry_ms=retry_ms)
        given = {name.lower(): value for name, value in (headers or {}).items()}
        if "content-length" in given:
            raise StreamUsageError("a stream has no content-length; leave that header out")
        self._run = run
        if encoder is None:
            self._frames: SSEFrames | EncodedFrames = SSEFrames(view, metadata=metadata, end=END)
            self._opening, self._ping = opening(retry_ms), PING
        else:
            self._frames = EncodedFrames(encoder)
            self._opening, self._ping = encoder.opening(), encoder.ping
        self._answered = self._complete = False
        self._continue = on_disconnect == "continue"
        self._heartbeat_s = heartbeat_s
        self._send_timeout_s = send_timeout_s
        self.status_code = status_code
        self.background = background
        self.init_headers({**SSE_HEADERS, **(encoder.headers if encoder else {}), **given})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "HEAD":
            await send(self._start())
            await send(body_message(b"", more=False))
        else:
            await self._stream(receive, send)
        if self.background is not None:
            await self.background()

    async def _stream(self, receive: Receive, send: Send) -> None:
        line = Line[Any](
            send,
            body_message(self._ping),
            heartbeat_s=self._heartbeat_s,
            send_timeout_s=self._send_timeout_s,
        )
        pump = outlive(asyncio.create_task(self._pump(line)))
        left = asyncio.create_task(disconnected(receive))
        try:
            await line.watch(pump, left)
            if self._complete:
                await asyncio.shield(pump)
        except asyncio.CancelledError:
            await self._abandon(line, pump)
            raise
        finally:
            left.cancel()
        if not pump.done():
            await self._abandon(line, pump)
        elif not line.closed:
            pump.result()

    async def _pump(self, line: Line[Any]) -> None:
        """Read the run to its end, and write while there is someone to write to."""
        starting = outlive(asyncio.create_task(self._started()))
        await asyncio.wait({starting}, timeout=self._heartbeat_s)
        if starting.done():
            starting.result()
        self._answered = True  # from here on an error is an event
        await line.write(self._start())
        await line.write(body_message(self._opening))
        try:
            async for batch in self._run.batches():
                if not line.closed:
                    await self._write(line, batch)
                await line.give_way(len(batch))
        except Exception:
            await end_run(self._run, "disconnect")  # or it would go on with nobody reading
            raise

    async def _started(self) -> None:
        try:
            await self._run.started()
        except Exception:
            if not self._answered:
                raise

    async def _write(self, line: Line[Any], batch: list[Event]) -> None:
        data = self._frames.encode(batch)
        if self._frames.ended:
            # Complete at once: the iteration itself goes on until `on_end` is done.
            await line.write(body_message(data, more=False))
            self._complete = True
        elif data:
            await line.write(body_message(data))

    async def _abandon(self, line: Line[Any], pump: asyncio.Task[None]) -> None:
        """The client has gone, or this request was cancelled: the run ends, or reads itself out."""
        if self._complete:
            return
        hangs = line.writing
        line.close()
        if hangs:
            pump.cancel()  # out of the write, and on to reading
        if not self._continue:
            await end_run(self._run, "disconnect")
            with suppress(Exception):
                await asyncio.shield(pump)

    def _start(self) -> Message:
        return {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }


def body_message(data: bytes, *, more: bool = True) -> Message:
    """Return the ASGI message of a part of the body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass  # the rest of a request body that the endpoint did not read
