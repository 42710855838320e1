"""Events and streams the tests of the foundation share: one of each event, and a legal stream."""

from __future__ import annotations

from typing import Any

from langchain_streamkit import events as ev
from langchain_streamkit.events import EVENT_CLASSES, BaseEvent, Event, StepEvent

USAGE = ev.Usage(
    call_id="call-1", input_tokens=7, output_tokens=3, total_tokens=10, source="provider"
)
NO_USAGE = ev.Usage(call_id="run", input_tokens=0, output_tokens=0, total_tokens=0, source="none")
TIMING = ev.Timing(duration_ms=1500, first_token_ms=200, tokens_per_second=12.5)
ERROR = ev.ErrorInfo(code="rate_limited", message="Try again.", error_id="e1", retryable=True)
INTERRUPT = ev.InterruptInfo(interrupt_id="i1", payload={"ask": "ok?"}, namespace=("a:1", "b:2"))
PENDING_CALL = ev.PendingToolCall(tool_call_id="c1", name="search", args={"q": 1}, message_id="m1")
INVALID = ev.InvalidArgs(text='{"q":', error="cut off")


class Script:
    """Writes a stream: numbers, times and ids by itself, ``step_id`` "s1" unless told."""

    def __init__(self, run_id: str = "run-1") -> None:
        self.run_id = run_id
        self.events: list[Any] = []

    def __call__(self, cls: Any, **fields: Any) -> Script:
        number = len(self.events) + 1
        given = {"seq": number, "run_id": self.run_id, "ts": 1000 + 10 * number, **fields}
        if issubclass(cls, StepEvent):
            given.setdefault("step_id", "s1")
        self.events.append(cls(**given))
        return self

    def start(self, **fields: Any) -> Script:
        return self(ev.RunStarted, **{"name": "agent", **fields})

    def finish(self, **fields: Any) -> Script:
        return self(ev.RunFinished, **{"usage": NO_USAGE, "timing": TIMING, **fields})

    def message(self, message_id: str = "m1", **fields: Any) -> Script:
        return self(ev.MessageStarted, **{"message_id": message_id, "role": "assistant", **fields})

    def text(self, *pieces: str, message_id: str = "m1", index: int = 0) -> Script:
        block = {"message_id": message_id, "index": index}
        self(ev.TextStarted, **block)
        for piece in pieces:
            self(ev.TextDelta, text=piece, **block)
        return self(ev.TextFinished, text="".join(pieces), **block)

    def call(self, *pieces: str, args: Any, message_id: str = "m1", **fields: Any) -> Script:
        block = {
            "message_id": message_id,
            "index": fields.pop("index", 0),
            "tool_call_id": fields.pop("tool_call_id", "c1"),
        }
        name = fields.pop("name", "search")
        self(ev.ToolCallStarted, name=name, **block)
        for piece in pieces:
            self(ev.ToolCallDelta, args=piece, **block)
        return self(ev.ToolCallFinished, name=name, args=args, **block, **fields)

    def end_message(self, message_id: str = "m1", **fields: Any) -> Script:
        return self(
            ev.MessageFinished, **{"message_id": message_id, "finish_reason": "stop", **fields}
        )


def whole_run() -> list[Event]:
    """A legal stream with everything in it: two steps, a tool round, an answer."""
    script = Script().start(thread_id="t1", user="u1", metadata={"a": 1})
    script(ev.StepStarted, step_id="g", kind="graph", name="agent")
    script(
        ev.StepStarted,
        step_id="n",
        parent_id="g",
        kind="node",
        name="model",
        namespace=("model:1",),
    )
    script.message("m1", step_id="llm1", model="gpt", path=("model",))
    block = {"message_id": "m1", "index": 0, "step_id": "llm1"}
    script(ev.ReasoningStarted, **block)(ev.ReasoningDelta, text="Hm", **block)
    script(ev.ReasoningFinished, text="Hm", extras={"signature": "x"}, **block)
    script.call('{"q":', ' "a"}', args={"q": "a"}, index=1)
    script(ev.ContentAdded, message_id="m1", index=2, block={"type": "image", "url": "u"})
    script(ev.UsageUpdated, message_id="m1", usage=USAGE)
    script.end_message("m1", step_id="llm1", finish_reason="tool_calls", usage=USAGE)
    script(ev.StepFinished, step_id="n", outcome="ok")
    script(ev.ToolStarted, step_id="t", tool_call_id="c1", name="search", input={"q": "a"})
    script(ev.StepStarted, step_id="inner", parent_id="t", kind="graph", name="sub", cause="c1")
    script(ev.StepFinished, step_id="inner", outcome="ok")
    script(ev.ToolProgress, step_id="t", tool_call_id="c1", data=50)
    script(ev.Custom, name="note", data={"x": 1}, tool_call_id="c1")
    script(ev.ToolFinished, step_id="t", tool_call_id="c1", output=["A"], content="A")
    script(ev.StateUpdate, node="tools", values={"k": 1})(ev.StateSnapshot, values={"k": 1})
    script(ev.Checkpoint, checkpoint_id="ck", source="loop", step=1)
    script(ev.Diagnostic, code="budget_warning", message="80 %")
    second = ev.Usage(
        call_id="call-2", input_tokens=9, output_tokens=2, total_tokens=11, source="provider"
    )
    script.message("m2", step_id="llm2", model="gpt").text("The ", "answer", message_id="m2")
    script.end_message("m2", step_id="llm2", usage=second)
    script(ev.StepFinished, step_id="g", outcome="ok", output={"done": True})
    total = ev.Usage(
        call_id="run-1", input_tokens=16, output_tokens=5, total_tokens=21, source="provider"
    )
    return script.finish(output={"answer": 42}, usage=total).events


