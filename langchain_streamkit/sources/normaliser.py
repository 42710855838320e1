"""Signals in, events out: the one place where what happened becomes the stream.

Sans-IO: ``feed`` puts drafts into the outbox, ``end`` closes everything and puts the terminal event.
Guarantees the rules of a legal stream (``grammar.py``), whatever the framework forgets to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, ToolMessage

from langchain_streamkit import failures
from langchain_streamkit.events import (
    Checkpoint,
    Custom,
    Diagnostic,
    ErrorInfo,
    InterruptInfo,
    InterruptRequested,
    OutputDelta,
    PendingToolCall,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
    StateSnapshot,
    StateUpdate,
    StepFailed,
    StepFinished,
    StepStarted,
)
from langchain_streamkit.sources import signals as sig
from langchain_streamkit.sources.accounts import Accounts
from langchain_streamkit.sources.control_flow import interrupts_of, outcome_of
from langchain_streamkit.sources.models import ModelRuns
from langchain_streamkit.sources.outbox import Outbox
from langchain_streamkit.sources.tools import ToolRuns
from langchain_streamkit.sources.tree import RunNode, post_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.events import (
        AbortReason,
        CancelReason,
        StepKind,
        StepOutcome,
        TextDelta,
    )

Placed = tuple[int, "BaseMessage"]
"""A message a node returned, with its place in what the node returned."""
_COMPOSITION = ("seq:step:", "map:key:", "graph:step:")


class Normaliser:
    """Makes the events of one run.

    ``graph`` tells that the root is a graph, ``streaming`` that models are expected to stream,
    ``steps="all"`` shows chains as steps too, ``show_subagents`` makes what agents inside tools say
    visible to the user.
    """

    def __init__(
        self,
        root: UUID,
        *,
        graph: bool = False,
        streaming: bool = True,
        steps: str = "graph",
        show_subagents: bool = False,
        thread_id: str | None = None,
    ) -> None:
        self.run_id = str(root)
        self.thread_id = thread_id
        self.outbox = Outbox(self.run_id)
        self.accounts = Accounts(self.run_id)
        self.late = 0
        """Signals that came when their run was closed already."""
        self.interrupted = False
        self.interrupts: dict[str, InterruptInfo] = {}
        self._graph = graph
        self._all_steps = steps == "all"
        self._root = RunNode(root, "root", None, None)
        self._runs: dict[UUID, RunNode] = {}
        self._ending: dict[UUID, tuple[RunNode, sig.ChainEnd, list[Placed]]] = {}
        self._tool_of_interrupt: dict[str, str] = {}
        self._errors: list[tuple[BaseException, ErrorInfo]] = []
        self._tools = ToolRuns(self.outbox)
        self._models = ModelRuns(
            self.outbox,
            self.accounts,
            self._tools,
            streaming=streaming,
            show_subagents=show_subagents,
        )
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            sig.Token: self._token,
            sig.ModelStart: self._model_start,
            sig.ModelEnd: self._model_end,
            sig.ChainStart: self._chain_start,
            sig.ChainEnd: self._chain_end,
            sig.StoredIds: self._stored,
            sig.KnownMessages: self._known,
            sig.Failure: self._failure,
            sig.ToolStart: self._tool_start,
            sig.ToolEnd: self._tool_end,
            sig.ToolProgressed: self._tool_progress,
            sig.CustomData: self._custom,
            sig.InterruptSeen: self._interrupt,
            sig.Paused: self._paused,
            sig.StateSeen: self._state,
            sig.CheckpointSeen: self._checkpoint,
            sig.OutputChunk: self._output,
            sig.Note: self._note,
        }

    # ---- the run itself ----------------------------------------------------------------------

    def begin(self, ts: int, name: str, user: str | None, metadata: dict[str, Any]) -> None:
        """Emit run.started."""
        self.outbox.now = ts
        self.accounts.begin(ts)
        self.outbox.add(
            RunStarted,
            {"name": name, "thread_id": self.thread_id, "user": user, "metadata": metadata},
        )

    def feed(self, signal: sig.AnySignal) -> None:
        """Take one signal."""
        self.outbox.now = signal.ts
        self._handlers[type(signal)](signal)

    def express(self, signal: sig.Token) -> TextDelta | None:
        """The event of a plain token, if nothing waits before it; None: ``feed`` it."""
        if self.outbox:
            return None
        node = self._runs.get(signal.run_id)
        return None if node is None else self._models.express(signal, node)

    def finish(self, ts: int, output: object) -> None:
        """End well: ``run.interrupted`` if the root graph paused, else ``run.finished``."""
        self._close_all(ts, "cancelled", "cancelled")
        usage, timing = self.accounts.total(ts)
        if self.interrupted:
            pending = tuple(self.interrupts.values())
            fields = {"interrupts": pending, "usage": usage, "timing": timing}
            self.outbox.add(RunInterrupted, fields)
            return
        calls = tuple(
            PendingToolCall(
                tool_call_id=call.tool_call_id,
                name=call.name,
                args=call.args,
                message_id=call.message_id,
            )
            for call in self._tools.unanswered
        )
        self.outbox.add(
            RunFinished,
            {"output": output, "pending_tool_calls": calls, "usage": usage, "timing": timing},
        )

    def fail(self, ts: int, error: BaseException) -> ErrorInfo:
        """End with ``run.failed``; everything open fell with it."""
        self.outbox.now = ts
        info = self.error_info(error, "run")
        self._close_all(ts, "error", "cancelled")
        usage, timing = self.accounts.total(ts)
        self.outbox.add(RunFailed, {"error": info, "usage": usage, "timing": timing})
        return info

    def cancel(self, ts: int, reason: CancelReason, pending: Sequence[str] = ()) -> None:
        """End with ``run.cancelled``; ``pending`` names what could not be stopped."""
        self._close_all(ts, "budget" if reason == "budget" else "cancelled", "cancelled")
        usage, timing = self.accounts.total(ts)
        self.outbox.add(
            RunCancelled,
            {"reason": reason, "pending": tuple(pending), "usage": usage, "timing": timing},
        )

    def open_names(self) -> list[str]:
        """Names of the innermost runs that are open: models, tools, nodes or chains."""
        leaves = [node for node in post_order(self._root) if not node.children]
        return ["/".join((*node.path, node.name)) if node.name else node.id for node in leaves]

    def diagnose(self, ts: int, code: str, message: str) -> None:
        """Emit a diagnostic of the run."""
        self.outbox.now = ts
        self.outbox.add(Diagnostic, {"step_id": self.run_id, "code": code, "message": message})

    def error_info(self, error: BaseException, where: failures.Where) -> ErrorInfo:
        """What may be shown of ``error``: made once, at the deepest place that reported it."""
        for known, info in self._errors:
            if known is error:
                return info
        info = failures.error_info(error, error_id=uuid4().hex, where=where)
        self._errors.append((error, info))
        return info

    def _handled_tool_error(self) -> ErrorInfo:
        """A tool that turned its error into an answer: the exception itself is gone."""
        text = failures.MESSAGES["tool_error"]
        return ErrorInfo(code="tool_error", message=text, error_id=uuid4().hex)

    def _close_all(self, ts: int, reason: AbortReason, outcome: StepOutcome) -> None:
        self.outbox.now = ts
        for node, end, messages in list(self._ending.values()):
            self._end_node(node, end, messages)
        self._close_below(self._root, reason, outcome)

    def _close_below(self, node: RunNode, reason: AbortReason, outcome: StepOutcome) -> None:
        """End what the framework left open below ``node``, children first."""
        for child in list(post_order(node)):
            if child.key in self._ending:
                self._end_node(*self._ending[child.key])
                continue
            self._leave(child, reason, outcome)
            self._remove(child, failed=False)

    def _leave(self, node: RunNode, reason: AbortReason, outcome: StepOutcome) -> None:
        if node.kind == "model":
            self._models.abort(node, reason)
        elif node.kind == "tool":
            self._tools.left(node, outcome)
        elif node.shown:
            self._step_event(StepFinished, node, outcome=outcome)

    def _remove(self, node: RunNode, *, failed: bool) -> None:
        node.detach(failed=failed)
        self._runs.pop(node.key, None)

    # ---- steps -------------------------------------------------------------------------------

    def _enter(self, signal: sig.Start, kind: Any) -> RunNode:
        parent = self._runs.get(signal.parent_id) if signal.parent_id is not None else None
        node = RunNode(signal.run_id, kind, signal, parent or self._root)
        self._runs[signal.run_id] = node
        return node

    def _settle_in(self, node: RunNode) -> None:
        """Show the ancestors that are steps, and take back what a failed attempt had finished."""
        parent = node.parent
        if parent is None:
            return
        if self._all_steps and parent.kind == "chain" and not parent.shown:
            self._show(parent, "chain", labelled=False)
        node.step_id, node.path = parent.step_id, parent.path
        for stale in parent.begin_child(node):
            self._tools.disowned(stale.message_id)
            self.outbox.add(*stale.retraction())

    def _chain_start(self, signal: sig.ChainStart) -> None:
        node = self._enter(signal, "retriever" if signal.retriever else "chain")
        parent = node.parent
        assert parent is not None
        meta = signal.metadata
        node.input = signal.input
        if signal.retriever:
            self._settle_in(node)
            self._show(node, "retriever", labelled=False)
            return
        is_node = (
            node.namespace is not None
            and node.namespace != parent.namespace
            and signal.name == meta.get("langgraph_node")
        )
        if is_node:
            node.kind = "node"
            path: Any = meta.get("langgraph_path") or (None,)
            # A functional-API task runs below its entrypoint: its path ends in True.
            if parent.kind == "chain" and path[-1] is not True:
                parent.kind = "graph"
                if not parent.shown:
                    self._show(parent, "graph", labelled=False)
            self._settle_in(node)
            if "langsmith:hidden" not in signal.tags:
                self._show(node, "node", labelled=True)
            return
        if self._graph and signal.run_id == self._root.key:
            node.kind = "graph"
            self._show(node, "graph", labelled=False)
            return
        self._settle_in(node)

    def _show(self, node: RunNode, kind: StepKind, *, labelled: bool) -> None:
        parent = node.parent
        shown_parent = parent is not None and parent.step_id != self.run_id
        shown_parent = shown_parent or (parent is not None and parent.shown)
        parent_id = parent.step_id if parent is not None and shown_parent else None
        node.show(labelled=labelled)
        step = node.metadata.get("langgraph_step")
        self._step_event(
            StepStarted,
            node,
            kind=kind,
            name=node.name,
            parent_id=parent_id,
            namespace=node.graph_namespace(),
            langgraph_step=step if kind == "node" and isinstance(step, int) else None,
            tags=tuple(tag for tag in node.tags if not tag.startswith(_COMPOSITION)),
            cause=node.cause,
            input=node.input,
        )

    def _chain_end(self, signal: sig.ChainEnd) -> None:
        node = self._runs.get(signal.run_id)
        if node is None:
            self.late += 1
            return
        if node.kind != "node" or not signal.messages:
            self._end_step(node, signal)
            return
        answers = {m.tool_call_id: m for m in signal.messages if isinstance(m, ToolMessage)}
        for tool in self._tools.settle_answered(answers):
            self._remove(tool, failed=True)
        fresh = self._models.unseen(node, signal.messages)
        if signal.awaits_ids and any(message.id is None for _, message in fresh):
            self._ending[node.key] = (node, signal, fresh)
            return
        self._end_node(node, signal, fresh)

    def _stored(self, signal: sig.StoredIds) -> None:
        waiting = self._ending.get(signal.run_id)
        if waiting is None:
            return
        node, end, messages = waiting
        named = [
            (position, message.model_copy(update={"id": message.id or signal.ids[position]}))
            for position, message in messages
        ]
        self._end_node(node, end, named)

    def _end_node(self, node: RunNode, end: sig.ChainEnd, messages: list[Placed]) -> None:
        """A node and its reducer are done: say the messages it made itself, then end the step."""
        self._ending.pop(node.key, None)
        self._close_below(node, "cancelled", "cancelled")
        for _, message in messages:
            if self._models.is_known(message):
                continue
            if isinstance(message, ToolMessage):
                error = None
                if message.status == "error":
                    error = self._handled_tool_error()
                self._tools.answer(message, node.step_id, node.path, error)
            else:
                self._models.made_by_node(node, message)
        self._end_step(node, end)

    def _end_step(self, node: RunNode, end: sig.ChainEnd) -> None:
        self._close_below(node, "cancelled", "cancelled")
        if self._all_steps and node.kind == "chain" and not node.shown:
            self._show(node, "chain", labelled=False)
        if node.shown:
            self._step_event(StepFinished, node, outcome="ok", output=end.output)
        self._remove(node, failed=False)

    def _step_event(self, cls: type[Any], node: RunNode, **fields: Any) -> None:
        self.outbox.add(cls, {"path": node.path, "step_id": node.id, **fields})

    # ---- models and tools --------------------------------------------------------------------

    def _model_start(self, signal: sig.ModelStart) -> None:
        node = self._enter(signal, "model")
        self._settle_in(node)
        self._models.started(signal, node)

    def _token(self, signal: sig.Token) -> None:
        node = self._runs.get(signal.run_id)
        if node is None:
            self.late += 1
            return
        self._models.token(signal, node)

    def _model_end(self, signal: sig.ModelEnd) -> None:
        node = self._runs.get(signal.run_id)
        if node is None:
            self.late += 1
            return
        self._models.ended(signal, node)
        self._remove(node, failed=False)

    def _tool_start(self, signal: sig.ToolStart) -> None:
        node = self._enter(signal, "tool")
        self._settle_in(node)
        node.show(labelled=node.parent is not self._root)
        self._tools.started(signal, node)

    def _tool_progress(self, signal: sig.ToolProgressed) -> None:
        if node := self._runs.get(signal.run_id):
            self._tools.progressed(signal, node)

    def _tool_end(self, signal: sig.ToolEnd) -> None:
        node = self._runs.get(signal.run_id)
        if node is None:
            self.late += 1
            return
        self._close_below(node, "cancelled", "cancelled")
        error = self._handled_tool_error() if signal.failed else None
        self._tools.finished(signal, node, error)
        self._remove(node, failed=False)

    # ---- endings that are not success --------------------------------------------------------

    def _failure(self, signal: sig.Failure) -> None:
        node = self._runs.get(signal.run_id)
        if node is None:
            self.late += 1
            return
        outcome = outcome_of(signal.error)
        if node.kind == "tool":
            for one in interrupts_of(signal.error):
                self._tool_of_interrupt.setdefault(one.id, node.work.tool_call_id)
        elif node.kind == "node":
            for one in interrupts_of(signal.error):
                self._request(node, one)
        reason: AbortReason = "error" if outcome is None else "cancelled"
        if outcome is None:
            self._failed(node, signal.error)
            return
        self._close_below(node, reason, outcome)
        self._leave(node, reason, outcome)
        self._remove(node, failed=False)

    def _failed(self, node: RunNode, error: BaseException) -> None:
        where: failures.Where = (
            "model" if node.kind == "model" else "tool" if node.kind == "tool" else "graph"
        ) if node.kind != "chain" else "chain"
        info = self.error_info(error, where)
        self._close_below(node, "error", "cancelled")
        if node.kind == "model":
            self._models.abort(node, "error")
            node.model_failed()
        elif node.kind == "tool":
            self._tools.failed(node, info)
            if any(ancestor.kind == "node" for ancestor in node.ancestors()):
                return  # the node's own end brings the answer the model sees
            self._tools.settle(node, None)
        elif node.shown:
            self._step_event(StepFailed, node, error=info)
        self._remove(node, failed=True)

    # ---- everything else ---------------------------------------------------------------------

    def _known(self, signal: sig.KnownMessages) -> None:
        self._models.know(signal.ids)

    def _custom(self, signal: sig.CustomData) -> None:
        node = self._runs.get(signal.run_id, self._root)
        fields = {"name": signal.name, "data": signal.data, "tool_call_id": node.cause}
        self.outbox.add(Custom, {"path": node.path, "step_id": node.step_id, **fields})

    def _request(self, node: RunNode, one: Any) -> None:
        if one.id in self.interrupts:
            return
        info = InterruptInfo(
            interrupt_id=one.id,
            payload=one.value,
            namespace=node.graph_namespace(),
            tool_call_id=self._tool_of_interrupt.get(one.id, node.cause),
            response_schema=getattr(one, "response_schema", None),
        )
        self._emit_interrupt(node, info)

    def _emit_interrupt(self, node: RunNode, info: InterruptInfo) -> None:
        self.interrupts[info.interrupt_id] = info
        fields = {name: getattr(info, name) for name in info.__struct_fields__}
        self.outbox.add(
            InterruptRequested, {"path": node.path, "step_id": node.step_id, **fields}
        )

    def _interrupt(self, signal: sig.InterruptSeen) -> None:
        """One that no node raised in this run: still pending from before."""
        if signal.interrupt_id in self.interrupts:
            return
        info = InterruptInfo(
            interrupt_id=signal.interrupt_id,
            payload=signal.payload,
            namespace=signal.namespace,
            response_schema=signal.response_schema,
        )
        self._emit_interrupt(self._runs.get(signal.run_id, self._root), info)

    def _paused(self, signal: sig.Paused) -> None:
        node = self._runs.get(signal.run_id)
        if node is None or node.parent is self._root:
            self.interrupted = True

    def _graph_step(self, namespace: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        for node in self._runs.values():
            if node.kind == "graph" and node.graph_namespace() == namespace:
                return node.step_id, node.path
        return self.run_id, ()

    def _state(self, signal: sig.StateSeen) -> None:
        step_id, path = self._graph_step(signal.namespace)
        fields = {"path": path, "step_id": step_id, "values": signal.values}
        if signal.node is None:
            self.outbox.add(StateSnapshot, fields)
        else:
            self.outbox.add(StateUpdate, {**fields, "node": signal.node})

    def _checkpoint(self, signal: sig.CheckpointSeen) -> None:
        step_id, path = self._graph_step(signal.namespace)
        self.outbox.add(
            Checkpoint,
            {
                "path": path,
                "step_id": step_id,
                "checkpoint_id": signal.checkpoint_id,
                "parent_id": signal.parent_id,
                "namespace": signal.namespace,
                "source": signal.source,
                "step": signal.step,
            },
        )

    def _output(self, signal: sig.OutputChunk) -> None:
        self.outbox.add(OutputDelta, {"step_id": self.run_id, "data": signal.data})

    def _note(self, signal: sig.Note) -> None:
        node = self._runs.get(signal.run_id, self._root)
        fields = {"code": signal.code, "message": signal.message}
        self.outbox.add(Diagnostic, {"path": node.path, "step_id": node.step_id, **fields})
