"""The steps of a UI message of the AI SDK: each an answer of a model and the tools it asks for.

Guarantees: a step ends only when nothing in it is open, as clients before 7 forget open text at its
end; what runs beside each other is in one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

    Chunk = dict[str, Any]


class Steps:
    """Which step is open, and what is in it."""

    def __init__(self) -> None:
        self.number = 0
        """Of the present step; 0 before the first, where a continued message is still in the last
        step of the run before.
        """
        self.has_tools = False
        """Whether a tool part is in the present step."""
        self._open = False
        self._messages: set[str] = set()
        self._others = False
        self._busy: set[Hashable] = set()

    def message(self, message_id: str) -> list[Chunk]:
        """Begin a message: in a step of its own, unless something is going on."""
        chunks = [] if self._busy else self._next()
        self._messages.add(message_id)
        self._busy.add(message_id)
        return chunks

    def work(self, key: Hashable) -> None:
        """Keep the step open until ``done(key)``."""
        self._busy.add(key)
        self.other()

    def done(self, key: Hashable) -> None:
        """Let the step end without this."""
        self._busy.discard(key)

    def other(self) -> None:
        """Take in that there is something in the step that is not part of a message."""
        self._others = True

    def ensure(self) -> list[Chunk]:
        """Begin a step if none has begun."""
        return [] if self.number else self._next()

    def fresh(self) -> list[Chunk]:
        """Begin a step with nothing in it."""
        return self._next()

    def holds_only(self, message_id: str) -> bool:
        """Whether the present step is that of this message alone, whose tools have not run."""
        return self._messages == {message_id} and not self._others

    def emptied(self) -> None:
        """Take in that the client was told to drop what is in the step."""
        self._messages.clear()
        self._busy.clear()
        self.has_tools = False

    def end(self) -> list[Chunk]:
        """End the step, if one is open."""
        was, self._open = self._open, False
        return [{"type": "finish-step"}] if was else []

    def _next(self) -> list[Chunk]:
        if self._open and not self._messages and not self._others:
            return []
        chunks = self.end()
        self.number += 1
        self._open = True
        self._messages.clear()
        self._others = self.has_tools = False
        return [*chunks, {"type": "start-step"}]
