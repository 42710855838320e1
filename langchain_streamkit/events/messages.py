"""Events of messages and their blocks: text, reasoning, tool calls, any other content."""

# ruff: noqa: TC001 - msgspec reads the annotations at run time
from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from langchain_streamkit.events.base import StepEvent, set_plain, set_text
from langchain_streamkit.events.parts import (
    AbortReason,
    Audience,
    FinishReason,
    InvalidArgs,
    Role,
    Usage,
)
from langchain_streamkit.values import to_plain


class MessageStarted(StepEvent, tag="message.started", frozen=True, kw_only=True):
    """A model, or a node, begins a message."""

    type: ClassVar[Literal["message.started"]] = "message.started"
    message_id: str
    role: Role
    name: str | None = None
    model: str | None = None
    provider: str | None = None
    attempt: int = 1
    audience: Audience = "user"
    counting: Literal["exact", "estimate"] | None = None
    """What the ``tokens`` of its deltas are; None without any."""
    metadata: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it

    def __post_init__(self) -> None:
        set_plain(self, "metadata")


class MessageFinished(StepEvent, tag="message.finished", frozen=True, kw_only=True):
    """``stored_id`` is set when the message ended, or is stored, under another id."""

    type: ClassVar[Literal["message.finished"]] = "message.finished"
    message_id: str
    stored_id: str | None = None
    finish_reason: FinishReason
    raw_finish_reason: str | None = None
    usage: Usage | None = None


class MessageAborted(StepEvent, tag="message.aborted", frozen=True, kw_only=True):
    """The attempt died in mid-message: readers drop its text."""

    type: ClassVar[Literal["message.aborted"]] = "message.aborted"
    message_id: str
    reason: AbortReason
    usage: Usage | None = None


class MessageRetracted(StepEvent, tag="message.retracted", frozen=True, kw_only=True):
    """It had finished, but the enclosing step failed and runs again: readers drop it."""

    type: ClassVar[Literal["message.retracted"]] = "message.retracted"
    message_id: str
    reason: AbortReason


class _BlockEvent(StepEvent, frozen=True, kw_only=True):
    message_id: str
    index: int
    """Number of the block in its message, 0, 1, 2 … in order of start, whatever its kind."""


class TextStarted(_BlockEvent, tag="text.started", frozen=True, kw_only=True):
    """Visible text begins."""

    type: ClassVar[Literal["text.started"]] = "text.started"


class _TextPiece(_BlockEvent, frozen=True, kw_only=True):
    text: str
    tokens: int | None = None
    """Tokens so far in this message, of text, reasoning and arguments of tool calls; None where
    they are not counted, or not known before more has come. ``message.started`` says whether they
    are an estimate.
    """

    def __post_init__(self) -> None:
        if not self.text.isascii():
            set_text(self, "text")


class _TextEnd(_BlockEvent, frozen=True, kw_only=True):
    text: str
    annotations: tuple[Any, ...] = ()
    extras: Any = None

    def __post_init__(self) -> None:
        set_text(self, "text")
        if self.annotations:
            annotations = tuple(to_plain(a) for a in self.annotations)
            msgspec.structs.force_setattr(self, "annotations", annotations)
        set_plain(self, "extras")


class TextDelta(_TextPiece, tag="text.delta", frozen=True, kw_only=True):
    """A piece of visible text."""

    type: ClassVar[Literal["text.delta"]] = "text.delta"


class TextFinished(_TextEnd, tag="text.finished", frozen=True, kw_only=True):
    """The whole text; ``annotations`` are citations and the like."""

    type: ClassVar[Literal["text.finished"]] = "text.finished"


class ReasoningStarted(_BlockEvent, tag="reasoning.started", frozen=True, kw_only=True):
    """Thinking text begins."""

    type: ClassVar[Literal["reasoning.started"]] = "reasoning.started"


class ReasoningDelta(_TextPiece, tag="reasoning.delta", frozen=True, kw_only=True):
    """A piece of thinking text."""

    type: ClassVar[Literal["reasoning.delta"]] = "reasoning.delta"


class ReasoningFinished(_TextEnd, tag="reasoning.finished", frozen=True, kw_only=True):
    """``extras`` keeps signatures and encrypted content."""

    type: ClassVar[Literal["reasoning.finished"]] = "reasoning.finished"


class ToolCallStarted(_BlockEvent, tag="tool_call.started", frozen=True, kw_only=True):
    """The model asks for a tool."""

    type: ClassVar[Literal["tool_call.started"]] = "tool_call.started"
    tool_call_id: str
    name: str

    def __post_init__(self) -> None:
        set_text(self, "name", "tool_call_id")


class ToolCallDelta(_BlockEvent, tag="tool_call.delta", frozen=True, kw_only=True):
    """``args`` is a piece of JSON text."""

    type: ClassVar[Literal["tool_call.delta"]] = "tool_call.delta"
    tool_call_id: str
    args: str
    tokens: int | None = None

    def __post_init__(self) -> None:
        if not self.args.isascii():
            set_text(self, "args")


class ToolCallFinished(_BlockEvent, tag="tool_call.finished", frozen=True, kw_only=True):
    """``args`` is the object the joined text parses to; otherwise ``invalid`` says why."""

    type: ClassVar[Literal["tool_call.finished"]] = "tool_call.finished"
    tool_call_id: str
    name: str
    args: dict[str, Any] | None = None
    invalid: InvalidArgs | None = None
    extras: Any = None

    def __post_init__(self) -> None:
        set_text(self, "name", "tool_call_id")
        set_plain(self, "args", "extras")


class ContentAdded(_BlockEvent, tag="content.added", frozen=True, kw_only=True):
    """Any other block, whole: image, audio, file, server tool, non-standard."""

    type: ClassVar[Literal["content.added"]] = "content.added"
    block: dict[str, Any]

    def __post_init__(self) -> None:
        set_plain(self, "block")
