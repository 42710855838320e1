"""The values inside events: usage, timing, errors, interrupts, and the words they are told in."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from langchain_streamkit.events.base import set_plain

Role: TypeAlias = Literal["assistant", "user", "system", "tool", "other"]
Audience: TypeAlias = Literal["user", "internal"]
StepKind: TypeAlias = Literal["graph", "node", "chain", "retriever"]
StepOutcome: TypeAlias = Literal["ok", "suspended", "handed_off", "cancelled"]
FinishReason: TypeAlias = Literal[
    "stop", "length", "tool_calls", "content_filter", "error", "other"
]
AbortReason: TypeAlias = Literal["error", "retry", "cancelled", "timeout", "budget"]
CancelReason: TypeAlias = Literal["user", "disconnect", "budget", "shutdown"]
UsageSource: TypeAlias = Literal["provider", "counted", "estimated", "cache", "none"]
UsageStatus: TypeAlias = Literal["ok", "aborted", "failed"]
ErrorCode: TypeAlias = Literal[
    "model_error",
    "rate_limited",
    "context_length",
    "auth",
    "content_policy",
    "tool_error",
    "graph_error",
    "recursion_limit",
    "parse_error",
    "invalid_input",
    "timeout.first_token",
    "timeout.idle",
    "timeout.total",
    "reader_overflow",
    "log_unavailable",
    "producer_lost",
    "internal",
]


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A value inside an event; absent optional fields are left out of the JSON."""


class UsageDetails(Part, frozen=True, kw_only=True):
    """Tokens that are also counted in ``input_tokens`` or ``output_tokens``."""

    cache_read: int = 0
    cache_creation: int = 0
    reasoning: int = 0
    audio: int = 0


class Usage(Part, frozen=True, kw_only=True):
    """Tokens of one model call (``call_id`` is its run id), or the sum over a run.

    ``cost`` is a decimal string in US dollars, ``None`` when unpriced (never 0 for unknown);
    ``first_token_ms`` counts from the call's start.
    """

    call_id: str
    input_tokens: int
    output_tokens: int
    total_tokens: int
    source: UsageSource
    status: UsageStatus = "ok"
    model: str | None = None
    details: UsageDetails = UsageDetails()
    first_token_ms: int | None = None
    cost: str | None = None
    late: bool = False


class Timing(Part, frozen=True, kw_only=True):
    """``duration_ms`` and ``first_token_ms`` since run.started; ``tokens_per_second`` of output
    between the first token and the end, ``None`` where nothing was streamed or counted.
    """

    duration_ms: int
    first_token_ms: int | None = None
    tokens_per_second: float | None = None


class ErrorInfo(Part, frozen=True, kw_only=True):
    """What may be shown of an error. ``message`` is the table's text for ``code``, never the
    exception's; the exception itself is in the log under ``error_id``.
    """

    code: ErrorCode
    message: str
    error_id: str
    retryable: bool = False


class InvalidArgs(Part, frozen=True, kw_only=True):
    """Tool-call arguments that are not a JSON object: the text as it came, and what is wrong."""

    text: str
    error: str


class InterruptInfo(Part, frozen=True, kw_only=True):
    """One pending interrupt; ``interrupt_id`` is the key of its answer in ``resume``."""

    interrupt_id: str
    payload: Any
    namespace: tuple[str, ...] = ()
    tool_call_id: str | None = None
    response_schema: Any = None

    def __post_init__(self) -> None:
        set_plain(self, "payload", "response_schema")


class PendingToolCall(Part, frozen=True, kw_only=True):
    """A tool call the model asked for and nobody ran (client-side tools)."""

    tool_call_id: str
    name: str
    args: Any = None
    message_id: str | None = None

    def __post_init__(self) -> None:
        set_plain(self, "args")
