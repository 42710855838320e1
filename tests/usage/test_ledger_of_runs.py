"""``run.ledger``: one record for each model call, however it was made and however it ended."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_streamkit import RunCancelled, StreamCallbackHandler, UsageLedger, astream, stream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn
from tests.guarantees.pains import LEAVING, all_of, asked_in_a_node, left, of, side_by_side
from tests.runs.watching import WAIT_S
from tests.scenarios.told import HI, USAGE, add, calls, graph, half, node_of, says, sync_node_of
from tests.usage.counting import DEAR, known

if TYPE_CHECKING:
    from langchain_streamkit.tokens.records import UsageRecord

FULL = Turn("Full answer", usage=USAGE)


def facts(record: UsageRecord) -> tuple[Any, ...]:
    return record.status, record.source, record.input_tokens, record.output_tokens


async def ledger_of(runnable: Any, value: Any = HI, **options: Any) -> UsageLedger:
    """The ledger of a run that ended by itself; its events agree with it."""
    run = astream(runnable, value, **options)
    events = await all_of(run)
    assert_agrees(run, events)
    return run.ledger


def assert_agrees(run: Any, events: list[Any]) -> None:
    """The run's usage is its ledger's total, and that of its messages that of their records."""
    usage, total = run.usage, run.ledger.total()
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (
        *(total.input_tokens, total.output_tokens, total.total_tokens),
    )
    assert (usage.source, usage.status) == (total.source, total.status)
    priced = total.cost is not None and not total.unpriced
    assert usage.cost == (format(total.cost, "f") if priced else None)
    by_message = {record.message_id: record for record in run.ledger}
    for event in of((ev.MessageFinished, ev.MessageAborted), events):
        if event.usage is not None:
            record = by_message[event.message_id]
            assert (event.usage.call_id, event.usage.output_tokens) == (
                *(record.call_id, record.output_tokens),
            )


# ---- who called ----------------------------------------------------------------------------------


async def test_a_record_says_who_called_which_model_where_and_when() -> None:
    model = says(FULL).with_config(tags=["draft"])
    made: Any = graph(writer=node_of(model)).compile()
    (record,) = await ledger_of(made, user="ada", thread_id="t1", prices=DEAR)
    assert (record.path, record.node, record.tags) == (("writer",), "writer", ("draft",))
    assert (record.user, record.thread_id, record.attempt) == ("ada", "t1", 1)
    assert (record.model, record.provider) == ("scripted", "scripted")
    assert facts(record) == ("ok", "provider", 10, 5)
    assert record.cost == Decimal(20)
    assert record.counted_tokens == 2
    assert record.first_token_ms is not None
    assert record.duration_ms is not None
    assert 0 <= record.first_token_ms <= record.duration_ms
    assert record.started_ms > 1_700_000_000_000
    assert record.message_id is not None


async def test_langchains_own_tags_of_a_chain_are_no_tags_of_the_call() -> None:
    (record,) = await ledger_of(RunnableLambda(lambda _: "hi") | says(FULL), "hi")
    assert record.tags == ()


async def test_each_attempt_of_a_retry_has_a_record() -> None:
    model = says(half(), half(), FULL).with_retry(
        wait_exponential_jitter=False, stop_after_attempt=3
    )
    records = list(await ledger_of(asked_in_a_node(model)))
    assert [(r.attempt, r.status) for r in records] == [(1, "failed"), (2, "failed"), (3, "ok")]
    assert len({r.call_id for r in records}) == 3


async def test_each_fallback_has_a_record() -> None:
    model = says(half()).with_fallbacks([says(FULL)])
    records = list(await ledger_of(model, "hi"))
    assert [(r.attempt, r.status, r.source) for r in records] == [
        (1, "failed", "estimated"),
        (2, "ok", "provider"),
    ]


async def test_parallel_nodes_have_a_record_each() -> None:
    both = side_by_side(one=node_of(says(FULL)), two=node_of(says(FULL)))
    ledger = await ledger_of(both.compile())
    assert {node: total.calls for node, total in ledger.by("node").items()} == {"one": 1, "two": 1}
    assert ledger.total().total_tokens == 30


async def test_an_agent_and_a_model_inside_its_tool_have_a_record_for_each_call() -> None:
    inner = says(Turn("inner", usage=USAGE))

    @tool
    async def ask(question: str) -> str:
        """Ask another model."""
        return str((await inner.ainvoke(question)).text)

    asked = Turn(tool_calls=[ToolCall("ask", {"question": "why"}, "c1")], usage=USAGE)
    agent: Any = create_agent(says(asked, FULL), [ask])
    records = list(await ledger_of(agent))
    assert [r.path for r in records] == [("model",), ("tools", "ask"), ("model",)]
    assert all(facts(r) == ("ok", "provider", 10, 5) for r in records)


async def test_a_message_that_is_only_a_tool_call_is_counted_by_its_arguments() -> None:
    agent: Any = create_agent(known(calls(ToolCall("add", {"a": 1, "b": 2}, "c1")), "3"), [add])
    first, second = await ledger_of(agent)
    assert first.source == second.source == "counted"
    assert first.output_tokens > 1
    assert first.input_tokens > 10  # with the schema of the tool


# ---- how it ended --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", LEAVING)
async def test_a_call_that_was_left_in_mid_answer_has_one_record(way: str) -> None:
    turn = Turn(["one", " two", " three"], hold={2: asyncio.Event()})
    run = astream(asked_in_a_node(known(turn)), HI, prices={"gpt-oss-20b": DEAR["scripted"]})
    await left(LEAVING[way], run)
    (record,) = run.ledger
    assert (record.status, record.source) == ("aborted", "estimated")
    assert 1 <= record.output_tokens <= 2
    assert record.input_tokens > 0
    assert record.cost == record.input_tokens + 2 * record.output_tokens


async def test_a_request_that_was_refused_used_nothing_and_cost_nothing() -> None:
    run = astream(asked_in_a_node(says(RuntimeError("no"))), HI, prices=DEAR)
    await all_of(run)
    (record,) = run.ledger
    assert facts(record) == ("failed", "none", 0, 0)
    assert record.cost == 0
    assert run.usage is not None
    assert run.usage.cost == "0"


async def test_an_answer_that_broke_off_is_an_estimate_of_what_was_said() -> None:
    run = astream(asked_in_a_node(says(half())), HI)
    await all_of(run)
    (record,) = run.ledger
    assert (record.status, record.source, record.output_tokens) == ("failed", "estimated", 1)


async def test_a_call_whose_message_was_retracted_stays_paid() -> None:
    tries = iter([True, False])

    async def node(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke("hi")
        if next(tries):
            raise ConnectionError("after the answer")
        return {"messages": [answer]}

    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.types import RetryPolicy

    model = says(FULL, FULL)
    builder: Any = StateGraph(MessagesState)
    policy = RetryPolicy(max_attempts=2, initial_interval=0.001, jitter=False)
    builder.add_node("writer", node, retry_policy=policy)
    builder.add_edge(START, "writer")
    first, second = await ledger_of(builder.compile())
    assert (first.retracted, first.status, second.retracted) == (True, "ok", False)
    assert (first.attempt, second.attempt) == (1, 2)


async def test_a_call_that_ends_after_its_run_is_late_and_has_one_record() -> None:
    gate, began, ended = threading.Event(), threading.Event(), threading.Event()

    def answer(_: object) -> Turn:
        began.set()
        return Turn("one two", usage=USAGE, hold={0: gate})

    made: Any = graph(writer=sync_node_of(says(answer))).compile()
    ledger = UsageLedger()

    class Ends(UsageLedger):
        def add(self, record: UsageRecord) -> None:
            super().add(record)
            if record.late:
                ended.set()

    late = Ends()
    run = astream(made, HI, sinks=[ledger, late], prices=DEAR, streaming=False)
    async with run:
        assert await asyncio.to_thread(began.wait, WAIT_S)
        await run.cancel()
    assert run.outcome == "cancelled"
    gate.set()
    assert await asyncio.to_thread(ended.wait, WAIT_S)
    for one in (ledger, late, run.ledger):
        (record,) = one
        assert (record.late, record.node, record.status) == (True, "writer", "aborted")
        assert facts(record)[1:] == ("provider", 10, 5)
        assert record.cost == Decimal(20)


async def test_a_call_that_fails_after_its_run_is_late_and_has_one_record() -> None:
    gate, began, ended = threading.Event(), threading.Event(), threading.Event()

    def answer(_: object) -> list[Any]:
        began.set()
        return [gate, ValueError("too late")]

    class Ends(UsageLedger):
        def add(self, record: UsageRecord) -> None:
            super().add(record)
            if record.late:
                ended.set()

    made: Any = graph(writer=sync_node_of(says(answer))).compile()
    late = Ends()
    run = astream(made, HI, sinks=[late], streaming=False)
    async with run:
        assert await asyncio.to_thread(began.wait, WAIT_S)
        await run.cancel()
    gate.set()
    assert await asyncio.to_thread(ended.wait, WAIT_S)
    for one in (late, run.ledger):
        (record,) = one
        assert (record.late, record.node, record.status) == (True, "writer", "aborted")


async def test_an_answer_from_langchains_cache_has_a_record_and_costs_nothing() -> None:
    model = ScriptedModel([FULL], cache=InMemoryCache())
    asked = asked_in_a_node(model)
    await ledger_of(asked, prices=DEAR)
    (record,) = await ledger_of(asked, prices=DEAR)
    assert facts(record) == ("ok", "cache", 0, 0)
    assert record.cost == 0
    assert len(model.calls) == 1


async def test_result_of_a_cancelled_run_raises_and_its_ledger_stays() -> None:
    turn = Turn(["one", " two"], hold={1: asyncio.Event()})
    run = astream(asked_in_a_node(says(turn)), HI)
    await left(LEAVING["cancel"], run)
    with pytest.raises(RunCancelled):
        await run.result()
    assert len(run.ledger) == 1


# ---- several runs --------------------------------------------------------------------------------


async def test_one_ledger_takes_several_runs_at_once_from_tasks_and_threads() -> None:
    ledger = UsageLedger()

    async def one(n: int) -> None:
        await all_of(astream(asked_in_a_node(says(FULL)), HI, user=f"u{n}", sinks=[ledger]))

    def other(n: int) -> None:
        made: Any = graph(writer=sync_node_of(says(FULL))).compile()
        for _ in stream(made, HI, user=f"u{n}", sinks=[ledger]):
            pass

    async with asyncio.timeout(WAIT_S):
        await asyncio.gather(
            *(one(n) for n in range(8)), *(asyncio.to_thread(other, n) for n in range(8))
        )
    assert ledger.total().calls == 16
    assert {total.total_tokens for total in ledger.by("user").values()} == {30}


async def test_a_ledger_that_is_callback_and_sink_has_no_doubles_and_forgets_nothing() -> None:
    ledger = UsageLedger()
    config: Any = {"callbacks": [ledger]}
    run = astream(
        asked_in_a_node(says(FULL)), HI, config, user="ada", thread_id="t", sinks=[ledger]
    )
    await all_of(run)
    (record,) = ledger
    assert facts(record) == ("ok", "provider", 10, 5)
    assert (record.user, record.thread_id) == ("ada", "t")


async def test_a_bare_model_with_a_ledger_as_callback_and_sink_has_no_doubles() -> None:
    ledger = UsageLedger()
    config: Any = {"callbacks": [ledger]}
    await all_of(astream(says(FULL), "hi", config, user="ada", sinks=[ledger]))
    assert [(r.user, r.total_tokens) for r in ledger] == [("ada", 15)]


async def test_a_handler_gives_its_ledgers_the_records_of_its_roots() -> None:
    ledger = UsageLedger()
    handler = StreamCallbackHandler(ledger)
    for _ in range(2):
        await asked_in_a_node(says(FULL)).ainvoke(HI, {"callbacks": [handler]})
    assert (ledger.total().calls, len(ledger.by("run"))) == (2, 2)
