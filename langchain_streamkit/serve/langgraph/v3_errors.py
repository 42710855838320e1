"""What is wrong, in the words of the agent streaming protocol.

Guarantees: those of ``serve/refusals.py``: nothing of an exception that is not meant for a client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import JSONResponse

from langchain_streamkit.errors import NotOwner
from langchain_streamkit.serve.refusals import refusal_of
from langchain_streamkit.wire.langgraph.v3_commands import CommandError, ErrorName, failure

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES: Final[dict[str, ErrorName]] = {
    "unauthenticated": "permission_denied",
    "foreign_origin": "permission_denied",
    "not_found": "no_such_run",
    "run_gone": "no_such_run",
    "replay_gap": "resume_gap",
    "invalid_request": "invalid_argument",
    "invalid_json": "invalid_argument",
    "incomplete": "invalid_argument",
    "too_large": "invalid_argument",
    "unsupported_media_type": "invalid_argument",
    "thread_busy": "invalid_argument",
}
_BY_STATUS: Final = frozenset({401, 403, 413, 415, 429, 503})
"""What concerns the request, or the server now, rather than the command."""


class Fault(NamedTuple):
    """An exception as it is told to a client."""

    error: CommandError
    status: int
    """Of a response that is nothing else; 4000 and this closes a socket."""
    headers: Mapping[str, str] | None = None

    def response(self, command_id: int | None = None) -> JSONResponse:
        """Return it as the answer of a request."""
        return JSONResponse(failure(command_id, self.error), self.status, self.headers)

    def answer(self, command_id: int) -> JSONResponse:
        """Return it as the answer to a command, which clients read with status 200 alone."""
        status = self.status if self.status in _BY_STATUS else 200
        return self._replace(status=status).response(command_id)


def fault_of(error: Exception) -> Fault:
    """Return how an exception is told; what is not meant for a client goes to the log."""
    if isinstance(error, CommandError):
        return Fault(error, 400)
    refusal = refusal_of(error)
    name: ErrorName = _NAMES.get(refusal.error["code"], "unknown_error")
    if isinstance(error, NotOwner):
        name = "permission_denied"
    return Fault(CommandError(name, refusal.error["message"]), refusal.status, refusal.headers)
