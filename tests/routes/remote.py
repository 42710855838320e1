"""A LangGraph server as far as ``RemoteGraph`` streams from it: HTTP, frames of real graphs."""

from __future__ import annotations

import dataclasses
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client, get_sync_client
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.serve.servers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

Frame = tuple[str, str]
"""The event and the data of a frame of server-sent events."""


async def frames_of(stream: AsyncIterator[tuple[tuple[str, ...], str, Any]]) -> list[Frame]:
    """The frames that a LangGraph server makes of ``(namespace, mode, payload)``."""
    frames: list[Frame] = [("metadata", json.dumps({"run_id": str(uuid4())}))]
    try:
        async for namespace, mode, payload in stream:
            data = json.dumps(payload, default=_plain)  # now: messages get their ids later
            frames.append(("|".join((mode, *namespace)), data))
    except Exception as exc:  # noqa: BLE001 -- the server tells it
        frames.append(("error", json.dumps(_plain(exc))))
    return frames


@asynccontextmanager
async def remote_graph(frames: list[Frame]) -> AsyncIterator[RemoteGraph]:
    """A remote graph that streams ``frames``; its server and its connections end with it."""
    with serving(_server(frames)) as address:
        url = f"http://{address}"
        async with get_client(url=url) as client:
            with get_sync_client(url=url) as sync_client:
                yield RemoteGraph("graph", client=client, sync_client=sync_client)


def _plain(value: Any) -> Any:
    """As the ``default`` of langgraph-api's JSON does."""
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def _server(frames: list[Frame]) -> Starlette:
    async def stream(_: Request) -> Response:
        def body() -> Iterator[str]:
            for event, data in frames:
                yield f"event: {event}\r\ndata: {data}\r\n\r\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    routes = ["/runs/stream", "/threads/{thread_id}/runs/stream"]
    return Starlette(routes=[Route(path, stream, methods=["POST"]) for path in routes])
