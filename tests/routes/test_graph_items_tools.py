"""Tools, and what runs in them, as the items of a graph tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.tools import ToolRuntime  # noqa: TC002 -- the schema of a tool is read at runtime
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from langchain_streamkit import adapt
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ToolCall, assert_legal
from tests.routes.scenes import SCENES
from tests.routes.ways import GRAPH_MODES
from tests.scenarios.story import story
from tests.scenarios.told import HI, calls, graph, lines, node_of, says

if TYPE_CHECKING:
    from langchain_streamkit.events import Event


async def events_of(runnable: Any, modes: Any = GRAPH_MODES, value: Any = HI) -> list[Event]:
    config: Any = {"configurable": {"thread_id": "t"}}
    items = runnable.astream(value, config, stream_mode=modes, subgraphs=True)
    events = [event async for event in adapt(items)]
    assert_legal(events)
    return events


def only(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_tool_s_own_work_is_told_inside_it() -> None:
    inside = says("in tool")

    @tool
    async def think(question: str, runtime: ToolRuntime) -> str:
        """Think."""
        runtime.emit_output_delta({"half": 1})
        runtime.stream_writer({"written": 2})
        return str((await inside.ainvoke(question)).text)

    wanted = ToolCall("think", {"question": "?"}, id="c1")
    agent: Any = create_agent(says(calls(wanted), "done"), [think])
    told = story(await events_of(agent))
    first = told.index("node.started /tools tools")
    assert told[first : told.index("node.finished /tools ok") + 1] == lines("""
        node.started /tools tools
        tool.started /tools/think think c1 {"question": "?"}
        tool.progress /tools/think c1 {'half': 1}
        custom /tools/think {'written': 2} c1
        message.started /tools/think assistant internal
        text /tools/think 'in tool'
        message.finished /tools/think stop unreported
        tool.finished /tools/think c1 ok 'in tool'
        node.finished /tools ok
    """)


async def test_a_tool_that_waits_is_named_by_its_interrupt() -> None:
    @tool
    def confirm(question: str) -> str:
        """Ask a human."""
        return str(interrupt(question))

    wanted = ToolCall("confirm", {"question": "sure?"}, id="c1")
    agent: Any = create_agent(says(calls(wanted)), [confirm], checkpointer=InMemorySaver())
    events = await events_of(agent)
    assert only(ev.InterruptRequested, events)[0].tool_call_id == "c1"
    assert only(ev.ToolFinished, events)[0].outcome == "suspended"


async def test_agents_in_parallel_tool_tasks_have_the_path_and_the_cause_of_their_tool() -> None:
    events = await events_of(SCENES["sub_agent_twice_in_parallel"].make())
    inner = [e for e in only(ev.StepStarted, events) if e.kind == "graph" and e.path]
    assert [(graph.path, graph.cause) for graph in inner] == [
        (("tools", "research"), "c1"),
        (("tools#2", "research"), "c2"),
    ]


async def test_agents_in_parallel_tools_of_one_task_are_internal_and_blame_no_tool() -> None:
    inner: Any = create_agent(says("Inner answer", cycle=True), [], name="researcher")

    @tool
    async def research(question: str) -> str:
        """Ask the inner agent."""
        answer = await inner.ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    wanted = [ToolCall("research", {"question": q}, id=f"c{q}") for q in ("1", "2")]
    asks = node_of(says(calls(*wanted)))
    events = await events_of(graph(model=asks, tools=ToolNode([research])).compile())
    said = [e for e in only(ev.MessageStarted, events) if e.path[0] == "tools"]
    assert [(message.path, message.audience) for message in said] == [
        (("tools", "model"), "internal")
    ] * 2
    assert {step.cause for step in only(ev.StepStarted, events)} == {None}


@pytest.mark.parametrize("modes", ["messages", "updates", "values", ["messages", "tools"], "tasks"])
async def test_a_failed_tool_is_told_once_with_what_the_model_sees(modes: Any) -> None:
    (failed,) = only(ev.ToolFailed, await events_of(SCENES["tool_error"].make(), modes))
    assert (failed.tool_call_id, failed.content) == ("c1", "Error: no")


async def test_only_a_tool_that_is_told_to_run_is_not_synthetic() -> None:
    scene = SCENES["two_interleaved_tool_calls"]
    for modes, synthetic in (("messages", True), ("tasks", False), (["messages", "tools"], False)):
        started = only(ev.ToolStarted, await events_of(scene.make(), modes))
        assert [bool(one.synthetic) for one in started] == [synthetic] * 2


async def test_a_function_that_an_entrypoint_calls_runs_inside_it() -> None:
    model = says("Hello")

    @task
    async def work(question: str) -> str:
        return str((await model.ainvoke(question)).text)

    @entrypoint()
    async def flow(question: str) -> str:
        return await work(question)

    assert story(await events_of(flow, value="hi")) == lines("""
        run.started
        graph.started / LangGraph
        node.started /flow flow
        node.started /flow/work work
        message.started /flow/work assistant
        text /flow/work 'Hello'
        message.finished /flow/work stop unreported
        node.finished /flow/work ok
        node.finished /flow ok
        graph.finished / ok
        run.finished
    """)
