"""``check_stream`` finds each kind of breach, says which, and passes what is legal."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit import events as ev
from langchain_streamkit.events import EVENT_CLASSES, Event
from langchain_streamkit.grammar import Breach, StreamChecker, check_stream
from langchain_streamkit.grammar.table import KEYS, LABELS, THING_OF, TRANSITIONS
from tests.foundation.samples import INVALID, NO_USAGE, SAMPLES, USAGE, Script, whole_run


def found(script: Script, *, view: bool = False) -> list[tuple[int, str]]:
    return [(b.rule, b.type) for b in check_stream(script.events, view=view)]


def renumbered(events: list[Any]) -> list[Event]:
    return [msgspec.structs.replace(e, seq=n) for n, e in enumerate(events, start=1)]


# ---- what is legal -------------------------------------------------------------------------------


def test_run_with_everything_in_it_is_legal() -> None:
    assert check_stream(whole_run()) == []


@pytest.mark.parametrize("terminal", ["finished", "interrupted", "failed", "cancelled"])
def test_run_may_end_in_each_of_the_four_ways(terminal: str) -> None:
    end = msgspec.structs.replace(SAMPLES[f"run.{terminal}"], seq=2, ts=9999, usage=NO_USAGE)
    assert check_stream([*Script().start().events, end]) == []


def test_retracted_message_is_legal() -> None:
    script = Script().start().message().text("a").end_message()
    script(ev.MessageRetracted, message_id="m1", reason="retry")
    assert found(script.message("m2", attempt=2).end_message("m2").finish()) == []


def test_tool_call_whose_arguments_are_invalid_keeps_their_text() -> None:
    script = Script().start().message().call('{"q":', args=None, invalid=INVALID).end_message()
    assert found(script.finish()) == []


def test_tool_call_without_arguments_needs_no_delta() -> None:
    assert found(Script().start().message().call(args={}).end_message().finish()) == []


def test_arguments_with_values_json_has_no_room_for_are_compared_as_values() -> None:
    script = (
        Script()
        .start()
        .message()
        .call('{"n": 9007199254740993, "x": NaN}', args={"n": 2**53 + 1, "x": float("nan")})
    )
    assert found(script.end_message().finish()) == []


def test_message_of_a_node_may_follow_the_end_of_its_step() -> None:
    script = Script().start()(ev.StepStarted, kind="node", name="n")
    script(ev.StepFinished, outcome="ok").message().text("a").end_message()
    assert found(script.finish()) == []


def test_parent_that_is_not_shown_is_no_breach() -> None:
    script = Script().start()(ev.StepStarted, kind="node", name="n", parent_id="hidden chain")
    assert found(script(ev.StepFinished, outcome="ok").finish()) == []


def test_same_tool_call_id_may_run_twice() -> None:
    script = Script().start()
    for step_id in ("t1", "t2"):
        script(ev.ToolStarted, tool_call_id="c", name="x", step_id=step_id)
        script(ev.ToolFinished, tool_call_id="c", step_id=step_id)
    assert found(script.finish()) == []


def test_run_may_have_used_more_than_its_messages_show() -> None:
    script = Script().start().message().end_message(usage=USAGE)
    more = msgspec.structs.replace(USAGE, input_tokens=100, total_tokens=103)
    assert found(script.finish(usage=more)) == []


# ---- one test for each rule ----------------------------------------------------------------------


def test_rule_1_stream_that_does_not_begin_with_run_started() -> None:
    assert found(Script()(ev.Custom, data=1).finish()) == [(1, "custom")]


def test_rule_1_run_started_twice() -> None:
    assert found(Script().start().start().finish()) == [(1, "run.started")]


def test_rule_1_stream_without_terminal_event() -> None:
    assert found(Script().start()) == [(1, "")]


def test_rule_1_empty_stream() -> None:
    assert found(Script()) == [(1, "")]


@pytest.mark.parametrize("late", [ev.Custom, ev.RunFinished])
def test_rule_1_event_after_the_terminal_event(late: Any) -> None:
    script = Script().start().finish()
    script.finish() if late is ev.RunFinished else script(ev.Custom, data=1)
    assert found(script) == [(1, late.type)]


@pytest.mark.parametrize("seq", [1, 2, 4])
def test_rule_2_number_that_is_not_the_next(seq: int) -> None:
    script = Script().start()(ev.Custom)(ev.Custom, seq=seq)
    assert (2, "custom") in found(script)
    assert check_stream([*script.events[:2], SAMPLES["custom"]])[0].rule == 2


def test_rule_2_first_number_is_1() -> None:
    assert found(Script().start(seq=2))[0] == (2, "run.started")


def test_rule_2_clock_that_goes_back() -> None:
    assert found(Script().start()(ev.Custom, ts=1).finish()) == [(2, "custom")]


def test_rule_2_event_of_another_run() -> None:
    script = Script().start()(ev.Custom, run_id="other")
    assert (2, "custom") in found(script.finish())


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("step.started", {"kind": "node", "name": "n"}),
        ("message.started", {"message_id": "m", "role": "assistant"}),
        ("tool.started", {"tool_call_id": "c", "name": "x"}),
    ],
)
def test_rule_3_what_is_left_open_at_the_end(type_: str, fields: Any) -> None:
    script = Script().start()(EVENT_CLASSES[type_], **fields)
    assert found(script.finish()) == [(3, "run.finished")]


def test_rule_3_everything_left_open_is_named_when_the_stream_is_cut() -> None:
    script = Script().start().message()(ev.TextStarted, message_id="m1", index=0)
    breaches = check_stream(script.events)
    assert [(b.rule, b.what) for b in breaches] == [
        (1, "the last event is text.started"),
        (3, "message 'm1' is still open"),
        (3, "text block 0 of 'm1' is still open"),
    ]


@pytest.mark.parametrize("type_", ["text", "reasoning", "tool_call"])
@pytest.mark.parametrize("end", ["finished", "aborted"])
def test_rule_3_message_that_ends_while_a_block_is_open(type_: str, end: str) -> None:
    call = {"tool_call_id": "c", "name": "x"} if type_ == "tool_call" else {}
    script = Script().start().message()
    script(EVENT_CLASSES[f"{type_}.started"], message_id="m1", index=0, **call)
    if end == "finished":
        script.end_message()
    else:
        script(ev.MessageAborted, message_id="m1", reason="error")
    assert found(script.finish()) == [(3, f"message.{end}")]


def test_rule_3_step_that_ends_before_a_step_inside_it() -> None:
    script = Script().start()(ev.StepStarted, step_id="g", kind="graph", name="g")
    script(ev.StepStarted, step_id="n", parent_id="g", kind="node", name="n")
    script(ev.StepFinished, step_id="g", outcome="ok")(ev.StepFinished, step_id="n", outcome="ok")
    assert found(script.finish()) == [(3, "step.finished")]


def test_rule_3_tool_that_ends_before_a_step_inside_it() -> None:
    script = Script().start()(ev.ToolStarted, step_id="t", tool_call_id="c", name="x")
    script(ev.StepStarted, step_id="g", parent_id="t", kind="graph", name="g")
    script(ev.ToolFinished, step_id="t", tool_call_id="c")
    script(ev.StepFinished, step_id="g", outcome="ok")
    assert found(script.finish()) == [(3, "tool.finished")]


def test_rule_3_step_that_starts_in_a_parent_that_has_ended() -> None:
    script = Script().start()(ev.StepStarted, step_id="g", kind="graph", name="g")
    script(ev.StepFinished, step_id="g", outcome="ok")
    script(ev.StepStarted, step_id="n", parent_id="g", kind="node", name="n")
    script(ev.StepFinished, step_id="n", outcome="ok")
    assert found(script.finish()) == [(3, "step.started")]


def test_rule_3_step_that_starts_before_its_parent() -> None:
    script = Script().start()(ev.StepStarted, step_id="n", parent_id="g", kind="node", name="n")
    script(ev.StepStarted, step_id="g", kind="graph", name="g")
    script(ev.StepFinished, step_id="n", outcome="ok")(ev.StepFinished, step_id="g", outcome="ok")
    assert found(script.finish()) == [(3, "step.started")]


@pytest.mark.parametrize("again", ["step.started", "step.finished", "step.failed"])
def test_rule_3_step_that_is_touched_after_its_end(again: str) -> None:
    script = Script().start()(ev.StepStarted, kind="node", name="n")(ev.StepFinished, outcome="ok")
    script.events.append(msgspec.structs.replace(SAMPLES[again], seq=4, step_id="s1", ts=2000))
    assert [(b.rule, b.type) for b in check_stream(script.events)][:1] == [(3, again)]


@pytest.mark.parametrize("type_", ["tool.started", "tool.finished", "tool.failed"])
def test_rule_3_tool_that_is_touched_after_its_end(type_: str) -> None:
    script = Script().start()(ev.ToolStarted, tool_call_id="c1", name="x")
    script(ev.ToolFinished, tool_call_id="c1")
    script.events.append(msgspec.structs.replace(SAMPLES[type_], seq=4, ts=2000))
    assert [(b.rule, b.type) for b in check_stream(script.events)][:1] == [(3, type_)]


@pytest.mark.parametrize(
    "type_", ["message.finished", "message.aborted", "usage.updated", "content.added"]
)
def test_rule_3_message_that_is_touched_after_its_end(type_: str) -> None:
    script = Script().start().message().end_message()
    script.events.append(msgspec.structs.replace(SAMPLES[type_], seq=4, ts=2000))
    assert [(b.rule, b.type) for b in check_stream(script.events)][:1] == [(3, type_)]


def test_rule_3_aborted_message_is_not_retracted_too() -> None:
    script = Script().start().message()(ev.MessageAborted, message_id="m1", reason="error")
    script(ev.MessageRetracted, message_id="m1", reason="retry")
    assert found(script.finish()) == [(3, "message.retracted")]


def test_rule_3_end_of_what_never_started() -> None:
    assert found(Script().start()(ev.StepFinished, outcome="ok").finish()) == [(3, "step.finished")]


def test_rule_3_block_of_a_message_that_never_started() -> None:
    assert (3, "text.started") in found(Script().start().text("a").finish())


@pytest.mark.parametrize("index", [1, 7])
def test_rule_3_block_that_skips_an_index(index: int) -> None:
    script = Script().start().message().text("a", index=index).end_message()
    assert found(script.finish()) == [(3, "text.started")]


def test_rule_3_block_that_starts_twice() -> None:
    script = Script().start().message().text("a").text("a").end_message()
    assert (3, "text.started") in found(script.finish())


def test_rule_4_delta_outside_an_open_block() -> None:
    block = {"message_id": "m1", "index": 0}
    script = Script().start().message()(ev.TextDelta, text="x", **block).text("a")
    script(ev.TextDelta, text="y", **block)
    assert found(script.end_message().finish()) == [(4, "text.delta"), (4, "text.delta")]


def test_rule_4_delta_of_another_kind_than_its_block() -> None:
    block = {"message_id": "m1", "index": 0}
    script = Script().start().message()(ev.TextStarted, **block)
    script(ev.ReasoningDelta, text="x", **block)(ev.TextFinished, text="", **block)
    assert found(script.end_message().finish()) == [(4, "reasoning.delta")]


@pytest.mark.parametrize("kind", ["text", "reasoning"])
def test_rule_4_deltas_that_do_not_join_to_the_final_text(kind: str) -> None:
    block = {"message_id": "m1", "index": 0}
    script = Script().start().message()(EVENT_CLASSES[f"{kind}.started"], **block)
    script(EVENT_CLASSES[f"{kind}.delta"], text="ab", **block)
    script(EVENT_CLASSES[f"{kind}.finished"], text="abc", **block)
    assert found(script.end_message().finish()) == [(4, f"{kind}.finished")]


@pytest.mark.parametrize(
    ("pieces", "end"),
    [
        (['{"q": 1}'], {"args": {"q": 2}}),
        (['{"q": 1'], {"args": {"q": 1}}),
        ([], {"args": {"q": 1}}),
        (['{"q"'], {"args": None, "invalid": INVALID}),
        (["{}"], {"args": None}),
        (["{}"], {"args": {}, "invalid": INVALID}),
    ],
)
def test_rule_4_arguments_that_are_not_what_the_deltas_join_to(
    pieces: list[str], end: dict[str, Any]
) -> None:
    script = Script().start().message().call(*pieces, **end).end_message()
    assert found(script.finish()) == [(4, "tool_call.finished")]


def test_rule_4_tool_call_that_changes_its_id_or_name() -> None:
    block = {"message_id": "m1", "index": 0}
    script = Script().start().message()(ev.ToolCallStarted, tool_call_id="c", name="x", **block)
    script(ev.ToolCallDelta, tool_call_id="d", args="{}", **block)
    script(ev.ToolCallFinished, tool_call_id="c", name="y", args={}, **block)
    assert found(script.end_message().finish()) == [
        (4, "tool_call.delta"),
        (4, "tool_call.finished"),
    ]


def test_rule_4_progress_outside_an_open_tool() -> None:
    script = Script().start()(ev.ToolProgress, tool_call_id="c")
    script(ev.ToolStarted, tool_call_id="c", name="x")(ev.ToolFinished, tool_call_id="c")
    script(ev.ToolProgress, tool_call_id="c")
    assert found(script.finish()) == [(4, "tool.progress"), (4, "tool.progress")]


def test_rule_5_message_that_appears_twice() -> None:
    script = Script().start().message().end_message().message()
    assert (5, "message.started") in found(script.finish())


def test_rule_5_message_that_appears_again_under_the_id_it_is_stored_under() -> None:
    script = Script().start().message("m1").end_message("m1", stored_id="m2")
    assert found(script.message("m2").end_message("m2").finish()) == [(5, "message.started")]


def test_rule_5_message_that_is_stored_as_one_that_appeared_before() -> None:
    script = Script().start().message("m1").end_message("m1")
    script.message("m2").end_message("m2", stored_id="m1")
    assert found(script.finish()) == [(5, "message.finished")]


def test_rule_6_attempt_that_is_aborted_after_the_next_began() -> None:
    script = Script().start().message("m1").message("m2", attempt=2)
    script(ev.MessageAborted, message_id="m1", reason="error").end_message("m2")
    assert found(script.finish()) == [(6, "message.aborted")]


@pytest.mark.parametrize("path", [(), ("other",)])
def test_rule_6_parallel_message_that_is_still_alive_is_no_dead_attempt(
    path: tuple[str, ...],
) -> None:
    script = Script().start().message("m1", path=path).message("m2", attempt=2)
    if not path:
        script.text("a", message_id="m1")
    script(ev.MessageAborted, message_id="m1", reason="error").end_message("m2")
    assert found(script.finish()) == []


def retried_node(*, retracted: bool) -> Script:
    node = {"kind": "node", "name": "n", "path": ("n",), "namespace": ("n:1",)}
    script = Script().start()(ev.StepStarted, step_id="a", **node)
    script.message("m1", path=("n",)).end_message("m1")
    script(ev.StepFailed, step_id="a", error=SAMPLES["step.failed"].error)
    if retracted:
        script(ev.MessageRetracted, message_id="m1", reason="retry")
    script(ev.StepStarted, step_id="b", **node)
    script.message("m2", path=("n",), attempt=2).end_message("m2")
    return script(ev.StepFinished, step_id="b", outcome="ok").finish()


def test_rule_6_message_of_a_failed_node_that_stands_when_the_node_runs_again() -> None:
    assert found(retried_node(retracted=False)) == [(6, "message.started")]
    assert found(retried_node(retracted=True)) == []


def test_rule_6_second_visit_of_a_node_is_no_second_attempt() -> None:
    script = Script().start()
    for n in ("1", "2"):
        node = {"kind": "node", "name": "n", "path": ("n",), "namespace": (f"n:{n}",)}
        script(ev.StepStarted, step_id=n, **node).message(n, path=("n",)).end_message(n)
        script(ev.StepFinished, step_id=n, outcome="ok")
    assert found(script.finish()) == []


def test_rule_7_two_usage_records_of_one_call() -> None:
    script = Script().start().message("m1").end_message("m1", usage=USAGE)
    script.message("m2")(ev.MessageAborted, message_id="m2", reason="error", usage=USAGE)
    double = msgspec.structs.replace(USAGE, input_tokens=14, output_tokens=6, total_tokens=20)
    assert found(script.finish(usage=double)) == [(7, "message.aborted")]


def test_rule_7_run_that_used_less_than_its_messages() -> None:
    script = Script().start().message().end_message(usage=USAGE)
    less = msgspec.structs.replace(USAGE, output_tokens=2)
    breaches = check_stream(script.finish(usage=less).events)
    assert [(b.rule, b.what) for b in breaches] == [(7, "the run's output_tokens are 2")]


def test_rule_7_cached_answer_that_counts_tokens() -> None:
    cached = msgspec.structs.replace(USAGE, source="cache")
    script = Script().start().message().end_message(usage=cached)
    assert found(script.finish(usage=USAGE)) == [(7, "message.finished")]


# ---- views and gaps ------------------------------------------------------------------------------

KINDS = sorted({name.partition(".")[0] for name in EVENT_CLASSES} - {"text"})


@pytest.mark.parametrize("kind", [*KINDS, "text"])
def test_view_may_leave_out_a_whole_kind(kind: str) -> None:
    shown = [e for e in whole_run() if not e.type.startswith(kind + ".") and e.type != kind]
    assert check_stream(shown, view=True) == []


@pytest.mark.parametrize("kind", KINDS)
def test_view_may_show_one_kind_alone(kind: str) -> None:
    shown = [e for e in whole_run() if e.type.startswith(kind + ".") or e.type == kind]
    assert check_stream(shown, view=True) == []


def test_view_may_leave_out_a_whole_message() -> None:
    shown = [e for e in whole_run() if getattr(e, "message_id", None) != "m1"]
    assert check_stream(shown, view=True) == []
    assert {b.rule for b in check_stream(shown)} == {2}


def test_view_may_leave_out_all_deltas() -> None:
    shown = [e for e in whole_run() if not e.type.endswith(".delta")]
    assert check_stream(shown, view=True) == []


@pytest.mark.parametrize(
    "lost", ["text.finished", "message.finished", "tool.finished", "step.finished", "run.finished"]
)
def test_view_that_loses_an_end_is_a_breach(lost: str) -> None:
    events = whole_run()
    index = max(n for n, e in enumerate(events) if e.type == lost)
    assert check_stream(events[:index] + events[index + 1 :], view=True)


def test_view_that_loses_one_delta_is_a_breach() -> None:
    events = whole_run()
    index = next(n for n, e in enumerate(events) if e.type == "text.delta")
    assert [b.rule for b in check_stream(events[:index] + events[index + 1 :], view=True)] == [4]


def test_view_never_repeats_a_number() -> None:
    events = whole_run()
    assert [b.rule for b in check_stream([events[0], events[0]], view=True)][:1] == [2]


def test_after_a_gap_numbers_and_starts_may_be_missing() -> None:
    script = Script().start()(ev.Diagnostic, code="gap", message="lost", lost=2)
    block = {"message_id": "m1", "index": 0}
    script(ev.TextDelta, seq=5, text="x", **block)(ev.TextFinished, seq=6, text="yx", **block)
    assert (
        found(
            script(ev.MessageFinished, seq=7, message_id="m1", finish_reason="stop").finish(seq=9)
        )
        == []
    )


# ---- the checker itself --------------------------------------------------------------------------


def test_checker_reports_a_breach_at_the_event_that_makes_it() -> None:
    checker = StreamChecker()
    assert checker.feed(Script().start().events[0]) == []
    breaches = checker.feed(SAMPLES["step.finished"])
    assert [b.type for b in breaches] == ["step.finished"] * 2
    assert [b.rule for b in checker.end()] == [1]


def test_breach_says_what_where_and_what_was_expected() -> None:
    script = Script().start().message()
    breach = check_stream(script.finish().events)[0]
    assert str(breach) == (
        "rule 3 at seq 3 (run.finished): message 'm1' is still open; "
        "expected message.finished or message.aborted before the end"
    )
    at_end = Breach(rule=1, seq=0, type="", what="w", expected="e")
    assert str(at_end) == "rule 1 at the end: w; expected e"


def test_table_knows_only_events_that_exist_and_can_name_each_thing() -> None:
    assert THING_OF.keys() <= EVENT_CLASSES.keys()
    assert TRANSITIONS.keys() == KEYS.keys() == LABELS.keys()


@given(st.data())
def test_stream_with_one_event_lost_or_doubled_is_never_legal(data: Any) -> None:
    events = whole_run()
    index = data.draw(st.integers(0, len(events) - 1))
    doubled = [*events[: index + 1], *events[index:]]
    assert check_stream(doubled)
    assert check_stream(events[:index] + events[index + 1 :])


@given(st.permutations(range(len(whole_run()))))
def test_checker_never_raises_on_events_in_any_order(order: list[int]) -> None:
    events = whole_run()
    shuffled = renumbered([events[n] for n in order])
    if order != sorted(order):
        assert all(isinstance(b, Breach) for b in check_stream(shuffled))
    assert all(isinstance(b, Breach) for b in check_stream(shuffled, view=True))
