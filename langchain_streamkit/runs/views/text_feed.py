"""Text as it is said, of many messages or of one.

Guarantees: pieces of one message that follow each other are one piece for a reader that comes
later, so an idle reader costs its text; pieces come in the order in which they were said, whoever
said them; what is still unread of a message that died is never given.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from langchain_streamkit.events import (
    MessageAborted,
    MessageFinished,
    MessageRetracted,
    MessageStarted,
    ReasoningDelta,
    TextDelta,
)
from langchain_streamkit.runs.views.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.views.selection import Selection
    from langchain_streamkit.snapshot import MessageView, RunSnapshot


class TextFeed(Feed[str]):
    """The text of all messages of a selection, piece by piece."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection)
        self._open: set[str] = set()
        """Messages whose text is wanted."""
        self._unread: list[tuple[str, StringIO]] = []

    def take(self) -> Sequence[str]:
        """The pieces that were not read yet, those of one message in a row joined."""
        if not self._unread:
            return ()
        with self._lock:
            unread, self._unread = self._unread, []
        return [text.getvalue() for _, text in unread]

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        for message in snapshot.messages:
            if message.stands and self.selection.takes(message.path, message.audience):
                if text := self._text_of(message):
                    self._add(message.message_id, text)
                if message.status == "open":
                    self._open.add(message.message_id)

    def _text_of(self, message: MessageView) -> str:
        return message.text

    def _see(self, event: Event) -> None:
        match event:
            case TextDelta():
                if event.message_id in self._open:
                    self._add(event.message_id, event.text)
            case MessageStarted():
                if self.selection.takes(event.path, event.audience):
                    self._open.add(event.message_id)
            case MessageFinished():
                self._open.discard(event.message_id)
            case MessageAborted() | MessageRetracted():
                self._open.discard(event.message_id)
                self._unread = [one for one in self._unread if one[0] != event.message_id]
            case _:
                pass

    def _add(self, message_id: str, text: str) -> None:
        unread = self._unread
        if not unread or unread[-1][0] != message_id:
            unread.append((message_id, StringIO()))
        unread[-1][1].write(text)


class MessageTextFeed(Feed[str]):
    """The text, or the thinking, of one message, until that ends."""

    def __init__(self, message: MessageView, *, reasoning: bool = False) -> None:
        super().__init__()
        self._message = message
        self._reasoning = reasoning
        self._unread: StringIO | None = None

    def take(self) -> Sequence[str]:
        """The text that was not read yet, in one piece."""
        with self._lock:
            unread, self._unread = self._unread, None
            return () if unread is None else [unread.getvalue()]

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        message = self._message
        text = message.reasoning if self._reasoning else message.text
        if text and message.stands:
            self._add(text)
        self.done = message.status != "open"

    def _see(self, event: Event) -> None:
        message_id = self._message.message_id
        match event:
            case TextDelta() | ReasoningDelta():
                wanted = isinstance(event, ReasoningDelta) is self._reasoning
                if wanted and event.message_id == message_id:
                    self._add(event.text)
            case MessageFinished() | MessageAborted() | MessageRetracted():
                if event.message_id == message_id:
                    self.done = True
                    if not isinstance(event, MessageFinished):
                        self._unread = None
            case _:
                pass

    def _add(self, text: str) -> None:
        if self._unread is None:
            self._unread = StringIO()
        self._unread.write(text)
