from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from langchain_streamkit import (
    RunCancelled,
    SinkError,
    StreamCallbackHandler,
    StreamUsageError,
    astream,
    stream,
    with_sinks,
)
from langchain_streamkit.events import (
    Event,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextFinished,
)
from langchain_streamkit.testing import RecordingSink, ScriptedModel, Turn, assert_legal
from tests.runs.scenes import (
    QUESTION,
    Boom,
    State,
    answering,
    asking,
    endless,
    graph,
    held,
    one_node,
    pausing,
    raising,
)
from tests.runs.watching import WAIT_S, aeventually, the_end

# ---- map -------------------------------------------------------------------------------------


def secret_out(event: Event) -> Event:
    import msgspec

    if isinstance(event, TextDelta | TextFinished):
        return msgspec.structs.replace(event, text=event.text.replace("you", "***"))
    return event


async def test_map_changes_what_readers_and_sinks_get() -> None:
    sink = RecordingSink()
    run = astream(answering(), "hi", sinks=[sink]).map(secret_out)
    read = [event async for event in run]
    assert "".join(e.text for e in read if e.type == "text.delta") == "Hello *** there"
    assert the_end(sink.events).type == "run.finished"
    assert run.snapshot.text == "Hello *** there"


def test_map_changes_what_a_sync_reader_gets() -> None:
    read = list(stream(answering(), "hi").map(secret_out))
    assert "".join(e.text for e in read if e.type == "text.delta") == "Hello *** there"


async def test_map_drops_events() -> None:
    run = astream(answering(), "hi").map(lambda e: None if e.type == "text.delta" else e)
    read = [event async for event in run]
    assert "text.delta" not in [event.type for event in read]
    assert_legal(read, view=True)


async def test_map_cannot_drop_the_beginning_and_the_end() -> None:
    run = astream(answering(), "hi").map(lambda e: None)
    read = [event.type async for event in run]
    assert read == ["run.started", "run.finished"]


async def test_maps_follow_each_other() -> None:
    seen: list[str] = []
    run = (
        astream(answering(), "hi")
        .map(lambda e: None if e.type == "text.delta" else e)
        .map(lambda e: seen.append(e.type) or e)  # type: ignore[func-returns-value, redundant-expr]
    )
    read = [event.type async for event in run]
    assert seen == read


@pytest.mark.parametrize("kind", ["text.delta", "run.started", "run.finished", "message.finished"])
async def test_what_map_raises_on_is_withheld_and_fails_the_run(kind: str) -> None:
    boom = Boom()

    def redact(event: Event) -> Event:
        if event.type == kind:
            raise boom
        return event

    sink = RecordingSink()
    run = astream(answering(), "hi", sinks=[sink]).map(redact)
    async with asyncio.timeout(WAIT_S):
        read = [event async for event in run]
    end = read[-1]
    assert end.type == "run.failed"
    assert sink.events == tuple(read)
    with pytest.raises(Boom) as caught:
        await run.result()
    assert caught.value is boom


@pytest.mark.parametrize("wrong", [True, "text", {}])
async def test_map_that_returns_no_event_fails_the_run(wrong: Any) -> None:
    run = astream(answering(), "hi").map(lambda e: wrong)
    async with asyncio.timeout(WAIT_S):
        read = [event async for event in run]
    assert read[-1].type == "run.failed"
    with pytest.raises(StreamUsageError, match="map"):
        await run.result()


async def test_map_after_the_start_is_refused() -> None:
    run = astream(answering(), "hi")
    await anext(aiter(run))
    with pytest.raises(StreamUsageError, match="too late"):
        run.map(lambda e: e)


def test_map_of_no_function_is_refused() -> None:
    wrong: Any = "redact"
    with pytest.raises(StreamUsageError, match="function of one event"):
        astream(answering(), "hi").map(wrong)


# ---- include, exclude, capture -----------------------------------------------------------------


async def test_include_gives_only_these_and_the_runs_own() -> None:
    sink = RecordingSink()
    run = astream(answering(), "hi", include=["text"], sinks=[sink])
    read = [event async for event in run]
    assert {e.type for e in read} == {
        "run.started",
        "text.started",
        "text.delta",
        "text.finished",
        "run.finished",
    }
    assert sink.events == tuple(read)
    assert_legal(read, view=True)


async def test_include_takes_classes_and_single_types() -> None:
    read = [e async for e in astream(answering(), "hi", include=[TextDelta, "message.finished"])]
    wanted = {"run.started", "text.delta", "message.finished", "run.finished"}
    assert {e.type for e in read} == wanted


