"""Runs, threads and assistants by LangGraph's own Python client."""

from __future__ import annotations

from contextlib import aclosing
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk
from langgraph_sdk.errors import (
    APIStatusError,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)

from langchain_streamkit.testing import Turn
from langchain_streamkit.values import to_plain
from tests.protocols.langgraph.apps import served, user_of
from tests.protocols.langgraph.graphs import asking_twice, chat, gated
from tests.scenarios.told import graph, node_of, says

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

HI: Any = {"messages": [{"role": "user", "content": "hi"}]}
T: Any = {"configurable": {"thread_id": "t"}}


async def streamed(client: LangGraphClient, thread_id: str | None = "t", **more: Any) -> list[Any]:
    """The parts of a run."""
    given: Any = {"input": HI, "if_not_exists": "create", **more}
    return [part async for part in client.runs.stream(thread_id, "agent", **given)]


async def begun(client: LangGraphClient, run_id: str) -> None:
    """Return when a run has said something."""
    parts: Any = client.runs.join_stream("t", run_id)
    async with aclosing(parts):
        assert (await anext(parts)).event == "metadata"


async def test_values_are_the_states_of_the_graph() -> None:
    made = chat("Hello you")
    with served(made) as server:
        async with server.client() as client:
            parts = await streamed(client)
            assert [part.event for part in parts] == ["metadata", "values", "values", "end"]
            state = await made.aget_state(T)
            assert parts[-2].data == to_plain(state.values)
            assert parts[0].data["attempt"] == 1


async def test_updates_and_custom_data_are_the_chunks_of_the_graph() -> None:
    made = chat("Hello you", says_data={"done": 1})
    with served(made) as server:
        async with server.client() as client:
            parts = await streamed(client, stream_mode=["updates", "custom"])
            told = [(part.event, part.data) for part in parts[1:-1]]
            state = await made.aget_state(T)
            assert told == [
                ("custom", {"done": 1}),
                ("updates", {"one": {"messages": to_plain(state.values["messages"][1:])}}),
            ]


async def test_pieces_of_messages_join_to_what_the_state_has() -> None:
    made = chat(Turn("Hello to you all", reasoning="Hm"))
    with served(made) as server:
        async with server.client() as client:
            parts = await streamed(client, stream_mode="messages-tuple")
            pieces = [part for part in parts if part.event == "messages"]
            whole: Any = reduce(add, (AIMessageChunk(**part.data[0]) for part in pieces))
            state = await made.aget_state(T)
            stored = state.values["messages"][-1]
            assert (whole.text, whole.id) == (stored.text, stored.id)
            assert [one["type"] for one in whole.content_blocks] == ["reasoning", "text"]
            assert pieces[0].data[1]["langgraph_node"] == "one"


async def test_interrupts_are_told_and_answered_by_id_or_alone() -> None:
    made = asking_twice()
    with served(made) as server:
        async with server.client() as client:
            parts = await streamed(client, stream_mode=["values", "updates"])
            state = await made.aget_state(T)
            pending = [{"value": one.value, "id": one.id} for one in state.interrupts]
            assert parts[-2].data["__interrupt__"] == pending
            asked = [part.data["__interrupt__"] for part in parts if "__interrupt__" in part.data]
            assert sorted(asked[:-1], key=str) == sorted(([one] for one in pending), key=str)
            with pytest.raises(UnprocessableEntityError, match="waits for 2 answers"):
                await streamed(client, input=None, command={"resume": "yes"})
            first, second = (one["id"] for one in pending)
            parts = await streamed(client, input=None, command={"resume": {first: "yes"}})
            assert [one["id"] for one in parts[-2].data["__interrupt__"]] == [second]
            parts = await streamed(client, input=None, command={"resume": "no"})
            assert "__interrupt__" not in parts[-2].data
            state = await made.aget_state(T)
            assert parts[-2].data == to_plain(state.values)
            assert {message.text for message in state.values["messages"][1:]} == {"yes", "no"}
            with pytest.raises(UnprocessableEntityError, match="waits for no answer"):
                await streamed(client, input=None, command={"resume": "no"})


