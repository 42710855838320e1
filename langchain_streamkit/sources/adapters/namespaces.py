"""What LangGraph's namespaces say: where a graph or a node of it runs, as ``node:task_id`` parts.

A bare number after a part is a further graph that the same task calls. Whatever tells a run by its
namespaces (the items of a graph, the protocol of events v3) reads them here.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from langchain_streamkit.errors import AdaptError

Namespace: TypeAlias = tuple[str, ...]

_DEEPEST: Final = 64
"""Graphs within graphs; more is no namespace."""


def check_depth(namespace: Namespace) -> None:
    """Raise AdaptError for what no graph can have been called as."""
    if len(namespace) > _DEEPEST:
        raise AdaptError(f"{len(namespace)} graphs within each other are no namespace")


def holder_of(graph: Namespace, root: int = 0) -> Namespace:
    """The node that has called the graph there; ``root`` is how long the root's namespace is."""
    end = len(graph)
    while end > root + 1 and graph[end - 1].isdecimal():
        end -= 1
    return graph[:end]


def node_name(part: str) -> str:
    """The node's name in a part of a namespace."""
    return part.partition(":")[0]


def comes_before(step: int | None, other: object) -> bool:
    """Whether a superstep is over once something of ``other`` is told."""
    return step is not None and isinstance(other, int) and step < other
