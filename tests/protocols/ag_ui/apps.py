"""A small application that speaks AG-UI, at a real uvicorn."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from langchain_streamkit import StreamUsageError, astream
from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.request import AgUiRequest, read_run_input
from tests.protocols.ag_ui.clients import validated
from tests.serve.servers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from langchain_streamkit import AsyncRun, RunSnapshot
    from langchain_streamkit.events import Event


class Server:
    """Makes one run of ``runnable`` for each request, and keeps what it told."""

    def __init__(self, runnable: Any, *, value: Any, thread: bool, options: Any) -> None:
        self.runnable = runnable
        self.value = value
        """The input of each run; what was asked, if None."""
        self.thread = thread
        self.options = {"capture": {"state"}, **options}
        self.runs: list[AsyncRun[Any]] = []
        self.requests: list[AgUiRequest] = []
        self.events: list[list[Event]] = []
        self.url = ""

    @property
    def snapshot(self) -> RunSnapshot:
        return self.runs[-1].snapshot

    async def post(self, request: Request) -> Response:
        try:
            asked = read_run_input(await request.body())
        except StreamUsageError as exc:
            return PlainTextResponse(exc.wire, 422)
        self.requests.append(asked)
        run = self.run(asked)
        self.runs.append(run)
        return StreamingResponse(self.frames(run, asked), media_type=AgUiEncoder.media_type)

    def run(self, asked: AgUiRequest) -> AsyncRun[Any]:
        options: dict[str, Any] = dict(self.options)
        if asked.resume is not None:
            from langgraph.types import Command

            value: Any = Command(resume=asked.resume)
        else:
            value = self.value or {**(asked.state or {}), "messages": asked.new_messages}
        if self.thread:
            options["thread_id"] = asked.thread_id
        return astream(self.runnable, value, **options)

    async def frames(self, run: AsyncRun[Any], asked: AgUiRequest) -> AsyncIterator[bytes]:
        encoder = AgUiEncoder(asked)
        told: list[Event] = []
        self.events.append(told)
        yield encoder.opening() + encoder.ping
        async for event in run:
            told.append(event)
            frames = encoder.encode(event)
            validated(frames)
            for frame in frames:
                yield frame


@contextmanager
def served(
    runnable: Any, *, value: Any = None, thread: bool = True, **options: Any
) -> Iterator[Server]:
    server = Server(runnable, value=value, thread=thread, options=options)
    routes = [Route("/", server.post, methods=["POST"])]
    with serving(Starlette(routes=routes)) as where:
        server.url = f"http://{where}/"
        yield server
