"""A root run that is watched from outside: someone else calls the runnable, callbacks tell us.

Guarantees: one legal stream per root; it ends with the root's own end callback (or when whoever
made the call says how it ended, or a clock ran out and the call did not notice); nothing here stops
or breaks the user's run but its budget and its clocks.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_streamkit.failures import LOGGER, log_failure
from langchain_streamkit.runs.held import Held
from langchain_streamkit.runs.sequencer import Sequencer
from langchain_streamkit.runs.stopping import STOP_GRACE_S
from langchain_streamkit.runs.timed import Timed
from langchain_streamkit.snapshot import RunSnapshot
from langchain_streamkit.sources.control_flow import outcome_of
from langchain_streamkit.sources.lane import Lanes
from langchain_streamkit.sources.normaliser import Normaliser
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.tap import RunTap
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from langchain_streamkit.errors import BudgetExceeded, RunTimeout
    from langchain_streamkit.events import ErrorInfo
    from langchain_streamkit.runs.options import OnEnd, Options
    from langchain_streamkit.runs.outlets import Outlets
    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.sources.signals import AnySignal
    from langchain_streamkit.tokens.ledger import Ledger


class AttachedRun:
    """One root's tap, sequencer and snapshot; events go to ``outlets``.

    ``lanes`` are those of the handler, where several roots share one; ``ledgers`` get a record of
    each model call.
    """

    def __init__(
        self,
        root: UUID,
        outlets: Outlets,
        options: Options,
        on_end: OnEnd | None,
        *,
        graph: bool = False,
        lanes: Lanes | None = None,
        ledgers: Sequence[Ledger] = (),
        thread_id: str | None = None,
        user: str | None = None,
    ) -> None:
        self.root = root
        self.snapshot = RunSnapshot()
        self.normaliser = Normaliser(
            root,
            graph=graph,
            streaming=options.streaming,
            steps=options.steps,
            show_subagents=options.show_subagents,
            expose_errors=options.expose_errors,
            accounting=options.accounting(ledgers),
            thread_id=thread_id,
        )
        self.sequencer = Sequencer(
            self.normaliser,
            self.snapshot,
            outlets,
            keep=options.keep,
            max_unread=options.max_unread,
            on_overflow=_nothing,
            on_transform_error=_nothing,
            lanes=lanes,
        )
        self.sequencer.no_reader()
        self.expired: RunTimeout | None = None
        """What the call is to end with since a clock ran out."""
        self.on_expiry: Callable[[], object] = _nothing
        """Called when a clock runs out, where the call can be left."""
        self.give_up: Callable[[], object] = _nothing
        """Ends the stream, by ``break_off``, although the call has not noticed that time is up."""
        self.timed: Timed | None = None
        """The clocks of the run."""
        self._push: Callable[[AnySignal], None] = self.sequencer.push
        if (timeout := options.clocks) is not None:
            name = self.normaliser.run_id
            self.timed = Timed(timeout, self.sequencer, name, self._time_is_up, self._overdue)
            self._push = self.timed.push
            if lanes is None:
                self.sequencer.lanes = Lanes(self._push)
        self._shares_lanes = lanes is not None
        self.tap = RunTap(root, self._push, self.sequencer.report, options.capture)
        self._on_end = on_end
        # Where only a ledger listens nobody sees an error_id, and the caller has the error itself.
        self._shows_errors = bool(outlets) or on_end is not None
        self._user = user
        self._held: Held | None = None
        if (meter := options.meter(user, thread_id)) is not None:
            self._held = Held(meter, self.tap, self.normaliser, _raise)
            if lanes is None:
                self.sequencer.lanes = self._held.lanes(self._push)

    @property
    def stopped_by(self) -> BudgetExceeded | RunTimeout | None:
        """What has stopped the run."""
        return self.expired or (self._held.error if self._held is not None else None)

    def push(self, signal: AnySignal) -> None:
        """Take a signal from lanes that several roots share. Raises RunTimeout when time is up."""
        self.check()
        self._push(signal)

    def check(self) -> None:
        """Raises RunTimeout when time is up: nothing more of the call is to start."""
        if self.expired is not None:
            raise self.expired

    def root_ended(self) -> None:
        """The root's own end callback has come. Raises BudgetExceeded or RunTimeout, which goes to
        the caller, where the run was stopped and what it is made of has swallowed that.
        """
        if self.tap.root_end is not None and self.tap.root_end[1] is None and self.stopped_by:
            raise self.stopped_by

    def begin(
        self, name: str, metadata: dict[str, Any], loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Start the clocks, in ``loop`` if the caller's will run, and emit run.started."""
        if self.timed is not None:
            self.timed.start(loop)
        plain: Any = to_plain(metadata)
        self.sequencer.begin(now_ms(), name, self._user, plain)

    def sink_failed(self, sink: Sink) -> None:
        """Tell the readers that are left that ``sink`` gets no more events."""
        if not self.sequencer.ended:
            text = f"{type(sink).__name__} failed and gets no more events; the log has the details"
            self.tap.note(self.root, "sink_failed", text)

    def break_off(self) -> asyncio.Future[Any] | None:
        """``conclude`` of a call that goes on although time is up: what is open is pending."""
        return self.conclude(None, self.expired, self.normaliser.open_names)

    def conclude(
        self,
        output: object,
        error: BaseException | None,
        pending: Callable[[], Sequence[str]] = tuple,
    ) -> asyncio.Future[Any] | None:
        """Make the terminal event, once; returns what an async ``on_end`` still has to do.

        ``pending`` names what could not be stopped when time was up.
        """
        if self.timed is not None:
            self.timed.stop()

        def end(normaliser: Normaliser) -> None:
            if (expired := self.expired) is not None:
                left = pending()
                info = normaliser.fail(now_ms(), expired, stopped=True, pending=left)
                self._log(expired, info)
            elif self.stopped_by is not None:
                normaliser.cancel(now_ms(), "budget")
            elif error is None:
                normaliser.finish(now_ms(), output)
            elif (outcome := outcome_of(error)) == "cancelled":
                normaliser.cancel(now_ms(), "user")
            elif outcome is not None:
                normaliser.leave(now_ms(), error)
            else:
                self._log(error, normaliser.fail(now_ms(), error))

        if not self.sequencer.conclude(end):
            return None
        return self._call_on_end()

    def _log(self, error: BaseException, info: ErrorInfo) -> None:
        if self._shows_errors:
            log_failure(error, info, self.normaliser.run_id, self.normaliser.thread_id)

    def _time_is_up(self, error: RunTimeout) -> float | None:
        """Whatever callback of the call comes from now on raises ``error``."""
        if self.sequencer.closed or self.stopped_by or self.tap.root_end is not None:
            return None
        self.normaliser.stopped_by = "timeout"
        self.normaliser.stopped_with = self.expired = error
        lanes = self.sequencer.lanes
        if self._shares_lanes:
            self.sequencer.lanes = Lanes(self.push)
            lanes.leave(self.sequencer)
        else:
            lanes.refuse(self.push)
        self.on_expiry()
        return STOP_GRACE_S

    def _overdue(self) -> None:
        if not self.sequencer.closed:
            self.give_up()

    def _call_on_end(self) -> asyncio.Future[Any] | None:
        if self._on_end is None:
            return None
        try:
            answer = self._on_end(self.snapshot)
            if not inspect.isawaitable(answer):
                return None
            return asyncio.ensure_future(answer)
        except Exception as exc:  # noqa: BLE001 -- the user's run must not see it
            LOGGER.error("on_end failed after run %s", self.root, exc_info=exc)
            return None


def _raise(error: BudgetExceeded) -> NoReturn:
    """Stop the call in the callback that exceeds a budget: by an error, since it is not ours.

    Whatever swallows it (a fallback, a retry, a tool) meets it again at its next call.
    """
    raise error


def _nothing(*_: object) -> None:
    """An attached run has no reader to overflow and no map() to fail."""
