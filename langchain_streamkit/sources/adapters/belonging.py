"""Which of the event dictionaries belong to the run: those of its root and of all below it.

Guarantees: the first root run is the run, and events of others are left out, which one diagnostic
says; a stream whose root is not in it (filters of ``astream_events``, a part of a recording) has
what is there, below a root that nobody saw; events of version 1 are refused, those of version 2
never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_streamkit.sources.adapters.base import Unadaptable
from langchain_streamkit.sources.tree import COMPOSITION_TAGS

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.event_fields import EventFields
    from langchain_streamkit.sources.tap import RunTap

V1_TEXT: Final = (
    "these are events of astream_events(version='v1'), which do not say which run is part of"
    " which and cost ever more per token; call astream_events(..., version='v2')"
)
_OTHER_ROOT: Final = (
    "events of another root run were left out: adapt() reads one run; adapt each stream by itself"
    " (if this is a recording of astream_events(version='v1'), record version='v2')"
)


class Belonging:
    """Decides by ``parent_ids``, which list all ancestors of a run, the root first."""

    def __init__(self, first: EventFields, tap: RunTap) -> None:
        self.root = first.run
        """The root run, as the source writes it."""
        self.headless = False
        """Whether the root's own events are not in the stream."""
        self._tap = tap
        self._above = first.parents[0] if first.parents else ""
        self._any_parents = False
        self._told = False
        # A stream made inside another run has that run for the one parent of its root. It looks
        # as if its root were missing, until an event comes that is not below its first run.
        is_node = first.name == first.metadata.get("langgraph_node")
        if self._above and (len(first.parents) > 1 or first.stage != "start" or is_node):
            self.headless, self.root = True, self._above

    def ours(self, event: EventFields, *, ended: bool) -> bool:
        """Whether the event belongs to the run, whose root may have ``ended``.

        Raises Unadaptable for events of version 1: all without parents, but parts of a whole.
        """
        if event.run == self.root or self.root in event.parents:
            self._any_parents = self._any_parents or event.run != self.root
            return True
        if self._above and self._above in (event.run, *event.parents):
            self.headless = True
            return True
        if not (event.parents or self._above or self._any_parents or ended):
            is_part = any(tag.startswith(COMPOSITION_TAGS) for tag in event.tags)
            if is_part or event.metadata.get("langgraph_checkpoint_ns"):
                raise Unadaptable(V1_TEXT)
        self._any_parents = self._any_parents or bool(event.parents)
        if not self._told:
            self._told = True
            self._tap.note(self._tap.root, "item_skipped", _OTHER_ROOT)
        return False