def _sample(cls: type[BaseEvent], **fields: Any) -> Any:
    return Script()(cls, path=("a", "b#2"), **fields).events[0]


_BLOCK = {"message_id": "m1", "index": 0}
_CALL = {**_BLOCK, "tool_call_id": "c1"}
_END = {"usage": USAGE, "timing": TIMING}
_TOOL = {"tool_call_id": "c1"}

SAMPLES: dict[str, Any] = {
    sample.to_dict()["type"]: sample
    for sample in [
        _sample(ev.RunStarted, name="agent", thread_id="t", user="u", metadata={"k": [1]}),
        _sample(ev.RunFinished, output={"x": 1.5}, pending_tool_calls=(PENDING_CALL,), **_END),
        _sample(ev.RunInterrupted, interrupts=(INTERRUPT,), **_END),
        _sample(ev.RunFailed, error=ERROR, **_END),
        _sample(ev.RunCancelled, reason="user", pending=("tool search",), **_END),
        _sample(
            ev.StepStarted,
            kind="node",
            name="n",
            parent_id="p",
            namespace=("n:1",),
            langgraph_step=2,
            tags=("a",),
            cause="c1",
            description="d",
            input={"i": None},
        ),
        _sample(ev.StepFinished, outcome="handed_off", output=[1, "2"]),
        _sample(ev.StepFailed, error=ERROR),
        _sample(
            ev.MessageStarted,
            message_id="m1",
            role="assistant",
            name="bot",
            model="gpt",
            provider="openai",
            attempt=2,
            audience="internal",
            metadata={"ls_x": "y"},
        ),
        _sample(
            ev.MessageFinished,
            message_id="m1",
            stored_id="m2",
            finish_reason="stop",
            raw_finish_reason="end_turn",
            usage=USAGE,
        ),
        _sample(ev.MessageAborted, message_id="m1", reason="timeout", usage=USAGE),
        _sample(ev.MessageRetracted, message_id="m1", reason="retry"),
        _sample(ev.TextStarted, **_BLOCK),
        _sample(ev.TextDelta, text="grüße 🎉", tokens=3, **_BLOCK),
        _sample(ev.TextFinished, text="x", annotations=({"cite": 1},), extras={"e": 1}, **_BLOCK),
        _sample(ev.ReasoningStarted, **_BLOCK),
        _sample(ev.ReasoningDelta, text="x", **_BLOCK),
        _sample(ev.ReasoningFinished, text="x", extras={"signature": "s"}, **_BLOCK),
        _sample(ev.ToolCallStarted, name="search", **_CALL),
        _sample(ev.ToolCallDelta, args='{"a"', tokens=1, **_CALL),
        _sample(ev.ToolCallFinished, name="search", invalid=INVALID, extras={"x": 1}, **_CALL),
        _sample(ev.ContentAdded, block={"type": "image"}, **_BLOCK),
        _sample(ev.ToolStarted, name="search", input={"q": 1}, attempt=2, synthetic=True, **_TOOL),
        _sample(ev.ToolProgress, data=0.5, **_TOOL),
        _sample(
            ev.ToolFinished,
            outcome="suspended",
            output="o",
            content="c",
            artifact={"a": 1},
            message_id="m3",
            **_TOOL,
        ),
        _sample(ev.ToolFailed, error=ERROR, content="it failed", **_TOOL),
        _sample(ev.StateUpdate, node="n", values={"k": 1}),
        _sample(ev.StateSnapshot, values={"k": 1}),
        _sample(
            ev.Checkpoint,
            checkpoint_id="k",
            parent_id="j",
            namespace=("n",),
            source="loop",
            step=-1,
        ),
        _sample(
            ev.InterruptRequested,
            interrupt_id="i",
            payload="?",
            namespace=("n",),
            tool_call_id="c1",
            response_schema={"type": "string"},
        ),
        _sample(ev.OutputDelta, data={"chunk": 1}),
        _sample(ev.Custom, name="n", data=[1], tool_call_id="c1"),
        _sample(ev.UsageUpdated, message_id="m1", usage=USAGE),
        _sample(ev.Diagnostic, code="gap", message="lost", lost=3),
    ]
}
assert SAMPLES.keys() == EVENT_CLASSES.keys()
