"""``result()`` is what ``ainvoke`` and ``invoke`` return, and raises what they raise."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.types import Command, Interrupt

from langchain_streamkit import RunCancelled, astream, stream
from tests.runs.scenes import (
    QUESTION,
    Boom,
    answering,
    asking,
    endless,
    graph,
    held,
    one_node,
    pausing,
    raising,
    speaking,
)
from tests.runs.watching import WAIT_S, aeventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.runnables import RunnableConfig

THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}


class Case(NamedTuple):
    """A call that can be made twice, with nothing left of the first."""

    make: Callable[[], Any]
    input: Any
    config: Any = None
    call: dict[str, Any] = {}  # noqa: RUF012 -- never changed


def functional() -> Any:
    @task
    def shout(text: str) -> str:
        return text.upper()

    @entrypoint()
    def flow(text: str) -> dict[str, Any]:
        return {"said": shout(text).result(), "answer": answering().invoke(text)}

    return flow


def chain() -> Any:
    return ChatPromptTemplate.from_messages([("human", "{q}")]) | answering() | StrOutputParser()


def two_nodes(**options: Any) -> Any:
    return graph(("first", speaking(answering())), ("second", speaking(answering())), **options)


def saved() -> Any:
    return two_nodes(checkpointer=InMemorySaver())


CASES: dict[str, Case] = {
    "model": Case(answering, "hi"),
    "model_with_stop": Case(answering, "hi", call={"stop": ["x"]}),
    "chain": Case(chain, {"q": "hi"}),
    "lambda_that_returns_none": Case(lambda: RunnableLambda(lambda _: None), "hi"),
    "graph": Case(two_nodes, QUESTION),
    "interrupted_graph": Case(pausing, QUESTION, THREAD),
    "graph_with_a_breakpoint": Case(
        saved, QUESTION, THREAD, {"interrupt_before": ["second"], "durability": "sync"}
    ),
    "functional": Case(functional, "hi"),
    "durability_sync": Case(saved, QUESTION, THREAD, {"durability": "sync"}),
    "durability_exit": Case(saved, QUESTION, THREAD, {"durability": "exit"}),
    "output_keys": Case(two_nodes, QUESTION, None, {"output_keys": "messages"}),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def known(value: Any) -> Any:
    """The value without the ids that are minted in each call."""
    if isinstance(value, BaseMessage):
        return value.model_copy(update={"id": None})
    if isinstance(value, dict):
        return {key: known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(known(one) for one in value)
    return value.value if isinstance(value, Interrupt) else value


async def test_result_is_what_ainvoke_returns(case: Case) -> None:
    expected = await case.make().ainvoke(case.input, case.config, **case.call)
    result = await astream(case.make(), case.input, case.config, call=case.call).result()
    assert type(result) is type(expected)
    assert known(result) == known(expected)


async def test_result_after_reading_is_what_ainvoke_returns(case: Case) -> None:
    expected = await case.make().ainvoke(case.input, case.config, **case.call)
    run = astream(case.make(), case.input, case.config, call=case.call)
    assert [event async for event in run]
    assert known(await run.result()) == known(expected)


def test_result_is_what_invoke_returns(case: Case) -> None:
    expected = case.make().invoke(case.input, case.config, **case.call)
    result = stream(case.make(), case.input, case.config, call=case.call).result()
    assert type(result) is type(expected)
    assert known(result) == known(expected)


async def test_result_of_an_interrupted_graph_has_its_interrupts() -> None:
    result: Any = await astream(pausing(), QUESTION, THREAD).result()
    assert [one.value for one in result["__interrupt__"]] == ["sure?"]


async def test_result_of_a_resumed_run_is_that_of_the_whole_graph() -> None:
    plain = pausing()
    await plain.ainvoke(QUESTION, THREAD)
    expected = await plain.ainvoke(Command(resume="yes"), THREAD)
    run = astream(graph(("ask", asking()), checkpointer=InMemorySaver()), QUESTION, THREAD)
    await run.result()
    result = await run.resume({run.interrupts[0].interrupt_id: "yes"}).result()
    assert known(result) == known(expected)
    assert result["messages"][-1].content == "answered yes"


@pytest.mark.parametrize("durability", ["sync", "exit"])
async def test_durability_given_in_call_saves_as_often_as_in_ainvoke(durability: Any) -> None:
    plain, watched = saved(), saved()
    await plain.ainvoke(QUESTION, THREAD, durability=durability)
    await astream(watched, QUESTION, THREAD, call={"durability": durability}).result()
    counts = [len(list(one.get_state_history(THREAD))) for one in (plain, watched)]
    assert counts[0] == counts[1] == {"sync": 4, "exit": 1}[durability]


# ---- what it raises ------------------------------------------------------------------------------

FAILING: dict[str, Callable[[BaseException], tuple[Any, Any]]] = {
    "lambda": lambda error: (RunnableLambda(raising(error)), "hi"),
    "chain": lambda error: (answering() | RunnableLambda(raising(error)), "hi"),
    "graph": lambda error: (graph(("fail", raising(error))), QUESTION),
    "subgraph": lambda error: (graph(("inner", graph(("fail", raising(error))))), QUESTION),
}


@pytest.fixture(params=FAILING)
def failing(request: pytest.FixtureRequest) -> Any:
    return FAILING[request.param]


async def test_result_raises_the_very_exception_each_time(failing: Any) -> None:
    error = Boom("no")
    run = astream(*failing(error))
    for _ in range(2):
        with pytest.raises(Boom) as caught:
            await run.result()
        assert caught.value is error


async def test_result_raises_the_very_exception_after_reading(failing: Any) -> None:
    error = Boom("no")
    run = astream(*failing(error))
    assert [event.type async for event in run][-1] == "run.failed"
    with pytest.raises(Boom) as caught:
        await run.result()
    assert caught.value is error


def test_result_of_a_sync_run_raises_the_very_exception(failing: Any) -> None:
    error = Boom("no")
    run = stream(*failing(error))
    with pytest.raises(Boom) as caught:
        run.result()
    assert caught.value is error


STOPPED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "model": lambda: (endless(), "hi"),
    "chain": lambda: (endless() | StrOutputParser(), "hi"),
    "graph": lambda: (one_node(endless()), QUESTION),
}


@pytest.mark.parametrize("make", STOPPED.values(), ids=STOPPED)
async def test_result_after_cancel_raises_runcancelled(make: Any) -> None:
    run = astream(*make())
    await run.started()
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()


@pytest.mark.parametrize("make", STOPPED.values(), ids=STOPPED)
def test_result_of_a_sync_run_after_cancel_raises_runcancelled(make: Any) -> None:
    run = stream(*make())
    run.started()
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result()


@pytest.mark.parametrize("make", STOPPED.values(), ids=STOPPED)
async def test_who_awaits_the_result_while_another_cancels_gets_runcancelled(make: Any) -> None:
    run = astream(*make())
    waiting = asyncio.create_task(run.result())
    await run.started()
    await run.cancel()
    with pytest.raises(RunCancelled):
        await asyncio.wait_for(waiting, WAIT_S)
    assert not waiting.cancelled()


@pytest.mark.parametrize("make", STOPPED.values(), ids=STOPPED)
async def test_a_cancelled_task_that_awaits_the_result_gets_cancellederror(make: Any) -> None:
    run = astream(*make())
    waiting = asyncio.create_task(run.result())
    await run.started()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, WAIT_S)
    assert waiting.cancelled()
    await aeventually(lambda: run.outcome == "cancelled", "the run ends")
    with pytest.raises(RunCancelled):
        await run.result()


async def test_a_cancellederror_of_the_runnable_itself_is_not_that_of_the_waiting_task() -> None:
    async def leave(value: str) -> str:
        raise asyncio.CancelledError

    with pytest.raises(RunCancelled):
        await astream(RunnableLambda(leave), "hi").result()


async def test_the_result_is_there_for_all_who_wait_for_it() -> None:
    gate = threading.Event()
    run = astream(held(gate), "hi")
    waiting = [asyncio.create_task(run.result()) for _ in range(3)]
    await run.started()
    gate.set()
    results = await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S)
    assert [one.content for one in results] == ["one two three four"] * 3
    assert all(one is results[0] for one in results)
