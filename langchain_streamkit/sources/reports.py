"""What a run says beside messages, tools and steps: interrupts, custom data, state, checkpoints.

Guarantees: every pending interrupt of every namespace is requested once, from the step that raised
it; data that comes while no step is open belongs to the run itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.events import (
    Checkpoint,
    Custom,
    Diagnostic,
    InterruptInfo,
    InterruptRequested,
    OutputDelta,
    StateSnapshot,
    StateUpdate,
)
from langchain_streamkit.sources.control_flow import interrupts_of, outcome_of

if TYPE_CHECKING:
    from langchain_streamkit.sources import signals as sig
    from langchain_streamkit.sources.outbox import Outbox
    from langchain_streamkit.sources.steps import Steps
    from langchain_streamkit.sources.tree import RunNode


class Reports:
    """Turns those signals into events."""

    def __init__(self, outbox: Outbox, steps: Steps) -> None:
        self.interrupts: dict[str, InterruptInfo] = {}
        """Pending interrupts by id, in order."""
        self.interrupted = False
        """Whether the root graph paused."""
        self._outbox = outbox
        self._steps = steps
        self._tool_of_interrupt: dict[str, str] = {}

    # ---- interrupts --------------------------------------------------------------------------

    def raised(self, error: BaseException, node: RunNode) -> None:
        """A tool or node was left by ``error``: request the interrupts it carries, if any."""
        for one in interrupts_of(error):
            if node.kind == "tool":
                self._tool_of_interrupt.setdefault(one.id, node.cause or "")
            elif node.kind == "node" and one.id not in self.interrupts:
                tool_call_id = self._tool_of_interrupt.get(one.id, node.cause)
                self._request(node, _interrupt_info(one, node, tool_call_id))

    def left(self, error: BaseException) -> bool:
        """The root was left by ``error``; returns whether that pauses it."""
        if outcome_of(error) != "suspended":
            return False
        self.interrupted = True
        for one in interrupts_of(error):
            if one.id not in self.interrupts:
                self._request(self._steps.root, _interrupt_info(one, self._steps.root))
        return True

    def seen(self, signal: sig.InterruptSeen) -> None:
        """LangGraph reports a pending interrupt: one that no node raised in this run is from
        before.
        """
        if signal.interrupt_id in self.interrupts:
            return
        info = InterruptInfo(
            interrupt_id=signal.interrupt_id,
            payload=signal.payload,
            namespace=signal.namespace,
            tool_call_id=self._tool_of_interrupt.get(signal.interrupt_id),
            response_schema=signal.response_schema,
        )
        self._request(self._node(signal), info)

    def paused(self, signal: sig.Paused) -> None:
        """A graph stopped for a human."""
        node = self._steps.runs.get(signal.run_id)
        if node is not None:
            node.paused = True
        if node is None or node.parent is self._steps.root:
            self.interrupted = True

    def _request(self, node: RunNode, info: InterruptInfo) -> None:
        self.interrupts[info.interrupt_id] = info
        self._add(
            InterruptRequested,
            node,
            interrupt_id=info.interrupt_id,
            payload=info.payload,
            namespace=info.namespace,
            tool_call_id=info.tool_call_id,
            response_schema=info.response_schema,
        )

    # ---- data --------------------------------------------------------------------------------

    def custom(self, signal: sig.CustomData) -> None:
        node = self._node(signal)
        self._add(Custom, node, name=signal.name, data=signal.data, tool_call_id=node.cause)

    def output(self, signal: sig.OutputChunk) -> None:
        self._add(OutputDelta, self._steps.root, data=signal.data)

    def note(self, signal: sig.Note) -> None:
        at = self._node(signal)
        self._add(Diagnostic, at, code=signal.code, message=signal.message, lost=signal.lost)

    def state(self, signal: sig.StateSeen) -> None:
        graph = self._graph(signal.namespace)
        if signal.node is None:
            self._add(StateSnapshot, graph, values=signal.values)
        else:
            self._add(StateUpdate, graph, node=signal.node, values=signal.values)

    def checkpoint(self, signal: sig.CheckpointSeen) -> None:
        self._add(
            Checkpoint,
            self._graph(signal.namespace),
            checkpoint_id=signal.checkpoint_id,
            parent_id=signal.parent_id,
            namespace=signal.namespace,
            source=signal.source,
            step=signal.step,
        )

    def _node(self, signal: sig.AnySignal) -> RunNode:
        return self._steps.runs.get(signal.run_id, self._steps.root)

    def _graph(self, namespace: tuple[str, ...]) -> RunNode:
        """The graph of that namespace, or what it runs in while it is not known for one."""
        around = self._steps.root
        for node in self._steps.runs.values():
            if namespace and node.graph_namespace() == namespace:
                if node.kind == "graph":
                    return node
                if node.kind == "node":
                    around = node
            elif not namespace and node.kind == "graph" and node.parent is self._steps.root:
                return node
        return around

    def _add(self, cls: type[Any], at: RunNode, /, **fields: Any) -> None:
        self._outbox.add(cls, {"path": at.path, "step_id": at.step_id, **fields})


def _interrupt_info(one: Any, node: RunNode, tool_call_id: str | None = None) -> InterruptInfo:
    return InterruptInfo(
        interrupt_id=one.id,
        payload=one.value,
        namespace=node.graph_namespace(),
        tool_call_id=tool_call_id,
        response_schema=getattr(one, "response_schema", None),
    )
