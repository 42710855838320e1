"""Protocol events as a server sends them, and recorded objects in every form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.func import entrypoint, task
from langgraph.types import Command

from langchain_streamkit import RunSnapshot, adapt
from langchain_streamkit import events as ev
from langchain_streamkit.errors import SourceFailed
from langchain_streamkit.sources.adapters.plain_messages import as_message
from langchain_streamkit.sources.adapters.plain_state import messages_of_state, tool_output
from langchain_streamkit.testing import Turn, assert_legal
from langchain_streamkit.values import to_plain
from tests.routes.ways import recorded
from tests.scenarios.told import HI, graph, says

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

STATE: dict[str, Any] = {"messages": [to_plain(HumanMessage("hi", id="h1"))]}


def event(method: str, data: Any, *namespace: str, **params: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "method": method,
        "params": {"namespace": [*namespace], "timestamp": 1, "data": data, **params},
    }


def read(*items: dict[str, Any], **options: Any) -> tuple[Any, list[Any]]:
    run = adapt([event("values", STATE), *items], **options)
    events = list(run)
    assert_legal(events)
    return run, events


def of(events: list[Any], cls: type[Any]) -> list[Any]:
    return [one for one in events if isinstance(one, cls)]


def test_a_root_that_failed_fails_the_run_with_its_words() -> None:
    run, events = read(event("lifecycle", {"event": "failed", "error": "no luck"}))
    assert isinstance(events[-1], ev.RunFailed)
    with pytest.raises(SourceFailed, match="no luck"):
        run.result()


def test_a_requested_input_pauses_the_run() -> None:
    _, events = read(
        event("input.requested", {"interrupt_id": "i1", "payload": "sure?"}),
        event("lifecycle", {"event": "interrupted"}),
    )
    assert [(e.interrupt_id, e.payload) for e in of(events, ev.InterruptRequested)] == [
        ("i1", "sure?")
    ]
    assert isinstance(events[-1], ev.RunInterrupted)


def test_a_paused_root_is_interrupted_also_without_an_interrupt() -> None:
    _, events = read(event("lifecycle", {"event": "interrupted"}))
    assert isinstance(events[-1], ev.RunInterrupted)


def test_a_graph_that_failed_or_paused_ends_so() -> None:
    _, events = read(
        event("lifecycle", {"event": "started", "graph_name": "a"}, "one:1"),
        event("lifecycle", {"event": "failed", "error": "no"}, "one:1"),
        event("lifecycle", {"event": "started"}, "two:2"),
        event("lifecycle", {"event": "drained"}, "two:2"),
        event("values", STATE),
    )
    assert [e.path for e in of(events, ev.StepFailed)] == [("one",), ("one",)]
    suspended = [e.path for e in of(events, ev.StepFinished) if e.outcome == "suspended"]
    assert suspended == [("two",), ("two",)]


def test_further_graphs_of_one_task_are_in_its_node() -> None:
    _, events = read(
        event("custom", 1, "one:1"), event("custom", 2, "one:1", "1"), event("values", STATE)
    )
    steps = [(e.kind, e.path) for e in of(events, ev.StepStarted)]
    assert steps == [("graph", ()), ("node", ("one",)), ("graph", ("one",)), ("graph", ("one",))]


def test_a_channel_of_a_transformer_is_a_named_custom_event() -> None:
    _, events = read(event("custom:scores", {"n": 1}), event("custom", "plain"))
    assert [(e.name, e.data) for e in of(events, ev.Custom)] == [
        ("scores", {"n": 1}),
        (None, "plain"),
    ]


def test_what_a_tool_reports_is_its_progress() -> None:
    answer = to_plain(ToolMessage("3", tool_call_id="c1", name="add", id="t1"))
    _, events = read(
        event("tools", {"event": "tool-started", "tool_call_id": "c1", "tool_name": "add"}),
        event("tools", {"event": "tool-output-delta", "tool_call_id": "c1", "delta": "half"}),
        event("tools", {"event": "tool-finished", "tool_call_id": "c1", "output": answer}),
        event("values", {"messages": [*STATE["messages"], answer]}),
    )
    assert [e.data for e in of(events, ev.ToolProgress)] == ["half"]
    assert [(e.content, e.message_id) for e in of(events, ev.ToolFinished)] == [("3", "t1")]


def test_a_checkpoint_of_the_protocol_is_one_of_ours() -> None:
    data = {"id": "k2", "parent_id": "k1", "step": 3, "source": "loop"}
    _, events = read(event("checkpoints", data), capture={"checkpoints"})
    assert [(e.checkpoint_id, e.parent_id, e.step) for e in of(events, ev.Checkpoint)] == [
        ("k2", "k1", 3)
    ]
    assert not of(read(event("checkpoints", data))[1], ev.Checkpoint)


def test_an_error_in_a_message_aborts_it() -> None:
    where = {"langgraph_checkpoint_ns": "one:1", "langgraph_node": "one", "run_id": "x"}
    begin = {"event": "message-start", "role": "ai", "id": "m1"}
    delta = {
        "event": "content-block-delta",
        "index": 0,
        "delta": {"type": "text-delta", "text": "Hal"},
    }
    _, events = read(
        event("messages", [begin, where]),
        event("messages", [delta, where]),
        event("messages", [{"event": "error", "message": "dead"}, where]),
        event("values", STATE),
    )
    assert [e.reason for e in of(events, ev.MessageAborted)] == ["error"]
    assert isinstance(events[-1], ev.RunFinished)


@pytest.mark.parametrize(
    "broken",
    [
        event("messages", 5),
        event("messages", [{"event": "message-finish"}, {"run_id": "never"}]),
        event("tools", {"event": "tool-finished", "tool_call_id": "never"}),
        event("tools", {"event": "tool-started", "tool_call_id": None}),
        event("values", STATE, "a", ""),
        event("values", STATE, *["a:1"] * 65),
        {"type": "event", "method": "values", "params": {}},
        {**event("values", STATE), "seq": "one"},
    ],
)
def test_an_event_that_breaks_the_format_is_left_out_with_a_word(broken: dict[str, Any]) -> None:
    run, events = read(broken, event("values", STATE))
    assert [e.code for e in of(events, ev.Diagnostic)] == ["item_skipped"]
    assert run.outcome == "finished"


def test_what_nobody_knows_yet_is_passed_over() -> None:
    _, events = read(
        event("debug", {"type": "task"}),
        event("tools", {"event": "tool-new", "tool_call_id": "c1"}),
        event("lifecycle", {"event": "running"}),
    )
    assert not of(events, ev.Diagnostic)


async def test_a_model_that_the_node_streams_itself_is_told_whole() -> None:
    async def node(state: Any) -> dict[str, Any]:
        parts = [chunk async for chunk in says(Turn("Hello you")).astream("?")]
        return {"messages": [sum(parts[1:], parts[0])]}

    compiled: Any = graph(one=node).compile()
    items = await recorded(await compiled.astream_events(HI, version="v3"))
    events = list(adapt(items))
    assert_legal(events)
    assert [m.text for m in RunSnapshot.from_events(events).messages] == ["Hello you"]


async def test_a_task_runs_in_the_graph_of_its_caller() -> None:
    @task
    async def ask(question: str) -> Any:
        return await says("Hello you").ainvoke(question)

    @entrypoint()
    async def flow(question: str) -> Any:
        await says("First").ainvoke(question)
        return (await ask(question)).text

    whole: Any = flow
    run = adapt(await whole.astream_events("?", version="v3"))
    events = [one async for one in run]
    assert_legal(events)
    steps = [(e.kind, e.path) for e in of(events, ev.StepStarted)]
    assert steps == [("graph", ()), ("node", ("flow",)), ("node", ("flow", "ask"))]


@pytest.mark.parametrize("write", [to_plain, dumpd, lambda message: message])
def test_a_message_is_one_again_however_it_was_written(write: Any) -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
    for message in (
        AIMessage("Hi", id="a1", tool_calls=[call]),
        HumanMessage("hi", id="h1"),
        ToolMessage("3", tool_call_id="c1", id="t1", status="error"),
    ):
        assert as_message(write(message)) == message


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {"type": "human", "content": "a dictionary of somebody's own"},
        {"type": "unheard of", "content": "", "additional_kwargs": {}},
        {"type": "tool", "content": "", "additional_kwargs": {}},
        {"lc": 1, "type": "constructor", "id": ["x", "Document"], "kwargs": {}},
        {"lc": 1, "type": "constructor", "id": "x"},
    ],
)
def test_what_is_no_message_is_none(value: Any) -> None:
    assert as_message(value) is None
    assert list(messages_of_state({"messages": [value], "other": value})) == []


def test_a_command_of_a_tool_is_one_again() -> None:
    answer = ToolMessage("done", tool_call_id="c1", id="t1")
    command: Any = Command(goto="writer", update={"messages": [answer]})
    found: Any = tool_output(json.loads(json.dumps(to_plain(command))))
    assert isinstance(found, Command)
    assert found.update == {"messages": [answer]}
    assert tool_output({"just": "data"}) == {"just": "data"}
