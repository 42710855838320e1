"""The ASGI application of a scripted provider: routes, records, plays and watches for disconnects.

Guarantees: every POST is recorded before it is answered; one request takes one turn of the script;
each chunk is its own write; a client that leaves is noticed at once, also while the script waits in
a delay or at a gate. Errors come in OpenAI's JSON form; what is wrong with the script itself is a
500 that clients do not retry.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langchain_streamkit.testing.faults import (
    CutShort,
    DroppedConnection,
    Malformed,
    ProviderError,
)
from langchain_streamkit.testing.provider_answer import Answer, Encoder, mint
from langchain_streamkit.testing.provider_chat import ChatEncoder
from langchain_streamkit.testing.provider_request import ProviderRequest
from langchain_streamkit.testing.provider_responses import ResponsesEncoder
from langchain_streamkit.testing.turns import ScriptError, Turn, is_content
from langchain_streamkit.testing.waiting import Gate, ahold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_streamkit.testing.script import Script

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_ENCODERS: dict[str, tuple[Callable[[Answer], Encoder], str]] = {
    "/v1/chat/completions": (ChatEncoder, "messages"),
    "/v1/responses": (ResponsesEncoder, "input"),
}
_SSE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


class ProviderApp:
    """Answers requests from ``script``; ``requests`` has them in the order of their arrival."""

    def __init__(
        self, script: Script[ProviderRequest], *, models: Sequence[str], usage: bool
    ) -> None:
        for turn in script.turns:
            refuse_message_chunks(turn)
        self._script = script
        self._models = models
        self._usage = usage
        self._lock = threading.Lock()
        self._requests: list[ProviderRequest] = []
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> tuple[ProviderRequest, ...]:
        """All POST requests so far."""
        with self._lock:
            return tuple(self._requests)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        raw = await _read_body(receive)
        if raw is None:
            return
        if scope["method"] != "POST":
            await self._get(scope["path"], _Reply(send, None))
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        request = ProviderRequest(scope["path"], headers, raw)
        with self._lock:
            self._requests.append(request)
        reply = _Reply(send, request)
        answer = asyncio.create_task(self._answer(request, reply))
        gone = asyncio.create_task(_until_disconnect(receive))
        self._answering.add(answer)
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                request.mark_disconnected()
            elif answer.cancelled():
                await reply.tear()
            else:
                answer.result()
        finally:
            self._answering.discard(answer)
            answer.cancel()
            gone.cancel()

    def stop(self) -> None:
        """Drop all answers that are still being played. Called in the server's loop."""
        for task in self._answering:
            task.cancel()

    async def _get(self, path: str, reply: _Reply) -> None:
        if path != "/v1/models":
            await reply.error(_unknown_url(f"GET {path}"))
            return
        data = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "scripted"}
            for name in self._models
        ]
        await reply.json({"object": "list", "data": data})

    async def _answer(self, request: ProviderRequest, reply: _Reply) -> None:
        try:
            answer, encoder = self._plan(request)
        except ProviderError as error:
            await reply.error(error)
        else:
            failure = await _play(request, answer, encoder, reply)
            if isinstance(failure, DroppedConnection):
                await reply.tear()
                if isinstance(failure, CutShort):
                    await reply.frames(b"", last=True)
                return
            await _end(request, encoder, reply, failure)
        request.completed.set()

    def _plan(self, request: ProviderRequest) -> tuple[Answer, Encoder]:
        if request.path not in _ENCODERS:
            raise _unknown_url(f"POST {request.path}")
        make_encoder, prompt = _ENCODERS[request.path]
        for needed in ("model", prompt):
            if not request.body.get(needed):
                raise ProviderError(
                    f"Missing required parameter: '{needed}'.",
                    status_code=400,
                    type="invalid_request_error",
                    code="missing_required_parameter",
                    param=needed,
                )
        try:
            turn = self._script.take(request, request.body)
            refuse_message_chunks(turn)
            answer = Answer.of(turn, request.body, usage=self._usage)
        except Exception as exc:
            raise ProviderError(
                f"scripted_provider: {type(exc).__name__}: {exc}",
                type="script_error",
                headers={"x-should-retry": "false"},
            ) from exc
        return answer, make_encoder(answer)


