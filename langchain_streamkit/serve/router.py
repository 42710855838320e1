"""``streamkit_router``: runs over HTTP and WebSocket, for any FastAPI application.

Guarantees: a run outlives the request that started it; a client gets every event once, in order,
over any number of connections; what it sends becomes a run or a 4xx with one form of error; of
other users' runs it learns nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from langchain_streamkit.errors import LogUnavailable, RunGone, StreamError, StreamUsageError
from langchain_streamkit.serve.client_files import client_file
from langchain_streamkit.serve.describing import describe
from langchain_streamkit.serve.line import require_positive
from langchain_streamkit.serve.log_response import LogResponse
from langchain_streamkit.serve.metrics import metrics_text
from langchain_streamkit.serve.refusals import Refusal, refusal_of
from langchain_streamkit.serve.requests import position_of, prefers_async, read_run_request
from langchain_streamkit.serve.service import Hooks, RunService
from langchain_streamkit.text import short_repr

try:
    from fastapi import APIRouter
    from starlette.requests import Request  # noqa: TC002 - FastAPI looks for it
    from starlette.responses import JSONResponse, Response
except ImportError as exc:
    raise StreamError(
        'streamkit_router needs FastAPI; install it with: pip install "langchain-streamkit[serve]"'
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from langchain_core.runnables import RunnableConfig
    from starlette.requests import HTTPConnection

    from langchain_streamkit.log import Position
    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.runs.core import OnEnd
    from langchain_streamkit.serve.served import Servable
    from langchain_streamkit.wire.views import View

_EXPOSED = {"Access-Control-Expose-Headers": "Location, Retry-After, X-Run-Id"}
"""What pages of other origins may read, where CORS lets them."""
READY_S = 2.0
"""How long the log may take to answer before the server is not ready."""


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
            that itself, or a user's message, where a text is sent to a graph of messages.
        on_end: called once with the ``RunSnapshot`` after every run.
        view: what clients see of a run: ``"chat"``, ``"steps"``, ``"all"``.
        metadata: the keys of runs' and messages' metadata that clients see.
        allow_origins: pages of which other origins may use this, such as
            ``"https://app.example"``; ``"*"`` is any. (For HTTP, CORS headers are for
            Starlette's ``CORSMiddleware``.)
        metrics: whether ``GET /metrics`` answers, to whoever asks.
        max_body_bytes: of a request's body, and of a frame from a client.
        heartbeat_s: a comment, or a ping, is sent after so many seconds of silence.
        send_timeout_s: a client that takes nothing for so long is cut off.

    The endpoints are described in ``docs/serving.md`` and by the application's OpenAPI. In an
    application of another framework mount a ``FastAPI()`` that includes it, and enter
    ``manager.lifespan`` yourself.

    Raises ``StreamUsageError`` for what cannot work as written.
    """
    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.serve.run_socket import run_sockets

    require_positive(
        max_body_bytes=max_body_bytes, heartbeat_s=heartbeat_s, send_timeout_s=send_timeout_s
    )
    given: Any = manager
    if given is not None and not isinstance(given, RunManager):
        raise StreamUsageError(
            f"manager={short_repr(given)} is no RunManager; write manager=RunManager(log='sqlite:///runs.db')"
        )
    manager = manager or RunManager()
    hooks = Hooks(authenticate, config_for, context_for, parse_input, on_end)
    service = RunService(
        runnable, manager, hooks, view=view, metadata=metadata, allow_origins=allow_origins
    )
    endpoints = Endpoints(
        service,
        max_body_bytes=max_body_bytes,
        heartbeat_s=heartbeat_s,
        send_timeout_s=send_timeout_s,
    )
    router = APIRouter(lifespan=manager.lifespan, tags=["runs"])
    for method, path, endpoint in (
        ("POST", "/runs", endpoints.start),
        ("GET", "/runs/{run_id}/events", endpoints.events),
        ("GET", "/runs/{run_id}", endpoints.status),
        ("POST", "/runs/{run_id}/cancel", endpoints.cancel),
        ("GET", "/threads/{thread_id}/messages", endpoints.messages),
        ("GET", "/threads/{thread_id}/run", endpoints.active),
        ("GET", "/health", endpoints.health),
        ("GET", "/ready", endpoints.ready),
        *([("GET", "/metrics", endpoints.metrics)] if metrics else []),
    ):
        router.add_api_route(path, _refusing(endpoint), methods=[method], **describe(method, path))
    router.add_api_route("/static/{path:path}", _refusing(client_file), include_in_schema=False)
    router.add_api_websocket_route(
        "/ws",
        run_sockets(
            service,
            max_frame_bytes=max_body_bytes,
            heartbeat_s=heartbeat_s,
            send_timeout_s=send_timeout_s,
        ),
    )
    return router


