"""The vocabulary: every event a run can give, as frozen typed structs.

Guarantees: an event holds plain JSON values from birth (see ``values.py``), so later changes of
the user's objects change nothing and every event encodes; ``decode_event(event.to_json()) ==
event``; ``event.type`` is a ``Literal``, so ``match`` and type checkers narrow the union ``Event``.
``v`` on ``run.started`` rises only when an existing field or type changes its meaning.
"""

from __future__ import annotations

from typing import TypeAlias, get_args

import msgspec

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events.base import (
    BaseEvent,
    StepEvent,
)
from langchain_streamkit.events.messages import (
    ContentAdded,
    MessageAborted,
    MessageFinished,
    MessageRetracted,
    MessageStarted,
    ReasoningDelta,
    ReasoningFinished,
    ReasoningStarted,
    TextDelta,
    TextFinished,
    TextStarted,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallStarted,
)
from langchain_streamkit.events.parts import (
    AbortReason,
    Audience,
    CancelReason,
    ErrorCode,
    ErrorInfo,
    FinishReason,
    InterruptInfo,
    InvalidArgs,
    PendingToolCall,
    Role,
    StepKind,
    StepOutcome,
    Timing,
    Usage,
    UsageDetails,
    UsageSource,
    UsageStatus,
)
from langchain_streamkit.events.reports import (
    Checkpoint,
    Custom,
    Diagnostic,
    InterruptRequested,
    OutputDelta,
    StateSnapshot,
    StateUpdate,
    UsageUpdated,
)
from langchain_streamkit.events.work import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
    ToolFailed,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from langchain_streamkit.text import short_repr

__all__ = [
    "EVENT_CLASSES",
    "TERMINAL_TYPES",
    "AbortReason",
    "Audience",
    "BaseEvent",
    "CancelReason",
    "Checkpoint",
    "ContentAdded",
    "Custom",
    "Diagnostic",
    "ErrorCode",
    "ErrorInfo",
    "Event",
    "FinishReason",
    "InterruptInfo",
    "InterruptRequested",
    "InvalidArgs",
    "MessageAborted",
    "MessageFinished",
    "MessageRetracted",
    "MessageStarted",
    "OutputDelta",
    "PendingToolCall",
    "ReasoningDelta",
    "ReasoningFinished",
    "ReasoningStarted",
    "Role",
    "RunCancelled",
    "RunFailed",
    "RunFinished",
    "RunInterrupted",
    "RunStarted",
    "StateSnapshot",
    "StateUpdate",
    "StepEvent",
    "StepFailed",
    "StepFinished",
    "StepKind",
    "StepOutcome",
    "StepStarted",
    "TerminalEvent",
    "TextDelta",
    "TextFinished",
    "TextStarted",
    "Timing",
    "ToolCallDelta",
    "ToolCallFinished",
    "ToolCallStarted",
    "ToolFailed",
    "ToolFinished",
    "ToolProgress",
    "ToolStarted",
    "UnknownEventError",
    "Usage",
    "UsageDetails",
    "UsageSource",
    "UsageStatus",
    "UsageUpdated",
    "decode_event",
]

TerminalEvent: TypeAlias = RunFinished | RunInterrupted | RunFailed | RunCancelled
Event: TypeAlias = (
    RunStarted
    | RunFinished
    | RunInterrupted
    | RunFailed
    | RunCancelled
    | StepStarted
    | StepFinished
    | StepFailed
    | MessageStarted
    | MessageFinished
    | MessageAborted
    | MessageRetracted
    | TextStarted
    | TextDelta
    | TextFinished
    | ReasoningStarted
    | ReasoningDelta
    | ReasoningFinished
    | ToolCallStarted
    | ToolCallDelta
    | ToolCallFinished
    | ContentAdded
    | ToolStarted
    | ToolProgress
    | ToolFinished
    | ToolFailed
    | StateUpdate
    | StateSnapshot
    | Checkpoint
    | InterruptRequested
    | OutputDelta
    | Custom
    | UsageUpdated
    | Diagnostic
)

EVENT_CLASSES: dict[str, type[BaseEvent]] = {cls.type: cls for cls in get_args(Event)}
"""Event classes by their type name."""

TERMINAL_TYPES: frozenset[str] = frozenset(cls.type for cls in get_args(TerminalEvent))
"""The four type names one of which ends every stream."""

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class UnknownEventError(StreamUsageError):
    """The JSON is an event of a type this version does not know; readers skip it."""


def decode_event(data: bytes | str) -> Event:
    """Read one event back from its JSON. Unknown fields are ignored.

    Raises ``UnknownEventError`` for a type of a newer version (skip it), ``StreamUsageError`` for
    what is not an event at all; both say where.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        shown = short_repr(data)
        if "Invalid value" in str(exc) and str(exc).endswith("`$.type`"):
            raise UnknownEventError(
                f"{shown} has a type this version does not know; skip it"
            ) from exc
        raise StreamUsageError(
            f"{shown} is not an event ({exc}); pass one JSON object made by event.to_json()"
        ) from exc
