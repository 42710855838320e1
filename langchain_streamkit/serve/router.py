"""``streamkit_router``: runs over HTTP and WebSocket, for any FastAPI application.

Guarantees: a run outlives the request that started it; a client gets every event once, in order,
over any number of connections; what it sends becomes a run or a 4xx with one form of error; of
other users' runs it learns nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.serve.answering import answering, natively
from langchain_streamkit.serve.client_files import client_file
from langchain_streamkit.serve.describing import describe
from langchain_streamkit.serve.endpoints import Endpoints
from langchain_streamkit.serve.protocols.ai_sdk import AiSdk
from langchain_streamkit.serve.protocols.mounting import (
    checked_protocols,
    endpoints_of,
    routers_of,
    sockets_of,
)
from langchain_streamkit.serve.run_socket import run_sockets
from langchain_streamkit.serve.service import Hooks, RunService
from langchain_streamkit.serve.settings import ServeSettings
from langchain_streamkit.text import short_repr

try:
    from fastapi import APIRouter
except ImportError as exc:
    raise StreamError(
        'streamkit_router needs FastAPI; install it with: pip install "langchain-streamkit[serve]"'
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from langchain_core.runnables import RunnableConfig
    from starlette.requests import HTTPConnection

    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.serve.protocols.names import ServedProtocol
    from langchain_streamkit.serve.served import Servable
    from langchain_streamkit.wire.ai_sdk.chunks import SdkVersion
    from langchain_streamkit.wire.views import View


def streamkit_router(
    runnable: Servable,
    *,
    manager: RunManager | None = None,
    authenticate: Callable[[HTTPConnection], str | Awaitable[str | None] | None] | None = None,
    config_for: Callable[[HTTPConnection], RunnableConfig | Awaitable[RunnableConfig]]
    | None = None,
    context_for: Callable[[HTTPConnection], Any] | None = None,
    parse_input: Callable[[Any], Any] | None = None,
    on_end: OnEnd | None = None,
    view: View = "chat",
    metadata: Collection[str] = (),
    allow_origins: Collection[str] = (),
    metrics: bool = False,
    protocols: Collection[ServedProtocol] | None = None,
    sdk_version: SdkVersion | None = None,
    name: str | None = None,
    max_body_bytes: int = 1 << 20,
    heartbeat_s: float = 15,
    send_timeout_s: float = 30,
) -> APIRouter:
    """Return a router that serves runs of ``runnable``: ``app.include_router(...)``.

    Args:
        runnable: a Runnable, or ``callable(request)`` that returns one: plain, async, or an async
            context manager, which is left when the run has ended.
        manager: makes and finds the runs; by default one in memory. It begins and ends with the
            application.
        authenticate: ``authenticate(request)`` returns the user's id, or None: 401. What it raises
            as ``HTTPException`` is the answer. Without it everybody is the same, nameless user.
        config_for: the config of the run; a client's is never taken.
        context_for: a graph's static context.
        parse_input: makes the runnable's input of what the client sent as ``input``; by default
            that itself, or a user's message, where a text is sent to a graph of messages. Front
            ends of other protocols send a conversation: ``{"messages": [...]}``, of LangChain's
            messages.
        on_end: called once with the ``RunSnapshot`` after every run.
        view: what clients see of a run: ``"chat"``, ``"steps"``, ``"all"``.
        metadata: the keys of runs' and messages' metadata that clients see.
        allow_origins: pages of which other origins may use this, such as
            ``"https://app.example"``; ``"*"`` is any. (For HTTP, CORS headers are for
            Starlette's ``CORSMiddleware``.)
        metrics: whether ``GET /metrics`` answers, to whoever asks.
        protocols: what front ends may speak, by default all: ``"native"`` (our own endpoints),
            ``"ai-sdk"``, ``"ag-ui"``, ``"openai-chat"``, ``"openai-responses"``, ``"langgraph"``.
        sdk_version: of the AI SDK, if all front ends have the same: 5, 6 or 7.
        name: what is served, as a model or an agent; by default the runnable's own name. It is
            always found as ``agent``, too.
        max_body_bytes: of a request's body, and of a frame from a client.
        heartbeat_s: a comment, or a ping, is sent after so many seconds of silence.
        send_timeout_s: a client that takes nothing for so long is cut off.

    The endpoints are described in ``docs/serving.md`` and by the application's OpenAPI. In an
    application of another framework mount a ``FastAPI()`` that includes it, and enter
    ``manager.lifespan`` yourself.

    Raises ``StreamUsageError`` for what cannot work as written.
    """
    from langchain_streamkit.manager.run_manager import RunManager

    settings = ServeSettings(max_body_bytes, heartbeat_s, send_timeout_s).checked()
    speaks, ai_sdk = checked_protocols(protocols), AiSdk(sdk_version)
    given: Any = manager
    if given is not None and not isinstance(given, RunManager):
        raise StreamUsageError(
            f"manager={short_repr(given)} is no RunManager; write manager=RunManager(log='sqlite:///runs.db')"
        )
    manager = manager or RunManager()
    hooks = Hooks(authenticate, config_for, context_for, parse_input, on_end)
    service = RunService(
        runnable,
        manager,
        hooks,
        view=view,
        metadata=metadata,
        allow_origins=allow_origins,
        name=name,
    )
    router = APIRouter(lifespan=manager.lifespan, tags=["runs"])
    for one in endpoints_of(speaks, service, settings, ai_sdk):
        described = describe(one.method, one.path)
        router.add_api_route(one.path, one.answer, methods=[one.method], **described)
    for other in routers_of(speaks, service, settings):
        router.include_router(other)
    for path, socket in sockets_of(speaks, service, settings, ai_sdk):
        router.add_api_websocket_route(path, socket)
    _add_own(router, service, settings, metrics=metrics, runs="native" in speaks)
    return router


def _add_own(
    router: APIRouter, service: RunService, settings: ServeSettings, *, metrics: bool, runs: bool
) -> None:
    """Add our own endpoints; without ``runs``, those that say how the server is."""
    own = Endpoints(service, settings)
    endpoints = [
        ("POST", "/runs", own.start),
        ("GET", "/runs/{run_id}/events", own.events),
        ("GET", "/runs/{run_id}", own.status),
        ("POST", "/runs/{run_id}/cancel", own.cancel),
        ("GET", "/threads/{thread_id}/messages", own.messages),
        ("GET", "/threads/{thread_id}/run", own.active),
    ]
    state = [("GET", "/health", own.health), ("GET", "/ready", own.ready)]
    if metrics:
        state.append(("GET", "/metrics", own.metrics))
    for method, path, endpoint in [*(endpoints if runs else []), *state]:
        described = describe(method, path)
        router.add_api_route(path, answering(endpoint, natively), methods=[method], **described)
    if runs:
        files = answering(client_file, natively)
        router.add_api_route("/static/{path:path}", files, include_in_schema=False)
        router.add_api_websocket_route("/ws", run_sockets(service, settings))
