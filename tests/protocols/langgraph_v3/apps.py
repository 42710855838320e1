"""An application with LangGraph's protocols for threads, at a real uvicorn."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI

from langchain_streamkit import RunManager, RunSnapshot
from langchain_streamkit.serve.langgraph.routes import langgraph_routes
from langchain_streamkit.serve.langgraph.v3 import langgraph_v3_routes
from langchain_streamkit.serve.service import Hooks, RunService
from langchain_streamkit.serve.settings import ServeSettings
from tests.protocols.bundles import add_page
from tests.serve.servers import WAIT_S, eventually, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp


class Server:
    """Where it is, and what became of the runs it made."""

    def __init__(self, graph: Any, manager: RunManager, url: str) -> None:
        self.graph = graph
        self.manager = manager
        self.url = url
        self.snapshots: list[RunSnapshot] = []

    def after(self, runs: int) -> RunSnapshot:
        """Return what the last of so many runs came to, when it has."""
        eventually(lambda: len(self.snapshots) >= runs)
        return self.snapshots[runs - 1]

    def client(self, user: str | None = None) -> httpx.Client:
        headers = {"x-user": user} if user else {}
        return httpx.Client(base_url=self.url, timeout=WAIT_S, trust_env=False, headers=headers)


@contextmanager
def served(
    graph: Any,
    *,
    manager: RunManager | None = None,
    prefix: str = "/api",
    view: Any = "chat",
    max_body_bytes: int = 1 << 20,
    heartbeat_s: float = 15,
    send_timeout_s: float = 30,
    script: bytes = b"",
    wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    **hooks: Any,
) -> Iterator[Server]:
    """Serve a graph, and a page with a script; behind what ``wrap`` puts before the application.

    ``hooks`` are those of ``Hooks``.
    """
    manager = manager or RunManager()
    server = Server(graph, manager, "")
    all_hooks = Hooks(**{"on_end": server.snapshots.append, **hooks})
    service = RunService(graph, manager, all_hooks, view=view, metadata=(), allow_origins=("*",))
    settings = ServeSettings(max_body_bytes, heartbeat_s, send_timeout_s)
    app = FastAPI(lifespan=manager.lifespan)

    @app.post("/test/shut-down")
    async def shut_down() -> None:
        """What a signal does; a server in a thread gets none."""
        manager.shut_down()

    @app.post(f"{prefix}/test/cancel/{{run_id}}")
    async def cancel(run_id: str) -> bool:
        return await manager.cancel(run_id)

    add_page(app, script)
    app.include_router(langgraph_routes(service, settings), prefix=prefix)
    app.include_router(langgraph_v3_routes(service, settings), prefix=prefix)
    with serving(wrap(app), lifespan="on") as where:
        server.url = f"http://{where}{prefix}"
        yield server


def user_of(request: Any) -> str | None:
    """Who asks, by a header."""
    user: str | None = request.headers.get("x-user")
    return user
