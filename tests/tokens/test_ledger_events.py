"""The ledger as a sink: what it makes of events, of this process or another."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from langchain_streamkit import events as ev
from langchain_streamkit import stream
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.jsonl import read_jsonl
from langchain_streamkit.sinks.jsonl import JSONLSink
from langchain_streamkit.testing import Turn
from langchain_streamkit.tokens.ledger import Ledger
from tests.foundation.samples import Script, whole_run
from tests.scenarios.kinds import KINDS
from tests.scenarios.told import HI, USAGE, graph, half, says, sync_node_of
from tests.tokens.usage_records import record


def usage(call_id: str = "call-1", **fields: Any) -> ev.Usage:
    counts = {"input_tokens": 7, "output_tokens": 30, "total_tokens": 37}
    return ev.Usage(**{"call_id": call_id, "source": "provider", **counts, **fields})


def told(script: Script) -> Ledger:
    ledger = Ledger()
    ledger.send(script.events)
    ledger.close()
    return ledger


def test_record_has_what_the_events_around_it_say() -> None:
    script = Script().start(thread_id="t1", user="ada")
    script(ev.StepStarted, step_id="n", kind="node", name="plan", tags=("beta",))
    script.message("m1", step_id="n", model="gpt", provider="openai", attempt=2, path=("plan",))
    script(ev.TextStarted, message_id="m1", index=0, step_id="n", ts=2000)
    details = ev.UsageDetails(cache_read=1, cache_creation=2, reasoning=3, audio=4)
    last = usage(model="gpt-1", details=details, cost="0.0025", first_token_ms=500)
    script.end_message("m1", step_id="n", path=("plan",), ts=3000, usage=last)
    (made,) = told(script)
    assert made == record(
        "call-1",
        "0.0025",
        run_id="run-1",
        message_id="m1",
        model="gpt-1",
        provider="openai",
        path=("plan",),
        node="plan",
        tags=("beta",),
        thread_id="t1",
        user="ada",
        attempt=2,
        input_tokens=7,
        output_tokens=30,
        cache_read=1,
        cache_creation=2,
        reasoning=3,
        audio=4,
        started_ms=1500,
        duration_ms=1500,
        first_token_ms=500,
        tokens_per_second=30.0,
    )


def test_aborted_message_has_its_record_and_one_without_usage_has_none() -> None:
    script = Script().start().message("m1")
    script(ev.MessageAborted, message_id="m1", reason="timeout", usage=usage(status="aborted"))
    script.message("m2").end_message("m2")
    assert [r.status for r in told(script)] == ["aborted"]


def test_retracted_message_stays_and_says_so() -> None:
    script = Script().start().message("m1").end_message("m1", usage=usage("a"))
    script.message("m2").end_message("m2", usage=usage("b"))
    script(ev.MessageRetracted, message_id="m1", reason="retry")
    script(ev.MessageRetracted, message_id="nobody", reason="retry")
    assert {r.call_id: r.retracted for r in told(script)} == {"a": True, "b": False}


def test_record_of_the_run_itself_is_kept_when_its_events_come_too() -> None:
    full = record("call-1", "0.1", run_id="run-1", tags=("own",), counted_tokens=5)
    script = Script().start().message("m1").end_message("m1", usage=usage())
    before, after = Ledger([full]), told(script)
    before.send([*script.events, *script.events])
    script(ev.MessageRetracted, message_id="m1", reason="retry")
    before.send(script.events[-1:])
    after.add(full)
    assert after.records == (full,)
    (kept,) = before
    assert (kept.tags, kept.cost, kept.message_id, kept.retracted) == (
        ("own",),
        Decimal("0.1"),
        "m1",
        True,
    )


def test_node_is_langgraphs_own_word_or_the_nearest_around() -> None:
    script = Script().start()
    script(ev.StepStarted, step_id="n", kind="node", name="outer")
    script(ev.StepStarted, step_id="g", kind="graph", name="sub", parent_id="n")
    script(ev.StepStarted, step_id="round", kind="chain", name="x", parent_id="round")
    script.message("m1", step_id="g").end_message("m1", step_id="g", usage=usage("a"))
    said = {"langgraph_node": "inner"}
    script.message("m2", step_id="g", metadata=said).end_message(
        "m2", step_id="g", usage=usage("b")
    )
    script.message("m3", step_id="round").end_message("m3", step_id="round", usage=usage("c"))
    script(ev.StepFinished, step_id="n", outcome="ok")
    script.message("m4", step_id="g").end_message("m4", step_id="g", usage=usage("d"))
    assert [r.node for r in told(script)] == ["outer", "inner", None, None]


def test_stream_is_read_from_its_middle_on() -> None:
    ledger = Ledger()
    ledger.send(Script().start().message("m1").end_message("m1", usage=usage()).events[2:])
    (made,) = ledger
    assert (made.total_tokens, made.user, made.duration_ms) == (37, None, None)


@pytest.mark.parametrize("cost", ["free", "NaN", "-1"])
def test_cost_of_a_foreign_stream_that_is_none_is_not_known(cost: str) -> None:
    script = Script().start().message("m1").end_message("m1", usage=usage(cost=cost))
    assert told(script).total().unpriced == 1


def test_runs_may_be_mixed() -> None:
    one, two = (Script(name).start(user=name).message("m1") for name in ("r1", "r2"))
    one.end_message("m1", usage=usage("a"))
    two.end_message("m1", usage=usage("b"))
    ledger = Ledger()
    ledger.send([event for pair in zip(one.events, two.events, strict=True) for event in pair])
    assert {r.call_id: r.user for r in ledger} == {"a": "r1", "b": "r2"}


def test_nothing_of_a_run_is_remembered_after_its_end() -> None:
    ledger = Ledger()
    ledger.send(whole_run())
    assert len(ledger) == 2
    assert ledger._reader._runs == {}


@pytest.mark.parametrize("wrong", ["line", b"{}", {"type": "run.started"}])
def test_what_is_no_event_is_refused(wrong: Any) -> None:
    with pytest.raises(StreamUsageError, match="read JSON with decode_event"):
        Ledger().send([wrong])


@pytest.mark.parametrize(
    "name",
    ["agent", "agent_in_a_tool", "two_nodes", "nested_graphs", "fallback_in_a_node", "model"],
)
def test_ledger_of_a_real_run_agrees_with_the_runs_own_total(name: str, tmp_path: Path) -> None:
    kind, path, live = KINDS[name], tmp_path / "events.jsonl", Ledger()
    run = stream(kind.make(), kind.input, user="ada", sinks=[live, JSONLSink(path)])
    for _ in run:
        pass
    own, total = run.usage, live.total()
    assert own is not None
    assert (total.input_tokens, total.output_tokens) == (own.input_tokens, own.output_tokens)
    assert {r.user for r in live} == {"ada"}
    read = Ledger()
    read.send(list(read_jsonl(path)))
    # What was counted beside the provider's numbers is in no event.
    assert read.records == tuple(replace(r, counted_tokens=None) for r in live.records)


def test_calls_of_a_real_graph_are_told_apart_by_node() -> None:
    first, second = Turn("Hello you", usage=USAGE), Turn("Second text", usage=USAGE)
    made: Any = graph(one=sync_node_of(says(first)), two=sync_node_of(says(second))).compile()
    ledger = Ledger()
    for _ in stream(made, HI, sinks=[ledger]):
        pass
    totals = {node: total.total_tokens for node, total in ledger.by("node").items()}
    assert totals == {"one": 15, "two": 15}


def test_retry_of_a_real_node_leaves_the_record_of_each_attempt() -> None:
    made = says(half()).with_fallbacks([says(Turn("Full", usage=USAGE))])
    ledger = Ledger()
    for _ in stream(made, "hi", sinks=[ledger]):
        pass
    assert [(r.attempt, r.status) for r in ledger] == [(1, "failed"), (2, "ok")]
