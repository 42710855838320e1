"""What is particular to ``astream_events(version="v2")`` as a route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ToolRetryMiddleware
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_streamkit import RunSnapshot, adapt, astream
from langchain_streamkit import events as ev
from langchain_streamkit.errors import AdaptError, ProducerLost
from langchain_streamkit.testing import ScriptedLLM, ToolCall, Turn, assert_legal
from tests.routes.scenes import SCENES
from tests.routes.ways import recorded
from tests.scenarios.told import HI, USAGE, add, calls, graph, half, node_of, says

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def v2(runnable: Any, value: Any = HI, **options: Any) -> Any:
    return runnable.astream_events(value, CONFIG, version="v2", **options)


async def adapted(runnable: Any, value: Any = HI, **options: Any) -> list[Any]:
    events: list[Any] = [event async for event in adapt(v2(runnable, value, **options))]
    assert_legal(events)
    return events


def of(events: list[Any], *kinds: str) -> list[Any]:
    return [event for event in events if event.type in kinds]


def codes(events: list[Any]) -> list[str]:
    return [event.code for event in of(events, "diagnostic")]


# ---- attempts: no event tells that they failed ---------------------------------------------------


def in_node_retry(asked: Callable[[Any], Any]) -> Any:
    model = asked(says(half(), "Full answer"))

    async def node(state: Any) -> Any:
        try:
            answer = await model.ainvoke(state["messages"])
        except RuntimeError:
            answer = await model.ainvoke(state["messages"])
        return {"messages": [answer]}

    return graph(one=node).compile()


def swallowed_failure() -> Any:
    model = says(half())

    async def node(state: Any) -> Any:
        try:
            answer = await model.ainvoke(state["messages"])
        except RuntimeError:
            answer = AIMessage("canned")
        return {"messages": [answer]}

    return graph(one=node).compile()


def side_by_side() -> Any:
    model = says("Hello you there", cycle=True)

    async def node(state: Any) -> Any:
        asked = [model.ainvoke(state["messages"]) for _ in range(3)]
        return {"messages": await asyncio.gather(*asked)}

    return graph(one=node).compile()


def tool_tried_twice() -> Any:
    tries: list[int] = []

    @tool
    async def flaky(a: int) -> str:
        """Fail once."""
        tries.append(a)
        if len(tries) == 1:
            raise ValueError("no")
        return "fine"

    again = ToolRetryMiddleware(max_retries=1, initial_delay=0.001, jitter=False)
    wanted = calls(ToolCall("flaky", {"a": 1}, id="c1"))
    return create_agent(says(wanted, "done"), [flaky], middleware=[again])


ATTEMPTS: dict[str, Callable[[], Any]] = {
    "a model asked again in its node": lambda: in_node_retry(lambda model: model),
    "a chain asked again in its node": lambda: in_node_retry(lambda m: RunnableLambda(list) | m),
    "a model with retry": lambda: graph(
        one=node_of(says(half(), "Full").with_retry(wait_exponential_jitter=False))
    ).compile(),
    "a fallback before the first token": lambda: graph(
        one=node_of(says(Turn("x", fail_after=0)).with_fallbacks([says("b0 b1")]))
    ).compile(),
    "a fallback by middleware": lambda: create_agent(
        says(half()), [], middleware=[ModelFallbackMiddleware(says("Other answer"))]
    ),
    "a failure that the node swallows": swallowed_failure,
    "the same question three times at once": side_by_side,
    "a tool tried twice": tool_tried_twice,
    "a failure of the run": lambda: graph(one=node_of(says(half()))).compile(),
    **{
        name: SCENES[name].make
        for name in (
            "fallback_after_three_tokens",
            "retry_after_a_parser_failure",
            "retry_of_a_node",
            "retry_by_middleware",
            "tool_error",
            "hand_off_of_a_supervisor",
            "message_handed_to_the_parent",
            "sub_graph_in_a_sub_graph",
            "interrupt_and_resume",
            "cached_answer",
        )
    },
}


def outline(events: list[Any]) -> list[tuple[Any, ...]]:
    """What began and how it ended, in order."""
    assert_legal(events)
    lines: list[tuple[Any, ...]] = []
    for event in events:
        match event:
            case ev.MessageStarted():
                lines.append((event.type, event.path, event.attempt, event.audience))
            case ev.MessageFinished():
                lines.append((event.type, event.usage.source if event.usage else None))
            case ev.MessageAborted() | ev.MessageRetracted():
                lines.append((event.type, event.reason))
            case ev.StepStarted():
                lines.append((event.type, event.path, event.kind))
            case ev.StepFinished():
                lines.append((event.type, event.path, event.outcome))
            case ev.RunFailed():
                lines.append((event.type, event.error.code))
            case ev.StepFailed():  # with what an attempt failed that was made again, v2 never says
                lines.append((event.type, event.path))
            case ev.ToolStarted():
                lines.append((event.type, event.tool_call_id, event.attempt, event.synthetic))
            case ev.ToolFinished() | ev.ToolFailed():
                lines.append((event.type, event.tool_call_id, event.content))
            case ev.InterruptRequested():
                namespace = [part.split(":")[0] for part in event.namespace]
                lines.append((event.type, event.path, event.payload, namespace))
            case _ if event.type.startswith("run."):
                lines.append((event.type,))
            case _:
                pass
    return lines


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_attempts_and_outcomes_are_those_of_our_own_route(name: str) -> None:
    ours = [event async for event in astream(ATTEMPTS[name](), HI, CONFIG)]
    theirs = [event async for event in adapt(v2(ATTEMPTS[name]()))]
    assert outline(theirs) == outline(ours)


async def test_a_model_wrongly_taken_for_failed_still_says_its_message() -> None:
    items = await recorded(v2(in_node_retry(lambda model: model)))
    started = [item["run_id"] for item in items if item["event"] == "on_chat_model_start"]
    late = {**next(item for item in items if item["event"] == "on_chat_model_end")}
    late |= {"run_id": started[0], "data": {"output": AIMessage("Half answer", id="other")}}
    events: list[Any] = list(adapt([*items[:-2], late, *items[-2:]]))
    assert_legal(events)
    snapshot = RunSnapshot.from_events(events)
    assert [one.text for one in snapshot.messages if one.stands] == ["Full answer", "Half answer"]


# ---- tools ---------------------------------------------------------------------------------------


async def test_equal_calls_keep_their_own_ids() -> None:
    wanted = [ToolCall("add", {"a": 1, "b": 1}, id=name) for name in ("c1", "c2")]
    events = await adapted(create_agent(says(calls(*wanted), "done"), [add]))
    assert sorted(one.tool_call_id for one in of(events, "tool.started")) == ["c1", "c2"]
    assert sorted(one.tool_call_id for one in of(events, "tool.finished")) == ["c1", "c2"]


# ---- roots that are no graphs --------------------------------------------------------------------


class Library(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(f"about {query}")]


async def test_a_chain_tells_its_model_and_returns_its_output() -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "{q}")])
    run = adapt(v2(prompt | says("Hello you") | StrOutputParser(), {"q": "?"}))
    events: list[Any] = [event async for event in run]
    assert_legal(events)
    assert RunSnapshot.from_events(events).text == "Hello you"
    assert await run.result() == "Hello you"


async def test_a_bare_model_is_a_run() -> None:
    run = adapt(v2(says(Turn("Hello you", usage=USAGE)), "?"))
    events: list[Any] = [event async for event in run]
    assert_legal(events)
    assert run.snapshot.text == "Hello you"
    assert run.usage.input_tokens == USAGE["input_tokens"]
    assert (await run.result()).text == "Hello you"


async def test_a_bare_text_model_is_a_run() -> None:
    events = await adapted(ScriptedLLM(["Old words here"]), "?")
    assert RunSnapshot.from_events(events).text == "Old words here"


async def test_a_text_model_in_a_node_is_told() -> None:
    model = ScriptedLLM(["Old words here"])

    async def node(state: Any) -> Any:
        return {"messages": [AIMessage(await model.ainvoke("?"))]}

    events = await adapted(graph(one=node).compile())
    assert RunSnapshot.from_events(events).text == "Old words here"
    assert len(of(events, "message.finished")) == 1


async def test_a_bare_tool_is_a_run() -> None:
    events = await adapted(add, {"a": 1, "b": 2})
    assert [one.output for one in of(events, "tool.finished")] == [3]


async def test_a_bare_retriever_is_a_run() -> None:
    events = await adapted(Library(), "birds")
    assert [one.kind for one in of(events, "step.started")] == ["retriever"]
    assert events[-1].type == "run.finished"


# ---- what is pending, and the result -------------------------------------------------------------


async def test_an_interrupted_run_returns_its_interrupts() -> None:
    run = adapt(v2(SCENES["interrupt_and_resume"].make()))
    result = await run.result()
    assert [one.value for one in result["__interrupt__"]] == ["sure?"]
    assert run.outcome == "interrupted"


async def test_a_static_breakpoint_interrupts() -> None:
    scene = SCENES["interrupt_and_resume"].make()
    events = await adapted(scene, interrupt_before=["one"])
    assert events[-1].type == "run.interrupted"


async def test_the_exception_of_a_live_source_is_that_of_the_run() -> None:
    run = adapt(v2(graph(one=node_of(says(half()))).compile()))
    with pytest.raises(RuntimeError, match="scripted failure"):
        await run.result()
    assert run.outcome == "failed"


async def test_chunks_of_the_root_are_given_when_asked_for() -> None:
    run = adapt(v2(SCENES["plain_answer"].make()), output_deltas=True)
    shown = of([event async for event in run], "output.delta")
    assert [list(event.data) for event in shown] == [["one"]]


async def test_state_is_captured_from_chunks_that_tell_their_mode() -> None:
    source = v2(SCENES["plain_answer"].make(), stream_mode=["updates", "values"])
    events: list[Any] = [event async for event in adapt(source, capture={"state"})]
    assert [one.node for one in of(events, "state.update")] == ["one"]
    assert len(of(events, "state.snapshot")) == 2


async def test_what_nodes_of_sub_graphs_write_is_told_once() -> None:
    inner = SCENES["custom_events"].make()
    events = await adapted(
        graph(inner=inner).compile(), stream_mode=["updates", "custom"], subgraphs=True
    )
    written = [event for event in of(events, "custom") if event.data == {"written": 1}]
    assert [event.path[0] for event in written] == ["inner"]
    assert len(of(events, "custom")) == 2


# ---- recordings, filters, parts ------------------------------------------------------------------


async def test_a_recording_cut_off_is_a_producer_lost() -> None:
    items = await recorded(v2(SCENES["nested_graph"].make()))
    for end in range(1, len(items)):
        run = adapt(items[:end])
        events: list[Any] = list(run)
        assert_legal(events)
        assert events[-1].error.code == "producer_lost"
        with pytest.raises(ProducerLost):
            run.result()


FILTERS: list[dict[str, Any]] = [
    {"include_types": ["chat_model"]},
    {"include_types": ["tool"]},
    {"include_names": ["model"]},
    {"exclude_names": ["LangGraph"]},
    {"exclude_types": ["chat_model"]},
    {"exclude_tags": ["graph:step:1"]},
    {"include_tags": ["seq:step:1"]},
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("name", ["two_interleaved_tool_calls", "sub_agent_twice_in_parallel"])
async def test_filtered_events_are_a_run_that_ends_well(name: str, filters: Any) -> None:
    events = await adapted(SCENES[name].make(), **filters)
    assert events[-1].type == "run.finished"
    if filters.get("include_types") == ["chat_model"]:
        assert len(of(events, "message.finished")) > 1


async def test_a_part_of_a_recording_is_told_as_far_as_it_goes() -> None:
    items = await recorded(v2(SCENES["plain_answer"].make()))
    first = next(n for n, item in enumerate(items) if item["event"] == "on_chat_model_stream")
    events: list[Any] = list(adapt(items[first:]))
    assert_legal(events)
    assert RunSnapshot.from_events(events).text == "Hello you there"
    assert events[-1].type == "run.finished"


async def test_events_made_inside_another_run_are_a_run() -> None:
    inner = SCENES["plain_answer"].make()
    found: list[Any] = []

    async def outer(value: Any) -> None:
        run = adapt(inner.astream_events(HI, version="v2"))
        found.extend([event async for event in run])
        found.append(await run.result())

    await RunnableLambda(outer).ainvoke("x")
    result = found.pop()
    assert_legal(found)
    assert found[0].name == "LangGraph"
    assert result["messages"][-1].text == "Hello you there"


async def test_of_several_root_runs_the_first_is_the_run() -> None:
    one = await recorded(v2(SCENES["plain_answer"].make()))
    other = await recorded(v2(SCENES["reasoning"].make()))
    mixed = [item for pair in zip(one, other, strict=False) for item in pair] + one[len(other) :]
    for items in (one + other, mixed):
        events: list[Any] = list(adapt(items))
        assert_legal(events)
        assert RunSnapshot.from_events(events).text == "Hello you there"
        assert events[-1].type == "run.finished"
        assert codes(events) == ["item_skipped"]


# ---- version 1 -----------------------------------------------------------------------------------


def test_events_of_version_1_are_refused_before_they_begin() -> None:
    runnables: list[Any] = [SCENES["plain_answer"].make(), says("x"), says("x").bind(stop=["y"])]
    for runnable in runnables:
        source = runnable.astream_events(HI, version="v1")
        with pytest.raises(AdaptError, match="version='v2'"):
            adapt(source)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_recorded_events_of_version_1_end_the_run_with_a_refusal() -> None:
    chain = ChatPromptTemplate.from_messages([("human", "{q}")]) | says("Hello")
    for runnable, value in ((SCENES["plain_answer"].make(), HI), (chain, {"q": "?"})):
        run = adapt(await recorded(runnable.astream_events(value, version="v1")))
        events: list[Any] = []
        with pytest.raises(AdaptError, match="version='v2'"):
            events.extend(run)
        assert_legal(events)
        assert [event.type for event in events] == ["run.started", "run.failed"]
        with pytest.raises(AdaptError, match="version='v2'"):
            run.result()
