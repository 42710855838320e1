"""The tree of LangChain runs inside one run: who is whose child, and what follows from it.

Guarantees: a node knows its display path, the step its events belong to, whether its messages are
for the user, and which attempt a model call in it is; closing a node closes what is open below it
first. Rules of identity are those of the design ("Identity").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from langchain_streamkit.events import MessageRetracted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from langchain_streamkit.events import Audience
    from langchain_streamkit.sources.signals import Start

NodeKind: TypeAlias = Literal["root", "chain", "graph", "node", "retriever", "tool", "model"]

NS_SEPARATOR: Final = "|"
"""Between the parts of LangGraph's checkpoint namespace (langgraph ``NS_SEP``)."""
HIDDEN_NODE: Final = "langsmith:hidden"
"""LangGraph's ``TAG_HIDDEN``: nodes that nobody wrote, such as ``__start__``."""
HIDDEN_TAGS: Final = frozenset({"nostream", "langsmith:nostream", HIDDEN_NODE})
"""With LangGraph's ``TAG_NOSTREAM`` in its new and its old spelling."""
COMPOSITION_TAGS: Final = ("seq:step:", "map:key:", "condition:", "branch:", "graph:step:")
_SHOWN: Final = ("ls_", "langgraph_")
_RETRY_TAG: Final = "retry:attempt:"
INTERNAL_KEYS: Final = ("lc_internal_call", "lc_source")
"""Metadata by which LangChain's middleware marks model calls that are not the agent's answer."""


class Finished:
    """A finished message that may still have to be taken back."""

    __slots__ = ("message_id", "path", "retracted", "step_id")

    def __init__(self, message_id: str, step_id: str, path: tuple[str, ...]) -> None:
        self.message_id = message_id
        self.step_id = step_id
        self.path = path
        self.retracted = False

    def retraction(self) -> tuple[type[MessageRetracted], dict[str, Any]]:
        self.retracted = True
        return MessageRetracted, {
            "path": self.path,
            "step_id": self.step_id,
            "message_id": self.message_id,
            "reason": "retry",
        }


