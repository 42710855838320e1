"""The exceptions of the library; each says what was wrong, where, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from langchain_streamkit.log.position import Position
    from langchain_streamkit.tokens.spending import Spent

TimeoutKind: TypeAlias = Literal["total", "first_token", "idle"]
"""Which clock of a ``Timeout`` ran out."""


class StreamError(Exception):
    """Base of all of this library's exceptions."""


class StreamUsageError(StreamError, TypeError):
    """A call that cannot work as written: wrong object, wrong option, run consumed twice.

    ``wire`` says it to whoever made the call over a wire, in that wire's words; None where it is
    not their mistake.
    """

    def __init__(self, message: str, *, wire: str | None = None) -> None:
        super().__init__(message)
        self.wire = wire


class AdaptError(StreamError):
    """A source that is not recognised, or breaks its own format."""


class SinkError(StreamError):
    """A sink could not take events, and ``on_sink_error="raise"`` was asked."""


class RunCancelled(StreamError):
    """``result()`` of a run that was stopped on purpose. ``reason`` is that of the event."""

    def __init__(self, message: str, *, reason: str = "user") -> None:
        super().__init__(message)
        self.reason = reason


class BudgetExceeded(RunCancelled):
    """``result()`` of a run that a ``Budget`` or ``Quota`` stopped; ``reason`` is ``"budget"``.

    ``limit`` is the name of the limit, as in ``Budget(output_tokens=...)``, ``allowed`` its value
    (US dollars as ``Decimal``), ``spent`` what the run has spent in all. ``resets_at`` is when the
    window of a quota ends; None for the run's own budget.
    """

    def __init__(
        self,
        message: str,
        *,
        limit: str,
        allowed: int | Decimal,
        spent: Spent,
        resets_at: datetime | None = None,
    ) -> None:
        super().__init__(message, reason="budget")
        self.limit = limit
        self.allowed = allowed
        self.spent = spent
        self.resets_at = resets_at

    def __str__(self) -> str:
        """Return the message, with what the run has spent in all."""
        return f"{super().__str__()} (in all {self.spent})"


class RunTimeout(StreamError, TimeoutError):
    """``result()`` of a run that a clock of its ``Timeout`` ended.

    ``kind`` is the clock: ``"total"``, ``"first_token"`` or ``"idle"``; ``run_id`` the run.
    """

    def __init__(self, message: str, *, kind: TimeoutKind, run_id: str) -> None:
        super().__init__(message)
        self.kind: TimeoutKind = kind
        self.run_id = run_id


class ReaderOverflow(StreamError):
    """The reader left more events unread than ``max_unread`` allows."""


class InvalidOutput(StreamError):
    """The run ended without the object that ``run.partial(Model)`` was to give.

    ``text`` is the JSON, or the answer, that is none; the cause says why.
    """

    def __init__(self, message: str, *, text: str) -> None:
        super().__init__(message)
        self.text = text


class ProducerLost(StreamError):
    """Whoever made the run is gone before its end: what was being read broke off."""


class Fenced(StreamError):
    """A log is not, or no longer, this producer's to write: stop the run.

    ``run_id`` is the run that has the log, or had it last, where it is known.
    """

    def __init__(self, message: str, *, run_id: str | None = None) -> None:
        super().__init__(message)
        self.run_id = run_id


class RunGone(StreamError):
    """There is no such log: never written, or its time to live is over."""


class NotOwner(StreamError):
    """A run, a thread or a log is another user's; on a wire it is told as one that is not there."""


class ThreadBusy(StreamError):
    """The thread has a run already, ``run_id``: wait for its end, or cancel it."""

    def __init__(self, message: str, *, run_id: str | None) -> None:
        super().__init__(message)
        self.run_id = run_id


class ShuttingDown(StreamError):
    """This process takes no more runs, because it is about to end; another one may."""


class ReplayGap(StreamError):
    """A log no longer has all that follows the position asked for.

    ``oldest`` is the position after which everything is there; None where nothing is.
    """

    def __init__(self, message: str, *, oldest: Position | None = None) -> None:
        super().__init__(message)
        self.oldest = oldest


class LogUnavailable(StreamError):
    """The store of a log cannot be reached, or refuses; what was asked may have been done."""


class LimitExceeded(StreamError):
    """A user may not start a run, or open a stream, now.

    ``limit`` is the name of the limit, as in ``Limits(concurrent_runs=...)``, ``allowed`` its
    value. ``retry_after_s`` is when to ask again, in whole seconds from 1 on: when there is room,
    for ``runs_per_minute``; an estimate for the others, since a run or reader ends when it likes.
    """

    def __init__(self, message: str, *, limit: str, allowed: int, retry_after_s: int) -> None:
        super().__init__(message)
        self.limit = limit
        self.allowed = allowed
        self.retry_after_s = retry_after_s


class LimitsUnavailable(StreamError):
    """The store of limits or of quotas cannot be reached, so that nobody knows what is allowed."""


class SourceFailed(StreamError):
    """An adapted stream says in words that its run failed; the exception itself is elsewhere."""


class RemoteFailed(SourceFailed):
    """A run that is read from its server failed there.

    ``code``, ``error_id`` and ``retryable`` are those of ``run.failed``: the server's own log has
    the exception under ``error_id``.
    """

    def __init__(self, message: str, *, code: str, error_id: str, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.error_id = error_id
        self.retryable = retryable


class ServerRefused(StreamError):
    """A server of runs refused what was asked, with ``status`` and ``code``.

    ``retry_after_s`` is when to ask again, in seconds, where it said so.
    """

    def __init__(
        self, message: str, *, status: int, code: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class ServerUnreachable(StreamError):
    """A server of runs cannot be reached, or its answer broke off too often."""


class ModelFailed(SourceFailed):
    """An adapted stream of a model says that its answer failed.

    ``code`` is the provider's own word for it, such as ``rate_limit_exceeded``, where it has one.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
