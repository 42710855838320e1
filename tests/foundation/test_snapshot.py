"""A snapshot shows what a run has come to, of a whole stream as of a part of it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from langchain_streamkit import events as ev
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.snapshot import RunSnapshot, Span
from tests.foundation.samples import (
    ERROR,
    INTERRUPT,
    INVALID,
    NO_USAGE,
    PENDING_CALL,
    SAMPLES,
    TIMING,
    USAGE,
    Script,
    whole_run,
)


def snapshot_of(script: Script) -> RunSnapshot:
    return RunSnapshot.from_events(script.events)


def test_snapshot_before_the_first_event_is_pending() -> None:
    snapshot = RunSnapshot()
    assert (snapshot.outcome, snapshot.text, snapshot.messages) == ("pending", "", [])
    assert repr(snapshot) == "<RunSnapshot of no run: pending, run_id=None>"


def test_run_with_everything_in_it() -> None:
    snapshot = RunSnapshot.from_events(whole_run())
    assert (snapshot.run_id, snapshot.name, snapshot.thread_id) == ("run-1", "agent", "t1")
    assert (snapshot.user, snapshot.metadata) == ("u1", {"a": 1})
    assert snapshot.outcome == "finished"
    assert snapshot.text == snapshot.live_text == "The answer"
    assert snapshot.output == {"answer": 42}
    assert snapshot.usage is not None
    assert snapshot.usage.total_tokens == 21
    assert snapshot.timing == TIMING
    assert [m.message_id for m in snapshot.messages] == ["m1", "m2"]
    assert [(c.name, c.data) for c in snapshot.customs] == [("note", {"x": 1})]
    assert [d.code for d in snapshot.diagnostics] == ["budget_warning"]
    assert [(s.name, s.outcome) for s in snapshot.steps] == [
        ("agent", "ok"),
        ("model", "ok"),
        ("sub", "ok"),
    ]


def test_message_shows_its_blocks_in_order() -> None:
    message = RunSnapshot.from_events(whole_run()).messages[0]
    assert [(b.index, b.kind, b.text) for b in message.blocks] == [
        (0, "reasoning", "Hm"),
        (1, "tool_call", '{"q": "a"}'),
        (2, "content", ""),
    ]
    assert message.blocks[2].content == {"type": "image", "url": "u"}
    assert (message.text, message.reasoning) == ("", "Hm")
    assert (message.status, message.finish_reason) == ("finished", "tool_calls")
    assert (message.model, message.path, message.usage) == ("gpt", ("model",), USAGE)
    assert [call.tool_call_id for call in message.tool_calls] == ["c1"]


def test_tool_call_of_the_model_and_the_run_of_its_tool_are_one() -> None:
    snapshot = RunSnapshot.from_events(whole_run())
    (call,) = snapshot.tool_calls
    assert call is snapshot.messages[0].tool_calls[0]
    assert (call.name, call.args, call.message_id) == ("search", {"q": "a"}, "m1")
    assert (call.status, call.step_id, call.input) == ("finished", "t", {"q": "a"})
    assert (call.output, call.content, call.progress) == (["A"], "A", [50])
    assert call.started_ts is not None
    assert call.finished_ts is not None
    assert call.started_ts < call.finished_ts


@pytest.mark.parametrize("length", range(len(whole_run())))
def test_part_of_a_stream_is_a_snapshot_too(length: int) -> None:
    snapshot = RunSnapshot.from_events(whole_run()[:length])
    assert snapshot.outcome == ("running" if length else "pending")
    assert json.loads(json.dumps(snapshot.to_dict()))["text"] == snapshot.text
    assert str(snapshot)
    assert snapshot._repr_html_()
    assert all(span.start_ms <= span.end_ms for span in snapshot.timeline())


def test_live_text_grows_while_text_waits_for_the_whole_message() -> None:
    script = Script().start().message()(ev.TextStarted, message_id="m1", index=0)
    snapshot = snapshot_of(script)
    for number, (piece, so_far) in enumerate([("Hel", "Hel"), ("lo", "Hello")], start=4):
        snapshot.feed(
            ev.TextDelta(
                seq=number, run_id="run-1", ts=1, step_id="s1", message_id="m1", index=0, text=piece
            )
        )
        assert (snapshot.live_text, snapshot.text) == (so_far, "")
    assert snapshot.messages[0].blocks[0].finished is False


def test_text_of_a_view_without_deltas_is_the_final_text() -> None:
    shown = [e for e in whole_run() if not e.type.endswith(".delta")]
    assert RunSnapshot.from_events(shown).text == "The answer"


@pytest.mark.parametrize("end", ["message.aborted", "message.retracted"])
def test_text_of_a_message_that_does_not_stand_is_not_the_runs(end: str) -> None:
    script = Script().start().message("m0").text("first", message_id="m0").end_message("m0")
    script.message("m1").text("half", message_id="m1")
    if end == "message.retracted":
        script.end_message("m1")(ev.MessageRetracted, message_id="m1", reason="retry")
    else:
        script(ev.MessageAborted, message_id="m1", reason="error", usage=USAGE)
    snapshot = snapshot_of(script.finish())
    assert (snapshot.text, snapshot.live_text) == ("first", "first")
    assert snapshot.messages[1].status == end.removeprefix("message.")
    assert snapshot.messages[1].text == "half"


@pytest.mark.parametrize("fields", [{"audience": "internal"}, {"role": "tool"}, {"role": "user"}])
def test_message_that_is_no_answer_for_the_user_is_not_the_runs_text(fields: Any) -> None:
    script = Script().start().message("m0").text("answer", message_id="m0").end_message("m0")
    script.message("m1", **fields).text("other").end_message("m1")
    assert snapshot_of(script.finish()).text == "answer"


def test_failed_run_shows_its_error() -> None:
    script = Script().start()(ev.RunFailed, error=ERROR, usage=NO_USAGE, timing=TIMING)
    snapshot = snapshot_of(script)
    assert (snapshot.outcome, snapshot.error) == ("failed", ERROR)
    assert "failed: Try again. (rate_limited, e1)" in str(snapshot)


def test_interrupted_run_shows_each_interrupt_once() -> None:
    script = Script().start()
    script(
        ev.InterruptRequested, interrupt_id="i1", payload={"ask": "ok?"}, namespace=("a:1", "b:2")
    )
    assert snapshot_of(script).interrupts == [INTERRUPT]
    script(ev.RunInterrupted, interrupts=(INTERRUPT,), usage=NO_USAGE, timing=TIMING)
    snapshot = snapshot_of(script)
    assert (snapshot.outcome, snapshot.interrupts) == ("interrupted", [INTERRUPT])
    assert "interrupted, 1 to answer" in str(snapshot)


def test_cancelled_run_shows_why_and_what_is_pending() -> None:
    script = Script().start()
    script(ev.RunCancelled, reason="disconnect", pending=("x",), usage=NO_USAGE, timing=TIMING)
    snapshot = snapshot_of(script)
    assert (snapshot.outcome, snapshot.cancel_reason) == ("cancelled", "disconnect")
    assert snapshot.pending == ("x",)
    assert "cancelled (disconnect)" in str(snapshot)


def test_tool_calls_nobody_ran_are_listed() -> None:
    snapshot = snapshot_of(Script().start().finish(pending_tool_calls=(PENDING_CALL,)))
    assert snapshot.pending_tool_calls == (PENDING_CALL,)


def test_status_of_a_tool_call_follows_its_run() -> None:
    script = Script().start().message()
    block = {"message_id": "m1", "index": 0, "tool_call_id": "c1"}
    steps: list[tuple[Any, dict[str, Any], str]] = [
        (ev.ToolCallStarted, {"name": "x", **block}, "streaming"),
        (ev.ToolCallFinished, {"name": "x", "args": {}, **block}, "requested"),
        (ev.ToolStarted, {"name": "x", "tool_call_id": "c1"}, "running"),
        (ev.ToolFailed, {"error": ERROR, "tool_call_id": "c1"}, "failed"),
        (ev.ToolStarted, {"name": "x", "tool_call_id": "c1", "attempt": 2}, "running"),
        (ev.ToolFinished, {"tool_call_id": "c1", "outcome": "suspended"}, "suspended"),
    ]
    for cls, fields, status in steps:
        (call,) = snapshot_of(script(cls, **fields)).tool_calls
        assert call.status == status
    (last,) = snapshot_of(script).tool_calls
    assert (last.attempt, last.error) == (2, None)


@pytest.mark.parametrize("outcome", ["handed_off", "cancelled"])
def test_tool_that_neither_finished_nor_failed_says_so(outcome: str) -> None:
    script = Script().start()(ev.ToolStarted, tool_call_id="c", name="x", input={"a": 1})
    script(ev.ToolFinished, tool_call_id="c", outcome=outcome)
    (call,) = snapshot_of(script).tool_calls
    assert (call.status, call.args, call.message_id) == (outcome, {"a": 1}, None)


def test_two_runs_of_one_tool_call_id_are_two_tool_calls() -> None:
    script = Script().start()
    for step_id in ("t1", "t2"):
        script(ev.ToolStarted, tool_call_id="c", name="x", step_id=step_id, input="q")
        script(ev.ToolFinished, tool_call_id="c", step_id=step_id, content=step_id)
    assert [(c.step_id, c.content) for c in snapshot_of(script).tool_calls] == [
        ("t1", "t1"),
        ("t2", "t2"),
    ]


def test_tool_call_of_an_aborted_message_is_dropped_unless_it_ran() -> None:
    script = Script().start().message().call("{}", args={}, tool_call_id="ran")
    script.call('{"q":', args=None, invalid=INVALID, tool_call_id="not", index=1)
    script(ev.ToolStarted, tool_call_id="ran", name="search")
    script(ev.ToolFinished, tool_call_id="ran")(ev.MessageAborted, message_id="m1", reason="error")
    calls = snapshot_of(script).tool_calls
    assert [(c.tool_call_id, c.status) for c in calls] == [("ran", "finished"), ("not", "dropped")]
    assert calls[1].invalid == INVALID


def test_failed_step_shows_its_error() -> None:
    script = Script().start()(ev.StepStarted, kind="node", name="n")(ev.StepFailed, error=ERROR)
    (step,) = snapshot_of(script).steps
    assert (step.error, step.outcome) == (ERROR, None)


def test_events_about_things_that_were_never_shown_change_nothing() -> None:
    for sample in SAMPLES.values():
        if sample.to_dict()["type"].endswith((".delta", ".finished", ".failed", ".progress")):
            snapshot = RunSnapshot()
            snapshot.feed(sample)
            assert (snapshot.messages, snapshot.tool_calls, snapshot.steps) == ([], [], [])


def test_snapshot_of_one_run_refuses_the_start_of_another() -> None:
    snapshot = snapshot_of(Script("a").start())
    with pytest.raises(StreamUsageError, match="keep one RunSnapshot for each run_id"):
        snapshot.feed(Script("b").start().events[0])


def test_snapshots_are_equal_when_they_show_the_same() -> None:
    assert RunSnapshot.from_events(whole_run()) == RunSnapshot.from_events(whole_run())
    assert RunSnapshot.from_events(whole_run()) != RunSnapshot.from_events(whole_run()[:-1])
    assert RunSnapshot() != "something else"


def test_to_dict_is_json_and_not_changed_by_later_events() -> None:
    snapshot = snapshot_of(Script().start().message())
    before = snapshot.to_dict()
    for event in whole_run()[3:]:
        snapshot.feed(event)
    assert before["messages"][0]["blocks"] == []
    plain = json.loads(json.dumps(RunSnapshot.from_events(whole_run()).to_dict()))
    assert plain["messages"][0]["tool_calls"] == ["c1"]
    assert plain["tool_calls"][0]["content"] == "A"
    assert plain["messages"][1]["blocks"][0]["text"] == "The answer"


# ---- looks ---------------------------------------------------------------------------------------


def test_text_form_reads_like_the_run() -> None:
    assert str(RunSnapshot.from_events(whole_run())).splitlines() == [
        "agent (run-1): finished, 1.50 s, first token after 0.20 s, 16 in + 5 out tokens",
        "  search(q='a') -> A",
        "assistant: The answer",
    ]


def test_text_form_shows_failed_attempts_and_tools_without_a_message() -> None:
    script = Script().start().message().text("half")
    script(ev.MessageAborted, message_id="m1", reason="error")
    script(ev.ToolStarted, tool_call_id="c", name="x")
    script(ev.ToolFailed, tool_call_id="c", error=ERROR)
    assert str(snapshot_of(script)).splitlines()[1:] == [
        "assistant [aborted]: half",
        "  x(…) -> failed: Try again.",
    ]


def test_long_tool_result_is_cut_in_the_text_form() -> None:
    script = Script().start()(ev.ToolStarted, tool_call_id="c", name="x", input={})
    script(ev.ToolFinished, tool_call_id="c", content="y" * 5000)
    assert len(str(snapshot_of(script)).splitlines()[1]) < 250


def test_html_card_escapes_everything() -> None:
    evil = "<script>alert(1)</script>"
    script = Script().start(name=evil).message(name=evil).text(evil)
    script.call("{}", args={evil: evil}, name=evil, index=1)
    script(ev.ReasoningStarted, message_id="m1", index=2)
    script(ev.ReasoningFinished, message_id="m1", index=2, text=evil)
    script.end_message()(ev.ToolStarted, tool_call_id="c9", name=evil, input={})
    script(ev.ToolFinished, tool_call_id="c9", content=evil)
    script(ev.InterruptRequested, interrupt_id="i", payload=evil)
    html = snapshot_of(script)._repr_html_()
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") >= 6
    assert html.count("<div") == html.count("</div>")


def test_html_card_strikes_out_what_does_not_stand() -> None:
    script = Script().start().message().text("half")
    script(ev.MessageAborted, message_id="m1", reason="error")
    assert "<s>half</s>" in snapshot_of(script)._repr_html_()


# ---- timeline ------------------------------------------------------------------------------------


def test_timeline_has_a_span_for_everything_that_took_time() -> None:
    spans = RunSnapshot.from_events(whole_run()).timeline()
    assert [(s.kind, s.name, s.status) for s in spans] == [
        ("run", "agent", "finished"),
        ("graph", "agent", "finished"),
        ("node", "model", "finished"),
        ("model", "gpt", "finished"),
        ("tool", "search", "finished"),
        ("graph", "sub", "finished"),
        ("model", "gpt", "finished"),
    ]
    assert spans[0].start_ms == 0
    assert spans[0].end_ms == whole_run()[-1].ts - whole_run()[0].ts
    assert spans[0].first_token_ms == 200


def test_span_of_a_model_call_begins_before_its_first_token() -> None:
    usage = ev.Usage(
        call_id="c",
        input_tokens=1,
        output_tokens=1,
        total_tokens=2,
        source="provider",
        first_token_ms=400,
    )
    script = Script().start().message(ts=1510).end_message(ts=1900, usage=usage)
    assert snapshot_of(script).timeline()[1] == Span(
        name="assistant", kind="model", path=(), start_ms=100, end_ms=890, first_token_ms=500
    )


def test_what_is_still_open_ends_at_the_last_event() -> None:
    script = Script().start()(ev.StepStarted, kind="node", name="n")
    script(ev.ToolStarted, tool_call_id="c", name="x")(ev.Custom, ts=5000)
    spans = snapshot_of(script).timeline()
    assert [(s.status, s.end_ms) for s in spans] == [
        ("running", 3990),
        ("open", 3990),
        ("running", 3990),
    ]


def test_timeline_of_a_view_without_run_events_begins_at_its_first_span() -> None:
    shown = [e for e in whole_run() if not e.type.startswith("run.")]
    spans = RunSnapshot.from_events(shown).timeline()
    assert spans[0].start_ms == 0
    assert {s.kind for s in spans} == {"graph", "node", "model", "tool"}


# ---- cost ----------------------------------------------------------------------------------------


def test_hundred_thousand_small_deltas_cost_less_than_a_megabyte() -> None:
    script = Script().start().message()(ev.TextStarted, message_id="m1", index=0)
    snapshot = snapshot_of(script)
    delta = ev.TextDelta(
        seq=4, run_id="run-1", ts=2000, step_id="s1", message_id="m1", index=0, text="four"
    )
    tracemalloc.start()
    try:
        for _ in range(100_000):
            snapshot.feed(delta)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 1_000_000
    assert snapshot.live_text == "four" * 100_000
