"""Attempts: what died is aborted, what was said in vain is retracted, the next one is numbered."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import RetryPolicy

from langchain_streamkit.testing import ToolCall, Turn
from tests.scenarios.told import (
    HI,
    add,
    calls,
    graph,
    half,
    lines,
    node_of,
    says,
    told,
    told_by_handler,
    told_sync,
)

SECOND_ATTEMPT = lines("""
    run.started
    message.started / assistant
    text / 'Half'
    message.aborted / error
    message.started / assistant attempt=2
    text / 'Full answer'
    message.finished / stop unreported
    run.finished
""")
RETRACTED = lines("""
    run.started
    message.started / assistant
    text / 'not json'
    message.finished / stop unreported
    message.retracted / retry
    message.started / assistant attempt=2
    text / '{"a": 1}'
    message.finished / stop unreported
    run.finished
""")


def passed(value: Any) -> Any:
    return value


def retried(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return runnable.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)


def with_retry() -> Runnable[Any, Any]:
    return retried(says(half(), "Full answer"))


def with_fallbacks() -> Runnable[Any, Any]:
    return says(half()).with_fallbacks([says("Full answer")])


def retry_of_a_parser() -> Runnable[Any, Any]:
    return retried(says("not json", '{"a": 1}') | JsonOutputParser())


def fallback_of_a_parser() -> Runnable[Any, Any]:
    other = says('{"a": 1}') | JsonOutputParser()
    return (says("not json") | JsonOutputParser()).with_fallbacks([other])


def alone(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return runnable


def in_a_chain(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableLambda(passed) | runnable | RunnableLambda(passed)


def in_a_map(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableParallel(a=runnable)


@pytest.mark.parametrize("place", [alone, in_a_chain, in_a_map])
@pytest.mark.parametrize("make", [with_retry, with_fallbacks])
async def test_the_attempt_after_a_dead_one_is_the_second(make: Any, place: Any) -> None:
    assert await told(place(make())) == SECOND_ATTEMPT
    assert await told_by_handler(place(make())) == SECOND_ATTEMPT
    assert told_sync(place(make())) == SECOND_ATTEMPT


@pytest.mark.parametrize("place", [alone, in_a_chain, in_a_map])
@pytest.mark.parametrize("make", [retry_of_a_parser, fallback_of_a_parser])
async def test_what_the_parser_could_not_read_is_retracted(make: Any, place: Any) -> None:
    assert await told(place(make())) == RETRACTED
    assert await told_by_handler(place(make())) == RETRACTED
    assert told_sync(place(make())) == RETRACTED


async def test_the_third_of_three_fallbacks_is_the_third_attempt() -> None:
    chain = RunnableLambda(passed) | says(half()).with_fallbacks([says(half()), says("Full")])
    assert await told(chain | StrOutputParser()) == lines("""
        run.started
        message.started / assistant
        text / 'Half'
        message.aborted / error
        message.started / assistant attempt=2
        text / 'Half'
        message.aborted / error
        message.started / assistant attempt=3
        text / 'Full'
        message.finished / stop unreported
        run.finished
    """)


@pytest.mark.parametrize("make", [with_retry, with_fallbacks])
async def test_attempts_inside_a_node(make: Any) -> None:
    assert await told(graph(writer=node_of(make())).compile(), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /writer writer
        message.started /writer assistant
        text /writer 'Half'
        message.aborted /writer error
        message.started /writer assistant attempt=2
        text /writer 'Full answer'
        message.finished /writer stop unreported
        node.finished /writer ok
        graph.finished / ok
        run.finished
    """)


def retrying_graph(node: Any) -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    policy = RetryPolicy(
        max_attempts=2,
        initial_interval=0.0,
        jitter=False,
        retry_on=(ValueError, RuntimeError),
    )
    builder.add_node("writer", node, retry_policy=policy)
    builder.add_edge(START, "writer")
    return builder.compile()


async def test_a_node_that_fails_after_its_message_and_runs_again_retracts_it() -> None:
    model = says("First answer", "Second answer")

    async def writer(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        if len(model.calls) == 1:
            raise ValueError("once")
        return {"messages": [answer]}

    assert await told(retrying_graph(writer), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /writer writer
        message.started /writer assistant
        text /writer 'First answer'
        message.finished /writer stop unreported
        node.failed /writer graph_error
        message.retracted /writer retry
        node.started /writer writer
        message.started /writer assistant attempt=2
        text /writer 'Second answer'
        message.finished /writer stop unreported
        node.finished /writer ok
        graph.finished / ok
        run.finished
    """)


async def test_a_node_whose_model_dies_and_that_runs_again_has_a_second_attempt() -> None:
    assert await told(retrying_graph(node_of(says(half(), "Full answer"))), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /writer writer
        message.started /writer assistant
        text /writer 'Half'
        message.aborted /writer error
        node.failed /writer model_error
        node.started /writer writer
        message.started /writer assistant attempt=2
        text /writer 'Full answer'
        message.finished /writer stop unreported
        node.finished /writer ok
        graph.finished / ok
        run.finished
    """)


def model_retry() -> Any:
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0)
    return create_agent(says(half(), "Full answer"), [add], middleware=[retry])


def model_fallback() -> Any:
    return create_agent(
        says(half()), [add], middleware=[ModelFallbackMiddleware(says("Full answer"))]
    )


@pytest.mark.parametrize("make", [model_retry, model_fallback])
async def test_attempts_of_an_agents_middleware(make: Any) -> None:
    assert await told(make(), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /model model
        message.started /model assistant
        text /model 'Half'
        message.aborted /model error
        message.started /model assistant attempt=2
        text /model 'Full answer'
        message.finished /model stop unreported
        node.finished /model ok
        graph.finished / ok
        run.finished
    """)


async def test_a_tool_that_is_tried_again_ends_once_for_each_attempt() -> None:
    tries: list[int] = []

    @tool
    def flaky(a: int) -> str:
        """Fail the first time."""
        tries.append(a)
        if len(tries) == 1:
            raise ValueError("once")
        return "fine"

    retry = ToolRetryMiddleware(max_retries=1, initial_delay=0.0)
    model = says(calls(ToolCall("flaky", {"a": 1}, id="c1")), "Done")
    assert await told(create_agent(model, [flaky], middleware=[retry]), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /model model
        message.started /model assistant
        tool_call /model c1 flaky {"a": 1}
        message.finished /model tool_calls unreported
        node.finished /model ok
        node.started /tools tools
        tool.started /tools/flaky flaky c1 {"a": 1}
        tool.failed /tools/flaky c1 tool_error None
        tool.started /tools/flaky flaky c1 {"a": 1} attempt=2
        tool.finished /tools/flaky c1 ok 'fine'
        node.finished /tools ok
        node.started /model model
        message.started /model assistant
        text /model 'Done'
        message.finished /model stop unreported
        node.finished /model ok
        graph.finished / ok
        run.finished
    """)


async def test_when_all_fallbacks_fail_the_run_fails_with_the_first_error() -> None:
    dead = says(Turn("Other", fail_after=0))
    assert await told(says(half()).with_fallbacks([dead])) == lines("""
        run.started
        message.started / assistant
        text / 'Half'
        message.aborted / error
        run.failed model_error
    """)
