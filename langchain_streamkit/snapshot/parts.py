"""The parts of a snapshot: messages with their blocks, tool calls with their runs, steps.

They change while events come in. Text is kept in one growing buffer, so a delta costs one write.
"""

from __future__ import annotations

from io import StringIO
from typing import Any, Literal, TypeAlias

import msgspec

from langchain_streamkit.events import (
    AbortReason,
    Audience,
    ErrorInfo,
    FinishReason,
    InvalidArgs,
    Role,
    StepKind,
    StepOutcome,
    Usage,
)

Counting: TypeAlias = Literal["exact", "estimate"]
BlockKind: TypeAlias = Literal["text", "reasoning", "tool_call", "content"]
MessageStatus: TypeAlias = Literal["open", "finished", "aborted", "retracted"]
ToolStatus: TypeAlias = Literal[
    "streaming",
    "requested",
    "running",
    "finished",
    "suspended",
    "handed_off",
    "cancelled",
    "failed",
    "dropped",
]
"""``streaming``: its arguments arrive; ``requested``: nobody runs it yet; ``dropped``: its message
was aborted or retracted before it ran."""


class BlockView:
    """One block of a message: text, reasoning, a tool call, or other content."""

    __slots__ = ("_buffer", "_whole", "add", "content", "index", "kind", "tokens", "tool_call_id")

    def __init__(self, kind: BlockKind, index: int, tool_call_id: str | None = None) -> None:
        self.kind: BlockKind = kind
        self.index = index
        self.tool_call_id = tool_call_id
        self.content: dict[str, Any] | None = None
        """The block itself, of kind ``content``."""
        self.tokens: int | None = None
        """Tokens of its message up to its last piece, where they are counted."""
        self._buffer = StringIO()
        self._whole: str | None = None
        self.add = self._buffer.write
        """Appends a piece to the text."""

    @property
    def text(self) -> str:
        """Text so far; of a tool call, the JSON text of its arguments."""
        return self._buffer.getvalue() if self._whole is None else self._whole

    @property
    def finished(self) -> bool:
        """Whether it is whole."""
        return self._whole is not None

    def finish(self, text: str | None) -> None:
        """End the block with its final text; ``None`` for what its pieces join to."""
        self._whole = self._buffer.getvalue() if text is None else text
        self._buffer.close()

    def to_dict(self) -> dict[str, Any]:
        """The block as plain values."""
        found: dict[str, Any] = {"kind": self.kind, "index": self.index}
        if self.kind == "content":
            found["content"] = self.content
        else:
            found["text"] = self.text
        if self.tool_call_id is not None:
            found["tool_call_id"] = self.tool_call_id
        return found


class ToolCallView(msgspec.Struct, eq=False, kw_only=True):
    """A tool call of a model with the run of the tool, or a tool run nobody asked for."""

    tool_call_id: str
    name: str
    status: ToolStatus
    message_id: str | None = None
    args: dict[str, Any] | None = None
    invalid: InvalidArgs | None = None
    step_id: str | None = None
    """Run id of the tool; ``None`` while it has not started."""
    input: Any = None
    attempt: int = 1
    progress: list[Any] = []
    output: Any = None
    content: str | None = None
    """The text the model sees."""
    artifact: Any = None
    error: ErrorInfo | None = None
    path: tuple[str, ...] = ()
    started_ts: int | None = None
    finished_ts: int | None = None


class MessageView(msgspec.Struct, eq=False, kw_only=True):
    """One message, as far as it has come."""

    message_id: str
    step_id: str
    role: Role
    name: str | None
    model: str | None
    audience: Audience
    attempt: int
    path: tuple[str, ...]
    started_ts: int
    counting: Counting | None = None
    """What its live ``tokens`` are; None where they are not counted."""
    status: MessageStatus = "open"
    reason: AbortReason | None = None
    """Why it was aborted or retracted."""
    stored_id: str | None = None
    finish_reason: FinishReason | None = None
    finished_ts: int | None = None
    usage: Usage | None = None
    blocks: list[BlockView] = []
    tool_calls: list[ToolCallView] = []

    @property
    def text(self) -> str:
        """Its visible text so far."""
        return "".join(block.text for block in self.blocks if block.kind == "text")

    @property
    def reasoning(self) -> str:
        """Its thinking text so far."""
        return "".join(block.text for block in self.blocks if block.kind == "reasoning")

    @property
    def tokens(self) -> int | None:
        """Tokens of its text, reasoning and tool calls so far; at the end those of its usage.

        None where nobody told any. ``~`` belongs before them while ``counting`` is
        ``"estimate"``, and at the end if the usage's source is ``"estimated"``.
        """
        if self.usage is not None and self.status != "open":
            return None if self.usage.source == "none" else self.usage.output_tokens
        return max((b.tokens for b in self.blocks if b.tokens is not None), default=None)

    @property
    def stands(self) -> bool:
        """Whether it was neither aborted nor retracted."""
        return self.status in ("open", "finished")


class StepView(msgspec.Struct, eq=False, kw_only=True):
    """A step of the run; ``outcome`` is ``None`` while it is open and when it failed."""

    step_id: str
    parent_id: str | None
    kind: StepKind
    name: str
    path: tuple[str, ...]
    namespace: tuple[str, ...]
    started_ts: int
    cause: str | None = None
    input: Any = None
    outcome: StepOutcome | None = None
    output: Any = None
    error: ErrorInfo | None = None
    finished_ts: int | None = None
