"""Work for a client that may go away before it is done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_streamkit.serve.sse_response import disconnected

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request

T = TypeVar("T")


class Gone(Exception):
    """The client has gone."""


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; it is cancelled when the client goes.

    The request's body has to be read. Raises ``Gone``, and what ``work`` raises.
    """
    working = asyncio.create_task(work)
    left = asyncio.create_task(disconnected(request.receive))
    try:
        await asyncio.wait({working, left}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, left):
            task.cancel()
        await asyncio.wait({working, left})
    if working.cancelled():
        raise Gone
    return working.result()
