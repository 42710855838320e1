"""What clients send: read within limits, decoded, and refused in one form.

Guarantees: no more than ``max_bytes`` of a body are read, before any of it is parsed; whatever it
holds is a request or a 4xx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.requests import ClientDisconnect

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.log.position import Position
from langchain_streamkit.serve.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import HTTPConnection, Request

ThreadId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /runs``."""

    input: Any = msgspec.UNSET
    """What the runnable takes; with ``null`` a graph goes on from its thread's checkpoint."""
    thread_id: ThreadId | None = None
    """The conversation; a graph with a checkpointer needs one."""
    metadata: dict[str, Any] = {}
    """Added to the run's metadata."""
    resume: dict[str, Any] | None = None
    """Answers by interrupt id, in place of ``input``: goes on with an interrupted thread."""


_decode = msgspec.json.Decoder(RunRequest).decode
_EXPECTED = 'send {"input": ..., "thread_id"?: "...", "metadata"?: {}, "resume"?: {}}'


def decode_run_request(body: bytes) -> RunRequest:
    """Check a body. Raises ``Refusal``."""
    try:
        return _decode(body)
    except msgspec.ValidationError as exc:
        raise Refusal(422, "invalid_request", f"{exc}; {_EXPECTED}") from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise Refusal(400, "invalid_json", f"the body is no JSON: {exc}") from exc


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request that says it is JSON.

    Raises ``Refusal``, also when it is larger than ``max_bytes``, or breaks off.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        # Not only pedantry: a page of another site can send forms without being asked, JSON not.
        said = "send JSON: with curl, -H 'content-type: application/json'"
        raise Refusal(415, "unsupported_media_type", said)
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise Refusal(413, "too_large", f"the body is larger than {max_bytes} bytes")
    except ClientDisconnect as exc:  # whom the answer does not reach: it is for the access log
        raise Refusal(400, "incomplete", "the body broke off") from exc
    return body


def position_of(request: Request) -> Position | None:
    """Return the position that a client has; None for the beginning. Raises ``Refusal``."""
    text = request.headers.get("last-event-id") or request.query_params.get("since")
    if not text:
        return None
    try:
        return Position.parse(text)
    except StreamUsageError as exc:
        raise Refusal(400, "invalid_position", exc.wire or "this is no position") from exc


def refuse_foreign(connection: HTTPConnection, allowed: Collection[str]) -> None:
    """Raise ``Refusal`` for what a page of another site sent; other clients send no ``Origin``."""
    origin = connection.headers.get("origin")
    if origin is None or "*" in allowed or origin in allowed:
        return
    if origin.partition("://")[2] != connection.headers.get("host"):
        said = "pages of this origin may not use this server"
        raise Refusal(403, "foreign_origin", said)


def prefers_async(request: Request) -> bool:
    """Whether the client asks for an answer before the run has ended (RFC 7240)."""
    wishes = ",".join(request.headers.getlist("prefer")).split(",")
    return any(wish.partition(";")[0].strip().lower() == "respond-async" for wish in wishes)
