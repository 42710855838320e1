"""What async and sync runs have in common: the sequencer, the stop, the ending.

Guarantees: exactly one terminal event whatever happens; a run that was told to stop before its
root ended is ``run.cancelled``, whatever its code made of the stop; ``on_end`` is called once.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from langchain_streamkit import errors
from langchain_streamkit.failures import LOGGER, log_failure
from langchain_streamkit.runs.held import Held
from langchain_streamkit.runs.keeping import partial_of
from langchain_streamkit.runs.leftovers import cancel_text, still_running
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.runs.sequencer import Sequencer
from langchain_streamkit.runs.stopping import Stopping
from langchain_streamkit.runs.timed import Timed
from langchain_streamkit.runs.usage_ledger import UsageLedger
from langchain_streamkit.sinks.base import apart
from langchain_streamkit.snapshot import RunSnapshot
from langchain_streamkit.sources.adapters.base import Unadaptable
from langchain_streamkit.sources.control_flow import StopRun, outcome_of, stop_reason_of
from langchain_streamkit.sources.lane import Lanes
from langchain_streamkit.sources.langgraph import handler_base, output_mode_of, watch_graph
from langchain_streamkit.sources.normaliser import Normaliser
from langchain_streamkit.sources.results import is_interrupted, now_ms
from langchain_streamkit.sources.tap import RunTap
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from langchain_core.runnables import RunnableConfig

    from langchain_streamkit.events import CancelReason
    from langchain_streamkit.runs.keeping import Partial
    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.sources.signals import AnySignal


class RunCore(Stopping):
    """One run without the question of who runs it. Implements ``router.Router``."""

    def __init__(
        self, plan: Plan | SourcePlan, sinks: Sequence[Sink], on_end: OnEnd | None
    ) -> None:
        super().__init__()
        options = plan.options
        self.plan = plan
        self.name = plan.name
        self.run_id = str(plan.run_id)
        self.thread_id = plan.thread_id
        self.snapshot = RunSnapshot()
        self.ledger = UsageLedger()
        """The records of the run's model calls."""
        ledgers, others = apart(sinks)
        self.outlets = Outlets(others, self._sink_failed, self)
        self.normaliser = Normaliser(
            plan.run_id,
            graph=plan.is_graph,
            streaming=options.streaming,
            steps=options.steps,
            show_subagents=options.show_subagents,
            expose_errors=options.expose_errors,
            hears_models=plan.route != "source",
            accounting=options.accounting((self.ledger, *ledgers)),
            thread_id=plan.thread_id,
        )
        self.sequencer = Sequencer(
            self.normaliser,
            self.snapshot,
            self.outlets,
            keep=options.keep,
            max_unread=options.max_unread,
            on_overflow=self._overflowed,
            on_transform_error=self._transform_failed,
        )
        self.timed: Timed | None = None
        """The clocks of the run."""
        push: Callable[[AnySignal], None] = self.sequencer.push
        if (timeout := options.clocks) is not None:
            self.timed = Timed(timeout, self.sequencer, self.run_id, self._time_is_up)
            push = self.timed.push
            self.sequencer.lanes = Lanes(push)
        self.tap = RunTap(plan.run_id, push, self.sequencer.report, options.capture)
        self._held: Held | None = None
        if (meter := options.meter(plan.user, plan.thread_id)) is not None:
            self._held = Held(meter, self.tap, self.normaliser, self._halt)
            self.sequencer.lanes = self._held.lanes(push)
        self.result: Any = None
        self.lanes = self.sequencer.lanes
        self.refusal: Exception | None = None
        """What was to be read is no run at all: raised to readers, after the events if any."""
        self.called = False
        """The call is made, so what is captured of it is settled."""
        self._begun = False
        self._on_end = on_end

    @property
    def call(self) -> Plan:
        """The call of a runnable that this run is. Raises StreamUsageError if it is none."""
        if self.plan.route == "source":
            raise errors.StreamUsageError(
                f"run {self.run_id} was adapted from a stream, so there is no runnable to call:"
                " call astream(runnable, input) yourself"
            )
        return self.plan

    def anew(self, function: str) -> str:
        """What to write for another run like this one, which ``function`` made or ``adapt``."""
        adapted = self.plan.route == "source"
        return "adapt() a new stream" if adapted else f"call {function}() again"

    # ---- the handler's side (see sources.router) -------------------------------------------

    def tap_of(self, run_id: UUID) -> RunTap | None:
        """Every run below ours is ours."""
        return self.tap

    def tap_of_start(
        self, run_id: UUID, parent_id: UUID | None, name: str, metadata: dict[str, Any] | None
    ) -> RunTap | None:
        """The tap, or the stop that was asked."""
        if self.stopping:
            raise StopRun
        return self.tap

    def run_ended(self, run_id: UUID) -> None:
        """Note that the root ended: a stop that comes now is too late."""
        if run_id == self.plan.run_id and not self.stopping:
            self._root_ended = True

    def report(self, where: str, error: Exception) -> None:
        """An error of ours in a callback."""
        self.sequencer.report(where, error)

    def config(self) -> RunnableConfig:
        """The config of the call, watched by this run. Call it in the context of the call."""
        plan = self.call
        config = plan.config_for(handler_base(streaming=plan.options.streaming)(self))
        shown = plan.is_graph and plan.options.output_deltas
        mode = output_mode_of(unwrapped(plan.runnable)) if shown else None
        return watch_graph(config, self.tap, is_graph=plan.is_graph, output_mode=mode)

    # ---- beginning ----------------------------------------------------------------------------

    def begin(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Start the clocks, and emit run.started, unless only the first item tells what runs.

        ``loop`` is the caller's, if that is where the run is.
        """
        if self.timed is not None:
            self.timed.start(loop)
        if self.plan.route != "source":
            self.open(self.plan.name, self.plan.thread_id, self.plan.config.get("metadata") or {})

    def open(self, name: str, thread_id: str | None, metadata: Mapping[str, Any]) -> None:
        """Emit run.started."""
        self._begun = True
        self.name = name
        self.thread_id = self.normaliser.thread_id = thread_id
        plain: Any = to_plain(metadata)
        self.sequencer.begin(now_ms(), name, self.plan.user, plain)

    # ---- ending ------------------------------------------------------------------------------

    def conclude(self, result: Any, error: BaseException | None) -> None:
        """The call is over: make the terminal event, once."""
        if isinstance(error, errors.AdaptError) and not self._begun:
            self._refuse(error)
            return
        self._ensure_begun()
        self.sequencer.settle(seal=False)  # what is folded now may still overflow
        if self._own_failure is not None and not self._root_ended:
            self._end_stopped(self._own_failure)
        elif self.stop_reason is not None and not self._root_ended:
            self._end_cancelled(self.stop_reason)
        elif error is None:
            self._end_well(result)
        elif (outcome := outcome_of(error)) == "cancelled":
            self._end_cancelled(stop_reason_of(error))
        elif outcome is not None:
            self._end_left(error)
        else:
            if isinstance(error, Unadaptable):
                self.refusal = error
            self._end_failed(error)

    def _ensure_begun(self) -> None:
        if not self._begun:
            self.open(self.name, self.thread_id, {})

    def _refuse(self, error: Exception) -> None:
        """There is nothing to tell: no event at all, and the error for whoever asks."""
        self.error = self.refusal = error
        self._on_end = None
        self._ended(self.sequencer.conclude(lambda _: None))

    def _end_well(self, result: Any) -> None:
        def end(normaliser: Normaliser) -> None:
            self.result = result
            if is_interrupted(result):
                normaliser.interrupted()
            normaliser.finish(now_ms(), result)

        self._ended(self.sequencer.conclude(end))

    def _end_left(self, error: BaseException) -> None:
        """Inside another graph, the call was left on purpose: by an interrupt, or a hand-off."""

        def end(normaliser: Normaliser) -> None:
            self.error = error
            normaliser.leave(now_ms(), error)

        self._ended(self.sequencer.conclude(end))

    def _end_failed(self, error: BaseException) -> None:
        def end(normaliser: Normaliser) -> None:
            self.error = error
            info = normaliser.fail(now_ms(), error)
            log_failure(error, info, self.run_id, self.thread_id)

        self._ended(self.sequencer.conclude(end))

    def end_unstopped(self) -> None:
        """End although the call has not stopped: what is open is named as pending."""
        self._ensure_begun()
        if self._own_failure is not None:
            self._end_stopped(self._own_failure, unstopped=True)
        else:
            self._end_cancelled(self.stop_reason or "user", unstopped=True)

    def _end_stopped(self, error: BaseException, *, unstopped: bool = False) -> None:
        def end(normaliser: Normaliser) -> None:
            self.error = error
            pending = self._pending(normaliser, unstopped=unstopped)
            if pending:
                error.add_note(f"still running: {', '.join(pending)}")
            info = normaliser.fail(now_ms(), error, stopped=True, pending=pending)
            log_failure(error, info, self.run_id, self.thread_id)

        self._ended(self.sequencer.conclude(end))

    def _end_cancelled(self, reason: CancelReason, *, unstopped: bool = False) -> None:
        def end(normaliser: Normaliser) -> None:
            pending = self._pending(normaliser, unstopped=unstopped)
            text = cancel_text(self.run_id, reason, pending)
            self.error = errors.RunCancelled(text, reason=reason)
            if reason == "budget" and self._held is not None:
                self.error = self._held.error or self.error
            normaliser.cancel(now_ms(), reason, pending)

        self._ended(self.sequencer.conclude(end))

    def _pending(self, normaliser: Normaliser, *, unstopped: bool) -> list[str]:
        """Names of what goes on although it was stopped."""
        if unstopped:
            return normaliser.open_names() or [self.name]
        return still_running(self)

    def _ended(self, first: bool) -> None:  # noqa: FBT001
        if self.timed is not None:
            self.timed.stop()
        if first:
            self.outlets.close()

    def to_keep(self) -> Partial | None:
        """What a cancelled run was saying, if that is to be kept and there is something."""
        if self.plan.options.on_cancel != "keep_partial" or self.snapshot.outcome != "cancelled":
            return None
        return partial_of(self.call, self.snapshot)

    def call_on_end(self) -> Any:
        """Call ``on_end``; what it returns may have to be awaited. Errors are logged, once."""
        on_end, self._on_end = self._on_end, None
        if on_end is None:
            return None
        try:
            answer = on_end(self.snapshot)
        except Exception as exc:  # noqa: BLE001 -- the run has ended well or badly before it
            self.on_end_failed(exc)
            return None
        return answer if inspect.isawaitable(answer) else None

    def on_end_failed(self, error: BaseException) -> None:
        """on_end raised: only the log can say it, the stream has ended."""
        LOGGER.error("on_end failed after run %s", self.run_id, exc_info=error)
