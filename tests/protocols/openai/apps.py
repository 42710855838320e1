"""A small server that answers OpenAI's clients with runs, as a user of ours would write one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from openai import OpenAI
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from langchain_streamkit import RunSnapshot, astream
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.wire.openai.chat import ChatEncoder, chat_reply
from langchain_streamkit.wire.openai.chat_request import ModelRequest, read_chat_request
from langchain_streamkit.wire.openai.responses import ResponsesEncoder, responses_reply
from langchain_streamkit.wire.openai.responses_request import read_responses_request
from langchain_streamkit.wire.openai.terms import Reply, error_body
from tests.serve.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.protocol import Encoder

Answer = Callable[[ModelRequest], Any]
"""What makes the run of a request."""


class Served:
    """The server; ``runs`` has the events of every run, ``asked`` every request."""

    def __init__(self, answer: Answer, tools: Any = "client") -> None:
        self.answer = answer
        self.tools = tools
        self.runs: list[list[Event]] = []
        self.asked: list[ModelRequest] = []
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/responses", self.responses, methods=["POST"]),
                Route("/v1/models", self.models),
            ]
        )
        self.host = ""

    @property
    def base_url(self) -> str:
        return f"http://{self.host}/v1"

    @property
    def snapshot(self) -> RunSnapshot:
        """Of the last run."""
        return RunSnapshot.from_events(self.runs[-1])

    def new_client(self, **options: Any) -> OpenAI:
        return OpenAI(**{"base_url": self.base_url, "api_key": "k", "max_retries": 0, **options})

    async def models(self, request: Request) -> Response:
        one = {"id": "agent", "object": "model", "created": 0, "owned_by": "us"}
        return JSONResponse({"object": "list", "data": [one]})

    async def chat(self, request: Request) -> Response:
        try:
            asked = read_chat_request(await request.body())
        except StreamUsageError as exc:
            return JSONResponse(error_body(str(exc.wire)), 400)
        options: dict[str, Any] = {"tools": self.tools, "hold_back": asked.wants_json}
        if asked.stream:
            encoder = ChatEncoder(include_usage=asked.include_usage, **options)
            return self.stream(encoder, asked)
        return whole(chat_reply(await self.events(asked), **options))

    async def responses(self, request: Request) -> Response:
        try:
            asked = read_responses_request(await request.body())
        except StreamUsageError as exc:
            return JSONResponse(error_body(str(exc.wire)), 400)
        options: dict[str, Any] = {"tools": self.tools, "hold_back": asked.wants_json}
        if asked.stream:
            return self.stream(ResponsesEncoder(**options), asked)
        return whole(responses_reply(await self.events(asked), **options))

    def stream(self, encoder: Encoder, asked: ModelRequest) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield encoder.opening()
            async for event in self.run(asked):
                for frame in encoder.encode(event):
                    yield frame

        return StreamingResponse(body(), media_type=encoder.media_type)

    async def events(self, asked: ModelRequest) -> list[Event]:
        return [event async for event in self.run(asked)]

    async def run(self, asked: ModelRequest) -> AsyncIterator[Event]:
        self.asked.append(asked)
        events: list[Event] = []
        self.runs.append(events)
        async for event in self.answer(asked):
            events.append(event)
            yield event


@contextmanager
def served(answer: Answer | Any, *, tools: Any = "client") -> Iterator[tuple[Served, Any]]:
    """Serve the runs that ``answer`` makes, or those of a runnable; gives a client as well."""
    found = Served(_asking(answer) if hasattr(answer, "ainvoke") else answer, tools)
    with serving(found.app) as found.host, found.new_client() as client:
        yield found, client


def _asking(runnable: Any) -> Answer:
    is_graph = hasattr(runnable, "stream_mode")

    def ask(asked: ModelRequest) -> Any:
        return astream(runnable, {"messages": asked.messages} if is_graph else asked.messages)

    return ask


def whole(reply: Reply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers), media_type="application/json")
