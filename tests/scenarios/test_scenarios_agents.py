"""Agents: tools and their calls, middleware, sub-agents inside tools, structured output."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    wrap_tool_call,
)
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command
from pydantic import BaseModel

from langchain_streamkit import astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ToolCall
from tests.scenarios.story import story
from tests.scenarios.told import (
    HI,
    add,
    broken,
    calls,
    events_of,
    graph,
    half,
    lines,
    multiply,
    node_of,
    says,
    told,
    told_by_handler,
    told_sync,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.tools import BaseTool

ADD = ToolCall("add", {"a": 1, "b": 2}, id="c1")
BROKEN = ToolCall("broken", {"a": 1}, id="c1")


def agent_of(wanted: ToolCall, *tools: BaseTool, middleware: Any = ()) -> Any:
    """An agent that asks for one tool, then says ``Done``."""
    return create_agent(says(calls(wanted), "Done"), list(tools), middleware=middleware)


def run_of(asked: str, tools: str) -> list[str]:
    """The story of such an agent: the call it asked for, and what its tools node did."""
    return [
        *lines(f"""
            run.started
            graph.started / LangGraph
            node.started /model model
            message.started /model assistant
            tool_call /model {asked}
            message.finished /model tool_calls unreported
            node.finished /model ok
            node.started /tools tools
        """),
        *lines(tools),
        *lines("""
            node.finished /tools ok
            node.started /model model
            message.started /model assistant
            text /model 'Done'
            message.finished /model stop unreported
            node.finished /model ok
            graph.finished / ok
            run.finished
        """),
    ]


async def told_everywhere(make: Callable[[], Any], value: Any = HI) -> list[str]:
    """The story that ``astream``, ``stream`` and the handler all tell."""
    story = await told(make(), value)
    assert told_sync(make(), value) == story
    assert await told_by_handler(make(), value) == story
    return story


# ---- tools ---------------------------------------------------------------------------------------


async def test_a_sync_tool_of_an_agent() -> None:
    assert await told_everywhere(lambda: agent_of(ADD, add)) == run_of(
        'c1 add {"a": 1, "b": 2}',
        """
        tool.started /tools/add add c1 {"a": 1, "b": 2}
        tool.finished /tools/add c1 ok '3'
        """,
    )


async def test_an_async_tool_of_an_agent() -> None:
    wanted = ToolCall("multiply", {"a": 1, "b": 2}, id="c1")
    expected = run_of(
        'c1 multiply {"a": 1, "b": 2}',
        """
        tool.started /tools/multiply multiply c1 {"a": 1, "b": 2}
        tool.finished /tools/multiply c1 ok '2'
        """,
    )
    assert await told(agent_of(wanted, multiply), HI) == expected
    assert await told_by_handler(agent_of(wanted, multiply), HI) == expected


async def test_two_parallel_tools_of_one_name_are_told_apart_by_call_and_number() -> None:
    second_done = asyncio.Event()

    @tool
    async def meet(a: int) -> str:
        """The first call ends after the second."""
        if a == 1:
            await second_done.wait()
        second_done.set()
        return f"met {a}"

    wanted = [ToolCall("meet", {"a": number}, id=f"c{number}") for number in (1, 2)]
    story = await told(create_agent(says(calls(*wanted), "Done"), [meet]), HI)
    tools = [line for line in story if line.startswith("tool.")]
    assert tools == lines("""
        tool.started /tools/meet meet c1 {"a": 1}
        tool.started /tools#2/meet meet c2 {"a": 2}
        tool.finished /tools#2/meet c2 ok 'met 2'
        tool.finished /tools/meet c1 ok 'met 1'
    """)
    assert [line for line in story if line.startswith("tool_call.finished")] == lines("""
        tool_call.finished /model c1 meet {"a": 1}
        tool_call.finished /model c2 meet {"a": 2}
    """)


async def test_two_calls_in_one_tools_node_are_told_apart_by_call_and_number() -> None:
    second_done = asyncio.Event()

    @tool
    async def meet(a: int) -> str:
        """The first call ends after the second."""
        if a == 1:
            await second_done.wait()
        second_done.set()
        return f"met {a}"

    wanted = [ToolCall("meet", {"a": number}, id=f"c{number}") for number in (1, 2)]
    both = graph(model=node_of(says(calls(*wanted))), tools=ToolNode([meet])).compile()
    story = await told(both, HI)
    assert [line for line in story if line.startswith("tool.")] == lines("""
        tool.started /tools/meet meet c1 {"a": 1}
        tool.started /tools/meet#2 meet c2 {"a": 2}
        tool.finished /tools/meet#2 c2 ok 'met 2'
        tool.finished /tools/meet c1 ok 'met 1'
    """)


async def test_a_tool_error_that_the_node_handles_fails_the_tool_with_its_answer() -> None:
    def make() -> Any:
        tools = ToolNode([broken], handle_tool_errors="Try something else")
        return graph(model=node_of(says(calls(BROKEN))), tools=tools).compile()

    expected = lines("""
        run.started
        graph.started / LangGraph
        node.started /model model
        message.started /model assistant
        tool_call /model c1 broken {"a": 1}
        message.finished /model tool_calls unreported
        node.finished /model ok
        node.started /tools tools
        tool.started /tools/broken broken c1 {"a": 1}
        tool.failed /tools/broken c1 tool_error 'Try something else'
        node.finished /tools ok
        graph.finished / ok
        run.finished
    """)
    assert await told(make(), HI) == expected
    assert await told_by_handler(make(), HI) == expected


async def test_a_tool_error_that_middleware_handles_fails_the_tool_with_its_answer() -> None:
    @wrap_tool_call
    async def soften(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except ValueError:
            return ToolMessage("It broke", tool_call_id=request.tool_call["id"])

    assert await told(agent_of(BROKEN, broken, middleware=[soften]), HI) == run_of(
        'c1 broken {"a": 1}',
        """
        tool.started /tools/broken broken c1 {"a": 1}
        tool.failed /tools/broken c1 tool_error 'It broke'
        """,
    )


async def test_a_tool_error_that_nobody_handles_fails_the_run() -> None:
    assert await told_everywhere(lambda: agent_of(BROKEN, broken)) == lines("""
        run.started
        graph.started / LangGraph
        node.started /model model
        message.started /model assistant
        tool_call /model c1 broken {"a": 1}
        message.finished /model tool_calls unreported
        node.finished /model ok
        node.started /tools tools
        tool.started /tools/broken broken c1 {"a": 1}
        tool.failed /tools/broken c1 tool_error None
        node.failed /tools tool_error
        graph.failed / tool_error
        run.failed tool_error
    """)


async def test_arguments_that_the_tool_refuses_fail_the_tool() -> None:
    wanted = ToolCall("add", {"a": "x", "b": 2}, id="c1")
    story = await told_everywhere(lambda: agent_of(wanted, add))
    failed = [line for line in story if line.startswith("tool.failed")]
    assert len(failed) == 1
    assert failed[0].startswith("tool.failed /tools/add c1 tool_error")
    assert "Input should be a valid integer" in failed[0]


async def test_an_unknown_tool_is_a_synthetic_tool_run_that_failed() -> None:
    wanted = ToolCall("nope", {"x": 1}, id="c1")
    assert await told_everywhere(lambda: agent_of(wanted, add)) == run_of(
        'c1 nope {"x": 1}',
        """
        tool.started /tools nope c1 {"x": 1} synthetic
        tool.failed /tools c1 tool_error 'Error: nope is not a valid tool, try one of [add].'
        """,
    )


async def test_a_call_that_middleware_answers_is_a_synthetic_tool_run() -> None:
    @wrap_tool_call
    async def answer(request: Any, handler: Any) -> Any:
        return ToolMessage("from memory", tool_call_id=request.tool_call["id"])

    assert await told(agent_of(ADD, add, middleware=[answer]), HI) == run_of(
        'c1 add {"a": 1, "b": 2}',
        """
        tool.started /tools add c1 {"a": 1, "b": 2} synthetic
        tool.finished /tools c1 ok 'from memory'
        """,
    )


async def test_a_tool_that_returns_a_command_finishes_with_its_tool_message() -> None:
    @tool
    def note(a: int, tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Write a note."""
        return Command(update={"messages": [ToolMessage("Noted", tool_call_id=tool_call_id)]})

    assert await told(agent_of(ToolCall("note", {"a": 1}, id="c1"), note), HI) == run_of(
        'c1 note {"a": 1}',
        """
        tool.started /tools/note note c1 {"a": 1}
        tool.finished /tools/note c1 ok 'Noted'
        """,
    )


