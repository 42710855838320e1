"""Conversations with AG-UI's client: attempts, stops, subagents, state, tools that it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph, add_messages

from langchain_streamkit.testing import ToolCall, Turn
from tests.protocols.ag_ui.apps import served
from tests.protocols.ag_ui.shown import by_client, by_snapshot
from tests.scenarios.kinds import KINDS
from tests.scenarios.told import HI, add, calls, graph, node_of, says

if TYPE_CHECKING:
    from tests.protocols.ag_ui.clients import Client, Ran


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [one["content"] for one in messages if one["role"] == "assistant" and "content" in one]


def order(ran: Ran, *kinds: str) -> list[str]:
    return [kind for kind in ran.types if kind in kinds]


def test_failed_attempt_goes_from_the_screen_at_once(client: Client) -> None:
    with served(KINDS["retry"].make(), value="hi", thread=False) as server:
        ran = client.run(server.url)
    first, last = ran.drafts
    assert texts(first) == ["Half"]
    assert order(ran, "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START") == [
        "TEXT_MESSAGE_START",
        "MESSAGES_SNAPSHOT",
        "TEXT_MESSAGE_START",
        "MESSAGES_SNAPSHOT",
    ]
    assert texts(last) == texts(ran.messages) == ["Full answer"]


def test_reasoning_of_a_failed_attempt_goes_too(client: Client) -> None:
    attempts = says(Turn("Half", reasoning="Wrong", error=OSError("no")), "Full answer")
    runnable = attempts.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    with served(runnable, value="hi", thread=False) as server:
        ran = client.run(server.url)
    assert [one["content"] for one in ran.messages if one["role"] == "reasoning"] == [""]
    assert texts(ran.messages) == ["Full answer"]


def test_failed_run_says_nothing_of_the_exception(client: Client) -> None:
    with served(
        says(Turn("Half", error=OSError("secret=abc"))), value="hi", thread=False
    ) as server:
        ran = client.run(server.url)
    assert ran.error == {"message": "The model call failed.", "code": "model_error"}
    assert "secret" not in str(ran.events)


def test_cancelled_run_keeps_what_was_said(client: Client) -> None:
    async def stop(state: Any) -> dict[str, Any]:
        stopping = asyncio.ensure_future(server.runs[0].cancel())
        await asyncio.Event().wait()
        await stopping
        return {}

    runnable = graph(one=node_of(says("Hello you")), stop=stop).compile()
    with served(runnable, value=HI, thread=False) as server:
        ran = client.run(server.url)
        assert by_client(ran, sent=["u0"]) == by_snapshot(server.snapshot)
    assert (ran.outcome, texts(ran.messages)) == ("cancelled", ["Hello you"])


def test_parallel_nodes_are_steps_that_span_their_work(client: Client) -> None:
    with served(KINDS["sends"].make(), value=HI, thread=False) as server:
        ran = client.run(server.url)
    steps = [(one["type"], one["stepName"]) for one in ran.events if "stepName" in one]
    assert sorted(steps) == [
        ("STEP_FINISHED", "worker"),
        ("STEP_FINISHED", "worker#2"),
        ("STEP_STARTED", "worker"),
        ("STEP_STARTED", "worker#2"),
    ]


def test_nodes_of_a_subgraph_are_named_with_its_own(client: Client) -> None:
    with served(KINDS["nested_graphs"].make(), value=HI, thread=False) as server:
        ran = client.run(server.url)
    names = [one["stepName"] for one in ran.of("STEP_STARTED")]
    assert names == ["first", "first/leaf", "last"]


def test_two_models_at_once_are_two_messages(client: Client) -> None:
    with served(KINDS["parallel_models"].make(), value="hi", thread=False) as server:
        ran = client.run(server.url)
    (before,) = ran.drafts
    assert sorted(texts(before)) == ["Hello you", "Other text"]
    assert texts(before) == texts(ran.messages)


def test_interleaved_arguments_of_tools_stay_apart(client: Client) -> None:
    wanted = [ToolCall("add", {"a": 1, "b": n}, id=f"c{n}") for n in (2, 3)]
    both = Turn("Look", tool_calls=wanted, interleave=True)
    with served(create_agent(says(both, "Done"), [add]), value=HI) as server:
        ran = client.run(server.url)
        assert by_client(ran, sent=["u0"]) == by_snapshot(server.snapshot)
    roles = [message["role"] for message in ran.messages]
    assert roles == ["user", "assistant", "tool", "tool", "assistant"]
    pieces = [one["toolCallId"] for one in ran.of("TOOL_CALL_ARGS")]
    assert pieces[:4] == ["c2", "c3", "c2", "c3"]
    parents = {one["parentMessageId"] for one in ran.of("TOOL_CALL_START")}
    assert parents == {ran.messages[1]["id"]}


def test_agent_in_a_tool_is_a_subagent(client: Client) -> None:
    kind = KINDS["agent_in_a_tool"]
    with served(kind.make(), value=HI, thread=False, show_subagents=True) as server:
        ran = client.run(server.url)
    (begun,), (ended,) = ran.of("SUBAGENT_STARTED"), ran.of("SUBAGENT_FINISHED")
    who = begun["subagentRunId"]
    assert (begun["name"], begun["parentToolCallId"]) == ("researcher", "c1")
    assert begun["parentMessageId"] == ran.messages[1]["id"]
    assert (ended["subagentRunId"], ended["outcome"]) == (who, {"type": "success"})
    inner = [one for one in ran.messages if one.get("subagentRunId") == who]
    assert texts(inner) == ["Inner answer"]
    steps = [(one["stepName"], one.get("subagentRunId")) for one in ran.of("STEP_STARTED")]
    assert steps == [("model", None), ("tools", None), ("model", who), ("model", None)]


def test_what_a_subagent_says_is_for_the_user_only_when_asked(client: Client) -> None:
    kind = KINDS["agent_in_a_tool"]
    with served(kind.make(), value=HI, thread=False) as server:
        ran = client.run(server.url)
    assert texts(ran.messages) == ["Done"]
    assert order(ran, "SUBAGENT_STARTED", "SUBAGENT_FINISHED") == [
        "SUBAGENT_STARTED",
        "SUBAGENT_FINISHED",
    ]


class Notes(TypedDict, total=False):
    messages: Annotated[list[Any], add_messages]
    notes: list[str]
    owner: dict[str, Any]


def noting() -> Any:
    async def one(state: Notes) -> Any:
        return {"notes": ["a"], "owner": {"name": "Ann", "a/b~c": [True, 1, 1.5, None]}}

    async def two(state: Notes) -> Any:
        return {"notes": ["a", "b"], "owner": {"name": "Bob", "a/b~c": [1, True, 2]}}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Notes)
    builder.add_node("one", one)
    builder.add_node("two", two)
    builder.add_edge(START, "one")
    builder.add_edge("one", "two")
    return builder.compile(checkpointer=InMemorySaver())


def test_state_is_told_once_and_then_what_changes(client: Client) -> None:
    with served(noting()) as server:
        ran = client.run(server.url)
        assert by_client(ran, sent=["u0"]) == by_snapshot(server.snapshot)
    assert order(ran, "STATE_SNAPSHOT", "STATE_DELTA") == [
        "STATE_SNAPSHOT",
        "STATE_DELTA",
        "STATE_DELTA",
    ]
    assert ran.of("STATE_DELTA")[1]["delta"] == [
        {"op": "add", "path": "/notes/1", "value": "b"},
        {"op": "replace", "path": "/owner/name", "value": "Bob"},
        {"op": "replace", "path": "/owner/a~1b~0c/0", "value": 1},
        {"op": "replace", "path": "/owner/a~1b~0c/1", "value": True},
        {"op": "replace", "path": "/owner/a~1b~0c/2", "value": 2},
        {"op": "remove", "path": "/owner/a~1b~0c/3"},
    ]
    assert ran.state["owner"] == {"name": "Bob", "a/b~c": [1, True, 2]}


def test_state_of_the_client_is_the_input_of_the_graph(client: Client) -> None:
    async def keep(state: Notes) -> Any:
        return {"notes": [*state["notes"], "server"]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Notes)
    builder.add_node("keep", keep)
    builder.add_edge(START, "keep")
    with served(builder.compile(), thread=False) as server:
        ran = client.run(server.url, state={"notes": ["client"]})
    assert ran.state == {"notes": ["client", "server"]}


def test_client_runs_a_tool_and_sends_what_came_of_it(client: Client) -> None:
    wanted = calls(ToolCall("locate", {"exact": True}, id="c1"))
    runnable = graph(one=node_of(says(wanted, "You are in Lisbon")))
    tools = [{"name": "locate", "description": "Where?", "parameters": {"type": "object"}}]
    answer = {"id": "t1", "role": "tool", "toolCallId": "c1", "content": "Lisbon"}
    with served(runnable.compile(checkpointer=InMemorySaver())) as server:
        first, second = client.runs(
            server.url, {"say": "hi", "tools": tools}, {"answer": answer, "tools": tools}
        )
    assert (first.pending, first.outcome) == (["c1"], "success")
    asked = server.requests[1]
    assert [message.type for message in asked.messages] == ["human", "ai", "tool"]
    assert [message.content for message in asked.new_messages] == ["Lisbon"]
    assert asked.tools[0].to_openai()["function"]["name"] == "locate"
    assert texts(second.messages) == ["You are in Lisbon"]
    roles = [message["role"] for message in second.messages]
    assert roles == ["user", "assistant", "tool", "assistant"]


def test_next_turn_sends_only_what_is_new_and_ids_of_calls_that_repeat_stay_apart(
    client: Client,
) -> None:
    wanted = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    again = ToolCall("add", {"a": 3, "b": 4}, id="c1")
    model = says(calls(wanted), "One", calls(again), "Two")
    agent = create_agent(model, [add], checkpointer=InMemorySaver())
    with served(agent) as server:
        _, second = client.runs(server.url, {"say": "first"}, {"say": "second"})
        asked = server.requests[1]
    assert [message.content for message in asked.new_messages] == ["second"]
    assert [message.type for message in asked.messages] == ["human", "ai", "tool", "ai", "human"]
    found = [
        (call["id"], call["function"]["arguments"])
        for message in second.messages
        for call in message.get("toolCalls", ())
    ]
    assert [name for name, _ in found] == ["c1", "c1#2"]
    results = [one for one in second.messages if one["role"] == "tool"]
    assert [(one["toolCallId"], one["content"]) for one in results] == [("c1", "3"), ("c1#2", "7")]


def test_results_of_the_servers_own_tools_are_no_news_to_the_graph(client: Client) -> None:
    @tool(return_direct=True)
    def last_word(a: int) -> str:
        """End."""
        return "the end"

    wanted = calls(ToolCall("last_word", {"a": 1}, id="c1"))
    agent = create_agent(says(wanted, "More"), [last_word], checkpointer=InMemorySaver())
    with served(agent) as server:
        client.runs(server.url, {"say": "first"}, {"say": "second"})
        asked = server.requests[1]
    assert [message.content for message in asked.new_messages] == ["second"]


def test_custom_data_and_progress_are_custom_events(client: Client) -> None:
    with served(KINDS["custom_data"].make(), value=HI, thread=False) as server:
        ran = client.run(server.url)
    customs = [(one["name"], one["value"]) for one in ran.of("CUSTOM")]
    assert customs == [("custom", {"done": 1}), ("progress", {"done": 2})]


def test_citations_are_in_the_metadata_of_the_message(client: Client) -> None:
    citation = {"type": "citation", "url": "https://example.com/a", "title": "A"}

    async def made(state: Any) -> dict[str, Any]:
        return {
            "messages": [AIMessage([{"type": "text", "text": "See", "annotations": [citation]}])]
        }

    with served(graph(made=made).compile(), value=HI, thread=False) as server:
        ran = client.run(server.url)
    (before,) = ran.drafts
    assert before[-1]["metadata"] == {"streamkit": {"annotations": [citation]}}
    assert ran.messages[-1]["metadata"] == before[-1]["metadata"]


def test_wrong_request_is_refused_with_what_is_wrong(client: Client) -> None:
    wrong = {"id": "m1", "role": "user", "content": [
        {"type": "image", "source": {"type": "url", "value": "file:///etc"}}
    ]}  # fmt: skip
    with served(KINDS["model"].make(), value="hi", thread=False) as server:
        (ran,) = client.runs(server.url, {}, messages=[wrong])
    assert "messages[0].content[0].source.value" in (ran.failed or "")
