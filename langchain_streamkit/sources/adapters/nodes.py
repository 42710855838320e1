"""Graphs and nodes of a run that is told only by LangGraph's namespaces.

Guarantees: what is mentioned is open, with all that it is in; what a graph or node holds ends
before it; ids are the same for the same source.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from langchain_streamkit.sources.adapters.namespaces import comes_before, holder_of, node_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from langchain_streamkit.sources.adapters.base import Adapter
    from langchain_streamkit.sources.adapters.namespaces import Namespace

_KEPT = "langgraph_"


class OpenNode:
    """A node that runs; ``graph`` is the namespace of the graph it is a node of."""

    __slots__ = ("graph", "name", "namespace", "run_id", "said", "step")

    def __init__(
        self, run_id: UUID, name: str, namespace: Namespace, graph: Namespace, step: object
    ) -> None:
        self.run_id = run_id
        self.name = name
        self.namespace = namespace
        self.graph = graph
        self.step = step if isinstance(step, int) else None
        self.said: list[str] = []
        """Texts of the messages that models finished in it and no returned message has claimed."""


class Nodes:
    """The open graphs and nodes of one run; the root graph is the root run.

    ``leaving`` is told the run id of a node right before it ends, to end what it knows in there.
    """

    def __init__(self, adapter: Adapter, leaving: Callable[[UUID], None]) -> None:
        self._tap = adapter.tap
        self._named = adapter.named
        self._leaving = leaving
        self.scope: Namespace = ()
        """The namespace of the root graph: another one's node, if that called it."""
        self._graphs: dict[Namespace, UUID] = {}
        self._nodes: dict[Namespace, OpenNode] = {}
        self._times: dict[tuple[str, Namespace], int] = {}

    # ---- beginning ---------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """The root graph starts."""
        self._tap.chain_start(self._tap.root, None, name, (), None, None, graph=True)

    def graph(
        self, namespace: Namespace, name: str | None = None, parent: UUID | None = None
    ) -> UUID:
        """The run of the graph there; ``name`` and ``parent`` (a tool run) as far as known."""
        if len(namespace) <= len(self.scope):
            return self._tap.root
        run_id = self._graphs.get(namespace)
        if run_id is not None:
            return run_id
        holder = holder_of(namespace, len(self.scope))
        if parent is None:
            parent = self.node(holder).run_id
        run_id = self._graphs[namespace] = self._fresh("graph", namespace)
        metadata = {"langgraph_checkpoint_ns": "|".join(holder)}
        name = name or node_name(holder[-1])
        self._tap.chain_start(run_id, parent, name, (), metadata, None, graph=True)
        return run_id

    def node(self, namespace: Namespace, metadata: Mapping[str, Any] | None = None) -> OpenNode:
        """The node there; ``metadata`` is that of a run in it. Ends nodes of earlier supersteps."""
        found = self._nodes.get(namespace)
        if found is not None:
            return found
        kept = {key: value for key, value in (metadata or {}).items() if key.startswith(_KEPT)}
        name = kept.get("langgraph_node")
        if not isinstance(name, str) or not name:
            name = node_name(namespace[-1])
        path: Any = kept.get("langgraph_path")
        # The path of a functional-API task ends in True: it runs in its caller's graph.
        is_call = isinstance(path, list | tuple) and (None, *path)[-1] is True  # pyright: ignore[reportUnknownArgumentType]
        if is_call and len(namespace) > len(self.scope) + 1:
            caller = self.node(namespace[:-1])
            parent, graph = caller.run_id, caller.graph
        else:
            graph = namespace[:-1]
            parent = self.graph(graph)
        run_id = self._fresh("node", namespace)
        node = OpenNode(run_id, name, namespace, graph, kept.get("langgraph_step"))
        if not is_call:
            self._end_before(node)
        self._nodes[namespace] = node
        kept |= {"langgraph_node": name, "langgraph_checkpoint_ns": "|".join(namespace)}
        self._tap.chain_start(run_id, parent, name, (), kept, None)
        return node

    def nodes_of(self, graph: Namespace) -> list[OpenNode]:
        """The open nodes of a graph."""
        return [node for node in self._nodes.values() if node.graph == graph]

    def knows(self, graph: Namespace) -> bool:
        """Whether anything in that graph was mentioned, and is open."""
        return graph in self._graphs or any(node.graph == graph for node in self._nodes.values())

    @property
    def in_line(self) -> bool:
        """Whether every open node is in the one before it, so that none runs beside another."""
        lines = sorted(self._nodes, key=len)
        return all(b[: len(a)] == a for a, b in itertools.pairwise(lines))

    def _fresh(self, kind: str, namespace: Namespace) -> UUID:
        times = self._times[kind, namespace] = self._times.get((kind, namespace), 0) + 1
        return self._named(kind, *namespace, times)

    # ---- ending ------------------------------------------------------------------------------

    def end_nodes_of(self, graph: Namespace) -> None:
        """A superstep of the graph is over: its nodes end."""
        for node in reversed(self.nodes_of(graph)):
            self.end_node(node)

    def end_node(self, node: OpenNode, error: BaseException | None = None) -> None:
        """The node ended: well, or with ``error``."""
        self.end_at(node.namespace, error)

    def end_at(self, namespace: Namespace, error: BaseException | None = None) -> None:
        """The graph at that namespace ended, and with it the node it is in."""
        self.end_graph(namespace, error)
        self._end_one(namespace, error)

    def end_graph(self, namespace: Namespace, error: BaseException | None = None) -> None:
        """What runs at that namespace, within its node, ended: well, or with ``error``."""
        depth = len(namespace)
        graphs = [(len(ns), 1, ns) for ns in self._graphs if ns[:depth] == namespace]
        nodes = [(len(ns), 0, ns) for ns in self._nodes if ns[:depth] == namespace != ns]
        for _, is_graph, ns in sorted(graphs + nodes, key=lambda one: one[:2], reverse=True):
            if is_graph:
                self._end(self._graphs.pop(ns), error)
            else:
                self._end_one(ns, error)

    def end_all(self) -> None:
        """The root graph ended well."""
        self.end_graph(())

    def _end_before(self, node: OpenNode) -> None:
        """Supersteps come one after another: those of a lower number are over."""
        for other in self.nodes_of(node.graph):
            if comes_before(other.step, node.step):
                self.end_node(other)

    def _end_one(self, namespace: Namespace, error: BaseException | None) -> None:
        node = self._nodes.pop(namespace, None)
        if node is not None:
            self._leaving(node.run_id)
            self._end(node.run_id, error)

    def _end(self, run_id: UUID, error: BaseException | None) -> None:
        if error is None:
            self._tap.chain_end(run_id, None)
        else:
            self._tap.failed(run_id, error)
