"""What the chunks of a graph's root tell beside the events: interrupts, custom data, hand-offs.

Guarantees: an interrupt is told from the node that raised it, which is left open until then; data
that nodes write belongs to the one node open in its graph, if there is just one; the messages of a
node that another graph got are that node's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.sources.adapters.graph_chunks import INTERRUPTS, raiser_of, read_chunk
from langchain_streamkit.sources.adapters.plain_messages import as_interrupts, with_messages
from langchain_streamkit.sources.control_flow import LeftBehind
from langchain_streamkit.sources.piece_types import as_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from langchain_streamkit.sources.adapters.graph_chunks import GraphChunk
    from langchain_streamkit.sources.adapters.open_runs import OpenRun, OpenRuns
    from langchain_streamkit.sources.adapters.plain_messages import Interrupt
    from langchain_streamkit.sources.tap import RunTap

_STATE_MODES = ("updates", "values")


class RootChunks:
    """Takes the chunks of the root graph; ``bury`` ends a run that was left."""

    def __init__(
        self,
        tap: RunTap,
        runs: OpenRuns,
        bury: Callable[[OpenRun, LeftBehind], None],
        mode: str | None,
    ) -> None:
        self.interrupts: dict[str, Interrupt] = {}
        """Those that pause the run, by id."""
        self._tap = tap
        self._open = runs
        self._bury = bury
        self._mode = mode
        self._awaited: dict[str, int] = {}
        """Ends of nodes of the root graph whose update has not come yet, by name."""

    def node_ended(self, node: OpenRun) -> None:
        """A node of the root graph has ended: its update will come."""
        self._awaited[node.name] = self._awaited.get(node.name, 0) + 1

    def take(self, given: Any, *, output_deltas: bool) -> None:
        """Take a chunk; ``output_deltas`` tells whether chunks are shown themselves."""
        chunk = read_chunk(given, self._mode)
        if chunk.mode == "custom":
            self._tap.custom(self._writer(chunk), None, with_messages(chunk.data))
        elif chunk.mode is None or chunk.mode in _STATE_MODES:
            self._state(chunk._replace(data=with_messages(chunk.data)), shown=output_deltas)
        elif chunk.mode in self._tap.capture and (data := as_dict(chunk.data)):  # "checkpoints"
            self._tap.checkpoint(chunk.namespace, data)

    def _state(self, chunk: GraphChunk, *, shown: bool) -> None:
        data = as_dict(chunk.data)
        if INTERRUPTS in data:
            self._interrupted(as_interrupts(data[INTERRUPTS]))
        elif chunk.mode != "values" and not chunk.namespace:
            self._updated(data)
        if "state" in self._tap.capture:
            self._captured(chunk, data)
        if shown and not chunk.namespace:
            self._tap.output_chunk(chunk.data)

    def _captured(self, chunk: GraphChunk, data: dict[str, Any]) -> None:
        if chunk.mode == "values":
            self._tap.state(chunk.namespace, None, chunk.data)
        elif chunk.mode == "updates":
            for node, values in data.items():
                if node != INTERRUPTS:
                    self._tap.state(chunk.namespace, node, values)

    def _updated(self, updates: dict[str, Any]) -> None:
        """An update in the name of a node that has not ended is what it handed over."""
        for name, update in updates.items():
            if self._awaited.get(name):
                self._awaited[name] -= 1
                continue
            nodes = self._open.nodes()
            left = [node for node in nodes if node.name == name and "|" not in node.namespace]
            if len(left) == 1 and update is not None:
                inner = [run for run in left[0].below() if run.is_node]
                raiser = inner[0] if inner else left[0]
                self._bury(raiser, LeftBehind("handed_off", update=update))

    def _writer(self, chunk: GraphChunk) -> UUID:
        """The run that wrote custom data."""
        nodes = self._open.nodes()
        inside = [one for one in nodes if tuple(one.namespace.split("|"))[:-1] == chunk.namespace]
        if len(inside) == 1:
            return inside[0].key
        around = "|".join(chunk.namespace)
        holder = next((one for one in nodes if one.namespace == around), None)
        return holder.key if holder is not None else self._tap.root

    def _interrupted(self, interrupts: list[Interrupt]) -> None:
        self.interrupts.update({one.id: one for one in interrupts})
        for one in interrupts:
            nodes = self._open.nodes()
            namespace = raiser_of(one.id, [node.namespace for node in nodes])
            raiser = next((node for node in nodes if node.namespace == namespace), None)
            leaves = [node for node in nodes if not any(run.is_node for run in node.below())]
            if raiser is None and len(leaves) == 1:
                raiser = leaves[0]
            if raiser is not None:
                self._bury(raiser, LeftBehind("suspended", interrupts=[one]))
        self._tap.interrupts(self._tap.root, (), interrupts)
