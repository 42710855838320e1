"""``tools`` mode, and what stream writers send: both of the tool or node that runs.

Guarantees: a tool that its task has told of already begins once; a failed one waits for the answer
that the model sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import AdaptError, SourceFailed
from langchain_streamkit.sources.adapters.graph_payloads import fields_of, text_of
from langchain_streamkit.sources.adapters.plain_messages import with_messages

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.graph_tree import Part, Tree
    from langchain_streamkit.sources.adapters.namespaces import Namespace
    from langchain_streamkit.sources.tap import RunTap


class Tools:
    """The tools of one run, see ``langgraph/pregel/_tools.py``."""

    def __init__(self, tap: RunTap, tree: Tree) -> None:
        self._tap = tap
        self._tree = tree

    def take(self, namespace: Namespace, payload: Any) -> None:
        """A tool begins, reports or ends."""
        fields = fields_of(payload, "tools")
        tool_call_id = text_of(fields, "tool_call_id", "tools")
        tool = self._tree.tools.get(tool_call_id)
        kind = fields.get("event")
        if kind == "tool-started":
            if tool is None or not tool.open or tool.stood:
                name = str(fields.get("tool_name") or "")
                parent = self._caller(namespace, tool)
                tool = self._tree.tool(parent, tool_call_id, name, fields.get("input"))
            tool.stood = True
        elif tool is None or not tool.open:
            raise AdaptError(f"{kind!r} of tool call {tool_call_id!r}, which is not open")
        elif kind == "tool-output-delta":
            self._tap.tool_progress(tool.run_id, fields.get("delta"))
        elif kind == "tool-finished":
            self._tree.end_tool(tool, with_messages(fields.get("output")))
        elif kind == "tool-error":
            tool.failure = SourceFailed(str(fields.get("message")))
        else:
            raise AdaptError(f"a 'tools' item has the event {kind!r}")

    def _caller(self, namespace: Namespace, before: Part | None) -> Part:
        """Where a tool runs: where it was tried before, or in the one node that runs."""
        for one in self._tree.nodes.values():
            if before is not None and before in one.children and one.open:
                return one
        return self._tree.graph(namespace).running()

    def custom(self, namespace: Namespace, payload: Any) -> None:
        """Data of a stream writer: of the one node, or tool, that runs, else of the graph."""
        graph = self._tree.graphs.get(namespace)
        part = (graph if graph is not None and graph.open else self._tree.root).running()
        tools = part.open_children("tool")
        if part.runs_tool and len(tools) == 1:
            part = tools[0]
        self._tap.custom(part.run_id, None, payload)
