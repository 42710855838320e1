"""Threads of ``langgraph_sdk``: runs, interrupts, failures and comebacks of Python's client."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import interrupt

from langchain_streamkit.values import to_plain
from tests.protocols.langgraph_v3.apps import served, user_of
from tests.protocols.langgraph_v3.clients import PyThread, py_client
from tests.scenarios.kinds import KINDS
from tests.scenarios.told import graph, half, node_of, says
from tests.serve.servers import WAIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.protocols.langgraph_v3.apps import Server

HI = {"messages": [{"role": "user", "content": "hi"}]}
GRAPHS = ["two_nodes", "agent", "branches", "sends", "custom_data"]


async def ask(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You said {interrupt({'ask': 'sure?'})!r}")]}


async def ask_again(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You told {interrupt('really?')!r}")]}


def kept(name: str) -> Any:
    made = KINDS[name].make()
    made.checkpointer = InMemorySaver()
    return made


def asking_twice_at_once() -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    for name, node in {"one": ask, "two": ask_again}.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile(checkpointer=InMemorySaver())


@asynccontextmanager
async def thread_of(
    server: Server, transport: str, thread_id: str | None = None, user: str | None = None
) -> AsyncIterator[Any]:
    headers = {"x-user": user} if user else None  # the client's own do not go to the WebSocket
    async with py_client(server.url) as client:
        opened = client.threads.stream(
            thread_id, assistant_id="agent", transport=transport, headers=headers
        )
        async with opened as stream:
            yield stream


def state_of(server: Server, thread_id: str) -> Any:
    return server.graph.get_state({"configurable": {"thread_id": thread_id}})


async def until(condition: Any) -> None:
    """The client changes its attributes, and tells nobody."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", GRAPHS)
async def test_client_ends_with_the_messages_tools_and_state_of_the_run(
    name: str, transport: str
) -> None:
    with served(kept(name)) as server:
        async with thread_of(server, transport) as stream:
            messages, tools = await PyThread(stream).run(HI)
            output = await stream.output
        snapshot = server.after(1)
        assert output == to_plain(state_of(server, stream.thread_id).values)
    said = [m for m in snapshot.messages if m.audience == "user"]
    assert {one["id"]: one["text"] for one in messages} == {m.message_id: m.text for m in said}
    ran = [call for call in snapshot.tool_calls if call.step_id]
    assert [(tool["name"], tool["input"]) for tool in tools] == [
        (call.name, call.input) for call in ran
    ]


async def test_second_run_of_a_thread_is_read_on_the_same_stream(transport: str) -> None:
    model = says("One", "Two")
    runnable = graph(one=node_of(model)).compile(checkpointer=InMemorySaver())
    with served(runnable) as server:
        async with thread_of(server, transport) as stream:
            thread = PyThread(stream)
            first, _ = await thread.run(HI)
            second, _ = await thread.run(HI)
    assert [[one["text"] for one in told] for told in (first, second)] == [["One"], ["Two"]]


async def test_all_interrupts_of_a_thread_are_answered_by_their_ids(transport: str) -> None:
    with served(asking_twice_at_once()) as server:
        async with thread_of(server, transport) as stream:
            await stream.run.start(input=HI)
            await until(lambda: len(stream.interrupts) == 2)
            server.after(1)
            asked = {one["interrupt_id"]: one["value"] for one in stream.interrupts}
            assert sorted(map(str, asked.values())) == ["really?", "{'ask': 'sure?'}"]
            answers = [
                {"namespace": [], "interrupt_id": name, "response": f"to {value}"}
                for name, value in asked.items()
            ]
            await stream._send_command("input.respond", {"responses": answers})
            output = await stream.output
        assert server.after(2).outcome == "finished"
    said = sorted(message["content"] for message in output["messages"][1:])
    assert said == ["You said \"to {'ask': 'sure?'}\"", "You told 'to really?'"]


