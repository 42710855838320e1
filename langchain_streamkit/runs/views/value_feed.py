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
    """Each whole state of the graph at ``path``, or of those that run as the node ``node``.

    A late reader begins with the newest.
    """

    def __init__(self, path: tuple[str, ...], node: str | None) -> None:
        super().__init__()
        self._path = path
        self._node = node

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        self._items += [value for path, value in snapshot.state.items() if self._takes(path)]

    def _see(self, event: Event) -> None:
        if isinstance(event, StateSnapshot) and self._takes(event.path):
            self._items.append(event.values)

    def _takes(self, path: tuple[str, ...]) -> bool:
        names = plain_path(path)
        if self._node is not None:
            below = names[: len(self._path)] == self._path
            return below and names[-1:] == (self._node,)
        return names == self._path
