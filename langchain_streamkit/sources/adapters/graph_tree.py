"""The graphs, nodes, tools and model calls of a run, as the items of a graph tell of them.

Guarantees: a part begins after what it is in and ends once, after what is in it; who is in what
follows from LangGraph's namespaces (``node:task_id|node:task_id``), never from the order of items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from uuid import UUID

from langchain_streamkit.errors import AdaptError, SourceFailed
from langchain_streamkit.sources.adapters.graph_forms import elements
from langchain_streamkit.sources.adapters.namespaces import (
    check_depth,
    comes_before,
    holder_of,
    node_name,
)
from langchain_streamkit.sources.tree import INTERNAL_KEYS, NS_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.adapters.namespaces import Namespace
    from langchain_streamkit.sources.tap import RunTap

PartKind: TypeAlias = Literal["graph", "node", "tool"]

UNNAMED: Final = "LangGraph"
"""What LangGraph calls a graph that has no name."""


class Call:
    """A model call. ``tells_end``: its chunks say which of them is the last."""

    __slots__ = ("open", "run_id", "tells_end", "text")

    def __init__(self, run_id: UUID, *, tells_end: bool) -> None:
        self.run_id = run_id
        self.open = True
        self.tells_end = tells_end
        self.text = ""
        """What a server's ``messages/partial`` has said of it so far."""


class Part:
    """A graph, a node or a tool run."""

    __slots__ = (
        "calls",
        "children",
        "failure",
        "is_task",
        "kind",
        "latest",
        "name",
        "namespace",
        "open",
        "run_id",
        "runs_tool",
        "step",
        "stood",
        "tool_call_id",
    )

    def __init__(
        self, kind: PartKind, run_id: UUID, name: str, namespace: Namespace, parent: Part | None
    ) -> None:
        self.kind: PartKind = kind
        self.run_id = run_id
        self.name = name
        self.namespace = namespace
        """Of a node or tool, with the node's own segment."""
        self.open = True
        self.children: list[Part] = []
        self.calls: dict[str | None, Call] = {}
        self.latest: Call | None = None
        self.is_task = False
        """Its end will be told by the result of its task."""
        self.runs_tool = False
        """A node whose input is one tool call."""
        self.step: int | None = None
        self.tool_call_id = ""
        self.failure: Exception | None = None
        """Of a tool that failed, and waits for the answer that its node makes of it."""
        self.stood = False
        """A graph whose state has been told before, or a tool that has told itself."""
        if parent is not None:
            parent.children.append(self)

    def open_children(self, kind: PartKind | None = None) -> list[Part]:
        return [one for one in self.children if one.open and kind in (None, one.kind)]

    def running(self) -> Part:
        """The one node of this graph that runs, the graph itself if there may be others.

        Only tasks are told when they begin: what else is open may not be all, or be over.
        """
        nodes = self.open_children("node")
        return nodes[0] if len(nodes) == 1 and nodes[0].is_task else self

    def below(self) -> Iterator[Part]:
        """The open parts in this one, outermost first."""
        for one in self.children:
            if one.open:
                yield one
                yield from one.below()

    def close(self) -> None:
        """It has ended, and with it all that was in it."""
        self.open = False
        for one in self.children:
            one.close()
        for call in self.calls.values():
            call.open = False


