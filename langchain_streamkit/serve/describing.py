"""What OpenAPI says of each endpoint: FastAPI cannot see it, as they read and answer by hand."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from langchain_streamkit.manager.status import RunStatus
from langchain_streamkit.serve.requests import RunRequest

_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}
_SAID: Final = {
    400: "no JSON, or no position",
    401: "`authenticate` does not know the caller",
    403: "a page of another origin",
    404: "not there, or not the caller's",
    409: "the thread has a run already (`run_id`)",
    410: "no longer kept",
    413: "the body is too large",
    415: "the body is no JSON",
    422: "the body cannot be run",
    429: "a limit or quota; `Retry-After`",
    503: "shutting down, or the event log cannot be reached; `Retry-After`",
}
_STREAM: Final = {
    "description": "the run's events, each `id: <position>` and `data: <event>`; then `event: end`",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_SINCE: Final = [
    {
        "name": "since",
        "in": "query",
        "description": "the `id` of the last event that was received",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9]{1,15}$"},
    },
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "the same; a browser's EventSource sends it by itself",
        "schema": {"type": "string"},
    },
]


_SSE: Final = {
    "description": "a stream in the protocol's own form, or JSON where none is asked for",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_UI_STREAM: Final = {**_SSE, "description": "a UI message stream"}


def describe(method: str, path: str) -> dict[str, Any]:
    """Return the options of ``add_api_route`` that describe an endpoint."""
    return _ENDPOINTS[method, path]()


def _endpoint(
    summary: str,
    *refusals: int,
    responses: dict[int, Any] | None = None,
    **extra: Any,
) -> dict[str, Any]:
    told = {status: _json(_SAID[status], _ERROR) for status in refusals}
    for param in extra.get("parameters", []):
        param.setdefault("required", False)
    return {
        "summary": summary,
        "responses": {**(responses or {}), **told},
        "openapi_extra": extra,
        "response_model": None,
    }


def _asking(summary: str, stream: Any) -> dict[str, Any]:
    """A front end's request for a run; its errors are in the protocol's own form."""
    return _endpoint(
        summary,
        *(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
        responses={200: stream},
        requestBody={"required": True, "content": {"application/json": {"schema": _OBJECT}}},
    )


_OBJECT: Final = {"type": "object"}


def _json(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schema(kind: type) -> Any:
    """Return the JSON Schema of a class with everything in its place: OpenAPI has its own refs."""
    found = msgspec.json.schema(kind)
    parts = found.get("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in _items(node)]
        if not isinstance(node, dict):
            return node
        fields = cast("dict[str, Any]", node)
        if "$ref" in fields:
            return inline(parts[fields["$ref"].rpartition("/")[2]])
        return {key: inline(value) for key, value in fields.items() if key != "$defs"}

    return inline(found)


def _items(node: Any) -> list[Any]:
    return list(node)


def _path(*names: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


_ENDPOINTS: Final = {
    ("POST", "/runs"): lambda: _endpoint(
        "Start a run",
        *(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
        responses={
            200: _STREAM,
            202: _json(
                "started, with `Prefer: respond-async`; `Location` has its events",
                {"type": "object", "properties": {"run_id": {"type": "string"}}},
            ),
        },
        requestBody={
            "required": True,
            "content": {"application/json": {"schema": _schema(RunRequest)}},
        },
    ),
    ("GET", "/runs/{run_id}/events"): lambda: _endpoint(
        "Read a run, from the beginning or after a position",
        *(400, 401, 403, 404, 410, 429, 503),
        responses={200: _STREAM, 204: {"description": "it has ended, and all of it was read"}},
        parameters=[*_path("run_id"), *(dict(one) for one in _SINCE)],
    ),
    ("GET", "/runs/{run_id}"): lambda: _endpoint(
        "What a run has come to",
        *(401, 403, 404, 503),
        responses={200: _json("the run", _schema(RunStatus))},
        parameters=_path("run_id"),
    ),
    ("POST", "/runs/{run_id}/cancel"): lambda: _endpoint(
        "Stop a run",
        *(401, 403, 404, 503),
        responses={200: _json("the run as it is now", _schema(RunStatus))},
        parameters=_path("run_id"),
    ),
    ("GET", "/threads/{thread_id}/messages"): lambda: _endpoint(
        "The messages of a conversation, from its newest checkpoint",
        *(401, 403, 404),
        parameters=_path("thread_id"),
    ),
    ("GET", "/threads/{thread_id}/run"): lambda: _endpoint(
        "The run that a conversation has now",
        *(401, 403, 404, 503),
        responses={204: {"description": "it has none"}},
        parameters=_path("thread_id"),
    ),
    ("POST", "/api/chat"): lambda: _asking("A message of a chat of the AI SDK", _UI_STREAM),
    ("GET", "/api/chat/{chat_id:path}/stream"): lambda: _endpoint(
        "The chat's present run, from its beginning",
        *(401, 403, 404, 429, 503),
        responses={200: _UI_STREAM, 204: {"description": "it has none"}},
        parameters=_path("chat_id"),
    ),
    ("POST", "/ag-ui"): lambda: _asking("A run for a client of AG-UI", _SSE),
    ("POST", "/v1/chat/completions"): lambda: _asking("OpenAI's chat completions", _SSE),
    ("POST", "/v1/responses"): lambda: _asking("OpenAI's Responses", _SSE),
    ("GET", "/v1/models"): lambda: _endpoint("What is served, as OpenAI's models", 401, 403),
    ("GET", "/v1/models/{model:path}"): lambda: _endpoint(
        "One of them", *(401, 403, 404), parameters=_path("model")
    ),
    ("GET", "/health"): lambda: _endpoint("Whether the process answers"),
    ("GET", "/ready"): lambda: _endpoint("Whether it takes runs", 503),
    ("GET", "/metrics"): lambda: _endpoint("What it counts, for Prometheus"),
}
