"""The chunks of events that runs seldom have, and the bytes that carry them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langgraph_sdk.sse import BytesLineDecoder, SSEDecoder

from langchain_streamkit import events as ev
from langchain_streamkit.log.position import Position
from langchain_streamkit.log.tailing import Stretch
from langchain_streamkit.wire.langgraph.classic import ASKED, ClassicEncoder
from langchain_streamkit.wire.langgraph.log import ClassicLog
from tests.wire.story import TIMING, USAGE, Story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event

NODE: Any = {
    "langgraph_node": "leaf",
    "langgraph_checkpoint_ns": "first:1|leaf:2",
    "ls_provider": "p",
    "secret": "x",
}


def parts(events: Sequence[Event], *modes: Any, **options: Any) -> list[tuple[str, Any]]:
    encoder = ClassicEncoder(modes or None, **options)
    return [(name, json.loads(data)) for event in events for name, data in encoder.parts(event)]


def names(events: Sequence[Event], *modes: Any, **options: Any) -> list[str]:
    return [name for name, _ in parts(events, *modes, **options)]


def in_a_graph(story: Story, *namespace: str) -> list[Any]:
    """The root graph, and one below it whose step is ``inner``."""
    graph = {"kind": "graph", "name": "g"}
    events = [story.start(), story.make(ev.StepStarted, **graph)]
    if namespace:
        inner = {**graph, "step_id": "inner", "namespace": namespace}
        events.append(story.make(ev.StepStarted, **inner))
    return events


def test_modes_are_those_that_the_run_was_started_for() -> None:
    story = Story()
    events = [
        story.start(metadata={ASKED: "custom,subgraphs"}),
        story.make(ev.StateSnapshot, values={}),
        story.make(ev.Custom, data=1),
        story.finish(output={}),
    ]
    assert names(events) == ["metadata", "custom", "end"]
    assert names(events, "values") == ["metadata", "values", "end"]
    assert names([story.start(), story.finish(output={})]) == ["metadata", "values", "end"]


def test_chunks_of_subgraphs_are_shown_where_they_are_asked_for() -> None:
    story = Story()
    inner = {"step_id": "inner"}
    events = [
        *in_a_graph(story, "first:1"),
        story.make(ev.StateSnapshot, values={"a": 1}, **inner),
        story.make(ev.StateUpdate, node="leaf", values={"a": 1}, **inner),
        story.make(ev.Custom, data=1, **inner),
        story.message_start(metadata=NODE),
        *story.text("Hi"),
        story.message_end(),
        story.finish(output={"a": 2}),
    ]
    modes: Any = ("values", "updates", "custom", "messages-tuple")
    assert set(names(events, *modes)) == {"metadata", "custom", "messages", "values", "end"}
    assert names(events, *modes, subgraphs=True) == [
        "metadata",
        "values|first:1",
        "updates|first:1",
        "custom|first:1",
        "messages|first:1",
        "messages|first:1",
        "values",
        "end",
    ]


def test_metadata_of_messages_is_langgraphs_and_what_was_named() -> None:
    story = Story()
    events = [story.start(), story.message_start(metadata=NODE), *story.text("Hi")]
    (_, (_, about)) = parts(events, "messages-tuple")[-1]
    assert set(about) == {"langgraph_node", "langgraph_checkpoint_ns", "ls_provider"}
    (_, (_, about)) = parts(events, "messages-tuple", metadata=["secret"])[-1]
    assert about["secret"] == "x"
    assert ("messages/metadata", {"m1": {"metadata": {**NODE, "secret": "x"}}}) in parts(
        events, "messages", metadata=["secret"]
    )


@pytest.mark.parametrize("reason", ["error", "retry", "timeout"])
def test_message_that_was_said_in_vain_is_removed(reason: Any) -> None:
    story = Story()
    events = [
        story.start(),
        story.message_start(),
        *story.text("Half"),
        story.make(ev.MessageAborted, message_id="m1", reason=reason),
    ]
    for mode, name in (("messages-tuple", "messages"), ("messages", "messages/complete")):
        found, (message, *_) = parts(events, mode)[-1]
        assert (found, message["type"], message["id"]) == (name, "remove", "m1")
    events[-1] = story.make(ev.MessageRetracted, message_id="m1", reason="retry")
    assert parts(events, "messages-tuple")[-1][1][0]["type"] == "remove"
    events[-1] = story.make(ev.MessageAborted, message_id="m1", reason="cancelled")
    assert parts(events, "messages-tuple")[-1][1][0]["type"] == "AIMessageChunk"


def test_messages_that_are_not_for_the_user_are_left_out() -> None:
    story = Story()
    events = [story.start(), *story.message("Hm", audience="internal"), story.finish()]
    assert names(events, "messages", "messages-tuple") == ["metadata", "end"]


def test_message_is_told_as_far_as_it_has_come() -> None:
    story = Story()
    events = [
        story.start(),
        story.message_start(),
        *story.text("He", "llo"),
        *story.tool_call("m1", "c1", "add", '{"a":1}'),
        story.message_end(usage=USAGE, raw_finish_reason="tool_calls"),
    ]
    told = parts(events, "messages")[2:]
    assert [name for name, _ in told] == ["messages/partial"] * 4 + ["messages/complete"]
    states = [state for _, (state,) in told]
    assert [state["content"] for state in states[:2]] == ["He", "Hello"]
    call = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
    assert states[-1] == {
        "type": "ai",
        "id": "m1",
        "name": None,
        "content": "Hello",
        "tool_calls": [call],
        "invalid_tool_calls": [],
        "additional_kwargs": {},
        "response_metadata": {"finish_reason": "tool_calls"},
        "usage_metadata": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
    }


def test_arguments_that_are_no_json_are_an_invalid_call() -> None:
    story = Story()
    block = {"message_id": "m1", "index": 0, "tool_call_id": "c1"}
    wrong = ev.InvalidArgs(text='{"a":', error="it is cut off")
    events = [
        story.start(),
        story.message_start(),
        story.make(ev.ToolCallStarted, name="add", **block),
        story.make(ev.ToolCallDelta, args='{"a":', **block),
        story.make(ev.ToolCallFinished, name="add", invalid=wrong, **block),
        story.message_end(finish_reason="tool_calls"),
    ]
    _, (state,) = parts(events, "messages")[-1]
    assert state["tool_calls"] == []
    assert state["invalid_tool_calls"] == [
        {
            "name": "add",
            "args": '{"a":',
            "id": "c1",
            "error": "it is cut off",
            "type": "invalid_tool_call",
        }
    ]


def test_message_of_a_tool_is_told_once_with_the_id_of_the_state() -> None:
    story = Story()
    said = {"type": "tool", "content": "3", "tool_call_id": "c1", "id": None}
    named = {**said, "id": "t1"}
    events = [
        story.start(),
        *story.tool("c1", "add", "s1", content="3"),
        story.make(ev.StateUpdate, node="tools", values={"messages": [said, "x"]}),
        story.make(ev.StateSnapshot, values={"messages": [named]}),
        story.make(ev.StateSnapshot, values={"messages": [named]}),
        story.make(ev.StateSnapshot, values="no channels"),
    ]
    assert parts(events, "messages-tuple")[1:] == [("messages", [named, {}])]
    assert parts(events, "messages")[1:] == [("messages/complete", [named])]


def test_checkpoint_is_told_with_the_values_before_it() -> None:
    story = Story()
    events = [
        story.start(thread_id="t"),
        story.make(ev.StateSnapshot, values={"a": 1}),
        story.make(ev.Checkpoint, checkpoint_id="c2", parent_id="c1", source="loop", step=0),
    ]
    place = {"thread_id": "t", "checkpoint_ns": ""}
    assert parts(events, "checkpoints")[-1] == (
        "checkpoints",
        {
            "config": {"configurable": {**place, "checkpoint_id": "c2"}},
            "parent_config": {"configurable": {**place, "checkpoint_id": "c1"}},
            "values": {"a": 1},
            "metadata": {"source": "loop", "step": 0},
        },
    )


def test_pause_is_told_with_its_interrupts_or_as_a_breakpoint() -> None:
    story = Story()
    one = ev.InterruptInfo(interrupt_id="i1", payload="?", response_schema={"type": "string"})
    told = {"id": "i1", "value": "?", "response_schema": {"type": "string"}}
    values = story.make(ev.StateSnapshot, values={"a": 1, "__interrupt__": ["raw"]})
    end = {"usage": USAGE, "timing": TIMING}
    asked = [story.start(), values, story.make(ev.RunInterrupted, interrupts=(one,), **end)]
    assert parts(asked, "values")[1:-1] == [
        ("values", {"a": 1}),
        ("values", {"a": 1, "__interrupt__": [told]}),
    ]
    paused = [story.start(), values, story.make(ev.RunInterrupted, interrupts=(), **end)]
    assert parts(paused, "values", "updates")[1:-1] == [
        ("values", {"a": 1}),
        ("updates", {"__interrupt__": []}),
    ]


def test_every_end_but_a_good_one_is_an_error() -> None:
    story = Story()
    error = ev.ErrorInfo(code="tool_error", message="A tool failed.", error_id="e1")
    failed = story.make(ev.RunFailed, error=error, usage=USAGE, timing=TIMING)
    assert parts([story.start(), failed])[1:] == [
        ("error", {"error": "tool_error", "message": "A tool failed.", "error_id": "e1"}),
        ("end", {}),
    ]
    assert parts([story.start(), story.cancelled()])[1:] == [
        ("error", {"error": "cancelled", "message": "The run was stopped."}),
        ("end", {}),
    ]
    frames = ClassicEncoder().broken_off("run_gone", "this run is no longer kept")
    assert frames == [
        b'event: error\ndata: {"error":"run_gone","message":"this run is no longer kept"}\n\n',
        b"event: end\ndata: {}\n\n",
    ]


def story_told() -> list[Event]:
    odd = 'a"\\\ud83d\n\u2028data: x'
    story = Story()
    return [
        *in_a_graph(story, "odd\nname:1"),
        story.message_start(metadata=NODE),
        *story.text("Hello ", odd, "\r\n"),
        story.message_end(),
        story.make(ev.StateSnapshot, values={odd: odd}, step_id="inner"),
        story.make(ev.Custom, name=odd, data={odd: 1}),
        story.finish(output=odd),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 16])
def test_bytes_are_read_the_same_however_they_are_cut(size: int) -> None:
    modes: Any = ("values", "messages-tuple", "messages", "custom")
    encoder = ClassicEncoder(modes, subgraphs=True)
    events = story_told()
    body = encoder.opening() + b"".join(
        frame for event in events for frame in (encoder.ping, *encoder.encode(event))
    )
    lines, decoder = BytesLineDecoder(), SSEDecoder()
    found: list[Any] = []
    for start in range(0, len(body), size):
        for line in lines.decode(body[start : start + size]):
            part = decoder.decode(bytes(line))
            if part is not None:
                found.append((part.event, part.data))
    assert found == parts(events, *modes, subgraphs=True)
    assert ("values|odd name:1") in [name for name, _ in found]


def test_whoever_comes_back_is_sent_what_is_missing_from_any_frame_on() -> None:
    modes: Any = ("values", "messages-tuple", "messages", "custom")
    stretch = Stretch("0a0b0c0d", 1, [event.to_json() for event in story_told()])

    def frames(after: Position | None, *more: bytes) -> list[bytes]:
        log = ClassicLog(ClassicEncoder(modes), after)
        body = log.frames(Stretch(stretch.generation, 1, [*stretch.data, *more]))
        assert log.ended is not bool(more)
        return [frame + b"\n\n" for frame in body.split(b"\n\n")[:-1]]

    whole = frames(None)
    ids = [frame.rsplit(b"id: ")[-1].strip().decode() for frame in whole]
    assert len(set(ids)) == len(ids)
    assert any("." in one for one in ids)
    for number, one in enumerate(ids, 1):
        assert frames(Position.parse(one)) == whole[number:]
    later = b'{"type":"of.a.later.version","seq":99,"run_id":"r","ts":1}'
    assert ClassicLog(ClassicEncoder(modes)).frames(Stretch("0a0b0c0d", 1, [later])) == b""


def test_server_that_goes_away_says_nothing_so_that_the_client_comes_back() -> None:
    log = ClassicLog(ClassicEncoder())
    assert log.farewell() == log.cut() == b""
    said = log.gone({"code": "run_gone", "message": "this run is no longer kept"})
    assert said.startswith(b"event: error\n")
    assert said.endswith(b"event: end\ndata: {}\n\n")