async def test_exclude_leaves_these_out() -> None:
    read = [e async for e in astream(one_node(answering()), QUESTION, exclude=["step", RunStarted])]
    types = {e.type for e in read}
    assert not [kind for kind in types if kind.startswith("step.")]
    assert "run.started" in types
    assert_legal(read, view=True)


async def test_the_snapshot_knows_what_is_excluded() -> None:
    run = astream(answering(), "hi", exclude=["text", "message"])
    _ = [event async for event in run]
    assert run.snapshot.text == "Hello you there"


async def test_inputs_and_outputs_of_steps_are_told_only_when_captured() -> None:
    for capture, told in ((set(), False), ({"inputs", "outputs"}, True)):
        read = [e async for e in astream(one_node(answering()), QUESTION, capture=capture)]
        steps = [e for e in read if isinstance(e, StepStarted | StepFinished)]
        assert steps
        for step in steps:
            value = step.input if isinstance(step, StepStarted) else step.output
            assert (value is not None) is told


async def test_state_and_checkpoints_are_told_only_when_captured() -> None:
    target = one_node(answering(), checkpointer=InMemorySaver())
    plain = [e.type async for e in astream(target, QUESTION, thread_id="1")]
    run = astream(target, QUESTION, thread_id="2", capture={"state", "checkpoints"})
    read = [event async for event in run]
    types = {e.type for e in read}
    assert not {"state.update", "checkpoint"} & set(plain)
    assert {"state.update", "state.snapshot", "checkpoint"} <= types
    assert_legal(read)


# ---- on_end ------------------------------------------------------------------------------------

ENDINGS: dict[str, Callable[[], tuple[Any, Any, dict[str, Any]]]] = {
    "finished": lambda: (answering(), "hi", {}),
    "failed": lambda: (RunnableLambda(raising(Boom())), 1, {}),
    "interrupted": lambda: (pausing(), QUESTION, {"thread_id": "1"}),
}


@pytest.mark.parametrize("outcome", ENDINGS)
@pytest.mark.parametrize("async_", [False, True], ids=["plain", "async"])
async def test_on_end_is_called_once_with_the_snapshot(outcome: str, async_: bool) -> None:  # noqa: FBT001
    ended: list[Any] = []

    async def aon_end(snapshot: Any) -> None:
        await asyncio.sleep(0)
        ended.append(snapshot)

    runnable, value, options = ENDINGS[outcome]()
    on_end: Any = aon_end if async_ else ended.append
    run = astream(runnable, value, on_end=on_end, **options)
    _ = [event async for event in run]
    await aeventually(lambda: bool(ended), "on_end was called")
    await run.cancel()
    assert [one.outcome for one in ended] == [outcome]


@pytest.mark.parametrize("outcome", ENDINGS)
def test_on_end_of_a_sync_run_is_called_once(outcome: str) -> None:
    ended: list[Any] = []
    runnable, value, options = ENDINGS[outcome]()
    run = stream(runnable, value, on_end=ended.append, **options)
    list(run)
    run.cancel()
    assert [one.outcome for one in ended] == [outcome]


@pytest.mark.parametrize("outcome", ENDINGS)
@pytest.mark.parametrize("route", ["handler", "with_sinks"])
@pytest.mark.parametrize("async_", [False, True], ids=["plain", "async"])
async def test_on_end_of_a_watched_call_is_called_once(
    outcome: str,
    route: str,
    async_: bool,  # noqa: FBT001
) -> None:
    ended: list[Any] = []

    async def aon_end(snapshot: Any) -> None:
        await asyncio.sleep(0)
        ended.append(snapshot)

    on_end: Any = aon_end if async_ else ended.append
    runnable, value, options = ENDINGS[outcome]()
    config: Any = {"configurable": options}
    try:
        if route == "handler":
            handler = StreamCallbackHandler(RecordingSink(), on_end=on_end)
            try:
                await runnable.ainvoke(value, {**config, "callbacks": [handler]})
            finally:
                await handler.aclose()
        else:
            await with_sinks(runnable, RecordingSink(), on_end=on_end).ainvoke(value, config)
    except Boom:
        pass
    assert [one.outcome for one in ended] == [outcome]


async def test_on_end_of_a_cancelled_run_is_called_once() -> None:
    ended: list[Any] = []
    run = astream(endless(), "hi", on_end=ended.append)
    await run.started()
    await run.cancel()
    await run.cancel()
    assert [one.outcome for one in ended] == ["cancelled"]


