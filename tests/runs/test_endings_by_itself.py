from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from langchain.agents import create_agent
from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode

from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn
from tests.runs.scenes import (
    QUESTION,
    Boom,
    State,
    answering,
    asking,
    graph,
    one_node,
    pausing,
    raising,
)
from tests.runs.watching import ROUTES, Seen

PROMPT = ChatPromptTemplate.from_messages([("human", "{question}")])
BOOM = Boom("as scripted")


@pytest.fixture(autouse=True)
def no_notes() -> None:
    """LangGraph adds notes to what nodes raise."""
    BOOM.__dict__.pop("__notes__", None)


def broken_tool(thing: str) -> str:
    """Always fails."""
    raise BOOM


def calls_tool() -> ScriptedModel:
    call = Turn(tool_calls=[ToolCall("broken_tool", {"thing": "tea"})])
    return ScriptedModel([call, "I am sorry"], cycle=True)


class Failing(NamedTuple):
    """A call that fails, and what is told of it."""

    make: Callable[[], Any]
    value: Any
    code: str
    raises: type[BaseException] = Boom


FAILING = {
    "prompt": Failing(lambda: PROMPT | answering(), {"wrong": 1}, "invalid_input", KeyError),
    "bare_model_before_first_token": Failing(
        lambda: ScriptedModel([Turn("a b c", fail_after=0, error=BOOM)]), "hi", "model_error"
    ),
    "bare_model_after_first_token": Failing(
        lambda: ScriptedModel([Turn("a b c", fail_after=2, error=BOOM)]), "hi", "model_error"
    ),
    "model_in_chain_before_first_token": Failing(
        lambda: PROMPT | ScriptedModel([Turn("a b", fail_after=0, error=BOOM)]) | StrOutputParser(),
        {"question": "?"},
        "model_error",
    ),
    "model_in_chain_after_first_token": Failing(
        lambda: PROMPT | ScriptedModel([Turn("a b", fail_after=1, error=BOOM)]) | StrOutputParser(),
        {"question": "?"},
        "model_error",
    ),
    "model_in_graph_before_first_token": Failing(
        lambda: one_node(ScriptedModel([Turn("a b", fail_after=0, error=BOOM)])),
        QUESTION,
        "model_error",
    ),
    "model_in_graph_after_first_token": Failing(
        lambda: one_node(ScriptedModel([Turn("a b", fail_after=1, error=BOOM)])),
        QUESTION,
        "model_error",
    ),
    "tool_in_agent": Failing(
        lambda: create_agent(calls_tool(), [broken_tool]), QUESTION, "tool_error"
    ),
    "node": Failing(lambda: graph(("bad", raising(BOOM))), QUESTION, "graph_error"),
    "lambda": Failing(lambda: RunnableLambda(raising(BOOM)), 1, "internal"),
    "parser": Failing(
        lambda: answering("no json") | JsonOutputParser(),
        "hi",
        "parse_error",
        OutputParserException,
    ),
    "one_branch_of_two": Failing(
        lambda: RunnableParallel(good=answering(), bad=RunnableLambda(raising(BOOM))),
        "hi",
        "internal",
    ),
}


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> Any:
    return ROUTES[request.param]


@pytest.mark.parametrize("case", FAILING)
async def test_an_exception_ends_the_run_as_failed(route: Any, case: str) -> None:
    failing = FAILING[case]
    seen: Seen = await route(failing.make(), failing.value)
    assert (seen.end.type, seen.end.error.code) == ("run.failed", failing.code)
    assert seen.end.error.message not in ("", "as scripted")


@pytest.mark.parametrize("case", FAILING)
async def test_the_caller_gets_the_original_exception(route: Any, case: str) -> None:
    failing = FAILING[case]
    seen: Seen = await route(failing.make(), failing.value)
    assert isinstance(seen.error, failing.raises)
    assert failing.raises is not Boom or seen.error is BOOM


async def test_a_model_that_fails_after_its_first_token_aborts_its_message(route: Any) -> None:
    failing = FAILING["model_in_graph_after_first_token"]
    seen: Seen = await route(failing.make(), failing.value)
    (aborted,) = [e for e in seen.events if e.type == "message.aborted"]
    assert aborted.reason == "error"


async def test_a_model_that_fails_before_its_first_token_has_no_message(route: Any) -> None:
    failing = FAILING["model_in_graph_before_first_token"]
    seen: Seen = await route(failing.make(), failing.value)
    assert not [kind for kind in seen.types if kind.startswith("message.")]


async def test_a_tool_error_that_the_tool_node_handles_is_no_end(route: Any) -> None:
    model = calls_tool()
    agent = graph(
        ("ask", lambda state: {"messages": [model.invoke(state["messages"])]}),
        ("tools", ToolNode([broken_tool], handle_tool_errors=True)),
        ("answer", lambda state: {"messages": [model.invoke(state["messages"])]}),
    )
    seen: Seen = await route(agent, QUESTION)
    assert seen.end.type == "run.finished"
    (failed,) = [e for e in seen.events if e.type == "tool.failed"]
    assert failed.error.code == "tool_error"
    assert seen.result["messages"][-1].content == "I am sorry"


@pytest.mark.parametrize(
    ("runnable", "value"),
    [
        (answering(), "hi"),
        (PROMPT | answering() | StrOutputParser(), {"question": "?"}),
        (RunnableLambda(abs), -1),
        (RunnableParallel(a=answering(), b=answering()), "hi"),
        (one_node(answering()), QUESTION),
    ],
    ids=["model", "chain", "lambda", "parallel", "graph"],
)
async def test_success_ends_the_run_as_finished(route: Any, runnable: Any, value: Any) -> None:
    seen: Seen = await route(runnable, value)
    assert seen.end.type == "run.finished"
    assert seen.error is None


async def test_an_interrupt_ends_the_run_as_interrupted(route: Any) -> None:
    seen: Seen = await route(pausing(), QUESTION, config={"configurable": {"thread_id": "1"}})
    assert seen.end.type == "run.interrupted"
    (pending,) = seen.end.interrupts
    assert pending.payload == "sure?"
    (asked,) = [e for e in seen.events if e.type == "interrupt.requested"]
    assert asked.interrupt_id == pending.interrupt_id


@pytest.mark.parametrize("where", ["interrupt_before", "interrupt_after"])
async def test_a_static_breakpoint_ends_the_run_as_interrupted(route: Any, where: str) -> None:
    stopped = graph(
        ("first", lambda state: {"messages": [("assistant", "1")]}),
        ("second", lambda state: {"messages": [("assistant", "2")]}),
        checkpointer=InMemorySaver(),
        **{where: ["second" if where == "interrupt_before" else "first"]},
    )
    seen: Seen = await route(stopped, QUESTION, config={"configurable": {"thread_id": "1"}})
    assert seen.end.type == "run.interrupted"
    assert seen.error is None


async def test_parallel_interrupts_are_all_told(route: Any) -> None:
    builder: StateGraph[State] = StateGraph(State)
    for name in ("a", "b"):
        node: Any = asking(f"{name}?")
        builder.add_node(name, node)
        builder.add_edge(START, name)
    asks = builder.compile(checkpointer=InMemorySaver())
    seen: Seen = await route(asks, QUESTION, config={"configurable": {"thread_id": "1"}})
    assert sorted(one.payload for one in seen.end.interrupts) == ["a?", "b?"]