class RunNode:
    """One LangChain run. ``id`` is its run id as text, ``step_id`` that of the step which is shown
    for it (itself, or the nearest ancestor that is shown).
    """

    __slots__ = (
        "carried",
        "cause",
        "children",
        "composed",
        "failed_models",
        "finished",
        "hidden",
        "id",
        "in_tool",
        "input",
        "key",
        "kind",
        "label",
        "labels",
        "metadata",
        "name",
        "namespace",
        "parent",
        "path",
        "paused",
        "retried",
        "shown",
        "step_id",
        "suspects",
        "tags",
        "work",
    )

    def __init__(
        self, key: UUID, kind: NodeKind, start: Start | None, parent: RunNode | None
    ) -> None:
        self.key = key
        self.id = str(key)
        self.kind: NodeKind = kind
        self.parent = parent
        self.name = start.name if start is not None else ""
        self.tags: tuple[str, ...] = start.tags if start is not None else ()
        self.metadata: dict[str, Any] = start.metadata if start is not None else {}
        namespace = self.metadata.get("langgraph_checkpoint_ns")
        self.namespace: str | None = namespace if isinstance(namespace, str) and namespace else None
        self.children: dict[UUID, RunNode] = {}
        self.labels: set[str] | None = None
        self.label: str | None = None
        self.input: Any = None
        self.shown = False
        self.work: Any = None
        """The open message or tool of a model or tool run."""
        self.finished: list[Finished] = []
        self.suspects: list[tuple[str | None, Finished]] = []
        self.failed_models = 0
        self.carried: dict[str, int] | None = None
        """Failed models of failed attempts at a child node, by its checkpoint namespace."""
        self.retried = False
        self.paused = False
        """A graph that stopped for a human: it ends well, as far as LangGraph's callbacks tell."""
        self.composed = any(tag.startswith(COMPOSITION_TAGS) for tag in self.tags)
        marked = not HIDDEN_TAGS.isdisjoint(self.tags) or any(
            self.metadata.get(key) for key in INTERNAL_KEYS
        )
        if parent is None:
            self.path: tuple[str, ...] = ()
            self.step_id = self.id
            self.hidden = marked
            self.in_tool = kind == "tool"
            self.cause: str | None = None
        else:
            parent.children[key] = self
            self.path = parent.path
            self.step_id = parent.step_id
            self.hidden = marked or parent.hidden
            self.in_tool = kind == "tool" or parent.in_tool
            self.cause = parent.cause

    def show(self, *, labelled: bool) -> None:
        """Make this run a step of its own; ``labelled`` adds its name to the path."""
        self.shown = True
        self.step_id = self.id
        if labelled and self.parent is not None:
            self.label = self.parent.take_label(self.name)
            self.path = (*self.parent.path, self.label)

    def shown_parent_id(self) -> str | None:
        """The step this one is in, None directly below the root."""
        for node in self.ancestors():
            if node.shown:
                return node.id
        return None

    @property
    def is_graph_node(self) -> bool:
        """Whether this chain run is a LangGraph node or task: it has its own name and namespace."""
        parent = self.parent
        return (
            self.namespace is not None
            and parent is not None
            and self.namespace != parent.namespace
            and self.name == self.metadata.get("langgraph_node")
        )

    @property
    def shown_metadata(self) -> dict[str, Any]:
        """What of the metadata is about the model and the graph, not the application's own."""
        return {key: value for key, value in self.metadata.items() if key.startswith(_SHOWN)}

    @property
    def described(self) -> str:
        """The path with the run's own name, for people."""
        own = (self.name,) if self.name and self.label is None else ()
        return "/".join((*self.path, *own)) or self.id

    def take_label(self, name: str) -> str:
        """``name``, or ``name#n`` with the lowest free n while a sibling of that name is open."""
        holder = self
        while not holder.shown and holder.parent is not None:
            holder = holder.parent
        labels = holder.labels
        if labels is None:
            labels = holder.labels = set()
        label, n = name, 1
        while label in labels:
            n += 1
            label = f"{name}#{n}"
        labels.add(label)
        return label

    def _free_label(self) -> None:
        if self.label is None:
            return
        holder = self.parent
        while holder is not None and not holder.shown and holder.parent is not None:
            holder = holder.parent
        if holder is not None and holder.labels is not None:
            holder.labels.discard(self.label)

    def audience(self, *, show_subagents: bool) -> Audience:
        """``internal`` for hidden runs and, unless ``show_subagents``, all inside a tool run."""
        if self.hidden or (self.in_tool and not show_subagents):
            return "internal"
        return "user"

    def ancestors(self) -> Iterator[RunNode]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def attempt(self) -> int:
        """1 + failed or retracted model runs under the nearest retry, fallback or graph node."""
        for node in self.ancestors():
            if node.kind == "node" or node.retried:
                return 1 + node.failed_models
        return 1

    def model_failed(self) -> None:
        for node in self.ancestors():
            node.failed_models += 1

    def take_in_siblings(self) -> None:
        """What is open beside this run is below it from now on."""
        if self.parent is None:
            return
        siblings = [one for one in self.parent.children.values() if one is not self]
        for one in siblings:
            one.parent = self
            self.children[one.key] = one
        self.parent.children = {self.key: self}

    def detach(self, *, failed: bool) -> None:
        """Leave the tree, handing what has finished below to the parent.

        What a failed run had finished becomes suspect there: it is taken back when the parent
        runs the same again (see ``begin_child``).
        """
        parent = self.parent
        self._free_label()
        if parent is None:
            return
        parent.children.pop(self.key, None)
        if not failed:
            parent.finished += self.finished
            parent.suspects += self.suspects
            return
        scope = self.namespace if self.kind == "node" else None
        if scope is not None:
            if parent.carried is None:
                parent.carried = {}
            parent.carried[scope] = self.failed_models
        parent.suspects += [(scope, message) for message in self.finished]
        parent.suspects += [(scope, message) for _, message in self.suspects]
        if not self.composed:
            parent.retried = True

    def begin_child(self, child: RunNode) -> list[Finished]:
        """The messages to retract now that ``child`` starts: those of a failed earlier attempt."""
        if any(tag.startswith(_RETRY_TAG) for tag in child.tags):
            self.retried = True
        if child.kind == "node" and self.carried and child.namespace in self.carried:
            child.failed_models = self.carried[child.namespace]
        if not self.suspects:
            return []
        if child.kind == "node":
            scope = child.namespace
        elif child.composed:
            return []
        else:
            scope = None
        stale = [
            message for key, message in self.suspects if key == scope and not message.retracted
        ]
        self.suspects = [entry for entry in self.suspects if entry[0] != scope]
        if child.kind == "node":
            child.failed_models += len(stale)
        else:
            self.failed_models += len(stale)
        return stale

    def graph_namespace(self) -> tuple[str, ...]:
        """LangGraph's namespace of the graph or node, as stream items carry it."""
        if self.namespace is None:
            return ()
        return tuple(self.namespace.split(NS_SEPARATOR))


def post_order(node: RunNode) -> Iterator[RunNode]:
    """The open runs below ``node``, children before parents, latest first, without ``node``."""
    for child in reversed(list(node.children.values())):
        yield from post_order(child)
        yield child
