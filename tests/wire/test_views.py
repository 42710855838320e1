from __future__ import annotations

import json
import sys
from typing import Any, cast

import pytest

from langchain_streamkit import events as ev
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.grammar import check_stream
from langchain_streamkit.wire.views import Projection
from tests.wire.story import USAGE, Story

ERROR = ev.ErrorInfo(code="tool_error", message="A tool failed.", error_id="e1")
SECRET = "sk-secret"


def rich_run() -> list[ev.Event]:
    """A run with something of every kind, and a secret in all that a view must not show."""
    s = Story()
    node: dict[str, Any] = {"step_id": "n1", "path": ("model",)}
    return [
        s.start(metadata={"tenant": "t1", "key": SECRET}),
        s.make(ev.StepStarted, step_id="root", kind="graph", name="agent", input=SECRET),
        s.make(ev.StepStarted, parent_id="root", kind="node", name="model", input=SECRET, **node),
        s.message_start("m1", metadata={"ls_model_name": "gpt", "prompt": SECRET}),
        *s.text("Let me ", "look.", **node),
        *s.tool_call("m1", "c1", "ask", '{"q":1}'),
        s.make(ev.UsageUpdated, message_id="m1", usage=USAGE),
        s.message_end("m1", finish_reason="tool_calls"),
        s.make(ev.StateUpdate, node="model", values={"x": SECRET}, step_id="n1"),
        s.make(ev.StepFinished, outcome="ok", output=SECRET, step_id="n1"),
        s.make(ev.ToolStarted, tool_call_id="c1", step_id="t1", name="ask", input={"q": 1}),
        s.message_start("sub", audience="internal", step_id="t1", metadata={"p": SECRET}),
        *s.text("inner thoughts", message_id="sub", step_id="t1"),
        *s.tool_call("sub", "c2", "dig", '{"deep":true}'),
        s.message_end("sub", step_id="t1"),
        *s.tool("c2", "dig", "t2", output="ore", content="ore"),
        s.make(ev.ToolProgress, tool_call_id="c1", step_id="t1", data={"done": 1}),
        s.make(
            ev.ToolFinished,
            tool_call_id="c1",
            step_id="t1",
            content="42",
            artifact={"raw": SECRET},
            output={"update": {"messages": [{"type": "tool", "artifact": SECRET}]}},
        ),
        s.make(ev.ToolStarted, tool_call_id="c3", step_id="t3", name="fail"),
        s.make(ev.ToolFailed, tool_call_id="c3", step_id="t3", error=ERROR, content=SECRET),
        s.make(ev.StateSnapshot, values={"x": SECRET}),
        s.make(ev.Checkpoint, checkpoint_id="cp"),
        s.make(ev.InterruptRequested, interrupt_id="i1", payload="ok?"),
        s.make(ev.OutputDelta, data="chunk"),
        s.make(ev.Custom, name="progress", data=5),
        s.make(ev.Diagnostic, code="sink_failed", message=SECRET),
        s.make(ev.StepFinished, outcome="ok", output=SECRET, step_id="root"),
        s.finish(output={"messages": [SECRET]}),
    ]


def shown(view: Any, events: list[Any], **options: Any) -> list[Any]:
    projection = Projection(view, **options)
    return [seen for event in events if (seen := projection.apply(event)) is not None]


def test_the_run_these_tests_look_at_is_legal() -> None:
    assert check_stream(rich_run()) == []


@pytest.mark.parametrize("view", ["chat", "steps", "all"])
def test_a_view_of_a_legal_stream_is_a_legal_view(view: Any) -> None:
    assert check_stream(shown(view, rich_run()), view=True) == []


@pytest.mark.parametrize("view", ["chat", "steps"])
def test_no_prompt_state_artifact_output_or_exception_text_passes(view: Any) -> None:
    assert SECRET not in json.dumps([event.to_dict() for event in shown(view, rich_run())])


