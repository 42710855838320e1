from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph

from langchain_streamkit import (
    JSONLSink,
    StreamCallbackHandler,
    StreamError,
    StreamUsageError,
    adapt,
    astream,
    read_jsonl,
    stream,
    with_sinks,
)
from langchain_streamkit.testing import RecordingSink, ScriptedModel
from tests.runs.scenes import QUESTION, State, answering, one_node, pausing
from tests.runs.watching import the_end

CALLS: dict[str, Callable[..., Any]] = {"astream": astream, "stream": stream}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Any:
    return CALLS[request.param]


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (lambda x: x, r"RunnableLambda\("),
        ("model", "Runnable"),
        (None, "Runnable"),
        (StateGraph(State), r"compile\(\)"),
        (iter([]), "already running"),
        ([answering()], "Runnable"),
    ],
    ids=["function", "str", "none", "uncompiled", "iterator", "list"],
)
def test_what_is_no_runnable_is_refused_with_advice(call: Any, wrong: Any, advice: str) -> None:
    with pytest.raises(StreamUsageError, match=advice):
        call(wrong, "hi")
    with pytest.raises(StreamUsageError, match=advice):
        with_sinks(wrong, print)


def test_a_runnable_class_is_refused_with_advice(call: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"class|instance|RunnableLambda"):
        call(RunnableLambda, "hi")


@pytest.mark.parametrize(
    "config",
    ["thread-1", 3, ["callbacks"], {"configurable": "1"}, {"callbacks": 3}],
    ids=["str", "int", "list", "configurable_str", "callbacks_int"],
)
def test_a_config_of_the_wrong_type_is_refused(call: Any, config: Any) -> None:
    with pytest.raises(StreamUsageError):
        call(answering(), "hi", config)


@pytest.mark.parametrize("run_id", ["abc", 3, b"x"])
def test_a_run_id_that_is_no_uuid_is_refused(call: Any, run_id: Any) -> None:
    with pytest.raises(StreamUsageError, match="UUID"):
        call(answering(), "hi", {"run_id": run_id})


def test_a_str_given_to_a_graph_is_refused_with_what_to_write(call: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"messages.*hello"):
        call(one_node(answering()), "hello")


def test_a_checkpointer_without_a_thread_is_refused_with_what_to_write(call: Any) -> None:
    with pytest.raises(StreamUsageError, match="thread_id="):
        call(pausing(), QUESTION)


def test_two_thread_ids_are_refused(call: Any) -> None:
    target = one_node(answering(), checkpointer=InMemorySaver())
    with pytest.raises(StreamUsageError, match="one place"):
        call(target, QUESTION, {"configurable": {"thread_id": "1"}}, thread_id="2")


def test_a_thread_id_beside_the_known_keys_of_a_config_counts_as_in_langchain(call: Any) -> None:
    target = one_node(answering(), checkpointer=InMemorySaver())
    assert call(target, QUESTION, {"thread_id": "1"}).thread_id == "1"


class NoSend:
    def close(self) -> None: ...


@pytest.mark.parametrize("sink", [NoSend(), 3, RecordingSink, [[]], None])
def test_what_is_no_sink_is_refused_with_what_to_write(call: Any, sink: Any) -> None:
    for make in (
        lambda: call(answering(), "hi", sinks=[sink]),
        lambda: StreamCallbackHandler(sink),
        lambda: with_sinks(answering(), sink),
    ):
        with pytest.raises(StreamUsageError, match="sink"):
            make()


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("sink", "sinks="),
        ("threadid", "thread_id="),
        ("stream_mode", "capture="),
        ("timeouts", "timeout="),
        ("callbacks", "config="),
        ("tags", "config="),
        ("recursion_limit", "config="),
        ("stop", "call="),
        ("durability", "call="),
        ("interrupt_before", "call="),
        ("view", "SSEResponse"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest(call: Any, option: str, hint: str) -> None:
    with pytest.raises(StreamUsageError, match=hint):
        call(answering(), "hi", **{option: 1})


@pytest.mark.parametrize("option", ["output_deltas", "on_sink_error", "thread_id", "sinks"])
def test_an_option_of_astream_alone_is_not_offered_elsewhere(option: str) -> None:
    given: dict[str, Any] = {option: 1}
    for make in (
        lambda: StreamCallbackHandler(print, **given),
        lambda: with_sinks(answering(), print, **given),
    ):
        with pytest.raises(StreamUsageError) as caught:
            make()
        assert option not in str(caught.value).split(";")[1]


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (ScriptedModel, r"is a class; pass an instance of it: ScriptedModel\(...\)"),
        (answering().ainvoke, "is a method of ScriptedModel; pass the ScriptedModel itself"),
    ],
)
def test_what_is_nearly_a_runnable_is_refused_with_what_to_pass(
    call: Any, wrong: Any, advice: str
) -> None:
    with pytest.raises(StreamUsageError, match=advice):
        call(wrong, "hi")