async def test_on_end_of_a_run_cancelled_before_its_start_is_called_once() -> None:
    ended: list[Any] = []
    run = astream(endless(), "hi", on_end=ended.append)
    await run.cancel()
    assert [one.outcome for one in ended] == ["cancelled"]


async def test_an_async_on_end_is_not_cut_off_by_a_cancel() -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def on_end(snapshot: Any) -> None:
        begun.set()
        await asyncio.sleep(0.05)
        ended.append(snapshot.outcome)

    task = asyncio.create_task(astream(answering(), "hi", on_end=on_end).result())
    await asyncio.wait_for(begun.wait(), WAIT_S)
    task.cancel()
    await asyncio.wait({task})
    await aeventually(lambda: bool(ended), "on_end went through")
    assert ended == ["finished"]


@pytest.mark.parametrize("async_", [False, True], ids=["plain", "async"])
async def test_a_failing_on_end_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
    async_: bool,  # noqa: FBT001
) -> None:
    async def aon_end(snapshot: Any) -> None:
        raise Boom

    run = astream(answering(), "hi", on_end=aon_end if async_ else raising(Boom()))
    read = [event async for event in run]
    assert the_end(read).type == "run.finished"
    assert (await run.result()).content == "Hello you there"
    assert "on_end failed" in caplog.text


def test_an_async_on_end_is_refused_by_stream() -> None:
    async def on_end(snapshot: Any) -> None:
        raise AssertionError

    with pytest.raises(StreamUsageError, match="astream"):
        stream(answering(), "hi", on_end=on_end)


# ---- who, where, with what ---------------------------------------------------------------------


async def test_thread_id_user_and_run_id_are_told_and_used() -> None:
    target = one_node(answering(), checkpointer=InMemorySaver())
    run = astream(target, QUESTION, thread_id="t1", user="ann")
    read = [event async for event in run]
    first = read[0]
    assert isinstance(first, RunStarted)
    assert (first.thread_id, first.user, first.run_id) == ("t1", "ann", run.run_id)
    assert run.thread_id == "t1"
    assert target.get_state({"configurable": {"thread_id": "t1"}}).values["messages"]


async def test_the_configs_run_id_is_the_runs_id() -> None:
    from uuid import uuid4

    run_id = uuid4()
    run = astream(answering(), "hi", {"run_id": run_id})
    read = [event async for event in run]
    assert {event.run_id for event in read} == {str(run_id)} == {run.run_id}


