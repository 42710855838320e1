"""What one open view keeps of a run until its reader comes.

Guarantees: fed at the sequencing point, one batch at a time, with every event that readers get; a
feed that joins late first takes what the snapshot shows, so nothing is lost or doubled in between;
it keeps only what its reader will be given.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from langchain_streamkit.runs.views.selection import EVERYTHING, Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.snapshot import RunSnapshot

T = TypeVar("T")


class Feed(ABC, Generic[T]):
    """One reader's share of the events. Fed by whoever makes them, in any thread; taken by one."""

    of_graphs: ClassVar[bool] = False
    """Whether only graphs have what it gives."""

    def __init__(self, selection: Selection = EVERYTHING) -> None:
        self.selection = selection
        self.done = False
        """Nothing more will come, although the run may go on."""
        self.from_within = False
        """Opened by what the run itself calls: the run does not go on for its sake."""
        self.error: Exception | None = None
        """An error of ours in here: the reader is told, and nobody else."""
        self._items: list[T] = []
        self._lock = threading.Lock()

    def join(self, snapshot: RunSnapshot) -> None:
        """Begin: what there is to say of what has happened so far."""
        with self._lock:
            self._catch_up(snapshot)

    def feed(self, events: Sequence[Event]) -> None:
        """Keep what there is in events that the snapshot shows already."""
        with self._lock:
            for event in events:
                self._see(event)

    def take(self) -> Sequence[T]:
        """Everything that is there; empty for nothing yet, or, once ``done``, for the end."""
        with self._lock:
            items, self._items = self._items, []
            return items

    @abstractmethod
    def _catch_up(self, snapshot: RunSnapshot) -> None: ...

    @abstractmethod
    def _see(self, event: Event) -> None: ...