async def test_the_artifact_of_a_tool_is_apart_from_its_content() -> None:
    @tool(response_format="content_and_artifact")
    def paint(a: int) -> tuple[str, dict[str, int]]:
        """Paint."""
        return "a cat", {"pixels": 3}

    agent = agent_of(ToolCall("paint", {"a": 1}, id="c1"), paint)
    (finished,) = [e for e in await events_of(agent, HI) if isinstance(e, ev.ToolFinished)]
    assert (finished.content, finished.artifact) == ("a cat", {"pixels": 3})


async def test_a_tool_called_with_a_tool_call_keeps_its_id() -> None:
    call = {"type": "tool_call", "name": "add", "id": "c7", "args": {"a": 1, "b": 2}}
    assert await told_everywhere(lambda: add, call) == lines("""
        run.started
        tool.started / add c7 {"a": 1, "b": 2}
        tool.finished / c7 ok '3'
        run.finished
    """)


@pytest.mark.parametrize("place", ["alone", "in a node"])
async def test_a_tool_called_without_a_tool_call_gets_a_minted_id(place: str) -> None:
    async def node(state: Any) -> dict[str, Any]:
        assert await add.ainvoke({"a": 1, "b": 2}) == 3
        return {}

    runnable: Any = add if place == "alone" else graph(adder=node).compile()
    stream = await events_of(runnable, {"a": 1, "b": 2} if place == "alone" else HI)
    story(stream)
    (started,) = [event for event in stream if isinstance(event, ev.ToolStarted)]
    (finished,) = [event for event in stream if isinstance(event, ev.ToolFinished)]
    assert started.tool_call_id.startswith("call_")
    assert finished.tool_call_id == started.tool_call_id
    assert started.path == (() if place == "alone" else ("adder", "add"))
    assert finished.output == 3


