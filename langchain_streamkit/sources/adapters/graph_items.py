"""``graph.astream`` and ``graph.stream``: the items of any stream mode or list of modes.

The same projection as a run of ours with ``["messages", "updates", "custom", "tasks", "tools"]``
and ``subgraphs=True``, but for what no mode tells: events dispatched by hand, answers that a retry
in a node threw away, which attempt a model call is. Other lists give what they tell. What the run
returned is told by ``values``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_streamkit.errors import ProducerLost, SourceFailed
from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.adapters.graph_forms import mapping, sequence
from langchain_streamkit.sources.adapters.graph_story import Story
from langchain_streamkit.sources.adapters.graph_tree import UNNAMED, Tree
from langchain_streamkit.sources.control_flow import outcome_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.adapters.graph_forms import Split
    from langchain_streamkit.sources.tap import RunTap

_OUTPUT: Final = ("updates", "values")
"""Modes in which a graph gives its own output; of both, the one that comes first counts."""


class GraphItems(Adapter):
    """Adapts the items of a graph, which ``split`` takes apart."""

    route = "graph.astream"

    def __init__(self, tap: RunTap, token: Take, split: Split) -> None:
        super().__init__(tap, token)
        self._split = split
        self._name = UNNAMED
        self._story: Story | None = None
        self._output_mode: str | None = None

    def opening(self, first: Any) -> Opening:
        namespace, mode, payload = self._split(first)
        about = _metadata_of(mode, payload)
        if not namespace:
            self._name = str(about.get("lc_agent_name") or UNNAMED)
        thread = about.get("thread_id")
        return Opening(self._name, str(thread) if thread else None)

    def feed(self, item: Any) -> None:
        namespace, mode, payload = self._split(item)
        story = self._story or self._begin()
        story.take(namespace, mode, payload)
        if self.output_deltas and not namespace and mode in _OUTPUT:
            self._output_mode = self._output_mode or mode
            if mode == self._output_mode:
                self.tap.output_chunk(payload)

    def _begin(self) -> Story:
        tree = Tree(self.tap, self.named, self._name)
        self._story = Story(self.tap, self.token, tree)
        return self._story

    def broke(self, error: Exception) -> None:
        if self._story is not None and outcome_of(error) is None:
            self.tap.failed(self.root, error)

    def end(self) -> object:
        story = self._story or self._begin()
        failure = story.failure
        if failure is not None:
            error = failure if isinstance(failure, Exception) else SourceFailed(repr(failure))
            self.broke(error)
            raise error
        cut = story.cut()
        if cut is not None:
            raise ProducerLost(f"the items stop before the end of the run: {cut}")
        story.end()
        return story.result


def _metadata_of(mode: str, payload: Any) -> Mapping[str, Any]:
    """What an item says of the run it belongs to."""
    if mode.startswith("messages"):
        pair = sequence(payload)
        return (mapping(pair[-1]) if pair else None) or {}
    fields = mapping(payload) or {}
    config = mapping(fields.get("config")) or {}
    return mapping(config.get("configurable")) or mapping(fields.get("metadata")) or {}
