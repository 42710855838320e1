"""Text that stays: given when its message can no longer be taken back.

A finished message is retracted when something around it fails and is tried again: a retry, a
fallback, a node with a ``RetryPolicy``, a graph that one of those runs. So it has settled once all
of these have ended well (``Steps.settled`` knows; chains are no events), or with the run.
Guarantees: each text once and whole, in the order in which the messages settle; text of aborted and
retracted messages never.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from langchain_streamkit.events import (
    TERMINAL_TYPES,
    MessageAborted,
    MessageFinished,
    MessageRetracted,
    MessageStarted,
    TextDelta,
)
from langchain_streamkit.runs.views.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.views.selection import Selection
    from langchain_streamkit.snapshot import RunSnapshot


class SettledTextFeed(Feed[str]):
    """The text of all messages of a selection, each whole. ``settled`` grows with the run."""

    def __init__(self, selection: Selection, settled: Sequence[str]) -> None:
        super().__init__(selection)
        self._settled = settled
        self._looked = 0
        self._due: list[str] = []
        self._texts: dict[str, StringIO] = {}
        """By message, in order of their start."""
        self._finished: set[str] = set()
        """Messages that have ended well, wanted or not."""
        self._over = False

    def take(self) -> Sequence[str]:
        """The texts that have settled since the last time."""
        with self._lock:
            due = [*self._due, *self._settled[self._looked :]]
            self._looked += len(due) - len(self._due)
            if self._over:
                due += [one for one in self._texts if one in self._finished]
            # A message may settle before the events of its start and end have come here.
            self._due = [one for one in due if one not in self._finished]
            texts = [self._text(one) for one in due if one in self._finished]
            return [text for text in texts if text]

    def _text(self, message_id: str) -> str:
        text = self._texts.pop(message_id, None)
        return "" if text is None else text.getvalue()

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        for message in snapshot.messages:
            if message.status == "finished":
                self._finished.add(message.message_id)
            if message.stands and self.selection.takes(message.path, message.audience):
                text = self._texts[message.message_id] = StringIO()
                text.write(message.text)
        self._over = snapshot.outcome not in ("pending", "running")

    def _see(self, event: Event) -> None:
        match event:
            case TextDelta():
                text = self._texts.get(event.message_id)
                if text is not None:
                    text.write(event.text)
            case MessageStarted():
                if self.selection.takes(event.path, event.audience):
                    self._texts[event.message_id] = StringIO()
            case MessageFinished():
                self._finished.add(event.message_id)
            case MessageAborted() | MessageRetracted():
                self._texts.pop(event.message_id, None)
            case _:
                self._over = self._over or event.type in TERMINAL_TYPES
