"""Exceptions as error codes, and the only texts of errors that leave the process.

A provider's exception is known by its class names, attributes and status, never by importing its
SDK. What it said goes to the logger ``langchain_streamkit`` under the ``error_id`` shown outside.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from langchain_streamkit.errors import RunTimeout
from langchain_streamkit.events import ErrorCode, ErrorInfo
from langchain_streamkit.text import STOPS, clean_text, short_repr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_streamkit.errors import TimeoutKind

Where: TypeAlias = Literal["model", "tool", "graph", "chain", "run"]
"""What raised: a model call, a tool, a node or the graph itself, another runnable, the run."""

LOGGER = logging.getLogger("langchain_streamkit")

MESSAGES: Mapping[ErrorCode, str] = {
    "model_error": "The model call failed.",
    "rate_limited": "The model is receiving too many requests. Try again shortly.",
    "context_length": "The conversation is too long for the model.",
    "auth": "The model provider refused the credentials.",
    "content_policy": "The content was refused by the model provider's policy.",
    "tool_error": "A tool failed.",
    "graph_error": "A step of the graph failed.",
    "recursion_limit": "The graph reached its limit of steps.",
    "parse_error": "The model's answer could not be parsed.",
    "invalid_input": "The input is not valid.",
    "timeout.first_token": "The model did not begin to answer in time.",
    "timeout.idle": "The model stopped answering.",
    "timeout.total": "The run took too long.",
    "reader_overflow": "The reader fell too far behind.",
    "log_unavailable": "The event log cannot be reached. Try again shortly.",
    "producer_lost": "The process that made this run is gone. Try again.",
    "internal": "Something went wrong.",
}
"""What is shown of an error, by its code."""


class Failure(NamedTuple):
    """The code of an exception, and whether the same call may succeed when made again."""

    code: ErrorCode
    retryable: bool = False


_RATE_LIMITED = Failure("rate_limited", retryable=True)
_UNREACHABLE = Failure("model_error", retryable=True)
_CONTENT = Failure("content_policy")
_CONTEXT = Failure("context_length")

# Names of provider, LangChain and LangGraph classes, wherever in the hierarchy they stand.
_BY_CLASS: Mapping[str, Failure] = {
    "AdaptError": Failure("invalid_input"),
    "StreamUsageError": Failure("invalid_input"),
    "ContextOverflowError": _CONTEXT,
    "ContextWindowExceededError": _CONTEXT,
    "ContentFilterFinishReasonError": _CONTENT,
    "ContentPolicyViolationError": _CONTENT,
    "OpenAIModerationError": _CONTENT,
    "OpenAIRefusalError": _CONTENT,
    "ModelRateLimitError": _RATE_LIMITED,
    "RateLimitError": _RATE_LIMITED,
    "ResourceExhausted": _RATE_LIMITED,
    "AuthenticationError": Failure("auth"),
    "ModelAuthenticationError": Failure("auth"),
    "ModelPermissionDeniedError": Failure("auth"),
    "PermissionDeniedError": Failure("auth"),
    "Unauthenticated": Failure("auth"),
    "APIConnectionError": _UNREACHABLE,
    "APIError": Failure("model_error"),
    "ModelAPIError": _UNREACHABLE,
    "ModelConnectionError": _UNREACHABLE,
    "ModelFailed": Failure("model_error"),
    "ModelTimeoutError": _UNREACHABLE,
    "EmptyChannelError": Failure("graph_error"),
    "EmptyInputError": Failure("invalid_input"),
    "GraphRecursionError": Failure("recursion_limit"),
    "InvalidUpdateError": Failure("graph_error"),
    "NodeTimeoutError": Failure("graph_error"),
    "OutputParserException": Failure("parse_error"),
    "Fenced": Failure("producer_lost", retryable=True),
    "LogUnavailable": Failure("log_unavailable", retryable=True),
    "ReplayGap": Failure("log_unavailable", retryable=True),
    "RunGone": Failure("log_unavailable", retryable=True),
    "ProducerLost": Failure("producer_lost", retryable=True),
    "ReaderOverflow": Failure("reader_overflow"),
    "SourceFailed": Failure("graph_error"),
    "ToolException": Failure("tool_error"),
    "UnknownInterruptError": Failure("invalid_input"),
}
_BY_CLOCK: Mapping[TimeoutKind, Failure] = {
    "total": Failure("timeout.total", retryable=True),
    "first_token": Failure("timeout.first_token", retryable=True),
    "idle": Failure("timeout.idle", retryable=True),
}
# Any connection's own errors; they are the model's where a model call raised them.
_CONNECTION = {"ConnectionError", "TimeoutError", "TransportError"}
# Classes whose HTTP status is a model provider's, wherever they were raised.
_PROVIDER = {"APIError", "APIStatusError", "ModelError"}
_BY_PROVIDER_CODE: Mapping[object, Failure] = {
    "bio_policy": _CONTENT,
    "context_length_exceeded": _CONTEXT,
    "content_filter": _CONTENT,
    "content_policy_violation": _CONTENT,
    "image_content_policy_violation": _CONTENT,
    "insufficient_quota": Failure("rate_limited"),
    "misalignment_policy_violation": _CONTENT,
    "rate_limit_exceeded": _RATE_LIMITED,
    "rate_limit_error": _RATE_LIMITED,
    "overloaded_error": _UNREACHABLE,
    "server_error": _UNREACHABLE,
    "ThrottlingException": _RATE_LIMITED,
}
_BY_PLACE: Mapping[Where, Failure] = {
    "model": Failure("model_error"),
    "tool": Failure("tool_error"),
    "graph": Failure("graph_error"),
    "chain": Failure("internal"),
    "run": Failure("internal"),
}


def classify(exc: BaseException, where: Where = "run") -> Failure:
    """Return the code of ``exc``, which ``where`` raised, and whether a retry may help.

    The outermost exception that says something counts, then what it was raised from. Whatever a
    tool raises is ``tool_error``: its own services are not the model's provider. Never raises.
    """
    fallback = _BY_PLACE[where]
    if where == "tool":
        return fallback
    said = (_one(cause, where) for cause in _chain(exc))
    return next((failure for failure in said if failure is not None), fallback)


def error_info(
    exc: BaseException, *, error_id: str, where: Where = "run", expose: bool = False
) -> ErrorInfo:
    """Return what may be shown of ``exc``.

    ``message`` is the text of ``MESSAGES`` for its code. With ``expose`` it is the exception's
    own, for development only: it may name files, prompts and keys. The log says so once.
    """
    code, retryable = classify(exc, where)
    message = MESSAGES[code]
    if expose:
        _warn_once()
        message = _own_text(exc)
    return ErrorInfo(code=code, message=message, error_id=error_id, retryable=retryable)


def log_failure(
    exc: BaseException, info: ErrorInfo, run_id: str, thread_id: str | None = None
) -> None:
    """Log the exception with its traceback; ``run_id``, ``thread_id``, ``error_id``, as extra."""
    LOGGER.error(
        "run %s failed with %s (error_id %s)",
        run_id,
        info.code,
        info.error_id,
        exc_info=exc,
        extra={"run_id": run_id, "thread_id": thread_id, "error_id": info.error_id},
    )


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception, the first of a group, and what each was raised from; ends on a cycle."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exc]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting.append(cause.__cause__)
        if isinstance(cause, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", cause)
            waiting.append(group.exceptions[0])


def _one(exc: BaseException, where: Where) -> Failure | None:
    if isinstance(exc, RunTimeout):
        return _BY_CLOCK[exc.kind]
    names = [cls.__name__ for cls in type(exc).__mro__]
    try:
        if where == "model" or not _PROVIDER.isdisjoint(names):
            for code in _provider_codes(exc):
                if code in _BY_PROVIDER_CODE:
                    return _BY_PROVIDER_CODE[code]
            by_status = _by_status(_status(exc))
            if by_status is not None:
                return by_status
        for name in names:
            if name in _BY_CLASS:
                return _BY_CLASS[name]
        if where == "model":
            return None if _CONNECTION.isdisjoint(names) else _UNREACHABLE
        missing_variable = "KeyError" in names and "INVALID_PROMPT_INPUT" in str(exc)
        if missing_variable or "ValidationError" in names:
            return Failure("invalid_input")
    except STOPS:
        raise
    except BaseException:  # noqa: BLE001 -- an attribute of the exception is a property that raises
        return None
    return None


def _provider_codes(exc: BaseException) -> Iterator[str]:
    """Where OpenAI, Anthropic and AWS put the name of what went wrong."""
    holders: list[Any] = [{name: getattr(exc, name, None) for name in ("code", "type")}]
    for body in (getattr(exc, "body", None), getattr(exc, "response", None)):
        if isinstance(body, dict):
            fields = cast("dict[str, Any]", body)
            holders += [fields, fields.get("error"), fields.get("Error")]
    for holder in holders:
        if isinstance(holder, dict):
            fields = cast("dict[str, Any]", holder)
            for key in ("code", "type", "Code"):
                if isinstance(code := fields.get(key), str):
                    yield code


def _status(exc: BaseException) -> int | None:
    response: Any = getattr(exc, "response", None)
    candidates: list[Any] = [
        getattr(exc, "status_code", None),
        getattr(exc, "code", None),
        getattr(response, "status_code", None),
    ]
    return next((status for status in candidates if isinstance(status, int)), None)


def _by_status(status: int | None) -> Failure | None:
    match status:
        case 429:
            return _RATE_LIMITED
        case 401 | 403:
            return Failure("auth")
        case int() if status >= 500:
            return _UNREACHABLE
        case _:
            return None


def _own_text(exc: BaseException) -> str:
    try:
        text = clean_text(str.__str__(str(exc)))
    except STOPS:
        raise
    except BaseException:  # noqa: BLE001 -- its __str__ raises
        return short_repr(exc)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


_warned: list[bool] = []


def _warn_once() -> None:
    if not _warned:
        _warned.append(True)
        LOGGER.warning(
            "expose_errors=True shows exception texts to clients; leave it out in production"
        )
