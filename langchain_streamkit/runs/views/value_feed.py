"""The states of a graph, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.events import StateSnapshot
from langchain_streamkit.runs.views.feed import Feed
from langchain_streamkit.runs.views.selection import plain_path

if TYPE_CHECKING:
    from langchain_streamkit.events import Event
    from langchain_streamkit.snapshot import RunSnapshot


class ValueFeed(Feed[Any]):
    """Each whole state of the graph at a selection's path, or of those that run as its node.

    A late reader begins with the newest.
    """

    of_graphs = True

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        self._items += [value for path, value in snapshot.state.items() if self._takes(path)]

    def _see(self, event: Event) -> None:
        if isinstance(event, StateSnapshot) and self._takes(event.path):
            self._items.append(event.values)

    def _takes(self, path: tuple[str, ...]) -> bool:
        names, asked = plain_path(path), self.selection
        if asked.node is not None:
            return names[: len(asked.path)] == asked.path and names[-1:] == (asked.node,)
        return names == asked.path