def test_chat_shows_the_run_user_messages_tools_interrupts_and_custom_events() -> None:
    kinds = [event.type for event in shown("chat", rich_run())]

    assert kinds == [
        "run.started",
        "message.started",
        "text.started",
        "text.delta",
        "text.delta",
        "text.finished",
        "tool_call.started",
        "tool_call.delta",
        "tool_call.finished",
        "usage.updated",
        "message.finished",
        "tool.started",
        "tool.progress",
        "tool.finished",
        "tool.started",
        "tool.failed",
        "interrupt.requested",
        "output.delta",
        "custom",
        "run.finished",
    ]


def test_chat_leaves_out_internal_messages_their_blocks_and_the_tools_they_call() -> None:
    seen = shown("chat", rich_run())

    assert "sub" not in {getattr(event, "message_id", None) for event in seen}
    assert "c2" not in {getattr(event, "tool_call_id", None) for event in seen}


def test_steps_adds_steps_and_internal_messages_but_no_state() -> None:
    kinds = [event.type for event in shown("steps", rich_run())]

    assert kinds.count("step.started") == 2
    assert kinds.count("message.started") == 2
    assert kinds.count("tool.started") == 3
    assert not {"state.update", "state.snapshot", "checkpoint", "diagnostic"} & set(kinds)


def test_all_shows_everything_but_metadata() -> None:
    made = rich_run()

    seen = shown("all", made)

    assert [event.seq for event in seen] == [event.seq for event in made]
    changed = [event.type for event, was in zip(seen, made, strict=True) if event != was]
    assert changed == ["run.started", "message.started", "message.started"]


@pytest.mark.parametrize("view", ["chat", "steps", "all"])
def test_metadata_passes_by_the_keys_that_were_named(view: Any) -> None:
    seen = shown(view, rich_run(), metadata=["tenant", "ls_model_name"])

    assert [event.metadata for event in seen if hasattr(event, "metadata")][:2] == [
        {"tenant": "t1"},
        {"ls_model_name": "gpt"},
    ]


def test_a_gap_is_shown_in_every_view() -> None:
    gap = Story().make(ev.Diagnostic, code="gap", message="lost", lost=3)

    assert [shown(view, [gap]) for view in ("chat", "steps", "all")] == [[gap]] * 3


def test_a_delta_passes_as_the_same_object_without_a_copy() -> None:
    s = Story()
    projection = Projection("chat")
    projection.apply(s.message_start("hidden", audience="internal"))
    delta = s.delta("x")
    before = sys.getrefcount(delta)

    assert projection.apply(delta) is delta
    assert sys.getrefcount(delta) == before


def test_internal_messages_of_one_run_hide_nothing_of_another() -> None:
    one, two = Story("run-1"), Story("run-2")
    mixed = [one.message_start("m", audience="internal"), two.message_start("m")]
    mixed += [one.delta("secret", "m"), two.delta("open", "m")]

    assert [event.run_id for event in shown("chat", mixed)] == ["run-2", "run-2"]


def test_a_tool_call_id_used_again_by_a_user_message_is_shown() -> None:
    s = Story()
    events = [
        s.message_start("sub", audience="internal"),
        *s.tool_call("sub", "c", "dig", "{}"),
        *s.tool("c", "dig", "t1"),
        s.message_start("m"),
        *s.tool_call("m", "c", "ask", "{}"),
        *s.tool("c", "ask", "t2"),
    ]

    tools = [e for e in shown("chat", events) if e.type.startswith("tool.")]

    assert [event.step_id for event in tools] == ["t2", "t2"]


def test_what_a_run_hid_is_forgotten_when_it_ends() -> None:
    s = Story()
    projection = Projection("chat")
    for event in (s.message_start("sub", audience="internal"), s.finish()):
        projection.apply(event)

    assert not projection.hidden


def test_an_unknown_view_or_a_single_key_is_refused() -> None:
    with pytest.raises(StreamUsageError, match="'chat', 'steps' or 'all'"):
        Projection(cast("Any", "debug"))
    with pytest.raises(StreamUsageError, match=r"write metadata=\['tenant'\]"):
        Projection("chat", metadata="tenant")