async def test_one_interrupt_is_answered_and_the_other_asked_again() -> None:
    with served(asking_twice_at_once()) as server:
        async with thread_of(server, "sse") as stream:
            await stream.run.start(input=HI)
            await until(lambda: len(stream.interrupts) == 2)
            server.after(1)
            first, second = (one["interrupt_id"] for one in stream.interrupts)
            await stream.run.respond("yes", interrupt_id=first)
        left = server.after(2)
    assert left.outcome == "interrupted"
    assert [one.interrupt_id for one in left.interrupts] == [second]


async def test_failure_is_told_without_the_text_of_the_exception(transport: str) -> None:
    runnable = graph(one=node_of(says(half()))).compile(checkpointer=InMemorySaver())
    with served(runnable) as server:
        async with thread_of(server, transport) as stream:
            messages, _ = await PyThread(stream).run(HI)
            with pytest.raises(RuntimeError, match="Run errored") as failed:
                await stream.output
        error = server.after(1).error
    assert error
    assert str(failed.value) == f"Run errored: {error.message}"
    assert [set(message) for message in messages] == [{"id", "error"}]


async def test_cancelled_run_ends_for_who_waits_for_it(transport: str) -> None:
    async def wait(state: Any) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    runnable = graph(one=node_of(says("Hello you")), wait=wait).compile(
        checkpointer=InMemorySaver()
    )
    with served(runnable) as server:
        async with thread_of(server, transport) as stream:
            started = await stream.run.start(input=HI)
            reading = asyncio.create_task(PyThread(stream).read())
            with server.client() as http:
                assert http.post(f"/test/cancel/{started['run_id']}").json()
            with pytest.raises(RuntimeError, match="The run was stopped"):
                await stream.output
            await reading
        assert server.after(1).outcome == "cancelled"


async def test_reader_who_comes_later_is_sent_what_was_there(transport: str) -> None:
    with served(kept("agent")) as server:
        async with thread_of(server, transport) as stream:
            first = await PyThread(stream).run(HI)
        async with thread_of(server, transport, stream.thread_id) as again:
            assert await PyThread(again).read() == first
            assert await again.output == to_plain(state_of(server, stream.thread_id).values)


async def test_thread_that_its_first_run_has_made_is_found(transport: str) -> None:
    runnable = graph(one=node_of(says("One", "Two"))).compile(checkpointer=InMemorySaver())
    with served(runnable, authenticate=user_of) as server:
        async with thread_of(server, transport, user="ada") as stream:
            for _ in range(2):
                await PyThread(stream).run(HI)
        server.after(2)

        async def found(user: str, **wanted: Any) -> list[Any]:
            async with py_client(server.url) as client:
                headers = {"x-user": user}
                threads: list[Any] = await client.threads.search(headers=headers, **wanted)
                return threads

        [thread] = await found("ada")
        state = state_of(server, stream.thread_id)
        assert thread["thread_id"] == stream.thread_id
        assert thread["status"] == "idle"
        assert thread["values"] == to_plain(state.values)
        assert [one["thread_id"] for one in await found("ada", status="idle")] == [stream.thread_id]
        assert await found("ada", status="busy") == []
        assert await found("bob") == []


async def test_remote_graph_runs_by_this_protocol() -> None:
    with served(kept("agent")) as server:
        async with py_client(server.url) as client:
            remote = RemoteGraph("agent", client=client)
            async with await remote.astream_events(HI, version="v3") as run:
                output = await run.output()
        server.after(1)
    assert output["messages"][-1]["content"] == "It is 3"


async def test_thread_of_another_user_is_neither_read_nor_commanded(transport: str) -> None:
    with served(kept("agent"), authenticate=user_of) as server:
        async with thread_of(server, transport, user="ada") as mine:
            await PyThread(mine).run(HI)
        async with thread_of(server, transport, mine.thread_id, user="bob") as theirs:
            with pytest.raises(RuntimeError, match="permission_denied"):
                await theirs.run.start(input=HI)
            with pytest.raises(Exception, match=r"no such run or thread|404"):
                await theirs.output
