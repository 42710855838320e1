"""One open block of a message: its text so far, and what has to be said at its end.

Guarantees: text is valid Unicode at every moment, also when a provider cuts a character in half;
the pieces returned by ``add`` and ``end`` join to ``text``; a long text costs about its own size.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from langchain_streamkit.events import ReasoningDelta, TextDelta, ToolCallDelta
from langchain_streamkit.values import TextJoiner

if TYPE_CHECKING:
    from langchain_streamkit.events import BaseEvent
    from langchain_streamkit.sources.piece_types import Extras, Key
    from langchain_streamkit.tokens.message_meter import BlockMeter

BlockKind: TypeAlias = Literal["text", "reasoning", "tool_call"]
DeltaClass: TypeAlias = type[TextDelta] | type[ReasoningDelta] | type[ToolCallDelta]

_DELTAS: dict[BlockKind, DeltaClass] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "tool_call": ToolCallDelta,
}
_OPAQUE = frozenset({"signature", "thought_signature", "encrypted_content", "redacted_content"})
"""Extras that a provider may send in pieces; any other is stated anew."""


class Emit(Protocol):
    """Where the events of one message go.

    ``fields`` leave out what every event of it carries: seq, run_id, ts, path, step_id and
    message_id.
    """

    def event(self, cls: type[BaseEvent], **fields: Any) -> None:
        """Take a non-delta event; values that are containers are never changed afterwards."""
        ...

    def delta(self, block: Block, text: str) -> None:
        """Take a piece (never empty) of an open block; events merge at the caller's will."""
        ...


class Block:
    """A text, reasoning or tool call block between its started and its finished event.

    ``pending`` and ``epoch`` belong to whoever receives the deltas.
    """

    __slots__ = (
        "annotations",
        "delta_class",
        "epoch",
        "extras",
        "index",
        "joiner",
        "key",
        "kind",
        "meter",
        "open",
        "parts",
        "pending",
        "tool_call_id",
        "write",
    )

    def __init__(
        self, kind: BlockKind, index: int, key: Key = None, tool_call_id: str = ""
    ) -> None:
        self.kind: BlockKind = kind
        self.index = index
        self.key: Key = key
        self.tool_call_id = tool_call_id
        self.delta_class: DeltaClass = _DELTAS[kind]
        # One byte per character of ASCII; a list of strings would be some sixty for each token
        self.parts = io.StringIO()
        self.write = self.parts.write
        self.open = True
        """Whether it has not finished."""
        self.joiner: TextJoiner | None = None
        self.annotations: list[Any] = []
        self.meter: BlockMeter | None = None
        """Counts its tokens, if that is wanted."""
        self.extras: Extras = None
        self.pending: Any = None
        self.epoch = 0

    @property
    def text(self) -> str:
        """The text so far, without half a character at its end."""
        return self.parts.getvalue()

    def add(self, piece: str) -> str:
        """Append a piece; return what can be shown of it now, maybe nothing."""
        if self.joiner is not None or not piece.isascii():
            piece = self._clean(piece)
        self.write(piece)
        return piece

    def end(self) -> str:
        """Return what was still held back, as U+FFFD, or nothing."""
        if self.joiner is None:
            return ""
        rest = self.joiner.flush()
        self.write(rest)
        return rest

    def _clean(self, piece: str) -> str:
        if self.joiner is None:
            try:
                piece.encode()
            except UnicodeEncodeError:
                self.joiner = TextJoiner()
            else:
                return piece
        return self.joiner.feed(piece)

    def note(self, extras: Extras) -> None:
        """Add to what the finished event will say beside the text."""
        self.extras = merge_extras(self.extras, extras)


def merge_extras(old: Extras, new: Extras) -> Extras:
    """Return both; opaque payloads continue, lists grow, everything else is replaced."""
    if not old or not new:
        return new or old
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if isinstance(before, str) and isinstance(value, str) and name in _OPAQUE:
            merged[name] = before if before == value else before + value
        elif isinstance(before, list) and isinstance(value, list):
            merged[name] = [*before, *value]
        else:
            merged[name] = value
    return merged
