"""A small application that speaks to the AI SDK, at a real uvicorn."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder
from langchain_streamkit.wire.ai_sdk.request import ChatRequest, read_chat_request
from tests.protocols.apps import RunServer, at_uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from langchain_streamkit.events import Event


class Server(RunServer[ChatRequest]):
    def __init__(self, runnable: Any, *, value: Any, version: Any, thread: bool = True) -> None:
        super().__init__(runnable, value=value, thread=thread)
        self.version = version

    def read(self, body: bytes) -> ChatRequest:
        return read_chat_request(body)

    def input_of(self, asked: ChatRequest) -> dict[str, Any]:
        return {"messages": asked.new_messages}

    def options_of(self, asked: ChatRequest) -> dict[str, Any]:
        return {"config": {"metadata": asked.metadata}}

    def response(self, frames: AsyncIterator[bytes]) -> StreamingResponse:
        encoder = AiSdkEncoder(sdk_version=self.version)
        return StreamingResponse(
            frames, media_type=encoder.media_type, headers=dict(encoder.headers)
        )

    async def frames(
        self, events: AsyncIterator[Event], asked: ChatRequest
    ) -> AsyncIterator[bytes]:
        encoder = AiSdkEncoder(sdk_version=self.version)
        yield encoder.opening()
        async for event in events:
            for frame in encoder.encode(event):
                yield frame

    async def get(self, request: Request) -> Response:
        """The last run from its beginning, if there is one."""
        if not self.events:
            return Response(status_code=204)
        return self.response(self.replay(self.events[-1]))

    async def replay(self, events: list[Event]) -> AsyncIterator[bytes]:
        encoder = AiSdkEncoder(sdk_version=self.version, resumed=True)
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
    with at_uvicorn(server, "/api/chat", *routes):
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
    with at_uvicorn(given, "/", Route("/", given.post, methods=["POST"])):
        yield given
