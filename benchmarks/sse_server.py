"""A contender at uvicorn, in a process: ``python -m benchmarks.sse_server CONTENDER STREAMS``.

Says its port when it serves. ``GET /stream/<number>`` is a stream, ``GET /begin`` lets all go on.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import uvicorn
import uvloop
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse as NativeResponse
from fastapi.sse import ServerSentEvent as NativeEvent
from langchain_core.runnables import RunnableLambda
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks.contenders import BARE, LOGGED, NATIVE, ONE_RUN, RUN, SSE_STARLETTE
from benchmarks.sse_source import Fed, Source
from langchain_streamkit import RunManager, SSEResponse
from langchain_streamkit.serve.router import streamkit_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send


def _bare(source: Source) -> ASGIApp:
    async def frames(name: str) -> AsyncIterator[bytes]:
        async for event in source.events(name):
            yield b"id: %d\ndata: %b\n\n" % (event.seq, event.to_json())

    async def stream(request: Request) -> Response:
        name = request.path_params["name"]
        return StreamingResponse(frames(name), media_type="text/event-stream")

    return Starlette(routes=[Route("/stream/{name}", stream)])


def _sse_starlette(source: Source) -> ASGIApp:
    async def events(name: str) -> AsyncIterator[ServerSentEvent]:
        async for event in source.events(name):
            yield ServerSentEvent(data=event.to_json().decode(), id=str(event.seq))

    async def stream(request: Request) -> Response:
        return EventSourceResponse(events(request.path_params["name"]))

    return Starlette(routes=[Route("/stream/{name}", stream)])


def _native(source: Source) -> ASGIApp:
    app = FastAPI()

    @app.get("/stream/{name}", response_class=NativeResponse)
    async def stream(name: str) -> AsyncIterable[NativeEvent]:
        async for event in source.events(name):
            yield NativeEvent(raw_data=event.to_json().decode(), id=str(event.seq))

    return app


def _run(source: Source) -> ASGIApp:
    async def stream(request: Request) -> Response:
        return SSEResponse(Fed(source, request.path_params["name"]))

    return Starlette(routes=[Route("/stream/{name}", stream)])


def _logged(source: Source) -> ASGIApp:
    """Each stream reads a run of its own."""
    return _Logged(source, lambda name: name)


def _one_run(source: Source) -> ASGIApp:
    """All streams read the same run."""
    return _Logged(source, lambda _: "0")


class _Logged:
    """The router, whose runs are begun by their first reader."""

    def __init__(self, source: Source, run_of: Callable[[str], str]) -> None:
        self._source = source
        self._run_of = run_of
        self._manager = RunManager()
        self._producing: dict[str, asyncio.Task[None]] = {}
        self._said: dict[str, asyncio.Event] = {}
        self._app = FastAPI()
        self._app.include_router(streamkit_router(RunnableLambda(str), manager=self._manager))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            run_id = self._run_of(scope["path"].removeprefix("/stream/"))
            if run_id not in self._producing:
                said = self._said[run_id] = asyncio.Event()
                self._producing[run_id] = asyncio.create_task(self._produce(run_id, said))
            await self._said[run_id].wait()
            scope = {**scope, "path": f"/runs/{run_id}/events"}
        await self._app(scope, receive, send)

    async def _produce(self, run_id: str, said: asyncio.Event) -> None:
        writer = await self._manager.log.open(run_id)
        async for event in self._source.events(run_id):
            await writer.append([event.to_json()])
            said.set()
        await writer.finish()


_APPS: Final[Mapping[str, Callable[[Source], ASGIApp]]] = MappingProxyType(
    {
        BARE: _bare,
        SSE_STARLETTE: _sse_starlette,
        NATIVE: _native,
        RUN: _run,
        LOGGED: _logged,
        ONE_RUN: _one_run,
    }
)


async def _serve(contender: str, streams: int) -> None:
    source = Source(streams)
    app = _APPS[contender](source)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/begin":
            source.begin()
            await Response()(scope, receive, send)
        else:
            await app(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0), backlog=streams) as listener:
        config = uvicorn.Config(
            answer, http="httptools", log_level="error", access_log=False, lifespan="on"
        )
        print(listener.getsockname()[1], flush=True)
        await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    _, contender, streams = sys.argv
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(contender, int(streams)))