async def test_wait_gives_the_last_values_or_the_error() -> None:
    with served(chat("Hello you")) as server:
        async with server.client() as client:
            found: Any = await client.runs.wait("t", "agent", input=HI, if_not_exists="create")
            assert [one["content"] for one in found["messages"]] == ["hi", "Hello you"]
            stateless: Any = await client.runs.wait(None, "agent", input=HI)
            assert [one["content"] for one in stateless["messages"]] == ["hi", "Hello you"]
    with served(chat(Turn("Half answer", fail_after=1))) as server:
        async with server.client() as client:
            with pytest.raises(Exception, match="model_error: The model call failed"):
                await client.runs.wait(None, "agent", input=HI)


async def test_failed_run_ends_with_an_error_without_the_exceptions_text() -> None:
    with served(chat(Turn("Half answer", fail_after=1))) as server:
        async with server.client() as client:
            *_, error, end = await streamed(client)
            assert (error.event, end.event) == ("error", "end")
            assert error.data["error"] == "model_error"
            assert error.data["message"] == "The model call failed."
            runs = await client.runs.list("t")
            assert [run["status"] for run in runs] == ["error"]


async def test_run_without_a_thread_leaves_nothing() -> None:
    made = chat("Hello you")
    with served(made) as server:
        async with server.client() as client:
            parts = await streamed(client, None)
            assert [part.event for part in parts] == ["metadata", "values", "values", "end"]
            assert [one async for one in made.checkpointer.alist(None)] == []
            await streamed(client, None, on_completion="keep")
            assert [one async for one in made.checkpointer.alist(None)]


async def test_graph_without_a_checkpointer_runs_without_threads() -> None:
    with served(graph(one=node_of(says("Hello", cycle=True))).compile()) as server:
        async with server.client() as client:
            parts = await streamed(client, None)
            assert parts[-2].data["messages"][-1]["content"] == "Hello"
            for refused in (streamed(client), client.threads.create(), client.threads.search()):
                with pytest.raises(UnprocessableEntityError, match="POST /runs/stream"):
                    await refused


async def test_run_is_read_again_from_any_place() -> None:
    made, gate = gated("Hello you")
    gate.open()
    with served(made) as server:
        async with server.client() as client:
            whole = await streamed(client, stream_mode=["values", "messages-tuple"])
            run_id = whole[0].data["run_id"]
            for start, since in (
                (0, "-1"),
                (0, None),
                (3, whole[2].id),
                (len(whole), whole[-1].id),
            ):
                again = [
                    part async for part in client.runs.join_stream("t", run_id, last_event_id=since)
                ]
                assert again == whole[start:]
            only = [
                part.event
                async for part in client.runs.join_stream("t", run_id, stream_mode="values")
            ]
            assert only == ["metadata", "values", "values", "end"]
            assert len({part.id for part in whole}) == len(whole)


async def test_run_in_the_background_is_found_joined_and_stopped() -> None:
    made, gate = gated("Hello you")
    with served(made) as server:
        async with server.client() as client:
            thread = await client.threads.create(thread_id="t", metadata={"topic": "cats"})
            assert (thread["status"], thread["metadata"]) == ("idle", {"topic": "cats"})
            run = await client.runs.create("t", "agent", input=HI)
            await begun(client, run["run_id"])
            assert (await client.runs.get("t", run["run_id"]))["status"] == "running"
            assert (await client.threads.get("t"))["status"] == "busy"
            with pytest.raises(ConflictError, match="the thread has a run already"):
                await client.runs.create("t", "agent", input=HI, multitask_strategy="reject")
            with pytest.raises(ConflictError):
                await client.threads.update_state("t", {"messages": []})
            await client.runs.cancel("t", run["run_id"], wait=True)
            found = await client.runs.get("t", run["run_id"])
            assert (found["status"], found.get("cancel_reason")) == ("interrupted", "user")
            parts = [part async for part in client.runs.join_stream("t", run["run_id"])]
            assert (parts[-2].event, parts[-2].data["error"]) == ("error", "cancelled")
            gate.open()
            second = await client.runs.create("t", "agent", input=HI)
            values: Any = await client.runs.join("t", second["run_id"])
            assert values["messages"][-1]["content"] == "Hello you"
            runs = await client.runs.list("t")
            assert [one["run_id"] for one in runs] == [second["run_id"], run["run_id"]]
            assert len(await client.runs.list("t", limit=1, offset=1)) == 1
            assert await client.runs.list("t", status="success") == runs[:1]


