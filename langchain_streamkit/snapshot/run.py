"""The fold itself: events in, the state of the run out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import (
    ContentAdded,
    Custom,
    Diagnostic,
    InterruptInfo,
    InterruptRequested,
    MessageAborted,
    MessageFinished,
    MessageRetracted,
    MessageStarted,
    ReasoningDelta,
    ReasoningFinished,
    ReasoningStarted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
    StateSnapshot,
    StepFailed,
    StepFinished,
    StepStarted,
    TextDelta,
    TextFinished,
    TextStarted,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolFailed,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageUpdated,
)
from langchain_streamkit.snapshot.parts import BlockView, MessageView, StepView
from langchain_streamkit.snapshot.plain import run_dict, run_text
from langchain_streamkit.snapshot.timeline import Span, run_timeline
from langchain_streamkit.snapshot.tools import ToolCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_streamkit.events import (
        CancelReason,
        ErrorInfo,
        Event,
        PendingToolCall,
        Timing,
        Usage,
    )
    from langchain_streamkit.snapshot.parts import BlockKind, ToolCallView

Outcome: TypeAlias = Literal["pending", "running", "finished", "interrupted", "failed", "cancelled"]


class RunSnapshot:
    """What a run has come to, kept current by ``feed``; of part of a stream as of a whole one.

    Events it has no use for change nothing. Two snapshots are equal when they show the same.
    """

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.name: str | None = None
        self.thread_id: str | None = None
        self.user: str | None = None
        self.metadata: dict[str, Any] = {}
        self.outcome: Outcome = "pending"
        self.messages: list[MessageView] = []
        """All messages in order of their start, the aborted and retracted ones too."""
        self.steps: list[StepView] = []
        self.interrupts: list[InterruptInfo] = []
        self.state: dict[tuple[str, ...], Any] = {}
        """The newest state of each graph by its path, where state is captured."""
        self.customs: list[Custom] = []
        self.diagnostics: list[Diagnostic] = []
        self.output: Any = None
        self.error: ErrorInfo | None = None
        self.cancel_reason: CancelReason | None = None
        self.usage: Usage | None = None
        """Of the whole run, from its terminal event."""
        self.timing: Timing | None = None
        self.pending: tuple[str, ...] = ()
        """Work that could not be stopped."""
        self.pending_tool_calls: tuple[PendingToolCall, ...] = ()
        self.started_ts: int | None = None
        self.last_ts: int | None = None
        self._tools = ToolCalls()
        self._by_message: dict[str, MessageView] = {}
        self._by_step: dict[str, StepView] = {}
        self._open: dict[tuple[str, int], BlockView] = {}

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> Self:
        """Return the snapshot of ``events``."""
        snapshot = cls()
        for event in events:
            snapshot.feed(event)
        return snapshot

    @property
    def tool_calls(self) -> list[ToolCallView]:
        """All tool calls and tool runs, in order of their start."""
        return self._tools.views

    @property
    def text(self) -> str:
        """The text of the last whole AI message for the user; ``""`` without one."""
        return next((m.text for m in self._answers() if m.status == "finished"), "")

    @property
    def live_text(self) -> str:
        """The text so far of the last AI message for the user that stands."""
        return next((message.text for message in self._answers()), "")

    def _answers(self) -> Iterable[MessageView]:
        return (
            message
            for message in reversed(self.messages)
            if message.role == "assistant" and message.audience == "user" and message.stands
        )

    def message(self, message_id: str) -> MessageView | None:
        """The message of this id, as far as it has come."""
        return self._by_message.get(message_id)

    def tool_run(self, step_id: str, tool_call_id: str) -> ToolCallView | None:
        """The tool call that this run of a tool is for."""
        return self._tools.of_run(step_id, tool_call_id)

    def feed(self, event: Event) -> None:
        """Take in one event, which must be of the same run as those before.

        Raises ``StreamUsageError`` when another run begins.
        """
        self.last_ts = event.ts
        match event:
            case TextDelta() | ReasoningDelta() | ToolCallDelta():
                block = self._open.get((event.message_id, event.index))
                if block is not None:
                    block.add(event.args if isinstance(event, ToolCallDelta) else event.text)
                    block.tokens = event.tokens or block.tokens
            case _:
                self._feed_other(event)

    def text_writer(self, message_id: str, index: int) -> Callable[[str], object]:
        """What takes further text of an open block, as ``feed`` of its deltas would."""
        block = self._open.get((message_id, index))
        return _ignored if block is None else block.add

    def _feed_other(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._run_started(event)
            case RunFinished() | RunInterrupted() | RunFailed() | RunCancelled():
                self._run_ended(event)
            case StepStarted() | StepFinished() | StepFailed():
                self._step(event)
            case MessageStarted():
                self._message_started(event)
            case TextStarted():
                self._block_started("text", event.message_id, event.index)
            case ReasoningStarted():
                self._block_started("reasoning", event.message_id, event.index)
            case ToolCallStarted():
                self._block_started("tool_call", event.message_id, event.index, event.tool_call_id)
                self._tools.asked(event, self._by_message.get(event.message_id))
            case TextFinished() | ReasoningFinished():
                self._block_finished(event.message_id, event.index, event.text)
            case ToolCallFinished():
                self._block_finished(event.message_id, event.index)
                self._tools.asked_whole(event)
            case ContentAdded():
                block = self._block_started("content", event.message_id, event.index)
                block.content = event.block
                self._block_finished(event.message_id, event.index)
            case MessageFinished() | MessageAborted() | MessageRetracted():
                self._message_ended(event)
            case UsageUpdated():
                if (message := self._by_message.get(event.message_id)) is not None:
                    message.usage = event.usage
            case ToolStarted():
                self._tools.started(event)
            case ToolProgress() | ToolFinished() | ToolFailed():
                self._tools.ran(event)
            case InterruptRequested():
                self.interrupts.append(_interrupt(event))
            case StateSnapshot():
                self.state[event.path] = event.values
            case Custom():
                self.customs.append(event)
            case Diagnostic():
                self.diagnostics.append(event)
            case _:
                pass

    def _run_started(self, event: RunStarted) -> None:
        if self.run_id not in (None, event.run_id):
            raise StreamUsageError(
                f"a snapshot of run {self.run_id!r} was fed the start of run {event.run_id!r}; "
                "keep one RunSnapshot for each run_id"
            )
        self.run_id = event.run_id
        self.name = event.name
        self.thread_id = event.thread_id
        self.user = event.user
        self.metadata = event.metadata
        self.outcome = "running"
        self.started_ts = event.ts

    def _run_ended(self, event: RunFinished | RunInterrupted | RunFailed | RunCancelled) -> None:
        self.usage = event.usage
        self.timing = event.timing
        match event:
            case RunFinished():
                self.outcome = "finished"
                self.output = event.output
                self.pending_tool_calls = event.pending_tool_calls
            case RunInterrupted():
                self.outcome = "interrupted"
                self.interrupts = list(event.interrupts)
            case RunFailed():
                self.outcome = "failed"
                self.error = event.error
                self.pending = event.pending
            case RunCancelled():
                self.outcome = "cancelled"
                self.cancel_reason = event.reason
                self.pending = event.pending

    def _step(self, event: StepStarted | StepFinished | StepFailed) -> None:
        if isinstance(event, StepStarted):
            step = StepView(
                step_id=event.step_id,
                parent_id=event.parent_id,
                kind=event.kind,
                name=event.name,
                path=event.path,
                namespace=event.namespace,
                started_ts=event.ts,
                cause=event.cause,
                input=event.input,
            )
            self._by_step[event.step_id] = step
            self.steps.append(step)
            return
        begun = self._by_step.get(event.step_id)
        if begun is not None:
            begun.finished_ts = event.ts
            if isinstance(event, StepFinished):
                begun.outcome, begun.output = event.outcome, event.output
            else:
                begun.error = event.error

    def _message_started(self, event: MessageStarted) -> None:
        message = MessageView(
            message_id=event.message_id,
            step_id=event.step_id,
            role=event.role,
            name=event.name,
            model=event.model,
            audience=event.audience,
            attempt=event.attempt,
            path=event.path,
            started_ts=event.ts,
            counting=event.counting,
        )
        self._by_message[event.message_id] = message
        self.messages.append(message)

    def _message_ended(self, event: MessageFinished | MessageAborted | MessageRetracted) -> None:
        message = self._by_message.get(event.message_id)
        if message is None:
            return
        if isinstance(event, MessageRetracted):
            message.status, message.reason = "retracted", event.reason
        else:
            message.finished_ts = event.ts
            message.usage = event.usage
            if isinstance(event, MessageFinished):
                message.status = "finished"
                message.stored_id = event.stored_id
                message.finish_reason = event.finish_reason
            else:
                message.status, message.reason = "aborted", event.reason
        if not message.stands:
            self._tools.dropped(message)

    def _block_started(
        self, kind: BlockKind, message_id: str, index: int, tool_call_id: str | None = None
    ) -> BlockView:
        block = BlockView(kind, index, tool_call_id)
        if (message := self._by_message.get(message_id)) is not None:
            message.blocks.append(block)
            self._open[message_id, index] = block
        return block

    def _block_finished(self, message_id: str, index: int, text: str | None = None) -> None:
        block = self._open.pop((message_id, index), None)
        if block is not None:
            block.finish(text)

    def timeline(self) -> list[Span]:
        """Return the run, its steps, model calls and tools as spans of time, by start."""
        return run_timeline(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything it shows, as plain JSON values."""
        return run_dict(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunSnapshot) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it changes with every event

    def __str__(self) -> str:
        return run_text(self)

    def __repr__(self) -> str:
        return f"<RunSnapshot {self.name or 'of no run'}: {self.outcome}, run_id={self.run_id!r}>"

    def _repr_html_(self) -> str:
        # the html module alone costs an import of 10 ms, and only notebooks need it
        from langchain_streamkit.snapshot.html import run_html

        return run_html(self)


def _interrupt(event: InterruptRequested) -> InterruptInfo:
    return InterruptInfo(
        interrupt_id=event.interrupt_id,
        payload=event.payload,
        namespace=event.namespace,
        tool_call_id=event.tool_call_id,
        response_schema=event.response_schema,
    )


def _ignored(_: str) -> None:
    """Text of a block that was not fed."""