async def test_a_tool_a_node_calls_itself_gets_the_id_of_the_open_call_it_answers() -> None:
    model = says(calls(ToolCall("shout", {"text": "hey"}, id="c1")))

    @tool
    def shout(text: str) -> str:
        """Shout."""
        return text.upper()

    async def node(state: Any) -> dict[str, Any]:
        asked = await model.ainvoke(state["messages"])
        done = await shout.ainvoke(asked.tool_calls[0]["args"])
        return {"messages": [asked, ToolMessage(done, tool_call_id="c1")]}

    assert await told(graph(worker=node).compile(), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /worker worker
        message.started /worker assistant
        tool_call /worker c1 shout {"text": "hey"}
        message.finished /worker tool_calls unreported
        tool.started /worker/shout shout c1 {"text": "hey"}
        tool.finished /worker/shout c1 ok 'HEY'
        node.finished /worker ok
        graph.finished / ok
        run.finished
    """)


# ---- sub-agents ----------------------------------------------------------------------------------

RESEARCH = ToolCall("research", {"question": "why?"}, id="c1")


def research_tool() -> Any:
    inner: Any = create_agent(says("Inner answer", cycle=True), [], name="researcher")

    @tool
    async def research(question: str) -> str:
        """Ask the inner agent."""
        answer = await inner.ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    return research


@pytest.mark.parametrize(("shown", "audience"), [(False, " internal"), (True, "")])
async def test_an_agent_in_a_tool_has_the_tools_path_and_cause(shown: Any, audience: str) -> None:
    agent = agent_of(RESEARCH, research_tool())
    assert await told(agent, HI, show_subagents=shown) == run_of(
        'c1 research {"question": "why?"}',
        f"""
        tool.started /tools/research research c1 {{"question": "why?"}}
        graph.started /tools/research researcher cause=c1
        node.started /tools/research/model model cause=c1
        message.started /tools/research/model assistant{audience}
        text /tools/research/model 'Inner answer'
        message.finished /tools/research/model stop unreported
        node.finished /tools/research/model ok
        graph.finished /tools/research ok
        tool.finished /tools/research c1 ok 'Inner answer'
        """,
    )


async def test_the_text_for_the_user_is_without_what_sub_agents_say() -> None:
    run = astream(agent_of(RESEARCH, research_tool()), HI)
    story([event async for event in run])
    assert run.snapshot.text == "Done"


async def test_one_sub_agent_twice_in_parallel_is_told_apart_by_cause_and_number() -> None:
    both = asyncio.Barrier(2)

    async def meet(state: Any) -> dict[str, Any]:
        await both.wait()
        return {}

    inner = graph(meet=meet, ask=node_of(says("Inner answer", cycle=True))).compile(name="helper")

    @tool
    async def research(question: str) -> str:
        """Ask the inner graph."""
        answer = await inner.ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    wanted = [ToolCall("research", {"question": q}, id=f"c{q}") for q in ("1", "2")]
    stream = await events_of(create_agent(says(calls(*wanted), "Done"), [research]), HI)
    story(stream)
    steps = {e.step_id: e for e in stream if isinstance(e, ev.StepStarted)}
    tools = {e.step_id: e for e in stream if isinstance(e, ev.ToolStarted)}
    graphs = [step for step in steps.values() if step.name == "helper"]
    assert {step.cause: "/".join(step.path) for step in graphs} == {
        "c1": "tools/research",
        "c2": "tools#2/research",
    }
    for step in graphs:
        assert tools[step.parent_id or ""].tool_call_id == step.cause
    nodes = {(step.cause, "/".join(step.path)) for step in steps.values() if step.kind == "node"}
    assert {node for node in nodes if node[0]} == {
        ("c1", "tools/research/meet"),
        ("c1", "tools/research/ask"),
        ("c2", "tools#2/research/meet"),
        ("c2", "tools#2/research/ask"),
    }
    spoken = ["/".join(e.path) for e in stream if isinstance(e, ev.TextFinished)]
    assert sorted(spoken) == ["model", "tools#2/research/ask", "tools/research/ask"]


# ---- middleware ----------------------------------------------------------------------------------


async def test_a_summary_is_internal() -> None:
    summarise = SummarizationMiddleware(
        model=says("A summary"), trigger=("messages", 3), keep=("messages", 1)
    )
    agent = create_agent(says("Answer"), [add], middleware=[summarise])
    asked = {"messages": [("user", "one"), ("ai", "two"), ("user", "three")]}
    messages = [e for e in await events_of(agent, asked) if isinstance(e, ev.MessageStarted)]
    assert [(e.path[0], e.role, e.audience) for e in messages] == [
        ("SummarizationMiddleware.before_model", "assistant", "internal"),
        ("SummarizationMiddleware.before_model", "user", "internal"),
        ("model", "assistant", "user"),
    ]


async def test_a_model_tagged_nostream_is_internal() -> None:
    hidden = says("Hidden words").with_config(tags=["nostream"])
    assert await told(graph(writer=node_of(hidden)).compile(), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /writer writer
        message.started /writer assistant internal
        text /writer 'Hidden words'
        message.finished /writer stop unreported
        node.finished /writer ok
        graph.finished / ok
        run.finished
    """)