def test_an_unknown_option_of_a_handler_or_with_sinks_is_refused() -> None:
    unknown: dict[str, Any] = {"includes": ["text"]}
    with pytest.raises(StreamUsageError, match="include="):
        StreamCallbackHandler(print, **unknown)
    with pytest.raises(StreamUsageError, match="include="):
        with_sinks(answering(), print, **unknown)


@pytest.mark.parametrize(
    "options",
    [
        {"include": ["texxt"]},
        {"exclude": ["texxt"]},
        {"include": "text"},
        {"include": [3]},
        {"include": 3},
        {"capture": {"everything"}},
        {"capture": "state"},
        {"capture": 3},
        {"steps": "some"},
        {"max_unread": 0},
        {"max_unread": "many"},
    ],
    ids=str,
)
def test_an_option_with_a_value_that_means_nothing_is_refused(call: Any, options: Any) -> None:
    (name,) = options
    makers = [lambda: call(answering(), "hi", **options)]
    makers.append(lambda: StreamCallbackHandler(print, **options))
    if name != "max_unread":
        makers.append(lambda: with_sinks(answering(), print, **options))
    for make in makers:
        with pytest.raises(StreamUsageError, match=name):
            make()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("user", [42, True, b"ada", ("ada",), ["ada"]], ids=repr)
def test_a_user_that_is_no_string_is_refused_before_anything_runs(call: Any, user: Any) -> None:
    makers: list[Callable[[], object]] = [
        lambda: call(answering(), "hi", user=user),
        lambda: with_sinks(answering(), print, user=user),
        lambda: StreamCallbackHandler(print, user=user),
        lambda: adapt(iter([]), user=user),
    ]
    for make in makers:
        with pytest.raises(StreamUsageError, match=r"user=.* is no string; .*user='42'"):
            make()


def test_an_on_sink_error_that_means_nothing_is_refused(call: Any) -> None:
    with pytest.raises(StreamUsageError, match="on_sink_error"):
        call(answering(), "hi", on_sink_error="ignore")


def test_an_on_end_that_cannot_be_called_is_refused(call: Any) -> None:
    wrong: Any = "done"
    for make in (
        lambda: call(answering(), "hi", on_end=wrong),
        lambda: StreamCallbackHandler(print, on_end=wrong),
        lambda: with_sinks(answering(), print, on_end=wrong),
    ):
        with pytest.raises(StreamUsageError, match="on_end"):
            make()


@pytest.mark.parametrize("option", ["stream_mode", "subgraphs", "version", "config", "context"])
def test_call_options_that_are_ours_are_refused(call: Any, option: str) -> None:
    with pytest.raises(StreamUsageError, match=option):
        call(one_node(answering()), QUESTION, call={option: 1})


def test_call_options_of_the_wrong_type_are_refused(call: Any) -> None:
    with pytest.raises(StreamUsageError, match="call="):
        call(answering(), "hi", call=["stop"])


def test_a_context_for_what_is_no_graph_is_refused(call: Any) -> None:
    with pytest.raises(StreamUsageError, match="context="):
        call(answering(), "hi", context={"a": 1})


