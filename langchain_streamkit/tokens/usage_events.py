"""Usage records out of events, wherever these come from: a file, another process, a run here.

Guarantees: one record for each message that ends with usage; what is remembered of a run is its
open steps and messages, and nothing after its end.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import (
    BaseEvent,
    ContentAdded,
    MessageAborted,
    MessageFinished,
    MessageStarted,
    ReasoningStarted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
    TextStarted,
    ToolCallStarted,
)
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.records import UsageRecord, checked_cost

if TYPE_CHECKING:
    from langchain_streamkit.events import Event, Usage


_FOLLOWED = frozenset(
    {
        *(RunStarted, RunFinished, RunInterrupted, RunFailed, RunCancelled),
        *(StepStarted, StepFinished, StepFailed),
        *(MessageStarted, MessageFinished, MessageAborted),
        *(TextStarted, ReasoningStarted, ToolCallStarted, ContentAdded),
    }
)
"""All others, and so nearly all of a stream, pass by."""


class UsageReader:
    """Follows the runs of one or several streams, mixed as they may be; feed it from one thread."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    def feed(self, event: Event) -> UsageRecord | None:
        """Take the next event of a run; returns the record if a call's usage came with it."""
        if type(event) not in _FOLLOWED:
            if not isinstance(event, BaseEvent):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise StreamUsageError(
                    f"{short_repr(event)} is not an event: read JSON with decode_event(...), a "
                    "file with read_jsonl(path)"
                )
            return None
        match event:
            case RunStarted():
                self._runs[event.run_id] = _Run(event)
            case StepStarted():
                self._run(event).steps[event.step_id] = event
            case StepFinished() | StepFailed():
                self._run(event).steps.pop(event.step_id, None)
            case MessageStarted():
                self._run(event).open[event.message_id] = _Open(event)
            case TextStarted() | ReasoningStarted() | ToolCallStarted() | ContentAdded():
                message = self._run(event).open.get(event.message_id)
                if message is not None and message.spoke is None:
                    message.spoke = event.ts
            case MessageFinished() | MessageAborted():
                run = self._run(event)
                message = run.open.pop(event.message_id, None)
                if event.usage is not None:
                    return run.record(event, event.usage, message)
            case RunFinished() | RunInterrupted() | RunFailed() | RunCancelled():
                self._runs.pop(event.run_id, None)
            case _:
                pass
        return None

    def _run(self, event: Event) -> _Run:
        """What is known of the event's run; a stream may be read from its middle on."""
        return self._runs.setdefault(event.run_id, _Run(None))


class _Open:
    """A message that has begun; ``spoke`` is when it first had content."""

    __slots__ = ("spoke", "started")

    def __init__(self, started: MessageStarted) -> None:
        self.started = started
        self.spoke: int | None = None


class _Run:
    """An open run."""

    __slots__ = ("open", "steps", "thread_id", "user")

    def __init__(self, started: RunStarted | None) -> None:
        self.thread_id = started.thread_id if started is not None else None
        self.user = started.user if started is not None else None
        self.steps: dict[str, StepStarted] = {}
        self.open: dict[str, _Open] = {}

    def record(
        self, event: MessageFinished | MessageAborted, usage: Usage, message: _Open | None
    ) -> UsageRecord:
        started = message.started if message is not None else None
        spoke = message.spoke if message is not None else None
        begun = started.ts if started is not None else event.ts
        if spoke is not None and usage.first_token_ms is not None:
            begun = spoke - usage.first_token_ms
        speaking = event.ts - spoke if spoke is not None else 0
        step = self.steps.get(event.step_id)
        return UsageRecord(
            call_id=usage.call_id,
            run_id=event.run_id,
            message_id=event.message_id,
            model=usage.model or (started.model if started is not None else None),
            provider=started.provider if started is not None else None,
            path=event.path,
            node=self._node(event.step_id, started),
            tags=step.tags if step is not None else (),
            thread_id=self.thread_id,
            user=self.user,
            attempt=started.attempt if started is not None else 1,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens,
            cache_read=usage.details.cache_read,
            cache_creation=usage.details.cache_creation,
            reasoning=usage.details.reasoning,
            audio=usage.details.audio,
            source=usage.source,
            status=usage.status,
            cost=_dollars(usage.cost),
            started_ms=begun,
            duration_ms=event.ts - begun if started is not None else None,
            first_token_ms=usage.first_token_ms,
            tokens_per_second=rate(usage.output_tokens, speaking),
            late=usage.late,
        )

    def _node(self, step_id: str | None, started: MessageStarted | None) -> str | None:
        """LangGraph's own word for it; on a wire that leaves it out, the nearest node around."""
        said = started.metadata.get("langgraph_node") if started is not None else None
        if isinstance(said, str):
            return said
        for _ in self.steps:  # no further, as nobody promises that a foreign stream has no circle
            step = self.steps.get(step_id) if step_id is not None else None
            if step is None:
                return None
            if step.kind == "node":
                return step.name
            step_id = step.parent_id
        return None


def rate(tokens: int, speaking_ms: int) -> float | None:
    """Return tokens per second; None if nothing was said, or not over any time."""
    return round(tokens * 1000 / speaking_ms, 1) if tokens and speaking_ms > 0 else None


def _dollars(text: str | None) -> Decimal | None:
    """The cost in an event, which may be of anyone's making; None for what is none."""
    if text is None:
        return None
    try:
        return checked_cost(Decimal(text))
    except (InvalidOperation, StreamUsageError):
        return None
