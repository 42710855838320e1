"""An application with LangGraph's runs API, at a real uvicorn, and the clients that read it."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client, get_sync_client

from langchain_streamkit import RunManager
from langchain_streamkit.serve.langgraph.routes import langgraph_routes
from langchain_streamkit.serve.service import Hooks, RunService
from langchain_streamkit.serve.settings import ServeSettings
from tests.serve.servers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langgraph_sdk.client import LangGraphClient


class Server:
    """Where the API is, and what stands behind it."""

    def __init__(self, graph: Any, manager: RunManager, url: str) -> None:
        self.graph = graph
        self.manager = manager
        self.url = url

    @asynccontextmanager
    async def client(self, user: str | None = None) -> AsyncIterator[LangGraphClient]:
        headers = {"x-user": user} if user else None
        async with get_client(url=self.url, api_key=None, headers=headers) as client:
            yield client

    @asynccontextmanager
    async def remote(self) -> AsyncIterator[RemoteGraph]:
        """The graph, as it is used from afar."""
        with get_sync_client(url=self.url, api_key=None) as sync_client:
            async with self.client() as client:
                yield RemoteGraph("agent", client=client, sync_client=sync_client)


@contextmanager
def served(
    graph: Any,
    *,
    manager: RunManager | None = None,
    metadata: Any = (),
    name: str | None = None,
    prefix: str = "/api",
    max_body_bytes: int = 1 << 20,
    heartbeat_s: float = 15,
    **hooks: Any,
) -> Iterator[Server]:
    """Serve a graph; ``hooks`` are those of ``Hooks``."""
    manager = manager or RunManager()
    service = RunService(
        graph,
        manager,
        Hooks(**hooks),
        view="chat",
        metadata=metadata,
        allow_origins=(),
        name=name,
    )
    router = langgraph_routes(service, ServeSettings(max_body_bytes, heartbeat_s, 30))
    app = FastAPI(lifespan=manager.lifespan)
    app.include_router(router, prefix=prefix)
    with serving(app, lifespan="on") as where:
        yield Server(graph, manager, f"http://{where}{prefix}")


def user_of(request: Any) -> str | None:
    """Who asks, by a header."""
    user: str | None = request.headers.get("x-user")
    return user
