"""A small application that speaks AG-UI, at a real uvicorn."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse
from starlette.routing import Route

from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.request import AgUiRequest, read_run_input
from tests.protocols.ag_ui.clients import validated
from tests.protocols.apps import RunServer, at_uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_streamkit.events import Event


class Server(RunServer[AgUiRequest]):
    def __init__(self, runnable: Any, *, value: Any, thread: bool, options: Any) -> None:
        super().__init__(runnable, value=value, thread=thread)
        self.options = {"capture": {"state"}, **options}

    def read(self, body: bytes) -> AgUiRequest:
        return read_run_input(body)

    def input_of(self, asked: AgUiRequest) -> dict[str, Any]:
        return {**(asked.state or {}), "messages": asked.new_messages}

    def options_of(self, asked: AgUiRequest) -> dict[str, Any]:
        return self.options

    def response(self, frames: AsyncIterator[bytes]) -> StreamingResponse:
        return StreamingResponse(frames, media_type=AgUiEncoder.media_type)

    async def frames(
        self, events: AsyncIterator[Event], asked: AgUiRequest
    ) -> AsyncIterator[bytes]:
        encoder = AgUiEncoder(asked)
        yield encoder.opening() + encoder.ping
        async for event in events:
            frames = encoder.encode(event)
            validated(frames)
            for frame in frames:
                yield frame


@contextmanager
def served(
    runnable: Any, *, value: Any = None, thread: bool = True, **options: Any
) -> Iterator[Server]:
    server = Server(runnable, value=value, thread=thread, options=options)
    with at_uvicorn(server, "/", Route("/", server.post, methods=["POST"])):
        yield server
