"""``RemoteGraph``: a served graph that is used like a local one."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langgraph.pregel.remote import RemoteException
from langgraph.types import Command

from langchain_streamkit.testing import Turn
from langchain_streamkit.values import to_plain
from tests.protocols.langgraph.apps import served
from tests.protocols.langgraph.graphs import asking_twice, chat
from tests.scenarios.told import graph, node_of, says

HI: Any = {"messages": [{"role": "user", "content": "hi"}]}
T: Any = {"configurable": {"thread_id": "t"}}


async def test_remote_graph_answers_as_the_graph_does() -> None:
    made = chat("Hello you")
    with served(made) as server:
        async with server.remote() as far:
            found: Any = await far.ainvoke(HI, T)
            assert found == to_plain((await made.aget_state(T)).values)
            without: Any = await far.ainvoke(HI)
            assert [one["content"] for one in without["messages"]] == ["hi", "Hello you"]
            again = far.invoke(HI, T)
            assert len(again["messages"]) == 4


async def test_remote_graph_streams_what_the_graph_streams() -> None:
    made = chat("Hello to you all", says_data={"done": 1})
    modes: Any = ["values", "updates", "custom", "messages"]
    with served(made) as server:
        async with server.remote() as far:
            found: list[Any] = [item async for item in far.astream(HI, T, stream_mode=modes)]
            local: list[Any] = [
                item
                async for item in made.astream(
                    HI, {"configurable": {"thread_id": "u"}}, stream_mode=modes
                )
            ]
    assert [item[0] for item in found if item[0] != "messages"] == [
        item[0] for item in local if item[0] != "messages"
    ]
    texts = [
        "".join(AIMessageChunk(**item[1][0]).text for item in found if item[0] == "messages"),
        "".join(item[1][0].text for item in local if item[0] == "messages"),
    ]
    assert texts == ["Hello to you all"] * 2


async def test_remote_graph_streams_subgraphs_with_their_namespaces() -> None:
    inner = graph(leaf=node_of(says("Leaf text", cycle=True))).compile()
    made = graph(first=inner, last=node_of(says("Last text", cycle=True))).compile()
    with served(made) as server:
        async with server.remote() as far:
            found: list[Any] = [
                item async for item in far.astream(HI, stream_mode="updates", subgraphs=True)
            ]
            local: list[Any] = [
                item async for item in made.astream(HI, stream_mode="updates", subgraphs=True)
            ]
            shown = [[(len(ns), *update) for ns, update in items] for items in (found, local)]
            assert shown[0] == shown[1] == [(1, "leaf"), (0, "first"), (0, "last")]
            assert found[0][0][0].startswith("first:")


async def test_interrupts_of_a_remote_graph_are_answered() -> None:
    made = asking_twice()
    with served(made) as server:
        async with server.remote() as far:
            found: Any = await far.ainvoke(HI, T)
            pending = [one["id"] for one in found["__interrupt__"]]
            state = await far.aget_state(T)
            local = await made.aget_state(T)
            assert (
                pending
                == [one.id for one in state.interrupts]
                == [one.id for one in local.interrupts]
            )
            assert set(state.next) == {"one", "two"}
            answers: Any = Command(resume=dict.fromkeys(pending, "yes"))
            found = await far.ainvoke(answers, T)
            assert found == to_plain((await made.aget_state(T)).values)
            output: Any = await far.ainvoke(HI, T, version="v2")
            assert len(output.interrupts) == 2


async def test_state_of_a_remote_graph_is_read_and_written() -> None:
    made = chat("Hello you")
    with served(made) as server:
        async with server.remote() as far:
            await far.ainvoke(HI, T)
            state = await far.aget_state(T)
            assert state.values == to_plain((await made.aget_state(T)).values)
            config = await far.aupdate_state(T, {"messages": [("user", "and?")]}, as_node="one")
            assert (await far.aget_state(config)).values["messages"][-1]["content"] == "and?"
            history: list[Any] = [one async for one in far.aget_state_history(T)]
            assert len(history) == 4
            assert history[0].parent_config
            assert (
                history[1].config["configurable"]["checkpoint_id"]
                == (history[0].parent_config["configurable"]["checkpoint_id"])
            )
            drawn = await far.aget_graph()
            assert set(drawn.nodes) == {"__start__", "one", "__end__"}


async def test_failure_of_a_remote_graph_is_an_exception_without_its_text() -> None:
    with served(chat(Turn("Half answer", fail_after=1))) as server:
        async with server.remote() as far:
            with pytest.raises(RemoteException, match=r"The model call failed\."):
                await far.ainvoke(HI, T)


async def test_breakpoints_of_a_remote_graph_hold() -> None:
    made = chat("Hello you")
    with served(made) as server:
        async with server.remote() as far:
            found: Any = await far.ainvoke(HI, T, interrupt_before=["one"])
            assert [one["content"] for one in found["messages"]] == ["hi"]
            assert (await far.aget_state(T)).next == ("one",)
            found = await far.ainvoke(None, T)
            assert found["messages"][-1]["content"] == "Hello you"
