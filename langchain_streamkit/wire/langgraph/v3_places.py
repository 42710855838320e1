"""Where in a graph an event happens, as LangGraph's protocols name it: by the graph it is in.

A node, and the messages and tools in it, belong to the namespace of the graph that the node is
part of: the root's is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langchain_streamkit.events import StepStarted, ToolStarted
    from langchain_streamkit.wire.langgraph.v3_frames import Namespace


class Place(NamedTuple):
    """Where a step's own work happens."""

    inside: Namespace
    """Of the graph that it is, or is in, for what the step reports itself."""
    graph: Namespace
    """Of what a graph called there would have, and reports of its state."""
    node: str | None
    """The nearest node around it."""
    subgraph: bool
    """Whether it is a graph inside of another."""


_ROOT = Place((), (), None, subgraph=False)


class Places:
    """The places of the steps and tools that are open."""

    def __init__(self) -> None:
        self._steps: dict[str, Place] = {}
        self._nodes: dict[tuple[str, ...], Place] = {}
        """Of the newest node of each path; tools are in the node whose path theirs goes on from."""

    def enter(self, step: StepStarted) -> None:
        """Take in a step."""
        around = self._steps.get(step.parent_id or "", _ROOT)
        match step.kind:
            case "graph":
                place = Place(step.namespace, step.namespace, around.node, bool(step.namespace))
            case "node":
                place = Place(step.namespace[:-1], step.namespace, step.name, subgraph=False)
                self._nodes[step.path] = place
            case _:
                place = around._replace(subgraph=False)
        self._steps[step.step_id] = place

    def enter_tool(self, tool: ToolStarted) -> None:
        """Take in a tool's run."""
        place = self._nodes.get(tool.path[:-1], _ROOT)
        self._steps[tool.step_id] = place

    def leave(self, step_id: str) -> None:
        """Forget a step, or a tool's run, that has ended."""
        self._steps.pop(step_id, None)

    def of(self, step_id: str) -> Place:
        """Return the place of a step; the root for one that is not known."""
        return self._steps.get(step_id, _ROOT)