def test_an_async_sink_in_stream_is_refused_with_what_to_do() -> None:
    async def sink(event: Any) -> None:
        raise AssertionError

    for one in (sink, RecordingSink(async_=True)):
        with pytest.raises(StreamUsageError, match=r"astream\(\)"):
            stream(answering(), "hi", sinks=[one])


def test_an_async_sink_under_plain_invoke_of_with_sinks_is_refused() -> None:
    target = with_sinks(answering(), RecordingSink(async_=True))
    for make in (
        lambda: target.invoke("hi"),
        lambda: list(target.stream("hi")),
        lambda: target.batch(["hi"]),
    ):
        with pytest.raises(StreamUsageError, match="async"):
            make()


def test_an_async_sink_of_a_handler_without_a_loop_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = RecordingSink()
    handler = StreamCallbackHandler(RecordingSink(async_=True), good)
    assert answering().invoke("hi", {"callbacks": [handler]}).content == "Hello you there"
    handler.close()
    assert "ainvoke" in caplog.text
    assert the_end(good.events).type == "run.finished"


def test_a_plain_function_that_turns_out_async_in_stream_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def later() -> None:
        raise AssertionError

    read = list(stream(answering(), "hi", sinks=[lambda event: later()]))
    assert the_end(read).type == "run.finished"
    assert "astream()" in caplog.text


async def test_a_full_disk_under_jsonl_is_reported_and_the_run_goes_on() -> None:
    good = RecordingSink()
    run = astream(answering(), "hi", sinks=[JSONLSink("/dev/full"), good])
    read = [event async for event in run]
    assert the_end(read).type == "run.finished"
    assert tuple(read) == good.events
    assert [e.code for e in read if e.type == "diagnostic"] == ["sink_failed"]


async def test_a_full_disk_under_jsonl_fails_the_run_where_that_was_asked() -> None:
    run = astream(answering(), "hi", sinks=[JSONLSink("/dev/full")], on_sink_error="raise")
    read = [event async for event in run]
    assert the_end(read).type == "run.failed"
    with pytest.raises(StreamError, match="/dev/full"):
        await run.result()


async def test_what_was_written_before_a_sink_fails_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    bad = RecordingSink(fail_after=3)
    run = astream(answering(), "hi", sinks=[path, bad])
    read = [event async for event in run]
    assert list(read_jsonl(path)) == read


async def test_a_closed_queue_is_reported_and_the_run_goes_on() -> None:
    class Closed(queue.Queue[Any]):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
            raise RuntimeError("closed")

    good = RecordingSink()
    run = astream(answering(), "hi", sinks=[Closed(), good])
    read = [event async for event in run]
    assert the_end(read).type == "run.finished"
    assert tuple(read) == good.events
    assert "sink_failed" in [e.code for e in read if e.type == "diagnostic"]


def test_a_queue_whose_loop_is_closed_is_reported_and_the_run_goes_on() -> None:
    from langchain_streamkit import QueueSink

    async def make() -> QueueSink:
        return QueueSink(asyncio.Queue())

    sink = asyncio.run(make())
    read = list(stream(answering(), "hi", sinks=[sink]))
    assert the_end(read).type == "run.finished"
    assert "sink_failed" in [e.code for e in read if e.type == "diagnostic"]


async def test_an_input_the_runnable_refuses_fails_the_run_and_raises_its_own_error(
    call: Any,
) -> None:
    for wrong in (3, object(), None):
        run = call(answering(), wrong)
        with pytest.raises(ValueError, match="Invalid input type"):  # noqa: PT012
            if call is astream:
                await run.result()
            else:
                run.result()
        assert run.outcome == "failed"


async def test_a_graph_input_that_is_empty_fails_the_run(call: Any) -> None:
    run = call(one_node(answering()), {})
    read = [e async for e in run] if call is astream else list(run)
    assert_end = the_end(read)
    assert assert_end.type in ("run.failed", "run.finished")
