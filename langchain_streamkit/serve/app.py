"""The demo's web application: a page, runs over server-sent events, runs over a WebSocket.

* ``GET /``: the page; ``GET /healthz``: ``{"status": "ok", ...}``
* ``POST /runs`` with ``{"input": "...", "thread_id"?: "...", "metadata"?: {...}}``: the run's
  events (``SSEResponse``); beyond the metadata's ``output_budget`` tokens of answers it is stopped
* ``POST /runs/{run_id}/cancel``: stops a run, of either kind, and answers when it has ended
* ``WS /ws``: the frames of ``WebSocketSession``; ``input`` is the text

Guarantees: whatever a client sends is a run or a 4xx with ``{"error": {"code", "message"}}``; no
page of another site can start a run in the user's browser.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.serve.hosts import LOCAL_HOSTS, AllowedHosts
from langchain_streamkit.serve.sse_response import SSEResponse
from langchain_streamkit.serve.websocket import WebSocketSession
from langchain_streamkit.tokens.budget import Budget

try:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Mount, Route, WebSocketRoute
    from starlette.staticfiles import StaticFiles
except ImportError as exc:
    raise StreamError(
        'the demo needs Starlette; install it with: pip install "langchain-streamkit[serve]"'
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import HTTPConnection, Request
    from starlette.websockets import WebSocket

    from langchain_streamkit.runs.async_run import AsyncRun
    from langchain_streamkit.serve.live_runs import LiveRuns

STATIC = Path(__file__).parent / "static"
MAX_BODY_BYTES = 1 << 18

_PAGE_HEADERS = {
    # The page needs nothing from elsewhere, so that even a hole in it could send nothing away.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class RunMetadata(msgspec.Struct, frozen=True):
    """What a client says about a run; unknown keys are ignored."""

    output_budget: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] | None = None


class RunRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /runs``; unknown keys are ignored."""

    input: Annotated[str, msgspec.Meta(min_length=1, max_length=50_000)]
    thread_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    metadata: RunMetadata = RunMetadata()


_decode = msgspec.json.Decoder(RunRequest).decode


def create_app(
    live: LiveRuns, *, about: Mapping[str, str], hosts: Sequence[str] = LOCAL_HOSTS
) -> Starlette:
    """The application that serves ``live``'s agent.

    ``about`` is told by ``/healthz`` and shown on the page. ``hosts``: the names the server may be
    called by (``["*"]``: any), so that no other site's name can be pointed at it.
    """

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers=_PAGE_HEADERS)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "live_runs": len(live), **about})

    async def start(request: Request) -> Response:
        if _foreign(request):
            return _refusal(403, "foreign_origin", "runs are started from this server's own page")
        asked = _read(await _body(request))
        if isinstance(asked, Response):
            return asked
        most = asked.metadata.output_budget
        budget = None if most is None else Budget(output_tokens=most)
        return SSEResponse(live.make(asked.input, asked.thread_id, budget), view="steps")

    async def cancel(request: Request) -> Response:
        if _foreign(request):
            return _refusal(403, "foreign_origin", "runs are stopped from this server's own page")
        run = live.get(request.path_params["run_id"])
        if run is None:
            return _refusal(404, "unknown_run", "no open run has this id; it may have ended")
        await run.cancel()
        return JSONResponse({"run_id": run.run_id, "outcome": run.outcome})

    async def socket(ws: WebSocket) -> None:
        if _foreign(ws):
            await ws.close(1008)
            return
        await WebSocketSession(ws, None, view="steps", start=start_run).serve()

    def start_run(
        _agent: Any, text: Any, _config: Any, /, *, thread_id: str | None
    ) -> AsyncRun[Any]:
        if not isinstance(text, str) or not text:
            raise StreamUsageError('the input is the text to say; write "input": "..."')
        return live.make(text, thread_id)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/healthz", health),
            Route("/runs", start, methods=["POST"]),
            Route("/runs/{run_id}/cancel", cancel, methods=["POST"]),
            WebSocketRoute("/ws", socket),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(AllowedHosts, names=hosts, remedy=_open_local)],
    )


def _open_local(_name: str) -> str:
    return "open it by 127.0.0.1 or localhost, or start it with --host 0.0.0.0 (HOST=0.0.0.0)"


def _foreign(connection: HTTPConnection) -> bool:
    """Whether a page of another site sent this; browsers say so, other clients say nothing."""
    origin = connection.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != connection.headers.get("host")


async def _body(request: Request) -> bytes | None:
    """The body; None when it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return body


def _read(body: bytes | None) -> RunRequest | Response:
    if body is None:
        return _refusal(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        return _decode(body)
    except msgspec.ValidationError as exc:
        expected = 'send {"input": "your question", "metadata": {"output_budget": 100}}'
        return _refusal(422, "invalid_body", f"{exc}; {expected}")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        return _refusal(400, "invalid_json", f"the body is not JSON: {exc}")


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