class Tree:
    """The parts of one run."""

    def __init__(self, tap: RunTap, named: Callable[..., UUID], name: str) -> None:
        self._tap = tap
        self._named = named
        self._count = 0
        self._runs: set[UUID] = set()
        self.root = Part("graph", tap.root, name, (), None)
        self.graphs: dict[Namespace, Part] = {(): self.root}
        self.nodes: dict[str, Part] = {}
        """By ``name:task_id``."""
        self.tools: dict[str, Part] = {}
        """The latest run of each call."""
        tap.chain_start(tap.root, None, name, (), {}, None)

    # ---- beginning ---------------------------------------------------------------------------

    def graph(self, namespace: Namespace, name: str | None = None) -> Part:
        """The graph of a namespace, which begins if it is new. Raises AdaptError if it is over."""
        part = self.graphs.get(namespace)
        if part is None:
            part = self.graphs[namespace] = self._new_graph(namespace, name or UNNAMED)
        return _checked(part)

    def _new_graph(self, namespace: Namespace, name: str) -> Part:
        check_depth(namespace)
        *above, segment = holder_of(namespace)
        node = self.nodes.get(segment) or self.node(tuple(above), segment)
        tools = _checked(node).open_children("tool")
        holder = tools[0] if len(tools) == 1 else node
        metadata: dict[str, Any] = {"langgraph_checkpoint_ns": NS_SEPARATOR.join(namespace)}
        if len(tools) > 1:  # one of these tools has called it; nothing tells which
            metadata[INTERNAL_KEYS[0]] = True
        run_id = self._fresh("graph", *namespace)
        self._tap.chain_start(run_id, holder.run_id, name, (), metadata, None)
        return Part("graph", run_id, name, namespace, holder)

    def node(
        self,
        namespace: Namespace,
        segment: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        inputs: Any = None,
        caller: Part | None = None,
    ) -> Part:
        """A node begins. ``caller`` is the node that has called it, if it is a task of one."""
        given = dict(metadata or {})
        name = str(given.get("langgraph_node") or node_name(segment))
        parent = caller or self.graph(namespace, given.get("lc_agent_name"))
        own = (*parent.namespace, segment)
        given["langgraph_node"] = name
        given["langgraph_checkpoint_ns"] = NS_SEPARATOR.join(own)
        step = given.get("langgraph_step")
        for one in parent.open_children("node"):
            if not one.is_task and comes_before(one.step, step):
                self.end(one)
        run_id = self._fresh("node", *own)
        self._tap.chain_start(run_id, parent.run_id, name, _tags(given), given, inputs)
        part = self.nodes[segment] = Part("node", run_id, name, own, parent)
        part.step = step if isinstance(step, int) else None
        return part

    def tool(self, parent: Part, tool_call_id: str, name: str, inputs: Any) -> Part:
        """A tool runs."""
        before = self.tools.get(tool_call_id)
        if before is not None and before.open and before.failure is not None:
            self.leave(before, before.failure)
        run_id = self._fresh("tool", *parent.namespace, tool_call_id)
        part = Part("tool", run_id, name, parent.namespace, parent)
        part.tool_call_id = tool_call_id
        self.tools[tool_call_id] = part
        # LangGraph names a call without an id by its run: the normaliser knows better ones
        given = None if _is_run_id(tool_call_id) else tool_call_id
        self._tap.tool_start(run_id, parent.run_id, name, (), {}, inputs, given)
        return part

    def call(
        self, parent: Part, message_id: str | None, metadata: Mapping[str, Any], *, tells_end: bool
    ) -> Call:
        """A model is called."""
        text = (message_id or "").removeprefix("lc_run--").removesuffix("-0")
        run_id = _uuid(text)
        if run_id is None or run_id in self._runs:
            run_id = self._fresh("model", *parent.namespace, message_id)
        self._runs.add(run_id)
        call = parent.calls[message_id] = parent.latest = Call(run_id, tells_end=tells_end)
        tools = parent.open_children("tool")
        if len(tools) > 1:
            metadata = {**metadata, INTERNAL_KEYS[0]: True}
        model = metadata.get("ls_model_name") or metadata.get("ls_provider")
        self._tap.model_start(
            run_id,
            tools[0].run_id if len(tools) == 1 else parent.run_id,
            str(model or "the model"),
            _tags(metadata),
            metadata,
        )
        return call

    def _fresh(self, *parts: object) -> UUID:
        """An id that no other run has, for what may be told twice."""
        run_id = self._named(*parts)
        while run_id in self._runs:
            self._count += 1
            run_id = self._named(*parts, self._count)
        self._runs.add(run_id)
        return run_id

    # ---- ending ------------------------------------------------------------------------------

    def end_call(self, call: Call, message: BaseMessage | None) -> None:
        """A model has answered; ``message`` completes what its chunks said."""
        call.open = False
        self._tap.answered(call.run_id, message)

    def end_tool(self, part: Part, output: object) -> None:
        """A tool has answered."""
        self._end_children(part)
        part.close()
        self._tap.tool_end(part.run_id, output)

    def end(
        self, part: Part, output: Any = None, returned: Mapping[str, BaseMessage] | None = None
    ) -> None:
        """A node or graph has ended well, and what is in it too, as far as is told."""
        self._settle_calls(part, returned or {})
        self._end_children(part)
        part.close()
        self._tap.chain_end(part.run_id, output)

    def _end_children(self, part: Part) -> None:
        for one in part.open_children():
            if one.kind == "tool":  # nobody has said what it answered
                self._end_children(one)
                if one.failure is not None:
                    self.leave(one, one.failure)
            else:
                self.end(one)

    def _settle_calls(self, part: Part, returned: Mapping[str, BaseMessage]) -> None:
        """The node is over: a call that has not ended is what it returned, or died.

        An answer of which nobody says where it ends may be whole.
        """
        for message_id, call in part.calls.items():
            if not call.open:
                continue
            message = returned.get(message_id or "")
            if message is not None or (call is part.latest and not call.tells_end):
                self.end_call(call, message)
            else:
                call.open = False
                self._tap.failed(call.run_id, SourceFailed("the answer was given up"))

    def leave(self, part: Part, error: BaseException) -> None:
        """A node or graph was left by ``error``, and what is in it with it, where that is sure."""
        tools = part.open_children("tool")
        calls = [call for call in part.calls.values() if call.open]
        for one in tools if len(tools) == 1 else []:
            self._tap.failed(one.run_id, error)
        for call in calls if len(calls) == 1 else []:
            self._tap.failed(call.run_id, error)
        part.close()
        self._tap.failed(part.run_id, error)


def _checked(part: Part) -> Part:
    if not part.open:
        raise AdaptError(f"{part.kind} {part.name!r} has ended, and here it goes on")
    return part


def _tags(metadata: Mapping[str, Any]) -> list[str]:
    return [str(tag) for tag in elements(metadata.get("tags"))]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _is_run_id(text: str) -> bool:
    found = _uuid(text)
    return found is not None and found.version == 7
