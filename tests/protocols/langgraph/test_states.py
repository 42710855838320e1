"""The states of threads, as the Python client reads and writes them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from langchain_streamkit.manager.thread_states import ThreadStates
from langchain_streamkit.values import to_plain
from langchain_streamkit.wire.langgraph.state import thread_state
from tests.protocols.langgraph.apps import served, user_of
from tests.scenarios.told import HI, graph, node_of, says

T: Any = {"configurable": {"thread_id": "t"}}


def asking() -> Any:
    def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    inner = graph(ask=ask).compile()
    built = graph(one=node_of(says("Hello you", cycle=True)), inner=inner)
    return built.compile(checkpointer=InMemorySaver())


def failing() -> Any:
    def fail(state: Any) -> None:
        raise ValueError("secret")

    return graph(one=node_of(says("Hello")), fail=fail).compile(checkpointer=InMemorySaver())


async def test_state_is_what_the_graph_has() -> None:
    made = asking()
    await made.ainvoke(HI, T)
    with served(made) as server:
        async with server.client() as client:
            for subgraphs in (False, True):
                found: Any = await client.threads.get_state("t", subgraphs=subgraphs)
                state = await made.aget_state(T, subgraphs=subgraphs)
                assert found["values"] == to_plain(state.values)
                assert found["next"] == ["inner"]
                (asked,) = state.interrupts
                assert found["interrupts"] == [{"id": asked.id, "value": "sure?"}]
                (task,) = found["tasks"]
                assert task["name"] == "inner"
                assert task["interrupts"] == found["interrupts"]
                assert (task["state"] is None) is not subgraphs
                assert found == thread_state(state)
            inner = task["state"]["checkpoint"]
            assert inner["checkpoint_ns"].startswith("inner:")
            deep: Any = await client.threads.get_state("t", checkpoint=inner)
            assert deep["next"] == ["ask"]


async def test_history_is_newest_first_and_goes_on_before_a_checkpoint() -> None:
    made = graph(one=node_of(says("Hello"))).compile(checkpointer=InMemorySaver())
    await made.ainvoke(HI, T)
    with served(made) as server:
        async with server.client() as client:
            every: Any = await client.threads.get_history("t")
            assert every == [thread_state(one) async for one in made.aget_state_history(T)]
            assert [one["metadata"]["step"] for one in every] == [1, 0, -1]
            assert await client.threads.get_history("t", limit=1) == every[:1]
            first = every[0]["checkpoint"]
            given: Any
            for given in (first, first["checkpoint_id"], {"configurable": first}):
                assert await client.threads.get_history("t", before=given) == every[1:]
            found: Any = await client.threads.get_history("t", metadata={"source": "input"})
            assert [one["metadata"]["source"] for one in found] == ["input"]
            older = await client.threads.get_state("t", checkpoint=every[1]["checkpoint"])
            assert older["values"] == every[1]["values"]
            with pytest.raises(UnprocessableEntityError, match="found by 'streamkit_user'"):
                await client.threads.get_history("t", metadata={"streamkit_user": "ann"})


async def test_update_is_kept_as_if_a_node_had_returned_it() -> None:
    made = asking()
    await made.ainvoke(HI, T)
    with served(made) as server:
        async with server.client() as client:
            said: Any = {"messages": [{"role": "user", "content": "and?", "id": "m9"}]}
            answer = await client.threads.update_state("t", said, as_node="one")
            state = await made.aget_state(T)
            assert state.values["messages"][-1].text == "and?"
            assert (
                answer["checkpoint"]["checkpoint_id"]
                == state.config["configurable"]["checkpoint_id"]
            )
            with pytest.raises(UnprocessableEntityError, match="no node of this graph"):
                await client.threads.update_state("t", said, as_node="nowhere")
            with pytest.raises(UnprocessableEntityError, match="does not take these values"):
                await client.threads.update_state("t", {"messages": [{"no": 1}]}, as_node="one")


async def test_thread_of_another_user_is_not_there() -> None:
    made = asking()
    await made.ainvoke(HI, {**T, "metadata": {"streamkit_user": "ann", "secret": "x"}})
    with served(made, authenticate=user_of) as server:
        async with server.client("ann") as ann, server.client("bob") as bob:
            state: Any = await ann.threads.get_state("t")
            assert set(state["metadata"]) == {"source", "step", "parents"}
            await ann.threads.update_state("t", {"messages": []}, as_node="one")
            state = await ann.threads.get_state("t")
            assert state["metadata"]["source"] == "update"
            for refused in (
                bob.threads.get_state("t"),
                bob.threads.get_history("t"),
                bob.threads.update_state("t", {"messages": []}),
                bob.threads.get_state("t", checkpoint_id="c"),
                ann.threads.get_state("t", checkpoint_id="1ef4a9b8-e6fb-67b1-8001-abd5184439d1"),
                ann.threads.get_state("nobodys"),
            ):
                with pytest.raises(NotFoundError):
                    await refused


async def test_metadata_that_was_named_is_shown() -> None:
    made = asking()
    await made.ainvoke(HI, {**T, "metadata": {"topic": "cats", "secret": "x"}})
    with served(made, metadata=["topic"]) as server:
        async with server.client() as client:
            state: Any = await client.threads.get_state("t")
            assert state["metadata"]["topic"] == "cats"
            assert "secret" not in state["metadata"]


async def test_error_of_a_task_is_told_without_its_text() -> None:
    made = failing()
    with pytest.raises(ValueError, match="secret"):
        await made.ainvoke(HI, T)
    with served(made) as server:
        async with server.client() as client:
            state: Any = await client.threads.get_state("t")
            assert [task["error"] for task in state["tasks"]] == ["A step of the graph failed."]
            assert "secret" not in str(state)


async def test_graph_without_a_checkpointer_says_what_to_use() -> None:
    with served(graph(one=node_of(says("Hello"))).compile()) as server:
        async with server.client() as client:
            for refused in (client.threads.get_state("t"), client.threads.get_history("t")):
                with pytest.raises(UnprocessableEntityError, match="POST /runs/stream"):
                    await refused


async def test_thread_that_was_made_without_a_run_has_an_empty_state() -> None:
    made = asking()
    states = ThreadStates(made)
    record = await states.create("t", "ann", {"topic": "cats"})
    assert await states.record("t") == record
    state = await states.newest("t", "ann")
    assert (dict(state.values), state.next, state.tasks) == ({"messages": []}, (), ())
    assert await states.history("t", "ann", limit=5) == []
    await made.ainvoke(HI, {**T, "metadata": {"streamkit_user": "ann"}})
    assert await states.record("t") == record
    history: Any = await states.history("t", "ann", limit=9)
    steps = [one.metadata["step"] for one in history]
    assert steps == [1, 0, -1]
    assert [one async for one in states.records("ann")] == [record]
    assert [one async for one in states.records("bob")] == []
    assert [one async for one in states.records(None)] == []
