"""How a LangGraph server asks and answers: bodies, checkpoints, and ``{"detail", "code"}``.

Guarantees: what an endpoint raises is told in that form, with the status that the clients expect;
nothing of an exception that is not meant for a client reaches one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from starlette.responses import JSONResponse, Response

from langchain_streamkit.serve.refusals import Refusal, refusal_of
from langchain_streamkit.serve.requests import read_json_body

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")


def refused(error: Exception) -> Response:
    """Tell what an endpoint raises in the clients' form: they show ``detail``."""
    refusal = refusal_of(error)
    said = dict(refusal.error)
    return JSONResponse({"detail": said.pop("message"), **said}, refusal.status, refusal.headers)


def unprocessable(message: str) -> Refusal:
    """Return the refusal of what cannot be done as it was asked."""
    return Refusal(422, "invalid_request", message)


async def read_json(request: Request, kind: type[T], max_bytes: int) -> T:
    """Return the body as ``kind``; nothing at all counts as ``{}``. Raises ``Refusal``.

    Keys that are not known are passed over: clients send many that are for others.
    """
    body = await read_json_body(request, max_bytes)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as exc:
        raise unprocessable(str(exc)) from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise Refusal(400, "invalid_json", f"the body is no JSON: {exc}") from exc


def json_response(value: Any, status: int = 200) -> Response:
    """Return ``value`` as the answer."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def flag(request: Request, name: str) -> bool:
    """Whether a query parameter says yes."""
    return request.query_params.get(name, "").lower() in ("1", "true")


def number(request: Request, name: str, default: int) -> int:
    """Return a query parameter that is a number from 0 to 1000. Raises ``Refusal``."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 4 or int(text) > 1000:
        raise unprocessable(f'"{name}" is a number from 0 to 1000')
    return int(text)


def checkpoint_named(given: object, thread_id: str, where: str) -> dict[str, Any] | None:
    """Return the checkpoint that a client names, None for none. Raises ``Refusal``.

    As its id, as a ``Checkpoint``, or in the ``configurable`` of a config, as clients do.
    """
    if isinstance(given, str):
        given = {"checkpoint_id": given}
    if given is None or not isinstance(given, dict):
        if given is None:
            return None
        raise unprocessable(f"{where} is no checkpoint: write its checkpoint_id")
    named = cast("dict[str, Any]", given)
    inner = named.get("configurable")
    named = cast("dict[str, Any]", inner) if isinstance(inner, dict) else named
    if named.get("thread_id", thread_id) != thread_id:
        raise unprocessable(f"{where} is a checkpoint of another thread")
    found = {
        key: named[key]
        for key, kind in (("checkpoint_id", str), ("checkpoint_ns", str), ("checkpoint_map", dict))
        if isinstance(named.get(key), kind) and named[key]
    }
    return found or None
