"""What a request is refused with: one form, ``{"error": {"code", "message", ...}}``.

Guarantees: nothing of an exception that is not meant for a client reaches one; another user's run
is told as one that is not there.
"""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from langchain_streamkit.errors import (
    BudgetExceeded,
    Fenced,
    LimitExceeded,
    LimitsUnavailable,
    LogUnavailable,
    NotOwner,
    ProducerLost,
    ReplayGap,
    RunGone,
    ShuttingDown,
    StreamUsageError,
    ThreadBusy,
)
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGGER = logging.getLogger("langchain_streamkit")

RETRY_S = 2
"""What a client is asked to wait when the server, or its log, cannot serve it now."""


def _seconds_until(moment: datetime | None) -> int:
    if moment is None:
        return RETRY_S
    return max(1, math.ceil((moment - datetime.now(UTC)).total_seconds()))


def _text_of(detail: object) -> str:
    """FastAPI lets a detail be anything that is JSON; a message is text in every protocol."""
    return detail if isinstance(detail, str) else msgspec.json.encode(to_plain(detail)).decode()


class Refusal(Exception):
    """A request that is not done; ``response()`` is its answer."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.error: dict[str, Any] = {"code": code, "message": message, **more}

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse({"error": self.error}, self.status, self.headers)

    def without_headers(self) -> dict[str, Any]:
        """Return the error for where there are no headers: with ``retry_after_s``."""
        wait_s = (self.headers or {}).get("Retry-After", "")
        return {**self.error, "retry_after_s": int(wait_s)} if wait_s.isdigit() else self.error


def broken_off(error: Exception) -> Refusal:
    """Return the same for whoever has a part of a run: it is gone, rather than not there."""
    if isinstance(error, RunGone | NotOwner):
        return Refusal(410, "run_gone", "this run is no longer kept")
    return refusal_of(error)


def refusal_of(error: Exception) -> Refusal:
    """Return how an exception is told to a client; what is not meant for one goes to the log."""
    match error:
        case Refusal():
            return error
        case NotOwner() | RunGone():
            return Refusal(404, "not_found", "there is no such run or thread, or no longer")
        case ReplayGap(oldest=oldest):
            said = "this position is none of this run's, or what follows it is no longer all kept"
            if oldest is None:
                return Refusal(410, "replay_gap", said)
            said += f"; read from {oldest} on"
            return Refusal(410, "replay_gap", said, oldest=str(oldest))
        case ProducerLost():
            return Refusal(410, "producer_lost", "the run was lost before it began; start it again")
        case ThreadBusy(run_id=run_id):
            said = "the thread has a run already: wait for its end, or cancel it"
            return Refusal(409, "thread_busy", said, run_id=run_id)
        case Fenced():
            return Refusal(409, "conflict", "this is being made elsewhere")
        case LimitExceeded(limit=limit, retry_after_s=wait_s):
            wait = {"Retry-After": str(wait_s)}
            return Refusal(429, "limit_exceeded", str(error), headers=wait, limit=limit)
        case BudgetExceeded():
            wait = {"Retry-After": str(_seconds_until(error.resets_at))}
            said = f"what may be spent is spent: {error.limit}"
            return Refusal(429, "quota_exceeded", said, headers=wait, limit=error.limit)
        case ShuttingDown() | LogUnavailable() | LimitsUnavailable():
            code = "shutting_down" if isinstance(error, ShuttingDown) else "unavailable"
            said = "this server cannot take it now; try again shortly"
            return Refusal(503, code, said, headers={"Retry-After": str(RETRY_S)})
        case StreamUsageError(wire=str(wire)):
            return Refusal(422, "invalid_request", wire)
        case HTTPException():
            said = _text_of(error.detail)
            return Refusal(error.status_code, "refused", said, headers=error.headers)
        case _:
            error_id = uuid4().hex
            LOGGER.error("a request failed (error_id=%s)", error_id, exc_info=error)
            return Refusal(500, "internal", "Something went wrong.", error_id=error_id)
