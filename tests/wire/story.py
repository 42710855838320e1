"""Runs told by hand: legal streams of events for the tests of what comes after a run."""

from __future__ import annotations

from typing import Any

from langchain_streamkit import events as ev

USAGE = ev.Usage(call_id="c", input_tokens=0, output_tokens=0, total_tokens=0, source="none")
TIMING = ev.Timing(duration_ms=1500, first_token_ms=250)


class Story:
    """Makes the events of one run, numbered; each call is 100 ms after the last."""

    def __init__(self, run_id: str = "run-1") -> None:
        self.run_id = run_id
        self.seq = 0

    def make(self, cls: Any, **fields: Any) -> Any:
        self.seq += 1
        if "step_id" in cls.__struct_fields__:
            fields.setdefault("step_id", "root")
        return cls(seq=self.seq, run_id=self.run_id, ts=1_000_000 + 100 * self.seq, **fields)

    def start(self, name: str = "agent", **fields: Any) -> Any:
        return self.make(ev.RunStarted, name=name, **fields)

    def finish(self, **fields: Any) -> Any:
        return self.make(ev.RunFinished, usage=USAGE, timing=TIMING, **fields)

    def cancelled(self, reason: str = "user") -> Any:
        return self.make(ev.RunCancelled, reason=reason, usage=USAGE, timing=TIMING)

    def message_start(self, message_id: str = "m1", **fields: Any) -> Any:
        return self.make(ev.MessageStarted, message_id=message_id, role="assistant", **fields)

    def message_end(self, message_id: str = "m1", **fields: Any) -> Any:
        fields = {"finish_reason": "stop"} | fields
        return self.make(ev.MessageFinished, message_id=message_id, **fields)

    def delta(self, text: str, message_id: str = "m1", **fields: Any) -> Any:
        return self.make(ev.TextDelta, message_id=message_id, index=0, text=text, **fields)

    def text(self, *pieces: str, message_id: str = "m1", **fields: Any) -> list[Any]:
        """One text block."""
        block = {"message_id": message_id, "index": 0, **fields}
        return [
            self.make(ev.TextStarted, **block),
            *(self.make(ev.TextDelta, text=piece, **block) for piece in pieces),
            self.make(ev.TextFinished, text="".join(pieces), **block),
        ]

    def message(self, *pieces: str, message_id: str = "m1", **fields: Any) -> list[Any]:
        """One message with one text."""
        return [
            self.message_start(message_id, **fields),
            *self.text(*pieces, message_id=message_id),
            self.message_end(message_id),
        ]

    def tool_call(self, message_id: str, call_id: str, name: str, args: str) -> list[Any]:
        """One tool call block, second in its message."""
        import json

        block = {"message_id": message_id, "index": 1, "tool_call_id": call_id}
        return [
            self.make(ev.ToolCallStarted, name=name, **block),
            self.make(ev.ToolCallDelta, args=args, **block),
            self.make(ev.ToolCallFinished, name=name, args=json.loads(args), **block),
        ]

    def tool(self, call_id: str, name: str, step_id: str, **end: Any) -> list[Any]:
        """One tool run."""
        who = {"tool_call_id": call_id, "step_id": step_id}
        return [
            self.make(ev.ToolStarted, name=name, input={"q": 1}, **who),
            self.make(ev.ToolFinished, **who, **end),
        ]


def short_run(*pieces: str, run_id: str = "run-1") -> list[Any]:
    """A whole run of one message."""
    story = Story(run_id)
    return [story.start(), *story.message(*(pieces or ("Hello", " world"))), story.finish()]
