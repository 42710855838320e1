"""Interrupts: all of them, of any depth, once each; an answer by id goes on where they paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langchain_streamkit import (
    StreamCallbackHandler,
    StreamUsageError,
    astream,
    stream,
    with_sinks,
)
from langchain_streamkit import events as ev
from langchain_streamkit.testing import RecordingSink, ToolCall, assert_legal
from tests.scenarios.story import story
from tests.scenarios.told import HI, add, calls, graph, lines, node_of, says, told, told_by_handler

if TYPE_CHECKING:
    from langchain_streamkit import AsyncRun


async def ask(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You said {interrupt('sure?')}")]}


async def read(run: AsyncRun[Any]) -> list[str]:
    return story([event async for event in run])


def paused(graph_: Any, value: Any = HI) -> AsyncRun[Any]:
    return astream(graph_, value, thread_id="t")


def answered(run: AsyncRun[Any], **answers: Any) -> AsyncRun[Any]:
    """The run that goes on, each interrupt answered by its payload, else with ``yes``."""
    return run.resume(
        {one.interrupt_id: answers.get(str(one.payload), "yes") for one in run.interrupts}
    )


async def test_a_node_that_asks_suspends_the_run_and_goes_on_with_the_answer() -> None:
    run = paused(graph(first=node_of(says("Hello")), ask=ask).compile(checkpointer=InMemorySaver()))
    assert await read(run) == lines("""
        run.started
        graph.started / LangGraph
        node.started /first first
        message.started /first assistant
        text /first 'Hello'
        message.finished /first stop unreported
        node.finished /first ok
        node.started /ask ask
        interrupt.requested /ask 'sure?'
        node.finished /ask suspended
        graph.finished / suspended
        run.interrupted ['sure?']
    """)
    assert await read(answered(run)) == lines("""
        run.started
        graph.started / LangGraph
        node.started /ask ask
        message.started /ask assistant
        text /ask 'You said yes'
        message.finished /ask stop
        node.finished /ask ok
        graph.finished / ok
        run.finished
    """)


def test_the_same_in_plain_code() -> None:
    def ask_plainly(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You said {interrupt('sure?')}")]}

    run = stream(graph(ask=ask_plainly).compile(checkpointer=InMemorySaver()), HI, thread_id="t")
    assert story(run)[-1] == "run.interrupted ['sure?']"
    resumed = run.resume({run.interrupts[0].interrupt_id: "no"})
    assert "text /ask 'You said no'" in story(resumed)


async def test_two_parallel_interrupts_are_both_told_and_answered_by_id() -> None:
    async def other(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You told {interrupt('really?')}")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("one", ask)
    builder.add_node("two", other)
    builder.add_edge(START, "one")
    builder.add_edge(START, "two")
    run = paused(builder.compile(checkpointer=InMemorySaver()))
    assert (await read(run))[-1] == "run.interrupted ['sure?', 'really?']"
    assert len({one.interrupt_id for one in run.interrupts}) == 2
    resumed = await read(answered(run, **{"sure?": "A", "really?": "B"}))
    assert [line for line in resumed if line.startswith("text")] == lines("""
        text /one 'You said A'
        text /two 'You told B'
    """)


async def test_one_of_two_interrupts_answered_leaves_the_other_pending() -> None:
    async def other(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You told {interrupt('really?')}")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("one", ask)
    builder.add_node("two", other)
    builder.add_edge(START, "one")
    builder.add_edge(START, "two")
    run = paused(builder.compile(checkpointer=InMemorySaver()))
    await read(run)
    first, second = run.interrupts
    resumed = run.resume({first.interrupt_id: "A"})
    assert (await read(resumed))[-1] == "run.interrupted ['really?']"
    assert [one.interrupt_id for one in resumed.interrupts] == [second.interrupt_id]
    last = await read(answered(resumed))
    assert "text /two 'You told yes'" in last
    assert last[-1] == "run.finished"


async def test_two_interrupts_in_a_row_in_one_node_are_asked_one_after_the_other() -> None:
    async def both(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{interrupt('first?')} {interrupt('second?')}")]}

    run = paused(graph(both=both).compile(checkpointer=InMemorySaver()))
    assert (await read(run))[-1] == "run.interrupted ['first?']"
    run = answered(run, **{"first?": "A"})
    assert (await read(run))[-1] == "run.interrupted ['second?']"
    assert "text /both 'A B'" in await read(answered(run, **{"second?": "B"}))


async def test_an_interrupt_of_a_subgraph_is_told_once_with_its_namespace() -> None:
    inner = graph(ask=ask).compile()
    run = paused(
        graph(inner=inner, last=node_of(says("Last"))).compile(checkpointer=InMemorySaver())
    )
    assert await read(run) == lines("""
        run.started
        graph.started / LangGraph
        node.started /inner inner
        graph.started /inner LangGraph
        node.started /inner/ask ask
        interrupt.requested /inner/ask 'sure?'
        node.finished /inner/ask suspended
        graph.finished /inner suspended
        node.finished /inner suspended
        graph.finished / suspended
        run.interrupted ['sure?']
    """)
    (pending,) = run.interrupts
    assert [part.partition(":")[0] for part in pending.namespace] == ["inner", "ask"]
    assert await read(answered(run)) == lines("""
        run.started
        graph.started / LangGraph
        node.started /inner inner
        graph.started /inner LangGraph
        node.started /inner/ask ask
        message.started /inner/ask assistant
        text /inner/ask 'You said yes'
        message.finished /inner/ask stop
        node.finished /inner/ask ok
        graph.finished /inner ok
        node.finished /inner ok
        node.started /last last
        message.started /last assistant
        text /last 'Last'
        message.finished /last stop unreported
        node.finished /last ok
        graph.finished / ok
        run.finished
    """)


# ---- in tools ------------------------------------------------------------------------------------


@tool
async def confirm(a: int) -> str:
    """Ask the user."""
    return f"answer {interrupt(f'ok {a}?')}"


CONFIRM = [ToolCall("confirm", {"a": number}, id=f"c{number}") for number in (1, 2)]


async def test_an_interrupt_in_a_tool_suspends_the_tool_and_names_its_call() -> None:
    run = paused(
        create_agent(says(calls(CONFIRM[0]), "Done"), [confirm], checkpointer=InMemorySaver())
    )
    told_ = await read(run)
    assert told_[told_.index("node.started /tools tools") :] == lines("""
        node.started /tools tools
        tool.started /tools/confirm confirm c1 {"a": 1}
        tool.finished /tools/confirm c1 suspended None
        interrupt.requested /tools 'ok 1?' c1
        node.finished /tools suspended
        graph.finished / suspended
        run.interrupted ['ok 1?']
    """)
    assert [one.tool_call_id for one in run.interrupts] == ["c1"]
    assert await read(answered(run)) == lines("""
        run.started
        graph.started / LangGraph
        node.started /tools tools
        tool.started /tools/confirm confirm c1 {"a": 1}
        tool.finished /tools/confirm c1 ok 'answer yes'
        node.finished /tools ok
        node.started /model model
        message.started /model assistant
        text /model 'Done'
        message.finished /model stop unreported
        node.finished /model ok
        graph.finished / ok
        run.finished
    """)


async def test_interrupts_in_two_parallel_tools_each_name_their_own_call() -> None:
    run = paused(
        create_agent(says(calls(*CONFIRM), "Done"), [confirm], checkpointer=InMemorySaver())
    )
    await read(run)
    assert [(one.payload, one.tool_call_id) for one in run.interrupts] == [
        ("ok 1?", "c1"),
        ("ok 2?", "c2"),
    ]
    resumed = await read(answered(run, **{"ok 1?": "A", "ok 2?": "B"}))
    assert sorted(line for line in resumed if line.startswith("tool.finished")) == lines("""
        tool.finished /tools#2/confirm c2 ok 'answer B'
        tool.finished /tools/confirm c1 ok 'answer A'
    """)


async def test_an_interrupt_in_a_graph_inside_a_tool_names_the_tools_call() -> None:
    inner = graph(ask=ask).compile(name="researcher")

    @tool
    async def research(question: str) -> str:
        """Ask the inner graph."""
        answer = await inner.ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    wanted = ToolCall("research", {"question": "why?"}, id="c1")
    run = paused(
        create_agent(says(calls(wanted), "Done"), [research], checkpointer=InMemorySaver())
    )
    requested = [e async for e in run if isinstance(e, ev.InterruptRequested)]
    assert [(e.path, e.payload, e.tool_call_id) for e in requested] == [
        (("tools", "research", "ask"), "sure?", "c1")
    ]
    resumed = await read(answered(run))
    assert "tool.finished /tools/research c1 ok 'You said yes'" in resumed


async def test_a_tool_call_that_waits_for_approval_is_asked_by_the_middleware() -> None:
    approve = HumanInTheLoopMiddleware(interrupt_on={"add": True})
    wanted = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    run = paused(
        create_agent(
            says(calls(wanted), "Done"),
            [add],
            middleware=[approve],
            checkpointer=InMemorySaver(),
        )
    )
    told_ = await read(run)
    assert not any(line.startswith("tool.") for line in told_)
    (pending,) = run.interrupts
    assert pending.payload["action_requests"][0]["name"] == "add"
    resumed = run.resume({pending.interrupt_id: {"decisions": [{"type": "approve"}]}})
    tools = [line for line in await read(resumed) if line.startswith("tool")]
    assert tools == lines("""
        tool.started /tools/add add c1 {"a": 1, "b": 2}
        tool.finished /tools/add c1 ok '3'
    """)


# ---- functional graphs and breakpoints -----------------------------------------------------------


async def test_an_interrupt_in_a_task_of_a_functional_graph() -> None:
    @task
    async def approve(text: str) -> str:
        return f"{text} {interrupt('go?')}"

    @entrypoint(checkpointer=InMemorySaver())
    async def flow(text: str) -> str:
        return await approve(text)

    run = paused(flow, "draft")
    assert await read(run) == lines("""
        run.started
        graph.started / LangGraph
        node.started /flow flow
        node.started /flow/approve approve
        interrupt.requested /flow/approve 'go?'
        node.finished /flow/approve suspended
        node.finished /flow suspended
        graph.finished / suspended
        run.interrupted ['go?']
    """)
    resumed = answered(run)
    assert (await read(resumed))[-1] == "run.finished"
    assert await resumed.result() == "draft yes"


async def test_an_interrupt_in_the_entrypoint_of_a_functional_graph() -> None:
    @entrypoint(checkpointer=InMemorySaver())
    async def flow(text: str) -> str:
        return f"{text} {interrupt('go?')}"

    run = paused(flow, "draft")
    assert "interrupt.requested /flow 'go?'" in await read(run)
    assert await answered(run).result() == "draft yes"


def two_nodes(**options: Any) -> Any:
    nodes = graph(one=node_of(says("One")), two=node_of(says("Two")))
    return nodes.compile(checkpointer=InMemorySaver(), **options)


STOPPED_AFTER_ONE = lines("""
    run.started
    graph.started / LangGraph
    node.started /one one
    message.started /one assistant
    text /one 'One'
    message.finished /one stop unreported
    node.finished /one ok
    graph.finished / suspended
    run.interrupted []
