"""Events of the work itself: the run, its steps and its tools."""

# ruff: noqa: TC001 - msgspec reads the annotations at run time
from __future__ import annotations

from typing import Any, ClassVar, Literal

from langchain_streamkit.events.base import BaseEvent, StepEvent, set_plain, set_text
from langchain_streamkit.events.parts import (
    CancelReason,
    ErrorInfo,
    InterruptInfo,
    PendingToolCall,
    StepKind,
    StepOutcome,
    Timing,
    Usage,
)

# ---- run -----------------------------------------------------------------------------------------


class RunStarted(BaseEvent, tag="run.started", frozen=True, kw_only=True):
    """Always first, exactly once."""

    type: ClassVar[Literal["run.started"]] = "run.started"
    name: str
    thread_id: str | None = None
    user: str | None = None
    metadata: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it
    v: int = 1

    def __post_init__(self) -> None:
        set_text(self, "name")
        set_plain(self, "metadata")


class RunFinished(BaseEvent, tag="run.finished", frozen=True, kw_only=True):
    """Terminal: success."""

    type: ClassVar[Literal["run.finished"]] = "run.finished"
    output: Any = None
    pending_tool_calls: tuple[PendingToolCall, ...] = ()
    usage: Usage
    timing: Timing

    def __post_init__(self) -> None:
        set_plain(self, "output")


class RunInterrupted(BaseEvent, tag="run.interrupted", frozen=True, kw_only=True):
    """Terminal: paused for a human, resumable. Neither success nor failure."""

    type: ClassVar[Literal["run.interrupted"]] = "run.interrupted"
    interrupts: tuple[InterruptInfo, ...]
    usage: Usage
    timing: Timing


class RunFailed(BaseEvent, tag="run.failed", frozen=True, kw_only=True):
    """Terminal: error. ``pending`` names work that could not be stopped, where the run was stopped
    because of the error (a timeout, say).
    """

    type: ClassVar[Literal["run.failed"]] = "run.failed"
    error: ErrorInfo
    pending: tuple[str, ...] = ()
    usage: Usage
    timing: Timing


class RunCancelled(BaseEvent, tag="run.cancelled", frozen=True, kw_only=True):
    """Terminal: stopped on purpose. ``pending`` names work that could not be stopped."""

    type: ClassVar[Literal["run.cancelled"]] = "run.cancelled"
    reason: CancelReason
    pending: tuple[str, ...] = ()
    usage: Usage
    timing: Timing


# ---- steps -----------------------------------------------------------------------------------


class StepStarted(StepEvent, tag="step.started", frozen=True, kw_only=True):
    """A unit of work begins. ``cause`` is the tool_call_id of the tool run that spawned it."""

    type: ClassVar[Literal["step.started"]] = "step.started"
    kind: StepKind
    name: str
    parent_id: str | None = None
    namespace: tuple[str, ...] = ()
    langgraph_step: int | None = None
    tags: tuple[str, ...] = ()
    cause: str | None = None
    description: str | None = None
    input: Any = None

    def __post_init__(self) -> None:
        set_text(self, "name", "description")
        set_plain(self, "input")


class StepFinished(StepEvent, tag="step.finished", frozen=True, kw_only=True):
    """The unit of work ended without failing: interrupts and hand-offs are outcomes."""

    type: ClassVar[Literal["step.finished"]] = "step.finished"
    outcome: StepOutcome
    output: Any = None

    def __post_init__(self) -> None:
        set_plain(self, "output")


class StepFailed(StepEvent, tag="step.failed", frozen=True, kw_only=True):
    """The unit of work raised."""

    type: ClassVar[Literal["step.failed"]] = "step.failed"
    error: ErrorInfo


# ---- tools ---------------------------------------------------------------------------------------


class _ToolEvent(StepEvent, frozen=True, kw_only=True):
    tool_call_id: str
    """May repeat in one run; the tool run itself is keyed by ``step_id``."""


class ToolStarted(_ToolEvent, tag="tool.started", frozen=True, kw_only=True):
    """The tool runs; its ``step_id`` is its own run and the parent of what runs inside."""

    type: ClassVar[Literal["tool.started"]] = "tool.started"
    name: str
    input: Any = None
    attempt: int = 1
    synthetic: bool = False

    def __post_init__(self) -> None:
        set_text(self, "name", "tool_call_id")
        set_plain(self, "input")


class ToolProgress(_ToolEvent, tag="tool.progress", frozen=True, kw_only=True):
    """What the tool reports while it runs."""

    type: ClassVar[Literal["tool.progress"]] = "tool.progress"
    data: Any = None

    def __post_init__(self) -> None:
        set_plain(self, "data")


class ToolFinished(_ToolEvent, tag="tool.finished", frozen=True, kw_only=True):
    """``content`` is the text the model sees; ``output`` the whole value, ``artifact`` apart."""

    type: ClassVar[Literal["tool.finished"]] = "tool.finished"
    outcome: StepOutcome = "ok"
    output: Any = None
    content: str | None = None
    artifact: Any = None
    message_id: str | None = None

    def __post_init__(self) -> None:
        set_text(self, "content")
        set_plain(self, "output", "artifact")


class ToolFailed(_ToolEvent, tag="tool.failed", frozen=True, kw_only=True):
    """The tool raised; ``content`` is what the model is told of it, if anything."""

    type: ClassVar[Literal["tool.failed"]] = "tool.failed"
    error: ErrorInfo
    content: str | None = None

    def __post_init__(self) -> None:
        set_text(self, "content")
