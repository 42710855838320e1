"""Events that report beside the work: graph state, interrupts, custom data, diagnostics."""

# ruff: noqa: TC001 - msgspec reads the annotations at run time
from __future__ import annotations

from typing import Any, ClassVar, Literal

from langchain_streamkit.events.base import StepEvent, set_plain, set_text
from langchain_streamkit.events.parts import Usage


class StateUpdate(StepEvent, tag="state.update", frozen=True, kw_only=True):
    """What a node wrote, when captured; ``values`` maps channel to value."""

    type: ClassVar[Literal["state.update"]] = "state.update"
    node: str
    values: Any = None

    def __post_init__(self) -> None:
        set_plain(self, "values")


class StateSnapshot(StepEvent, tag="state.snapshot", frozen=True, kw_only=True):
    """The whole state, when captured."""

    type: ClassVar[Literal["state.snapshot"]] = "state.snapshot"
    values: Any = None

    def __post_init__(self) -> None:
        set_plain(self, "values")


class Checkpoint(StepEvent, tag="checkpoint", frozen=True, kw_only=True):
    """A checkpoint was saved, when captured; ``parent_id`` is the one before it."""

    type: ClassVar[Literal["checkpoint"]] = "checkpoint"
    checkpoint_id: str
    parent_id: str | None = None
    namespace: tuple[str, ...] = ()
    source: str | None = None
    step: int | None = None


class InterruptRequested(StepEvent, tag="interrupt.requested", frozen=True, kw_only=True):
    """One for each pending interrupt of every namespace."""

    type: ClassVar[Literal["interrupt.requested"]] = "interrupt.requested"
    interrupt_id: str
    payload: Any = None
    namespace: tuple[str, ...] = ()
    tool_call_id: str | None = None
    response_schema: Any = None

    def __post_init__(self) -> None:
        set_plain(self, "payload", "response_schema")


class OutputDelta(StepEvent, tag="output.delta", frozen=True, kw_only=True):
    """The root's own output chunks, when asked for; never for a bare model."""

    type: ClassVar[Literal["output.delta"]] = "output.delta"
    data: Any = None

    def __post_init__(self) -> None:
        set_plain(self, "data")


class Custom(StepEvent, tag="custom", frozen=True, kw_only=True):
    """``get_stream_writer()`` (no name) and ``dispatch_custom_event`` alike, in call order."""

    type: ClassVar[Literal["custom"]] = "custom"
    name: str | None = None
    data: Any = None
    tool_call_id: str | None = None

    def __post_init__(self) -> None:
        set_text(self, "name")
        set_plain(self, "data")


class UsageUpdated(StepEvent, tag="usage.updated", frozen=True, kw_only=True):
    """Usage of a message so far, live, when asked for."""

    type: ClassVar[Literal["usage.updated"]] = "usage.updated"
    message_id: str
    usage: Usage


class Diagnostic(StepEvent, tag="diagnostic", frozen=True, kw_only=True):
    """Something the reader should know that is neither data nor failure of the run."""

    type: ClassVar[Literal["diagnostic"]] = "diagnostic"
    code: str
    message: str
    lost: int | None = None

    def __post_init__(self) -> None:
        set_text(self, "message")