def _refusing(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Answer what the endpoint raises in our form, whatever handlers the application has."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            return refusal_of(exc).response()

    return answer


class Endpoints:
    """What the paths do."""

    def __init__(
        self,
        service: RunService,
        *,
        max_body_bytes: int,
        heartbeat_s: float,
        send_timeout_s: float,
    ) -> None:
        self._service = service
        self._manager = service.manager
        self._max_body_bytes = max_body_bytes
        self._heartbeat_s = heartbeat_s
        self._send_timeout_s = send_timeout_s

    async def start(self, request: Request) -> Response:
        """Start a run; its events, or where they are."""
        user = await self._service.user_of(request)
        asked = await read_run_request(request, self._max_body_bytes)
        later = prefers_async(request)
        async with AsyncExitStack() as place:
            if not later:
                await place.enter_async_context(self._manager.place(user))
            run_id = await self._service.start(request, asked, user)
            where = _path_of(request, "/runs", f"/runs/{run_id}/events")
            headers = {"Location": where, "X-Run-Id": run_id, **_EXPOSED}
            if later:
                told = {"run_id": run_id, "thread_id": asked.thread_id, "events": where}
                headers["Preference-Applied"] = "respond-async"
                return JSONResponse(told, 202, headers)
            return await self._stream(run_id, None, user, place.pop_all(), headers)

    async def events(self, request: Request) -> Response:
        """Stream a run's events after the position that the client has."""
        user = await self._service.user_of(request)
        run_id = request.path_params["run_id"]
        since = position_of(request)
        if since is not None and await self._service.read_all(run_id, since, user):
            return Response(status_code=204)  # makes an EventSource stop
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._manager.place(user))
            return await self._stream(run_id, since, user, place.pop_all(), {})

    async def _stream(
        self,
        run_id: str,
        since: Position | None,
        user: str | None,
        place: AsyncExitStack,
        headers: Mapping[str, str],
    ) -> Response:
        async with place:
            view = self._service.view_after(since)
            batches = await self._service.entries(run_id, since, view, user)
            return LogResponse(
                self._manager,
                run_id,
                batches,
                view,
                place=place.pop_all(),
                heartbeat_s=self._heartbeat_s,
                send_timeout_s=self._send_timeout_s,
                headers=headers,
            )

    async def status(self, request: Request) -> Response:
        """Tell what a run has come to."""
        user = await self._service.user_of(request)
        status = await self._manager.status(request.path_params["run_id"], user=user)
        return _json(status)

    async def cancel(self, request: Request) -> Response:
        """Ask a run to stop; the answer says what it is now."""
        user = await self._service.user_of(request)
        run_id = request.path_params["run_id"]
        await self._manager.cancel(run_id, user=user)
        return _json(await self._manager.status(run_id, user=user))

    async def messages(self, request: Request) -> Response:
        """Give a thread's messages, from its checkpointer."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        return _json(await self._service.messages(request, thread_id, user))

    async def active(self, request: Request) -> Response:
        """Give the run that a thread has now."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        run_id = await self._manager.active(thread_id, user=user)
        if run_id is None:
            return Response(status_code=204)
        events = _path_of(request, f"/threads/{thread_id}/run", f"/runs/{run_id}/events")
        return JSONResponse({"run_id": run_id, "events": events})

    async def health(self, request: Request) -> Response:
        """Say that the process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Say whether it takes runs."""
        if self._manager.shutting_down:
            raise Refusal(503, "shutting_down", "this server is shutting down")
        try:
            async with asyncio.timeout(READY_S):
                await self._manager.log.info("ready")
        except RunGone:
            pass  # the log has answered
        except (LogUnavailable, TimeoutError) as exc:
            raise Refusal(503, "unavailable", "the event log does not answer") from exc
        return JSONResponse({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """Give what is counted, for Prometheus."""
        data, media_type = metrics_text(self._manager)
        return Response(data, media_type=media_type)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _path_of(request: Request, own: str, path: str) -> str:
    """Return a path of this router as the client sees it; ``own`` is that of the request."""
    here: str = request.scope["path"]
    return quote(here.removesuffix(own)) + path
