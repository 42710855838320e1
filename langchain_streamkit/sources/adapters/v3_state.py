"""What the states of graphs in a v3 stream say: messages nobody streamed, and pending interrupts.

Guarantees: input and history are known, not told; a message that is new is told once, in the node
that made it if that is certain, else in its graph; every interrupt is asked for once, from the
deepest namespace that has it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import ToolMessage

from langchain_streamkit.sources.adapters.plain_state import messages_of_state, messages_of_update
from langchain_streamkit.sources.node_output import snapshot
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import InterruptSeen, KnownMessages, MessagesSeen, Paused
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.adapters.base import Adapter
    from langchain_streamkit.sources.adapters.namespaces import Namespace
    from langchain_streamkit.sources.adapters.nodes import Nodes, OpenNode
    from langchain_streamkit.sources.adapters.v3_calls import ModelCalls, ToolCalls

INTERRUPTS = "__interrupt__"


class States:
    """The states of the graphs of one run, and the messages they have shown."""

    def __init__(self, adapter: Adapter, nodes: Nodes, models: ModelCalls) -> None:
        self._tap = adapter.tap
        self._nodes = nodes
        self._models = models
        self._seen: set[str] = set()
        """Keys of messages that were told, or are input."""
        self._first: dict[Namespace, str | None] = {}
        """Graphs whose state was seen, with the key of its first message."""

    def __bool__(self) -> bool:
        return bool(self._first)

    def note(self, message: BaseMessage | str) -> bool:
        """Note a message, or its id, as told; returns whether it is new."""
        key = message if isinstance(message, str) else _key(message)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def whole(self, graph: Namespace, state: object, *, pausing: bool) -> None:
        """The state of a graph: at its beginning, after a superstep, or, ``pausing``, when a node
        has interrupted it, which comes before the other nodes are done.
        """
        messages = list(messages_of_state(state))
        fresh = [message for message in messages if self.note(message)]
        if self._begins(graph, messages, fresh):
            self._history(fresh)
            return
        nodes = self._nodes.nodes_of(graph)
        if not pausing:
            for node in nodes:
                self._models.abandon(node.run_id)
        self._tell(graph, nodes, fresh)
        if not pausing:
            self._nodes.end_nodes_of(graph)

    def update(self, graph: Namespace, name: str, update: object) -> None:
        """What a node of that name returned. Messages without an id get theirs in the state."""
        found = [m for m in messages_of_update(update) if m.id and self.note(m)]
        nodes = [node for node in self._nodes.nodes_of(graph) if node.name == name]
        self._tell(graph, nodes, found)

    def returned(self, run_id: UUID, message: BaseMessage) -> None:
        """A node or graph has this message, which nobody streamed."""
        self._tap.push(MessagesSeen(now_ms(), run_id, (snapshot(message),)))

    def _begins(
        self, graph: Namespace, messages: list[BaseMessage], fresh: list[BaseMessage]
    ) -> bool:
        """Whether this is the state with which a graph begins: input and history."""
        first = _key(messages[0]) if messages else None
        known, before = graph in self._first, self._first.get(graph)
        self._first[graph] = first
        if not known:
            return not self._nodes.nodes_of(graph)
        # A tool may call its graph again, with another input, in the same namespace.
        again = bool(fresh) and len(fresh) == len(messages) and first != before
        return again and graph != self._nodes.scope

    def _history(self, messages: list[BaseMessage]) -> None:
        ids = tuple(message.id for message in messages if message.id)
        if ids:
            self._tap.push(KnownMessages(now_ms(), self._tap.root, ids))
        for message in messages:
            self._models.asked(message)

    def _tell(self, graph: Namespace, nodes: list[OpenNode], fresh: list[BaseMessage]) -> None:
        for message in fresh:
            text = str(message.text)
            by = nodes[0] if len(nodes) == 1 else next((n for n in nodes if text in n.said), None)
            if by is None:
                self.returned(self._nodes.graph(graph), message)
                continue
            self.returned(by.run_id, message)
            if text in by.said:
                by.said.remove(text)


class Interrupts:
    """The pending interrupts of one run, by id."""

    def __init__(self, adapter: Adapter, nodes: Nodes, tools: ToolCalls) -> None:
        self._tap = adapter.tap
        self._nodes = nodes
        self._tools = tools
        self._left: list[OpenNode] = []
        self.pending: dict[str, Any] = {}

    def feed(self, graph: Namespace, interrupts: Iterable[Any]) -> None:
        """The pending interrupts of a graph; those of graphs in it are told here again."""
        found = [_interrupt(one) for one in interrupts]
        if not found:
            return
        for one in found:
            if one.id not in self.pending:
                self.pending[one.id] = one
                self._request(graph, one)
        self._tap.push(Paused(now_ms(), self._nodes.graph(graph)))

    def end(self) -> None:
        """The run has ended: if it paused, tools and the nodes that asked wait for the answer."""
        if not self.pending:
            return
        from langgraph.errors import GraphInterrupt

        self._tools.suspend(GraphInterrupt(()))
        for node in self._left:
            self._nodes.end_node(node, GraphInterrupt(()))

    def _request(self, graph: Namespace, one: Any) -> None:
        from langgraph.errors import GraphInterrupt
        from langgraph.types import Interrupt

        carried: Any = (one,)
        self._tools.interrupted(graph, GraphInterrupt(carried))
        run_id, where = self._nodes.graph(graph), graph
        for node in self._nodes.nodes_of(graph):
            # LangGraph makes the id of an interrupt from the namespace of its node.
            if Interrupt.from_ns(None, "|".join(node.namespace)).id == one.id:
                run_id, where = node.run_id, node.namespace
                self._left.append(node)
        schema = to_plain(getattr(one, "response_schema", None))
        value = to_plain(one.value)
        self._tap.push(InterruptSeen(now_ms(), run_id, str(one.id), value, where, schema))


def _interrupt(one: Any) -> Any:
    """LangGraph's object, or one like it; its fields are there, whoever wrote the item."""
    if isinstance(one, dict):
        one = SimpleNamespace(**cast("dict[str, Any]", one))
    hash(one.id)
    _ = one.value
    return one


def _key(message: BaseMessage) -> str:
    """What tells a message from others: its id, or what it says if nobody gave it one."""
    if message.id:
        return message.id
    call = message.tool_call_id if isinstance(message, ToolMessage) else ""
    return f"{message.type}/{call}/{message.text}"