async def test_context_reaches_the_graph() -> None:
    from langgraph.runtime import Runtime  # noqa: TC002 -- langgraph reads the annotation

    seen: list[Any] = []

    def node(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
        seen.append(runtime.context)
        return {}

    await astream(graph(("node", node)), QUESTION, context={"who": "ann"}).result()
    stream(graph(("node", node)), QUESTION, context={"who": "bob"}).result()
    assert seen == [{"who": "ann"}, {"who": "bob"}]


async def test_call_options_reach_the_runnable() -> None:
    model = answering()
    await astream(model, "hi", call={"stop": ["x"]}).result()
    stream(model, "hi", call={"stop": ["y"]}).result()
    assert [call.stop for call in model.calls] == [("x",), ("y",)]


async def test_the_configs_callbacks_tags_and_metadata_are_kept() -> None:
    from langchain_core.callbacks import BaseCallbackHandler

    class Other(BaseCallbackHandler):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            self.seen.append((kwargs.get("tags"), kwargs.get("metadata")))

    other = Other()
    config: RunnableConfig = {"callbacks": [other], "tags": ["t"], "metadata": {"m": 1}}
    await astream(RunnableLambda(lambda x: x), 1, config).result()
    assert len(other.seen) == 1
    assert other.seen[0][0] == ["t"]
    assert other.seen[0][1]["m"] == 1
    assert config == {"callbacks": [other], "tags": ["t"], "metadata": {"m": 1}}


# ---- sinks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("async_", [False, True], ids=["plain", "async"])
async def test_a_failing_sink_is_left_alone_and_the_others_go_on(async_: bool) -> None:  # noqa: FBT001
    bad = RecordingSink(fail_after=2, async_=async_)
    good = RecordingSink()
    run = astream(answering(), "hi", sinks=[bad, good])
    read = [event async for event in run]
    assert the_end(read).type == "run.finished"
    assert tuple(read) == good.events
    assert len(bad.events) == 2
    assert bad.closes == 1
    assert (await run.result()).content == "Hello you there"
    assert [e.code for e in read if e.type == "diagnostic"] == ["sink_failed"]


def test_a_failing_sink_of_a_sync_run_is_left_alone() -> None:
    bad = RecordingSink(fail_after=2)
    read = list(stream(answering(), "hi", sinks=[bad]))
    assert the_end(read).type == "run.finished"
    assert bad.closes == 1
    assert [e.code for e in read if e.type == "diagnostic"] == ["sink_failed"]


@pytest.mark.parametrize("route", ["handler", "with_sinks"])
async def test_a_failing_sink_of_a_watched_call_is_left_alone(route: str) -> None:
    bad, good = RecordingSink(fail_after=2), RecordingSink()
    if route == "handler":
        handler = StreamCallbackHandler(bad, good)
        await answering().ainvoke("hi", {"callbacks": [handler]})
        await handler.aclose()
    else:
        await with_sinks(answering(), bad, good).ainvoke("hi")
    assert the_end(good.events).type == "run.finished"
    assert bad.closes == 1
    assert [e.code for e in good.events if e.type == "diagnostic"] == ["sink_failed"]


@pytest.mark.parametrize("async_", [False, True], ids=["plain", "async"])
async def test_a_failing_sink_fails_the_run_where_that_was_asked(async_: bool) -> None:  # noqa: FBT001
    boom = Boom()
    bad = RecordingSink(fail_after=2, async_=async_, error=boom)
    good = RecordingSink()
    run = astream(one_node(endless()), QUESTION, sinks=[bad, good], on_sink_error="raise")
    async with asyncio.timeout(WAIT_S):
        read = [event async for event in run]
    assert the_end(read).type == "run.failed"
    assert tuple(read) == good.events
    with pytest.raises(SinkError) as caught:
        await run.result()
    assert caught.value.__cause__ is boom


def test_a_failing_sink_fails_a_sync_run_where_that_was_asked() -> None:
    bad = RecordingSink(fail_after=2)
    run = stream(one_node(endless()), QUESTION, sinks=[bad], on_sink_error="raise")
    assert the_end(list(run)).type == "run.failed"
    with pytest.raises(SinkError):
        run.result()


async def test_a_sink_that_fails_on_the_terminal_event_changes_nothing() -> None:
    total = len([e async for e in astream(answering(), "hi")])
    for on_sink_error in ("continue", "raise"):
        bad, good = RecordingSink(fail_after=3), RecordingSink()
        short = ScriptedModel([Turn("Hi")])
        run = astream(short, "hi", sinks=[good, bad], on_sink_error=on_sink_error)
        read = [event async for event in run]
        assert_legal(read)
        assert tuple(read) == good.events
    assert total > 3


# ---- resume ------------------------------------------------------------------------------------


async def test_resume_answers_by_interrupt_id() -> None:
    target = pausing()
    run = astream(target, QUESTION, thread_id="1")
    _ = [event async for event in run]
    (pending,) = run.interrupts
    again = run.resume({pending.interrupt_id: "yes"})
    read = [event async for event in again]
    assert the_end(read).type == "run.finished"
    assert again.run_id != run.run_id
    assert again.thread_id == "1"
    assert (await again.result())["messages"][-1].content == "answered yes"


def test_resume_of_a_sync_run() -> None:
    run = stream(pausing(), QUESTION, thread_id="1")
    list(run)
    (pending,) = run.interrupts
    sink = RecordingSink()
    again = run.resume({pending.interrupt_id: "yes"}, sinks=[sink])
    assert the_end(list(again)).type == "run.finished"
    assert the_end(sink.events).type == "run.finished"


async def test_resume_answers_parallel_interrupts_by_id() -> None:
    builder: StateGraph[State] = StateGraph(State)
    for name in ("a", "b"):
        node: Any = asking(name)
        builder.add_node(name, node)
        builder.add_edge(START, name)
    run = astream(builder.compile(checkpointer=InMemorySaver()), QUESTION, thread_id="1")
    await run.result()
    answers = {one.interrupt_id: one.payload.upper() for one in run.interrupts}
    result = await run.resume(answers).result()
    said = {m.text for m in result["messages"] if isinstance(m, AIMessage)}
    assert said == {"answered A", "answered B"}


async def test_resume_of_one_of_two_interrupts_pauses_again() -> None:
    builder: StateGraph[State] = StateGraph(State)
    for name in ("a", "b"):
        node: Any = asking(name)
        builder.add_node(name, node)
        builder.add_edge(START, name)
    run = astream(builder.compile(checkpointer=InMemorySaver()), QUESTION, thread_id="1")
    await run.result()
    first, second = run.interrupts
    again = run.resume({first.interrupt_id: "x"})
    read = [event async for event in again]
    assert the_end(read).type == "run.interrupted"
    assert [one.interrupt_id for one in again.interrupts] == [second.interrupt_id]


async def test_resume_with_a_wrong_id_names_the_right_ones() -> None:
    run = astream(pausing(), QUESTION, thread_id="1")
    await run.result()
    with pytest.raises(StreamUsageError, match=run.interrupts[0].interrupt_id):
        run.resume({"nonsense": 1})


async def test_resume_without_an_answer_is_refused() -> None:
    run = astream(pausing(), QUESTION, thread_id="1")
    await run.result()
    with pytest.raises(StreamUsageError, match="no answer"):
        run.resume({})


async def test_resume_with_what_is_no_mapping_is_refused() -> None:
    run = astream(pausing(), QUESTION, thread_id="1")
    await run.result()
    (pending,) = run.interrupts
    for wrong in ("yes", None, ["yes"]):
        given: Any = wrong
        with pytest.raises(
            StreamUsageError, match=re.escape(f"{{{pending.interrupt_id!r}: {wrong!r}}}")
        ):
            run.resume(given)


async def test_resume_of_a_run_that_was_resumed_is_refused() -> None:
    run = astream(pausing(), QUESTION, thread_id="1")
    await run.result()
    answers = {run.interrupts[0].interrupt_id: "yes"}
    unread = run.resume(answers)  # never started, so it has answered nothing
    again = run.resume(answers)
    await again.result()
    with pytest.raises(StreamUsageError, match=f"resumed already, by run {again.run_id}"):
        run.resume(answers)
    assert "not started" in repr(unread)


def test_resume_takes_one_sink_or_several_as_the_run_did(tmp_path: Path) -> None:
    run = stream(pausing(), QUESTION, thread_id="1")
    run.result()
    answers = {run.interrupts[0].interrupt_id: "yes"}
    run.resume(answers, sinks=str(tmp_path / "again.jsonl")).result()
    assert [path.name for path in tmp_path.iterdir()] == ["again.jsonl"]


async def test_the_resumed_run_calls_the_same_on_end_unless_another_is_given() -> None:
    ends: list[str] = []
    run = astream(pausing(), QUESTION, thread_id="1", on_end=lambda end: ends.append(end.outcome))
    await run.result()
    answers = {run.interrupts[0].interrupt_id: "yes"}
    await run.resume(answers).result()
    assert ends == ["interrupted", "finished"]

    others: list[str] = []
    run = astream(pausing(), QUESTION, thread_id="1", on_end=lambda end: ends.append(end.outcome))
    await run.result()
    answers = {run.interrupts[0].interrupt_id: "yes"}
    await run.resume(answers, on_end=lambda end: others.append(end.outcome)).result()
    assert (ends[2:], others) == (["interrupted"], ["finished"])


async def test_resume_of_a_run_that_is_not_interrupted_is_refused() -> None:
    gate = threading.Event()
    gate.set()
    run = astream(held(gate), "hi")
    with pytest.raises(StreamUsageError, match="not interrupted"):
        run.resume({"x": 1})
    await run.result()
    with pytest.raises(StreamUsageError, match="not interrupted"):
        run.resume({"x": 1})


async def test_a_cancelled_result_is_runcancelled_with_its_reason() -> None:
    run = astream(endless(), "hi")
    await run.started()
    await run.cancel("shutdown")
    with pytest.raises(RunCancelled) as caught:
        await run.result()
    assert caught.value.reason == "shutdown"


# ---- expose_errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("expose", [False, True])
async def test_exception_texts_are_in_events_only_where_that_was_asked(expose: bool) -> None:  # noqa: FBT001
    broken = RunnableLambda(raising(ValueError("the key is sk-1")))
    sinks = [RecordingSink() for _ in range(3)]
    run = astream(broken, "hi", sinks=[sinks[0]], expose_errors=expose)
    handler = StreamCallbackHandler(sinks[1], expose_errors=expose)
    watched = with_sinks(broken, sinks[2], expose_errors=expose)
    for call in (
        run.result(),
        broken.ainvoke("hi", {"callbacks": [handler]}),
        watched.ainvoke("hi"),
    ):
        with pytest.raises(ValueError, match="sk-1"):
            await call
    for sink in sinks:
        assert ("sk-1" in the_end(sink.events).error.message) is expose
