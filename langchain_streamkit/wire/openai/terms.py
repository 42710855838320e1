"""What OpenAI's two protocols have in common: errors, numbers, and the answer to one request.

Guarantees: an error says the text of our table for its code and nothing of the exception; its
``code`` is OpenAI's own word where there is one. See docs/openai.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast, get_args

import msgspec

from langchain_streamkit import events as ev
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.events import ErrorCode

ToolsShown: TypeAlias = Literal["client", "all"]
"""Which tool calls a client is told of.

* ``client``: those that the run hands back because nothing in the graph ran them. They are sent
  whole, at the end, when that is known.
* ``all``: every call of a message for the user, its arguments as they stream. For a bare model,
  whose calls are all the client's; most clients try to execute whatever they are told of.
"""

DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


def to_json(value: object) -> bytes:
    """Return one line of JSON; a half surrogate becomes U+FFFD."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(to_plain(value))


def require_tools_shown(tools: object) -> None:
    """Raise ``StreamUsageError`` for anything but a ``ToolsShown``."""
    if tools not in get_args(ToolsShown):
        raise StreamUsageError(f"tools={tools!r} is not known; write 'client' or 'all'")


# ---- errors ------------------------------------------------------------------------------------


class _Told(NamedTuple):
    status: int
    type: str
    code: str | None = None
    """OpenAI's word for it; None for ours."""


_OURS = _Told(500, "server_error")
_ERRORS: Mapping[ErrorCode, _Told] = {
    "rate_limited": _Told(429, "rate_limit_error", "rate_limit_exceeded"),
    "context_length": _Told(400, "invalid_request_error", "context_length_exceeded"),
    "content_policy": _Told(400, "invalid_request_error", "content_policy_violation"),
    "invalid_input": _Told(400, "invalid_request_error"),
    "timeout.first_token": _Told(504, "server_error"),
    "timeout.idle": _Told(504, "server_error"),
    "timeout.total": _Told(504, "server_error"),
    "log_unavailable": _Told(503, "server_error"),
}
_CANCELLED = "The run was cancelled."


class Reply(NamedTuple):
    """The answer to a request that did not ask for a stream; ``body`` is JSON."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def error_body(
    message: str,
    *,
    type: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
) -> dict[str, Any]:
    """Return the form of every error of both protocols, over HTTP and within a chat stream."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def error_of(event: ev.RunFailed | ev.RunCancelled) -> dict[str, Any]:
    """Return how the end of a run that came to nothing is told."""
    if isinstance(event, ev.RunCancelled):
        return error_body(_CANCELLED, type="server_error", code="cancelled")
    told = _ERRORS.get(event.error.code, _OURS)
    code = told.code or event.error.code
    return error_body(event.error.message, type=told.type, code=code)


def error_reply(event: ev.RunFailed | ev.RunCancelled) -> Reply:
    """Return the same as an answer.

    OpenAI's clients make a request again for many a status, and so the whole run: they are told
    whether that can help (``x-should-retry``, which both SDKs obey).
    """
    if isinstance(event, ev.RunCancelled):
        status, again = (503, True) if event.reason == "shutdown" else (500, False)
    else:
        status, again = _ERRORS.get(event.error.code, _OURS).status, event.error.retryable
    headers = {"x-should-retry": "true" if again else "false"}
    return Reply(status, headers, to_json(error_of(event)))


# ---- the end of a run ------------------------------------------------------------------------


End: TypeAlias = ev.RunFinished | ev.RunInterrupted | ev.RunFailed | ev.RunCancelled
"""Terminal events."""


def failure_of(event: End) -> ev.RunFailed | ev.RunCancelled | None:
    """Return the event if its run came to nothing.

    One that a budget stopped did not: it is an answer cut short at a limit, ``length``.
    """
    if isinstance(event, ev.RunFailed):
        return event
    return event if isinstance(event, ev.RunCancelled) and event.reason != "budget" else None


def metadata_of(event: ev.Event) -> dict[str, str]:
    """Return what OpenAI has no word for, as its ``metadata``: a run that waits for a human."""
    if not isinstance(event, ev.RunInterrupted):
        return {}
    interrupts = to_json(event.interrupts).decode()
    return {"outcome": "interrupted", "interrupts": interrupts}


def pending_of(event: ev.Event) -> tuple[ev.PendingToolCall, ...]:
    """Return the calls that the client is to make."""
    return event.pending_tool_calls if isinstance(event, ev.RunFinished) else ()


def arguments_of(args: object) -> str:
    """Return arguments as JSON text; what is text already, as no model should say it, as it is."""
    return args if isinstance(args, str) else to_json({} if args is None else args).decode()


class CallIds:
    """Ids of the calls of one answer, each told once: a run may repeat one, a client cannot tell
    two calls of one id apart, and OpenAI's own helper raises on them.
    """

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._told: set[str] = set()

    def __contains__(self, call_id: str) -> bool:
        """Whether a call of this id, as the run has it, was told."""
        return call_id in self._given

    def told(self, call_id: str) -> str:
        """Return the id by which a further call is told: the run's, with a number if it repeats."""
        self._given.add(call_id)
        found, number = call_id, 1
        while found in self._told:
            number += 1
            found = f"{call_id}_{number}"
        self._told.add(found)
        return found


def refusal_of(block: Mapping[str, Any]) -> str | None:
    """Return the text of a block by which a model refuses; None for any other."""
    if block.get("type") == "non_standard":
        block = as_object(block.get("value"))
    text = block.get("refusal") if block.get("type") == "refusal" else None
    return text if isinstance(text, str) else None


def as_object(value: object) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def unfinished() -> StreamUsageError:
    """Return the error of an answer that is asked for before the run has ended."""
    return StreamUsageError(
        "these events do not end a run, so there is no answer yet; pass all of them, to the last"
    )