def third_retry() -> Any:
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0)
    return create_agent(says(calls(ADD), half(), half(), "Done"), [add], middleware=[retry])


def third_fallback() -> Any:
    fallback = ModelFallbackMiddleware(says(half()), says("Done"))
    return create_agent(says(calls(ADD), half()), [add], middleware=[fallback])


@pytest.mark.parametrize("make", [third_retry, third_fallback])
async def test_attempts_are_counted_anew_in_each_model_step(make: Any) -> None:
    story = await told(make(), HI)
    assert [line for line in story if line.startswith("message.")] == lines("""
        message.started /model assistant
        message.finished /model tool_calls unreported
        message.started /model assistant
        message.aborted /model error
        message.started /model assistant attempt=2
        message.aborted /model error
        message.started /model assistant attempt=3
        message.finished /model stop unreported
    """)


async def test_what_middleware_says_when_all_attempts_died_is_a_message() -> None:
    def sorry(error: Exception) -> str:
        return "Sorry"

    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, on_failure=sorry)
    story = await told(create_agent(says(half(), half()), [add], middleware=[retry]), HI)
    assert story[-6:] == lines("""
        message.started /model assistant
        text /model 'Sorry'
        message.finished /model stop
        node.finished /model ok
        graph.finished / ok
        run.finished
    """)


