"""Graphs, nodes, chains and retrievers as steps, and the closing of what is open below them.

Guarantees: a step is shown before what happens in it and ends after it; a run the framework never
ends is ended with its parent; a node that returned messages of its own ends when its reducer has
named them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast
from uuid import uuid4

from langchain_core.messages import BaseMessage, ToolMessage

from langchain_streamkit import failures
from langchain_streamkit.events import ErrorInfo, StepFailed, StepFinished, StepStarted
from langchain_streamkit.sources.tree import COMPOSITION_TAGS, HIDDEN_NODE, RunNode, post_order

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from langchain_streamkit.events import AbortReason, StepKind, StepOutcome
    from langchain_streamkit.sources import signals as sig
    from langchain_streamkit.sources.models import ModelRuns
    from langchain_streamkit.sources.outbox import Outbox
    from langchain_streamkit.sources.returned import ReturnedMessages
    from langchain_streamkit.sources.tools import ToolRuns

Placed: TypeAlias = tuple[int, BaseMessage]
"""A message a node returned, with its place in what the node returned."""


class Steps:
    """The open runs of one root run, as a tree; those that are steps emit events."""

    def __init__(
        self,
        root: UUID,
        outbox: Outbox,
        models: ModelRuns,
        returned: ReturnedMessages,
        tools: ToolRuns,
        *,
        graph: bool,
        every_chain: bool,
    ) -> None:
        self.root = RunNode(root, "root", None, None)
        self.runs: dict[UUID, RunNode] = {}
        self.settled: list[str] = []
        """Ids of finished messages that nothing can take back: all around them but the root run,
        whose failure is the end, has ended well."""
        self._outbox = outbox
        self._models = models
        self._returned = returned
        self._tools = tools
        self._graph = graph
        self._every_chain = every_chain
        self._ending: dict[UUID, tuple[RunNode, sig.ChainEnd, list[Placed]]] = {}

    # ---- beginning ---------------------------------------------------------------------------

    def enter(self, signal: sig.Start, kind: Any) -> RunNode:
        """Put a run that starts into the tree, below its parent if that is open."""
        parent = self.runs.get(signal.parent_id) if signal.parent_id is not None else None
        node = RunNode(signal.run_id, kind, signal, parent or self.root)
        self.runs[signal.run_id] = node
        return node

    def settle_in(self, node: RunNode) -> None:
        """Show the parent if it is a step, and take back what a failed attempt had finished."""
        parent = node.parent or self.root
        if self._every_chain and parent.kind == "chain" and not parent.shown:
            self._show(parent, "chain", labelled=False)
        node.step_id, node.path = parent.step_id, parent.path
        for stale in parent.begin_child(node):
            self._tools.disowned(stale.message_id)
            self._models.retracted(stale.message_id)
            self._outbox.add(*stale.retraction())

    def chain_start(self, signal: sig.ChainStart) -> None:
        """A chain begins. What a source told of before the root run is below that from now on."""
        node = self.enter(signal, "retriever" if signal.retriever else "chain")
        if signal.run_id == self.root.key:
            node.take_in_siblings()
        node.input = signal.input
        if signal.retriever:
            self.settle_in(node)
            self._show(node, "retriever", labelled=False)
        elif node.is_graph_node:
            self._node_start(signal, node)
        elif signal.graph or (self._graph and signal.run_id == self.root.key):
            self.settle_in(node)
            node.kind = "graph"
            self._show(node, "graph", labelled=False)
        else:
            self.settle_in(node)

    def _node_start(self, signal: sig.ChainStart, node: RunNode) -> None:
        parent = node.parent or self.root
        node.kind = "node"
        path: object = signal.metadata.get("langgraph_path")
        # What a node runs in is a graph, but a functional-API task runs in its entrypoint: the
        # path of a task ends in True.
        if parent.kind == "chain" and not _is_task_path(path):
            parent.kind = "graph"
            if not parent.shown:
                self._show(parent, "graph", labelled=False)
        self.settle_in(node)
        if HIDDEN_NODE not in signal.tags:
            self._show(node, "node", labelled=True)

    def _show(self, node: RunNode, kind: StepKind, *, labelled: bool) -> None:
        parent_id = node.shown_parent_id()
        node.show(labelled=labelled)
        step = node.metadata.get("langgraph_step")
        self._add(
            StepStarted,
            node,
            kind=kind,
            name=node.name,
            parent_id=parent_id,
            namespace=node.graph_namespace(),
            langgraph_step=step if kind == "node" and isinstance(step, int) else None,
            tags=tuple(tag for tag in node.tags if not tag.startswith(COMPOSITION_TAGS)),
            cause=node.cause,
            input=node.input,
        )

    # ---- ending ------------------------------------------------------------------------------

    def chain_end(self, signal: sig.ChainEnd, node: RunNode) -> None:
        if node.kind != "node" or not signal.messages:
            self._end_step(node, signal)
            return
        self._settle_tools(signal.messages)
        fresh = self._returned.shown.unseen(node, signal.messages)
        if signal.awaits_ids and any(message.id is None for _, message in fresh):
            self._ending[node.key] = (node, signal, fresh)
        else:
            self._end_node(node, signal, fresh)

    def messages_seen(self, signal: sig.MessagesSeen, node: RunNode) -> None:
        """Messages that no model streamed, found while their node may still be open."""
        self._settle_tools(signal.messages)
        self.say_returned(node, self._returned.shown.unseen(node, signal.messages))

    def _settle_tools(self, messages: Iterable[BaseMessage]) -> None:
        """Tools that failed end with what the model sees of them."""
        answers = {m.tool_call_id: m for m in messages if isinstance(m, ToolMessage)}
        for tool in self._tools.settle_answered(answers):
            self.remove(tool, failed=True)

    def stored(self, signal: sig.StoredIds) -> None:
        """The reducer has named the messages of a node that waits, or has ended already."""
        waiting = self._ending.get(signal.run_id)
        if waiting is not None:
            node, end, messages = waiting
            named = [
                (place, message.model_copy(update={"id": message.id or signal.ids[place]}))
                for place, message in messages
            ]
            self._end_node(node, end, named)
        self._returned.shown.know(one for one in signal.ids if one is not None)

    def say_returned(self, node: RunNode, messages: list[Placed]) -> None:
        """Emit the messages a node made itself, and the answers of tools that never ran."""
        for _, message in messages:
            if self._returned.shown.is_known(message):
                continue
            if isinstance(message, ToolMessage):
                error = handled_tool_error() if message.status == "error" else None
                self._tools.answer(message, node.step_id, node.path, error)
            else:
                self._returned.show(node, message)

    def _end_node(self, node: RunNode, end: sig.ChainEnd, messages: list[Placed]) -> None:
        self._ending.pop(node.key, None)
        self.close_below(node, "cancelled", "cancelled")
        self.say_returned(node, messages)
        self._end_step(node, end)

    def _end_step(self, node: RunNode, end: sig.ChainEnd) -> None:
        self.close_below(node, "cancelled", "cancelled")
        if self._every_chain and node.kind == "chain" and not node.shown:
            self._show(node, "chain", labelled=False)
        if node.shown:
            outcome: StepOutcome = "suspended" if node.paused else "ok"
            self._add(StepFinished, node, outcome=outcome, output=end.output)
        self.remove(node, failed=False)

    def fail(self, node: RunNode, error: ErrorInfo) -> None:
        """The step itself failed."""
        if node.shown:
            self._add(StepFailed, node, error=error)

    def close_all(self, reason: AbortReason) -> None:
        """End everything that is open, whatever it is."""
        for waiting in list(self._ending.values()):
            self._end_node(*waiting)
        self.close_below(self.root, reason, "cancelled")

    def close_below(self, node: RunNode, reason: AbortReason, outcome: StepOutcome) -> None:
        """End what the framework left open below ``node``, children first."""
        for child in list(post_order(node)):
            if child.key in self._ending:
                self._end_node(*self._ending[child.key])
            else:
                self.leave(child, reason, outcome)
                self.remove(child, failed=False)

    def leave(self, node: RunNode, reason: AbortReason, outcome: StepOutcome) -> None:
        """End one run that did neither succeed nor fail."""
        if node.kind == "model":
            self._models.abort(node, reason)
        elif node.kind == "tool":
            self._tools.left(node, outcome)
        elif node.shown:
            self._add(StepFinished, node, outcome=outcome)

    def remove(self, node: RunNode, *, failed: bool) -> None:
        """Take an ended run out of the tree."""
        parent = node.parent
        if not failed and parent is not None and parent.key == self.root.key != node.key:
            self.settled += [one.message_id for one in node.finished if not one.retracted]
        node.detach(failed=failed)
        self.runs.pop(node.key, None)
        if node.kind == "node":
            self._returned.shown.forget_step(node.id)

    def _add(self, cls: type[Any], node: RunNode, **fields: Any) -> None:
        self._outbox.add(cls, {"path": node.path, "step_id": node.id, **fields})


def _is_task_path(path: object) -> bool:
    parts = cast("list[object]", path) if isinstance(path, list | tuple) else []
    return bool(parts) and parts[-1] is True


def handled_tool_error() -> ErrorInfo:
    """What is shown of a tool's error that became its answer: the exception itself is gone."""
    text = failures.MESSAGES["tool_error"]
    return ErrorInfo(code="tool_error", message=text, error_id=uuid4().hex)
