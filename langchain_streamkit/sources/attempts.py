"""The messages that models are saying, and which of them a later attempt has left behind.

Which attempt a call is counts what has failed in its node so far. Of models that run side by side,
one may begin as a second attempt while another, a first one, still speaks; if that other one says
nothing more, its end looks like that of the attempt that was repeated, which rule 6 of the grammar
wants to see before. Guarantees: it can be told from the messages as readers see them, whatever
their deltas merge to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_streamkit.sources.model_calls import Message


class _Open:
    """A message that is being said; ``left_at`` is what it had said when a later attempt began."""

    __slots__ = ("attempt", "left_at", "message")

    def __init__(self, message: Message, attempt: int) -> None:
        self.message = message
        self.attempt = attempt
        self.left_at: int | None = None


class OpenAttempts:
    """The open messages of one run by their ids."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def begin(self, message: Message, attempt: int) -> None:
        """A model begins a message."""
        self.overtake(message.writer.path, attempt)
        self._open[message.writer.message_id] = _Open(message, attempt)

    def overtake(self, path: tuple[str, ...], attempt: int) -> None:
        """Any message begins: earlier attempts at this place are behind it from now on."""
        if attempt == 1:
            return
        for one in self._open.values():
            if one.attempt < attempt and one.message.writer.path == path:
                one.message.writer.part()
                one.left_at = one.message.assembler.extent

    def end(self, message: Message) -> bool:
        """A message ends; whether it has said nothing since a later attempt began."""
        one = self._open.pop(message.writer.message_id)
        return one.left_at == message.assembler.extent
