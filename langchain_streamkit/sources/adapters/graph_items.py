"""``graph.astream`` and ``graph.stream``: the items of any stream mode or list of modes.

The same projection as a run of ours with ``["messages", "updates", "custom", "tasks", "tools"]``
and ``subgraphs=True``, but for what no mode tells: events dispatched by hand, answers that a retry
in a node threw away, which attempt a model call is. Other lists give what they tell. What the run
returned is told by ``values``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.errors import ProducerLost, SourceFailed
from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.adapters.graph_story import Story
from langchain_streamkit.sources.adapters.graph_tree import UNNAMED, Tree

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.graph_forms import Split
    from langchain_streamkit.sources.lane import Lanes
    from langchain_streamkit.sources.tap import RunTap

_OUTPUT: Final = ("updates", "values")
"""Modes in which a graph gives its own output; of both, the one that comes first counts."""


class GraphItems(Adapter):
    """Adapts the items of a graph, which ``split`` takes apart."""

    route = "graph.astream"

    def __init__(self, tap: RunTap, lanes: Lanes, split: Split) -> None:
        super().__init__(tap, lanes)
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

    def end(self) -> object:
        story = self._story or self._begin()
        failure = story.failure
        if failure is not None:
            raise failure if isinstance(failure, Exception) else SourceFailed(repr(failure))
        cut = story.cut()
        if cut is not None:
            raise ProducerLost(f"the items stop before the end of the run: {cut}")
        story.end()
        return story.result


def _metadata_of(mode: str, payload: Any) -> Mapping[str, Any]:
    """What an item says of the run it belongs to."""
    found: Any = None
    if mode.startswith("messages") and isinstance(payload, tuple | list):
        found = cast("list[Any]", payload)[-1] if payload else None
    elif isinstance(payload, Mapping):
        fields = cast("Mapping[str, Any]", payload)
        config: Any = fields.get("config")
        inner: Any = config.get("configurable") if isinstance(config, Mapping) else None  # pyright: ignore[reportUnknownMemberType]
        found = inner or fields.get("metadata")
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