async def _play(
    request: ProviderRequest, answer: Answer, encoder: Encoder, reply: _Reply
) -> BaseException | None:
    """Send the pieces one by one; returns the exception the script has at the place it stopped."""
    stream = bool(request.body.get("stream"))
    for piece in answer.pieces:
        if isinstance(piece, BaseException):
            return piece
        if isinstance(piece, float | int):
            await asyncio.sleep(piece)
        elif isinstance(piece, Malformed):
            if not stream:
                await reply.text(200, piece.data)
                return None
            await reply.open(encoder)
            await reply.frames(encoder.malformed(piece))
        elif is_content(piece):
            if stream:
                await reply.open(encoder)
            frames = encoder.feed(piece)
            if stream:
                await reply.frames(frames)
            request.chunks_sent += 1
        else:
            await ahold(cast("Gate", piece))
    return None


async def _end(
    request: ProviderRequest, encoder: Encoder, reply: _Reply, failure: BaseException | None
) -> None:
    if failure is not None:
        error = failure if isinstance(failure, ProviderError) else ProviderError(repr(failure))
        if request.status is None:
            await reply.error(error)
        else:
            await reply.frames(encoder.error(error), last=True)
    elif request.body.get("stream"):
        await reply.open(encoder)
        await reply.frames(encoder.close(), last=True)
    elif request.status is None:
        await reply.json(encoder.whole())


class _Reply:
    """The response of one request, whole or as a stream of events."""

    def __init__(self, send: Send, request: ProviderRequest | None) -> None:
        self._send = send
        self._request = request
        self._started = False

    async def open(self, encoder: Encoder) -> None:
        """Begin an event stream, unless that was done."""
        if not self._started:
            await self._start(200, _SSE)
            await self.frames(encoder.open())

    async def frames(self, frames: bytes, *, last: bool = False) -> None:
        """Send frames of an event stream in one write."""
        await self._send({"type": "http.response.body", "body": frames, "more_body": not last})
        # uvicorn writes without giving control away; so each chunk leaves by itself, and a
        # disconnect is noticed between two of them.
        await asyncio.sleep(0)

    async def json(
        self, body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a whole JSON response."""
        await self.text(status, json.dumps(body), headers)

    async def text(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response that says it is JSON."""
        raw = body.encode()
        sized = {"content-type": "application/json", "content-length": str(len(raw))}
        await self._start(status, {**sized, **(headers or {})})
        await self._send({"type": "http.response.body", "body": raw, "more_body": False})

    async def error(self, error: ProviderError) -> None:
        """Send an error response."""
        await self.json(error.body, error.status_code, error.headers)

    async def tear(self) -> None:
        """Leave the response without an end: uvicorn then closes the connection."""
        if not self._started:
            await self._start(200, _SSE)

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self._started = True
        if self._request is not None:
            self._request.status = status
        sent = {**headers, "x-request-id": mint("req_")}
        raw = [(name.encode(), value.encode()) for name, value in sent.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


async def _read_body(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += cast("bytes", message.get("body", b""))
        if not message.get("more_body", False):
            return body


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _unknown_url(what: str) -> ProviderError:
    return ProviderError(
        f"Invalid URL ({what})", status_code=404, type="invalid_request_error", code="unknown_url"
    )


def refuse_message_chunks(turn: Turn) -> None:
    """Raise ScriptError for a turn with LangChain objects, which a provider does not know."""
    for piece in turn.chunks or ():
        if not isinstance(piece, str | dict) and is_content(piece):
            raise ScriptError(
                f"{piece!r} in the script of scripted_provider; write its text as a str and its "
                "tool calls as dicts"
            )