async def test_interrupting_run_takes_the_thread_and_an_enqueued_one_waits() -> None:
    made, gate = gated("Hello you")
    with served(made) as server:
        async with server.client() as client:
            first = await client.runs.create("t", "agent", input=HI, if_not_exists="create")
            second = await client.runs.create(
                "t", "agent", input=HI, multitask_strategy="interrupt", if_not_exists="create"
            )
            third = await client.runs.create("t", "agent", input=HI, multitask_strategy="enqueue")
            gate.open()
            await client.runs.join("t", third["run_id"])
            states = [
                (await client.runs.get("t", run["run_id"]))["status"]
                for run in (first, second, third)
            ]
            assert states == ["interrupted", "success", "success"]


async def test_threads_are_their_owners() -> None:
    with served(chat("Hello you"), authenticate=user_of) as server:
        async with server.client("ann") as ann, server.client("bob") as bob:
            await ann.threads.create(thread_id="t", metadata={"topic": "cats"})
            await ann.threads.create(thread_id="u")
            for refused in (
                bob.threads.get("t"),
                streamed(bob),
                bob.runs.list("t"),
                bob.threads.get_state("t"),
            ):
                with pytest.raises(NotFoundError):
                    await refused
            with pytest.raises(ConflictError):
                await bob.threads.create(thread_id="t")
            with pytest.raises(ConflictError):
                await ann.threads.create(thread_id="t")
            same = await ann.threads.create(thread_id="t", if_exists="do_nothing")
            assert same["metadata"] == {"topic": "cats"}
            parts = await streamed(ann)
            run_id = parts[0].data["run_id"]
            with pytest.raises(NotFoundError):
                await bob.runs.get("t", run_id)
            with pytest.raises(NotFoundError):
                await ann.runs.get("u", run_id)
            found = await ann.threads.search()
            assert [one["thread_id"] for one in found] == ["u", "t"]
            assert await bob.threads.search() == []
            cats: Any
            (cats,) = await ann.threads.search(metadata={"topic": "cats"})
            assert cats["values"]["messages"][-1]["content"] == "Hello you"
            assert await ann.threads.search(limit=1, offset=1) == found[1:]
            assert await ann.threads.search(status="busy") == []


async def test_thread_is_removed_with_its_runs_by_its_owner_when_no_run_has_it() -> None:
    made, gate = gated("Hello you")
    with served(made, authenticate=user_of) as server:
        async with server.client("ann") as ann, server.client("bob") as bob:
            run = await ann.runs.create("t", "agent", input=HI, if_not_exists="create")
            await begun(ann, run["run_id"])
            with pytest.raises(ConflictError, match="the thread has a run already"):
                await ann.threads.delete("t")
            gate.open()
            await ann.runs.join("t", run["run_id"])
            with pytest.raises(NotFoundError):
                await bob.threads.delete("t")
            assert (await ann.threads.get("t"))["status"] == "idle"
            await ann.threads.delete("t")
            for gone in (
                ann.threads.get("t"),
                ann.threads.delete("t"),
                ann.runs.list("t"),
                ann.runs.get("t", run["run_id"]),
            ):
                with pytest.raises(NotFoundError):
                    await gone
            assert await ann.threads.search() == []
            again: Any = await ann.runs.wait("t", "agent", input=HI, if_not_exists="create")
            assert len(again["messages"]) == 2


