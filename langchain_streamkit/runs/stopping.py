"""How a run is stopped: by whoever asks first, or by what fails it.

Guarantees: the first reason counts; once a stop was asked, every later token, model and tool of the
run meets it; a stop that comes when the root has ended is too late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from langchain_streamkit.errors import ReaderOverflow
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.sources.control_flow import StopRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.errors import BudgetExceeded, RunTimeout
    from langchain_streamkit.events import CancelReason
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.sequencer import Sequencer
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.sources.lane import Lanes
    from langchain_streamkit.sources.normaliser import Normaliser
    from langchain_streamkit.sources.signals import Token
    from langchain_streamkit.sources.tap import RunTap

STOP_GRACE_S = 1.0
"""Seconds that work gets to notice a stop before the run ends without it, naming it as pending."""


class Stopping:
    """The stop of a run; ``RunCore`` is the rest of it."""

    plan: Plan | SourcePlan
    run_id: str
    normaliser: Normaliser
    sequencer: Sequencer
    lanes: Lanes
    tap: RunTap

    def __init__(self) -> None:
        self.stop_reason: CancelReason | None = None
        self.error: BaseException | None = None
        """What ``result()`` raises; set when the run ended otherwise than well."""
        self.stop_work: Callable[[], None] | None = None
        """Cancels the running task; set by who runs it."""
        self.await_stop: Callable[[], None] | None = None
        """Waits for what was stopped by a clock; set by who runs it, if that takes a thread."""
        self.stops_itself = False
        """Whoever asked for the stop raises ``StopRun`` in the call at once."""
        self._own_failure: BaseException | None = None
        self._root_ended = False

    @property
    def ended(self) -> bool:
        """Whether the end is made, or being made."""
        return self.sequencer.closed

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked, by someone or by a failure of ours."""
        return self.stop_reason is not None or self._own_failure is not None

    def stop(self, reason: CancelReason) -> None:
        """Ask the run to stop; from any thread, any number of times. The first reason counts."""
        if self.ended or self.stopping:
            return
        self.stop_reason = reason
        self._stop()

    def _halt(self, error: BudgetExceeded) -> NoReturn:
        """Stop the run because of a budget, in the callback that exceeds it."""
        if not self.stopping:
            if self.ended:  # by itself: what goes on has nobody above it who takes our stop
                raise error
            self.stop_reason = "budget"
            self.stops_itself = True
            self._stop()
        raise StopRun

    def fail(self, error: BaseException) -> None:
        """Stop the run because of something of ours; the run fails with ``error``."""
        if self.ended or self.stopping:
            return
        self._own_failure = error
        self._stop()

    def _time_is_up(self, error: RunTimeout) -> None:
        """Stop the run because of a clock; the run fails with ``error``."""
        if self.ended or self.stopping or self._root_ended:
            return
        self.normaliser.stopped_by = "timeout"
        self.fail(error)
        if self.await_stop is not None:
            self.await_stop()

    def _stop(self) -> None:
        self.lanes.refuse(_refuse)
        self.sequencer.short = None
        if self.stop_work is not None:
            self.stop_work()

    def _overflowed(self) -> None:
        limit = self.plan.options.max_unread
        self.fail(
            ReaderOverflow(
                f"more than {limit} events of run {self.run_id} were left unread; read faster,"
                " raise max_unread=, or leave out what you do not read with exclude="
            )
        )

    def _transform_failed(self, error: Exception) -> None:
        LOGGER.error("map() failed in run %s: the event is withheld", self.run_id, exc_info=error)
        if self.ended:  # on the terminal event itself
            self.error = error
        self.fail(error)

    def _sink_failed(self, sink: Sink, error: Exception) -> None:
        LOGGER.error(
            "a sink of run %s failed and gets no more events",
            self.run_id,
            exc_info=error,
            extra={"run_id": self.run_id},
        )
        if self.plan.options.on_sink_error == "raise":
            self.fail(error)
        elif not self.ended:
            text = f"{type(sink).__name__} failed and gets no more events; the log has the details"
            self.tap.note(self.plan.run_id, "sink_failed", text)


def _refuse(_: Token) -> None:
    """What takes tokens once a stop was asked."""
    raise StopRun