""")


@pytest.mark.parametrize("options", [{"interrupt_before": ["two"]}, {"interrupt_after": ["one"]}])
@pytest.mark.parametrize("place", ["compiled", "called"])
async def test_a_breakpoint_pauses_the_run_and_none_as_input_goes_on(
    options: Any, place: str
) -> None:
    stops = two_nodes(**options) if place == "compiled" else two_nodes()
    call = {} if place == "compiled" else options
    assert await told(stops, HI, thread_id="t", call=call) == STOPPED_AFTER_ONE
    assert await told(stops, None, thread_id="t") == lines("""
        run.started
        graph.started / LangGraph
        node.started /two two
        message.started /two assistant
        text /two 'Two'
        message.finished /two stop unreported
        node.finished /two ok
        graph.finished / ok
        run.finished
    """)


async def test_a_handler_tells_an_interrupt_and_a_breakpoint_as_astream_does() -> None:
    thread: Any = {"configurable": {"thread_id": "t"}}
    asking = graph(ask=ask)
    stopping = two_nodes(interrupt_before=["two"])
    beside = await told_by_handler(asking.compile(checkpointer=InMemorySaver()), HI, **thread)
    assert beside == await read(paused(asking.compile(checkpointer=InMemorySaver())))
    assert await told_by_handler(stopping, HI, **thread) == STOPPED_AFTER_ONE


async def test_a_breakpoint_goes_on_without_an_answer() -> None:
    run = paused(two_nodes(interrupt_before=["two"]))
    await read(run)
    resumed = run.resume({})
    await read(resumed)
    assert resumed.outcome == "finished"


async def test_an_answer_to_an_interrupt_that_is_not_pending_is_refused() -> None:
    run = paused(graph(ask=ask).compile(checkpointer=InMemorySaver()))
    await read(run)
    with pytest.raises(StreamUsageError, match="no interrupt 'nope'"):
        run.resume({"nope": "yes"})


async def test_a_run_that_is_not_interrupted_cannot_be_resumed() -> None:
    run = astream(says("Hello you"), "hi")
    await read(run)
    with pytest.raises(StreamUsageError, match="not interrupted"):
        run.resume({"x": "yes"})


async def test_the_result_of_an_interrupted_run_is_what_ainvoke_returns() -> None:
    def make() -> Any:
        return graph(ask=ask).compile(checkpointer=InMemorySaver())

    watched = await paused(make()).result()
    plain = await make().ainvoke(HI, {"configurable": {"thread_id": "t"}})
    assert [one.value for one in watched["__interrupt__"]] == ["sure?"]
    assert [one.value for one in plain["__interrupt__"]] == ["sure?"]
    assert list(watched) == list(plain)


# ---- a run that is a part of another graph ------------------------------------------------------


async def asks(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You said {interrupt('sure?')}")]}


async def hands_off(state: Any) -> Any:
    return Command(graph=Command.PARENT, goto="other", update={"messages": [AIMessage("over")]})


def inside(part: Any) -> Any:
    """A graph whose first node is ``part``."""
    builder: StateGraph[MessagesState] = StateGraph(MessagesState)
    builder.add_node("part", part)
    builder.add_node("other", lambda state: {})
    builder.add_edge(START, "part")
    return builder.compile(checkpointer=InMemorySaver())


def by_sinks(part: Any, sink: RecordingSink) -> Any:
    return with_sinks(part, sink)


def by_handler(part: Any, sink: RecordingSink) -> Any:
    return part.with_config(callbacks=[StreamCallbackHandler(sink)])


def by_astream(part: Any, sink: RecordingSink) -> Any:
    async def node(state: Any) -> Any:
        return await astream(part, state, sinks=[sink]).result()

    return node


@pytest.mark.parametrize("watch", [by_sinks, by_handler, by_astream])
@pytest.mark.parametrize(
    "part", [RunnableLambda(asks), graph(asks=asks).compile()], ids=["node", "subgraph"]
)
async def test_a_watched_part_of_a_graph_that_asks_is_interrupted(
    watch: Any, part: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sink = RecordingSink()
    config: Any = {"configurable": {"thread_id": "1"}}

    result = await inside(watch(part, sink)).ainvoke(HI, config)

    assert [one.value for one in result["__interrupt__"]] == ["sure?"]
    assert_legal(sink.events)
    end: Any = sink.events[-1]
    assert end.type == "run.interrupted"
    assert [(i.interrupt_id, i.payload) for i in end.interrupts] == [
        (result["__interrupt__"][0].id, "sure?")
    ]
    assert [e.payload for e in sink.events if isinstance(e, ev.InterruptRequested)] == ["sure?"]
    assert not caplog.records


@pytest.mark.parametrize("watch", [by_sinks, by_handler, by_astream])
async def test_a_watched_part_of_a_graph_that_hands_off_has_finished(
    watch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sink = RecordingSink()
    config: Any = {"configurable": {"thread_id": "1"}}

    result = await inside(watch(graph(hands_off=hands_off).compile(), sink)).ainvoke(HI, config)

    assert [message.text for message in result["messages"]][1:] == ["over"]
    assert_legal(sink.events)
    assert sink.events[-1].type == "run.finished"
    assert {e.outcome for e in sink.events if isinstance(e, ev.StepFinished)} == {"handed_off"}
    assert not caplog.records
