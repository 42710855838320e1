"""Our own endpoints: runs by their id, threads, and how the server is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from starlette.responses import JSONResponse, Response

from langchain_streamkit.errors import LogUnavailable, RunGone
from langchain_streamkit.serve.answering import natively
from langchain_streamkit.serve.metrics import metrics_text
from langchain_streamkit.serve.protocols.native import asked_natively
from langchain_streamkit.serve.refusals import Refusal
from langchain_streamkit.serve.requests import (
    decode_run_request,
    position_of,
    prefers_async,
    read_json_body,
)
from langchain_streamkit.serve.run_answers import RunAnswers
from langchain_streamkit.wire.log_frames import LogFrames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from langchain_streamkit.log import Position
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings

_EXPOSED = {"Access-Control-Expose-Headers": "Location, Retry-After, X-Run-Id"}
"""What pages of other origins may read, where CORS lets them."""
READY_S = 2.0
"""How long the log may take to answer before the server is not ready."""


class Endpoints:
    """What the paths do."""

    def __init__(
        self,
        service: RunService,
        settings: ServeSettings,
    ) -> None:
        self._service = service
        self._manager = service.manager
        self._max_body_bytes = settings.max_body_bytes
        self._answers = RunAnswers(service, settings, natively)

    async def start(self, request: Request) -> Response:
        """Start a run; its events, or where they are."""
        user = await self._service.user_of(request)
        body = await read_json_body(request, self._max_body_bytes)
        asked = asked_natively(decode_run_request(body))
        later = prefers_async(request)
        async with AsyncExitStack() as place:
            if not later:
                await place.enter_async_context(self._manager.place(user))
            run_id = await self._service.start(request, asked, user)
            where = _path_of(request, "/runs", f"/runs/{run_id}/events")
            headers = {"Location": where, "X-Run-Id": run_id, **_EXPOSED}
            if later:
                thread_id = (await self._manager.status(run_id)).thread_id
                told = {"run_id": run_id, "thread_id": thread_id, "events": where}
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
        framing = LogFrames(self._service.view_after(since))
        return await self._answers.stream(
            run_id, user, framing, place=place, since=since, headers=headers
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