async def test_thread_that_is_not_there_is_404_unless_it_may_be_made() -> None:
    with served(chat("Hello you")) as server:
        async with server.client() as client:
            with pytest.raises(NotFoundError):
                await streamed(client, if_not_exists=None)
            await streamed(client)
            assert (await client.threads.get("t"))["status"] == "idle"
            assert [one["thread_id"] for one in await client.threads.search()] == ["t"]


async def test_run_goes_on_from_an_earlier_checkpoint() -> None:
    made = chat("Hello you")
    with served(made) as server:
        async with server.client() as client:
            await streamed(client)
            history = await client.threads.get_history("t")
            oldest = history[-1]["checkpoint"]
            way: Any
            for way in (
                {"checkpoint": oldest},
                {"checkpoint_id": oldest["checkpoint_id"]},
                {"config": {"configurable": {"checkpoint_id": oldest["checkpoint_id"]}}},
            ):
                parts = await streamed(client, input=None, **way)
                assert [one["content"] for one in parts[-2].data["messages"]] == ["hi", "Hello you"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"stream_mode": "debug"}, "'debug' is not served here"),
        ({"stream_mode": ["values", "events"]}, "'events' is not served"),
        ({"multitask_strategy": "rollback"}, "what a run has written stays"),
        ({"webhook": "http://x"}, '"webhook" is not served'),
        ({"context": {"a": 1}}, "context_for="),
        ({"config": {"configurable": {"model": "x"}}}, "config_for="),
        ({"config": {"configurable": {"thread_id": "u"}}}, "another thread"),
        ({"command": {"goto": "one"}, "input": None}, "as_node"),
        ({"command": {"resume": 1}}, "not both"),
    ],
)
async def test_what_is_not_served_is_refused_with_a_reason(given: Any, said: str) -> None:
    with served(chat("Hello you")) as server:
        async with server.client() as client:
            with pytest.raises(UnprocessableEntityError, match=said):
                await streamed(client, **given)


async def test_assistant_is_found_by_its_names_and_ids() -> None:
    with served(chat("Hello you"), name="helper") as server:
        async with server.client() as client:
            (found,) = await client.assistants.search()
            assert found["graph_id"] == "helper"
            assert await client.assistants.search(graph_id="other") == []
            for name in ("agent", "helper", found["assistant_id"]):
                one = await client.assistants.get(name)
                parts = client.runs.stream(None, one["assistant_id"], input=HI)
                assert [part.event async for part in parts][-1] == "end"
            drawn = await client.assistants.get_graph("agent")
            assert [node["id"] for node in drawn["nodes"]] == ["__start__", "one", "__end__"]
            schemas = await client.assistants.get_schemas("agent")
            assert "messages" in (schemas["input_schema"] or {})["properties"]
            with pytest.raises(NotFoundError, match="known: 'helper', 'agent'"):
                await client.assistants.get("nobody")


async def test_body_that_is_too_large_is_refused_in_the_protocols_form() -> None:
    with served(chat("Hello you"), max_body_bytes=100) as server:
        async with server.client() as client:
            with pytest.raises(APIStatusError, match="larger than 100 bytes") as told:
                await streamed(client, input={"messages": ["x" * 200]})
            body: Any = told.value.body
            assert (told.value.status_code, body["code"]) == (413, "too_large")


async def test_position_that_is_none_of_the_runs_is_refused() -> None:
    with served(chat("Hello you")) as server:
        async with server.client() as client:
            parts = await streamed(client)
            for since, status in (("nonsense", 400), ("00000000-3", 410)):
                again: Any = client.runs.join_stream(
                    "t", parts[0].data["run_id"], last_event_id=since
                )
                with pytest.raises(APIStatusError) as told:
                    await anext(again)
                assert told.value.status_code == status
