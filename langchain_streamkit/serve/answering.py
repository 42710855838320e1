"""Endpoints as routes take them: whatever one raises is an answer, in the form of its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import Request  # noqa: TC002 -- FastAPI reads the annotation
from starlette.responses import Response

from langchain_streamkit.serve.gone import Gone
from langchain_streamkit.serve.refusals import refusal_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
    Refused: TypeAlias = Callable[[Exception], Response]
    """How what an endpoint raises is told; what is not meant for a client goes to the log."""


def answering(endpoint: Endpoint, refused: Refused) -> Endpoint:
    """Return the endpoint with an answer to all that it raises.

    That is the protocol's, whatever exception handlers the application has.
    """

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Gone:
            return Response(status_code=499)  # which nobody reads
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            return refused(exc)

    return answer


def natively(error: Exception) -> Response:
    """Tell it in our own form."""
    return refusal_of(error).response()
