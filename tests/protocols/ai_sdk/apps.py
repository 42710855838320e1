"""A small application that speaks to the AI SDK, at a real uvicorn."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from langchain_streamkit import StreamUsageError, astream
from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder
from langchain_streamkit.wire.ai_sdk.request import ChatRequest, read_chat_request
from tests.serve.servers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from langchain_streamkit import AsyncRun, RunSnapshot
    from langchain_streamkit.events import Event


class Server:
    """Makes one run of ``runnable`` for each request, and keeps what it told."""

    def __init__(self, runnable: Any, *, value: Any, version: Any, thread: bool = True) -> None:
        self.runnable = runnable
        self.value = value
        """The input of each run; what was asked, if None."""
        self.version = version
        self.thread = thread
        self.runs: list[AsyncRun[Any]] = []
        self.requests: list[ChatRequest] = []
        self.events: list[list[Event]] = []
        self.url = ""

    @property
    def snapshot(self) -> RunSnapshot:
        return self.runs[-1].snapshot

    async def post(self, request: Request) -> Response:
        try:
            asked = read_chat_request(await request.body())
        except StreamUsageError as exc:
            return PlainTextResponse(exc.wire, 422)
        self.requests.append(asked)
        run = self.run(asked)
        self.runs.append(run)
        return self.response(self.frames(run))

    def run(self, asked: ChatRequest) -> AsyncRun[Any]:
        options: dict[str, Any] = {"config": {"metadata": asked.metadata}}
        if asked.resume is not None:
            from langgraph.types import Command

            value: Any = Command(resume=asked.resume)
        else:
            value = self.value or {"messages": asked.new_messages}
        if self.thread:
            options["thread_id"] = asked.thread_id
        return astream(self.runnable, value, **options)

    async def get(self, request: Request) -> Response:
        """The last run from its beginning, if there is one."""
        if not self.events:
            return Response(status_code=204)
        return self.response(self.replay(self.events[-1]))

    def response(self, frames: AsyncIterator[bytes]) -> Response:
        encoder = AiSdkEncoder(sdk_version=self.version)
        return StreamingResponse(
            frames, media_type=encoder.media_type, headers=dict(encoder.headers)
        )

    async def frames(self, run: AsyncRun[Any]) -> AsyncIterator[bytes]:
        encoder = AiSdkEncoder(sdk_version=self.version)
        told: list[Event] = []
        self.events.append(told)
        yield encoder.opening()
        async for event in run:
            told.append(event)
            for frame in encoder.encode(event):
                yield frame

    async def replay(self, events: list[Event]) -> AsyncIterator[bytes]:
        encoder = AiSdkEncoder(sdk_version=self.version)
        yield encoder.opening() + encoder.ping
        for event in events:
            for frame in encoder.encode(event):
                yield frame


@contextmanager
def served(
    runnable: Any, *, value: Any = None, version: Any = None, thread: bool = True
) -> Iterator[Server]:
    server = Server(runnable, value=value, version=version, thread=thread)
    routes = [
        Route("/api/chat", server.post, methods=["POST"]),
        Route("/api/chat/{id}/stream", server.get),
    ]
    with serving(Starlette(routes=routes)) as where:
        server.url = f"http://{where}/api/chat"
        yield server


class Bytes:
    """Answers every request with ``body``, in pieces of ``size`` bytes."""

    def __init__(self) -> None:
        self.body = b""
        self.size = 1 << 16
        self.url = ""

    async def post(self, request: Request) -> Response:
        starts = range(0, len(self.body), self.size)
        pieces = [self.body[start : start + self.size] for start in starts]
        return StreamingResponse(iter(pieces), media_type=AiSdkEncoder.media_type)


@contextmanager
def serving_bytes() -> Iterator[Bytes]:
    given = Bytes()
    with serving(Starlette(routes=[Route("/", given.post, methods=["POST"])])) as where:
        given.url = f"http://{where}/"
        yield given
