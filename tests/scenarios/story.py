"""A stream as lines people read, so that a test can say exactly what it expects.

Deltas are joined (how many there are depends on who was faster) and a block that nothing
interrupts is one line; everything else is one line an event, in order. ``assert_legal`` checks
what the lines leave out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_streamkit import events as ev
from langchain_streamkit.testing import assert_legal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_streamkit.events import Event

Lines = list[str]


def story(events: Iterable[Event], *, drop: Sequence[str] = ()) -> Lines:
    """The lines of a legal stream; ``drop`` leaves out lines that begin with one of these."""
    stream = list(events)
    assert_legal(stream)
    return [line for line in _Teller().tell(stream) if not line.startswith(tuple(drop))]


class _Teller:
    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._lines: Lines = []
        self._open: tuple[str, str, int] | None = None
        self._joined = ""
        self._whole = False

    def tell(self, stream: list[Event]) -> Lines:
        for event in stream:
            self._one(event)
        self._flush()
        return self._lines

    def _one(self, event: Event) -> None:
        family, _, moment = event.type.partition(".")
        if family in ("text", "reasoning", "tool_call"):
            self._block(event, family, moment)
            return
        self._flush()
        self._lines.append(self._line(event, family, moment))

    def _block(self, event: Any, family: str, moment: str) -> None:
        key = (family, event.message_id, event.index)
        if self._open is not None and self._open != key:
            self._flush()
        where = "/".join(("", *event.path)) or "/"
        call = f" {event.tool_call_id}" if family == "tool_call" else ""
        if moment == "started":
            self._open, self._joined, self._whole = key, "", True
            self._head = f"{family} {where}{call}"
        elif moment == "delta":
            if self._open is None:
                self._open, self._joined, self._whole = key, "", False
                self._head = f"{family} {where}{call}"
            self._joined += event.text if family != "tool_call" else event.args
        else:
            final = _final(event)
            if self._open is not None and self._whole:
                self._lines.append(f"{self._head} {final}")
                self._open = None
                return
            self._flush()
            self._lines.append(f"{family}.finished {where}{call} {final}")

    def _flush(self) -> None:
        if self._open is None:
            return
        began = ".started" if self._whole else ".delta"
        family, _, rest = self._head.partition(" ")
        self._lines.append(f"{family}{began} {rest} {self._joined!r}".rstrip())
        self._open = None

    def _line(self, event: Event, family: str, moment: str) -> str:
        where = "/".join(("", *event.path)) or "/"
        match event:
            case ev.RunFinished():
                calls = [call.tool_call_id for call in event.pending_tool_calls]
                return f"run.finished pending={calls}" if calls else "run.finished"
            case ev.RunInterrupted():
                return f"run.interrupted {[one.payload for one in event.interrupts]}"
            case ev.RunFailed():
                return f"run.failed {event.error.code}"
            case ev.RunCancelled():
                return f"run.cancelled {event.reason}" + (
                    f" pending={list(event.pending)}" if event.pending else ""
                )
            case ev.StepStarted():
                self._kinds[event.step_id] = event.kind
                cause = f" cause={event.cause}" if event.cause else ""
                return f"{event.kind}.started {where} {event.name}{cause}"
            case ev.StepFinished():
                return f"{self._kinds[event.step_id]}.finished {where} {event.outcome}"
            case ev.StepFailed():
                return f"{self._kinds[event.step_id]}.failed {where} {event.error.code}"
            case ev.MessageStarted():
                extra = f" attempt={event.attempt}" if event.attempt != 1 else ""
                extra += " internal" if event.audience == "internal" else ""
                extra += f" name={event.name}" if event.name else ""
                return f"message.started {where} {event.role}{extra}"
            case ev.MessageFinished():
                usage = event.usage
                told = ""
                if usage is not None and usage.source in ("provider", "cache"):
                    told = f" {usage.input_tokens}+{usage.output_tokens} {usage.source}"
                elif usage is not None:
                    told = " unreported"
                return f"message.finished {where} {event.finish_reason}{told}"
            case ev.MessageAborted() | ev.MessageRetracted():
                return f"message.{moment} {where} {event.reason}"
            case ev.ContentAdded():
                return f"content {where} {event.block.get('type')}"
            case ev.ToolStarted():
                extra = f" attempt={event.attempt}" if event.attempt != 1 else ""
                extra += " synthetic" if event.synthetic else ""
                given = json.dumps(event.input)
                return f"tool.started {where} {event.name} {event.tool_call_id} {given}{extra}"
            case ev.ToolProgress():
                return f"tool.progress {where} {event.tool_call_id} {event.data!r}"
            case ev.ToolFinished():
                return (
                    f"tool.finished {where} {event.tool_call_id} {event.outcome} {event.content!r}"
                )
            case ev.ToolFailed():
                return (
                    f"tool.failed {where} {event.tool_call_id} {event.error.code} {event.content!r}"
                )
            case ev.Custom():
                name = f" {event.name}" if event.name else ""
                cause = f" {event.tool_call_id}" if event.tool_call_id else ""
                return f"custom {where}{name} {event.data!r}{cause}"
            case ev.InterruptRequested():
                cause = f" {event.tool_call_id}" if event.tool_call_id else ""
                return f"interrupt.requested {where} {event.payload!r}{cause}"
            case ev.StateUpdate():
                return f"state.update {where} {event.node} {sorted(event.values or {})}"
            case ev.StateSnapshot():
                return f"state.snapshot {where}"
            case ev.Checkpoint():
                return f"checkpoint {where} {event.source} {event.step}"
            case ev.OutputDelta():
                return f"output.delta {event.data!r}"
            case ev.Diagnostic():
                return f"diagnostic {event.code}"
            case _:
                return event.type


def _final(event: Any) -> str:
    if isinstance(event, ev.ToolCallFinished):
        args = "invalid" if event.invalid is not None else json.dumps(event.args)
        return f"{event.name} {args}"
    return repr(event.text)