# ---- structured output and calls for the client --------------------------------------------------


class Answer(BaseModel):
    """The answer."""

    value: int


ANSWER = ToolCall("Answer", {"value": 3}, id="c1")


async def test_a_structured_response_is_no_pending_call() -> None:
    def make() -> Any:
        return create_agent(says(calls(ANSWER)), [], response_format=ToolStrategy(Answer))

    assert await told_everywhere(make) == lines("""
        run.started
        graph.started / LangGraph
        node.started /model model
        message.started /model assistant
        tool_call /model c1 Answer {"value": 3}
        message.finished /model tool_calls unreported
        tool.started /model Answer c1 {"value": 3} synthetic
        tool.finished /model c1 ok 'Returning structured response: value=3'
        node.finished /model ok
        graph.finished / ok
        run.finished
    """)


async def test_the_structured_response_is_in_the_result() -> None:
    agent = create_agent(says(calls(ANSWER)), [], response_format=ToolStrategy(Answer))
    result = await astream(agent, HI).result()
    assert result["structured_response"] == Answer(value=3)


STRUCTURED = lines("""
    run.started
    message.started / assistant
    tool_call / c1 Answer {"value": 3}
    message.finished / tool_calls unreported
    run.finished
""")


async def test_with_structured_output_has_no_pending_call() -> None:
    def make() -> Any:
        return says(calls(ANSWER)).with_structured_output(Answer)

    assert await told_everywhere(make, "hi") == STRUCTURED


async def test_with_structured_output_and_raw_has_no_pending_call() -> None:
    def make() -> Any:
        return says(calls(ANSWER)).with_structured_output(Answer, include_raw=True)

    assert await told_everywhere(make, "hi") == STRUCTURED


async def test_structured_output_inside_a_node_has_no_pending_call() -> None:
    structured = says(calls(ANSWER)).with_structured_output(Answer)

    async def node(state: Any) -> dict[str, Any]:
        answer: Any = await structured.ainvoke("hi")
        return {"messages": [AIMessage(f"It is {answer.value}")]}

    assert await told(graph(asker=node).compile(), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /asker asker
        message.started /asker assistant
        tool_call /asker c1 Answer {"value": 3}
        message.finished /asker tool_calls unreported
        message.started /asker assistant
        text /asker 'It is 3'
        message.finished /asker stop
        node.finished /asker ok
        graph.finished / ok
        run.finished
    """)


def bare_model() -> Any:
    return says(calls(ADD))


def bound_model() -> Any:
    return says(calls(ADD)).bind_tools([add])


@pytest.mark.parametrize("make", [bare_model, bound_model])
async def test_the_calls_of_a_bare_model_are_pending(make: Any) -> None:
    assert await told_everywhere(make, "hi") == lines("""
        run.started
        message.started / assistant
        tool_call / c1 add {"a": 1, "b": 2}
        message.finished / tool_calls unreported
        run.finished pending=['c1']
    """)


async def test_calls_that_a_graph_leaves_to_the_client_are_pending_with_their_arguments() -> None:
    wanted = [ADD, ToolCall("confirm", {"text": "sure?"}, id="c2")]
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("model", node_of(says(calls(*wanted))))
    builder.add_edge(START, "model")
    stream = await events_of(builder.compile(), HI)
    story(stream)
    finished = stream[-1]
    assert isinstance(finished, ev.RunFinished)
    assert [(c.tool_call_id, c.name, c.args) for c in finished.pending_tool_calls] == [
        ("c1", "add", {"a": 1, "b": 2}),
        ("c2", "confirm", {"text": "sure?"}),
    ]


async def test_only_the_calls_that_nobody_ran_are_pending() -> None:
    wanted = [ADD, ToolCall("confirm", {}, id="c2")]

    async def run_add(state: Any) -> dict[str, Any]:
        call = state["messages"][-1].tool_calls[0]
        return {"messages": [await add.ainvoke(call)]}

    both = graph(model=node_of(says(calls(*wanted))), tools=run_add).compile()
    assert (await told(both, HI))[-1] == "run.finished pending=['c2']"
