"""Signals in, events out: the one place where what happened becomes the stream.

Sans-IO: ``feed`` puts drafts into the outbox; ``finish``, ``fail`` and ``cancel`` close everything
and put the terminal event. Guarantees the rules of a legal stream (see ``grammar``), whatever the
framework forgets to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from langchain_streamkit import failures
from langchain_streamkit.events import (
    Diagnostic,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
)
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.sources import signals as sig
from langchain_streamkit.sources.accounts import Accounting, Accounts
from langchain_streamkit.sources.attempts import OpenAttempts
from langchain_streamkit.sources.control_flow import outcome_of
from langchain_streamkit.sources.models import ModelRuns
from langchain_streamkit.sources.outbox import Outbox
from langchain_streamkit.sources.reports import Reports
from langchain_streamkit.sources.returned import ReturnedMessages
from langchain_streamkit.sources.shown import ShownMessages
from langchain_streamkit.sources.shown_errors import ShownErrors
from langchain_streamkit.sources.steps import Steps, handled_tool_error
from langchain_streamkit.sources.tools import ToolRuns
from langchain_streamkit.sources.tree import post_order
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from langchain_streamkit.events import AbortReason, CancelReason, ErrorInfo, Event
    from langchain_streamkit.sources.lane import LaneQueue, TextLane
    from langchain_streamkit.sources.tree import RunNode


class Normaliser:
    """Makes the events of one run.

    ``graph`` tells that the root is a graph, ``streaming`` that models are expected to stream,
    ``steps="all"`` shows chains as steps too, ``show_subagents`` makes what agents inside tools say
    visible to the user, ``expose_errors`` shows the texts of exceptions, ``hears_models`` tells
    that a model call of which there is no signal was hidden from us, ``accounting`` how tokens and
    costs are accounted for.
    """

    def __init__(
        self,
        root: UUID,
        *,
        graph: bool = False,
        streaming: bool = True,
        steps: str = "graph",
        show_subagents: bool = False,
        expose_errors: bool = False,
        hears_models: bool = True,
        accounting: Accounting = Accounting(),  # noqa: B008 -- never changes
        thread_id: str | None = None,
    ) -> None:
        self.root = root
        self.run_id = str(root)
        self.thread_id = thread_id
        self.outbox = Outbox(self.run_id)
        self.late = 0
        """Signals that came when their run was closed already."""
        self.stopped_by: AbortReason = "cancelled"
        """Why what is stopped is stopped."""
        self.stopped_with: BaseException | None = None
        """What was raised to stop the run, where that looks like a failure."""
        report = self._unpriced if accounting.own_prices else LOGGER.info
        self._accounts = Accounts(self.run_id, accounting, report)
        self._tools = ToolRuns(self.outbox)
        self._shown = ShownMessages(self.outbox, self._tools)
        attempts = OpenAttempts()
        self._models = ModelRuns(
            self.outbox,
            self._accounts,
            self._shown,
            attempts,
            streaming=streaming,
            show_subagents=show_subagents,
        )
        returned = ReturnedMessages(
            self.outbox,
            self._accounts,
            self._shown,
            attempts,
            streaming=streaming,
            show_subagents=show_subagents,
            hears_models=hears_models,
        )
        self._steps = Steps(
            root,
            self.outbox,
            self._models,
            returned,
            self._tools,
            graph=graph,
            every_chain=steps == "all",
        )
        self._runs = self._steps.runs
        self._reports = Reports(self.outbox, self._steps)
        self.errors = ShownErrors(expose=expose_errors)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            sig.ModelStart: self._model_start,
            sig.ChainStart: self._steps.chain_start,
            sig.ToolStart: self._tool_start,
            sig.StoredIds: self._steps.stored,
            sig.KnownMessages: self._known,
            sig.CustomData: self._reports.custom,
            sig.InterruptSeen: self._reports.seen,
            sig.Paused: self._reports.paused,
            sig.StateSeen: self._reports.state,
            sig.CheckpointSeen: self._reports.checkpoint,
            sig.OutputChunk: self._reports.output,
            sig.Note: self._reports.note,
        }
        # What is about a run that has to be open; too late, it is counted and dropped.
        self._open_handlers: dict[type[Any], Callable[[Any, RunNode], None]] = {
            sig.Token: self._models.token,
            sig.ModelEnd: self._model_end,
            sig.ChainEnd: self._steps.chain_end,
            sig.MessagesSeen: self._steps.messages_seen,
            sig.Failure: self._failure,
            sig.ToolEnd: self._tool_end,
            sig.ToolProgressed: self._tools.progressed,
        }

    @property
    def settled(self) -> Sequence[str]:
        """Ids of the messages that can no longer be taken back, in that order; it grows."""
        return self._steps.settled

    # ---- the run itself ----------------------------------------------------------------------

    def begin(self, ts: int, name: str, user: str | None, metadata: dict[str, Any]) -> None:
        """Emit run.started."""
        self.outbox.now = ts
        self._accounts.begin(ts, user, self.thread_id)
        self.outbox.add(
            RunStarted,
            {"name": name, "thread_id": self.thread_id, "user": user, "metadata": metadata},
        )

    def feed(self, signal: sig.AnySignal) -> None:
        """Take one signal."""
        self.outbox.now = signal.ts
        kind = type(signal)
        handle = self._open_handlers.get(kind)
        if handle is None:
            self._handlers[kind](signal)
            return
        node = self._runs.get(signal.run_id)
        if node is None:
            self.too_late(signal)
        else:
            handle(signal, node)

    def too_late(self, signal: sig.AnySignal | TextLane | Event) -> None:
        """Count what comes when its run has ended; only the ledgers learn of it. From any thread
        once the whole run has ended.
        """
        self.late += 1
        if isinstance(signal, sig.ModelEnd):
            self._models.late(signal)
        elif isinstance(signal, sig.Failure):
            self._models.failed_late(signal)

    def open_lane(self, run_id: UUID, queue: LaneQueue) -> None:
        """Open the short way for the plain text of a model call, while its text block is open."""
        node = self._runs.get(run_id)
        if node is not None and node.kind == "model":
            self._models.open_lane(node, queue)

    def feed_text(self, lane: TextLane, ts: int, text: str) -> None:
        """Take text out of a lane whose events cannot be made at once."""
        self.outbox.now = ts
        if not lane.draft(text):
            self.late += 1

    def interrupted(self) -> None:
        """The result says that the root graph paused."""
        self._reports.interrupted = True

    def finish(self, ts: int, output: object) -> None:
        """End well: ``run.interrupted`` if the root graph paused, else ``run.finished``."""
        self._close_all(ts, "cancelled")
        usage, timing = self._accounts.close(ts)
        if self._reports.interrupted:
            pending = tuple(self._reports.interrupts.values())
            fields = {"interrupts": pending, "usage": usage, "timing": timing}
            self.outbox.add(RunInterrupted, fields)
            return
        calls = self._tools.pending(output)
        self.outbox.add(
            RunFinished,
            {"output": output, "pending_tool_calls": calls, "usage": usage, "timing": timing},
        )

    def leave(self, ts: int, error: BaseException) -> None:
        """End of a run that is a part of another graph, and was left by what is no failure.

        An interrupt pauses it; a hand-off ends it well, with the command as its output.
        """
        self.outbox.now = ts
        paused = self._reports.left(error)
        self.finish(ts, None if paused or not error.args else to_plain(error.args[0]))

    def fail(
        self,
        ts: int,
        error: BaseException,
        *,
        stopped: bool = False,
        pending: Sequence[str] = (),
    ) -> ErrorInfo:
        """End with ``run.failed``; everything open fell with it.

        A source that does not say what failed leaves it open: the innermost is taken for it, unless
        the run was ``stopped`` because of the error; ``pending`` names what could not be.
        """
        kinds = {node.kind for node in post_order(self._steps.root) if not node.children}
        places: list[failures.Where] = [place for kind, place in _WHERE.items() if kind in kinds]
        info = self.errors.info(error, places[0] if places and not stopped else "run")
        self._close_all(ts, "timeout" if self.stopped_by == "timeout" else "error")
        usage, timing = self._accounts.close(ts)
        ended = {"error": info, "pending": tuple(pending), "usage": usage, "timing": timing}
        self.outbox.add(RunFailed, ended)
        return info

    def break_off(self, ts: int, error: Exception) -> None:
        """An error of ours kept the run from ending as it should: close what can be, and fail."""
        try:
            self._close_all(ts, "error")
            usage, timing = self._accounts.close(ts)
        except Exception as exc:  # noqa: BLE001 -- what broke the end breaks the closing too
            LOGGER.error("run %s could not be closed", self.run_id, exc_info=exc)
            usage, timing = self._accounts.unknown(ts)
        info = failures.error_info(error, error_id=uuid4().hex, where="run")
        fields = {"error": msgspec.structs.replace(info, code="internal")}
        self.outbox.add(RunFailed, {**fields, "usage": usage, "timing": timing})

    def cancel(self, ts: int, reason: CancelReason, pending: Sequence[str] = ()) -> None:
        """End with ``run.cancelled``; ``pending`` names what could not be stopped."""
        self._close_all(ts, "budget" if reason == "budget" else "cancelled")
        usage, timing = self._accounts.close(ts)
        self.outbox.add(
            RunCancelled,
            {"reason": reason, "pending": tuple(pending), "usage": usage, "timing": timing},
        )

    def open_names(self) -> list[str]:
        """Paths and names of the innermost runs that are open."""
        leaves = [node for node in post_order(self._steps.root) if not node.children]
        return [node.described for node in leaves]

    def diagnose(self, ts: int, code: str, message: str) -> None:
        """Emit a diagnostic of the run."""
        self.outbox.now = ts
        self.outbox.add(Diagnostic, {"step_id": self.run_id, "code": code, "message": message})

    def _unpriced(self, message: str) -> None:
        self.diagnose(self.outbox.now, "price_unknown", message)

    def _close_all(self, ts: int, reason: AbortReason) -> None:
        self.outbox.now = ts
        self._steps.close_all(reason)

    # ---- models and tools --------------------------------------------------------------------

    def _known(self, signal: sig.KnownMessages) -> None:
        self._shown.know(signal.ids)

    def _model_start(self, signal: sig.ModelStart) -> None:
        node = self._steps.enter(signal, "model")
        self._steps.settle_in(node)
        self._models.started(signal, node)

    def _model_end(self, signal: sig.ModelEnd, node: RunNode) -> None:
        self._models.ended(signal, node)
        self._steps.remove(node, failed=False)

    def _tool_start(self, signal: sig.ToolStart) -> None:
        if (last := self._tools.superseded(signal.tool_call_id)) is not None:
            self._steps.remove(last, failed=True)
        node = self._steps.enter(signal, "tool")
        self._steps.settle_in(node)
        node.show(labelled=node.parent is not self._steps.root)
        self._tools.started(signal, node)

    def _tool_end(self, signal: sig.ToolEnd, node: RunNode) -> None:
        self._steps.close_below(node, "cancelled", "cancelled")
        self._tools.finished(signal, node, handled_tool_error() if signal.failed else None)
        self._steps.remove(node, failed=False)

    # ---- endings that are not success --------------------------------------------------------

    def _failure(self, signal: sig.Failure, node: RunNode) -> None:
        stopped = signal.error is self.stopped_with
        outcome = "cancelled" if stopped else outcome_of(signal.error)
        if outcome is None:
            self._failed(node, signal.error)
            return
        self._steps.close_below(node, self.stopped_by, outcome)
        if signal.messages:
            self._steps.say_returned(node, self._shown.unseen(node, signal.messages))
        self._reports.raised(signal.error, node)
        self._steps.leave(node, self.stopped_by, outcome)
        self._steps.remove(node, failed=False)

    def _failed(self, node: RunNode, error: BaseException) -> None:
        info = self.errors.info(error, _WHERE.get(node.kind, "chain"))
        self._steps.close_below(node, "error", "cancelled")
        if node.kind == "model":
            self._models.abort(node, "error")
            node.model_failed()
        elif node.kind == "tool":
            self._tools.failed(node, info)
            if any(ancestor.kind in ("node", "graph") for ancestor in node.ancestors()):
                return  # the node's own end, or the graph's state, brings what the model sees
            self._tools.settle(node, None)
        else:
            self._steps.fail(node, info)
        self._steps.remove(node, failed=True)


_WHERE: dict[str, failures.Where] = {
    "model": "model",
    "tool": "tool",
    "graph": "graph",
    "node": "graph",
}
