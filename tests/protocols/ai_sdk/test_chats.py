"""Chats of several requests: failed attempts, stops, replays, tools of the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_streamkit.testing import ToolCall
from tests.protocols.ai_sdk.apps import served
from tests.protocols.ai_sdk.shown import by_client, by_snapshot
from tests.scenarios.kinds import KINDS
from tests.scenarios.told import HI, add, calls, graph, node_of, says

if TYPE_CHECKING:
    from tests.protocols.ai_sdk.clients import Client


def kinds(message: dict[str, Any]) -> list[str]:
    return [part["type"] for part in message["parts"]]


def texts(message: dict[str, Any]) -> list[str]:
    return [part["text"] for part in message["parts"] if part["type"] == "text"]


def test_version_7_drops_what_a_failed_attempt_said(client: Client) -> None:
    with served(KINDS["retry"].make(), value="hi", version=client.version, thread=False) as server:
        chat = client.chat(server.url)
    said = ["Full answer"] if client.version == 7 else ["Half", "Full answer"]
    assert texts(chat.answer) == said
    assert ("data-dropped" in kinds(chat.answer)) == (client.version != 7)


def test_each_answer_and_its_tools_are_a_step(client: Client) -> None:
    kind = KINDS["agent"]
    with served(kind.make(), value=kind.input, thread=False) as server:
        chat = client.chat(server.url)
    assert kinds(chat.answer) == ["step-start", "dynamic-tool", "step-start", "text"]


def test_usage_and_how_it_ended_are_in_the_metadata(client: Client) -> None:
    with served(KINDS["model"].make(), value="hi", thread=False) as server:
        chat = client.chat(server.url)
        metadata = chat.answer["metadata"]
        used = server.snapshot.usage
    assert used
    assert metadata["usage"]["inputTokens"] == used.input_tokens
    assert metadata["usage"]["totalTokens"] == used.total_tokens
    assert (metadata["outcome"], metadata["finishReason"]) == ("finished", "tool-calls")
    assert metadata["timing"]["durationMs"] >= 0


def test_reader_who_comes_back_is_sent_the_whole_run_again(client: Client) -> None:
    kind = KINDS["agent"]
    with served(kind.make(), value=kind.input, thread=False) as server:
        first = client.chat(server.url)
        again = client.chat(server.url, {"resume": True}, messages=first.messages[:1])
    assert again.messages == first.messages
    assert again.status == "ready"


def test_chat_without_a_run_has_nothing_to_resume(client: Client) -> None:
    with served(KINDS["model"].make(), value="hi", thread=False) as server:
        chat = client.chat(server.url, {"resume": True})
    assert (chat.messages, chat.status, chat.error) == ([], "ready", None)


def test_cancelled_run_keeps_what_was_said(client: Client) -> None:
    async def stop(state: Any) -> dict[str, Any]:
        stopping = asyncio.ensure_future(server.runs[0].cancel())
        await asyncio.Event().wait()
        await stopping
        return {}

    runnable = graph(one=node_of(says("Hello you")), stop=stop).compile()
    with served(runnable, value=HI, thread=False) as server:
        chat = client.chat(server.url, automatically=["outputs"])
        assert by_client(chat.answer) == by_snapshot(server.snapshot)
    assert texts(chat.answer) == ["Hello you"]
    assert chat.answer["metadata"]["outcome"] == "cancelled"
    assert chat.answer["metadata"]["reason"] == "user"


def test_client_runs_a_tool_and_sends_its_output(client: Client) -> None:
    wanted = calls(ToolCall("locate", {"exact": True}, id="c1"))
    with served(says(wanted), value="hi", thread=False) as server:
        first = client.chat(server.url)
        assert first.calls == ["locate"]
        output = {"tool": "locate", "toolCallId": "c1", "output": {"city": "Lisbon"}}
        server.runnable = says("You are in Lisbon")
        chat = client.chat(
            server.url, {"output": output}, messages=first.messages, automatically=["outputs"]
        )
    asked = server.requests[1]
    assert [message.type for message in asked.messages] == ["human", "ai", "tool"]
    assert [message.content for message in asked.new_messages] == ['{"city":"Lisbon"}']
    assert kinds(chat.answer) == ["step-start", "dynamic-tool", "step-start", "text"]
    assert len(chat.requests) == 1


def test_results_of_the_servers_own_tools_are_not_sent_back(client: Client) -> None:
    @tool(return_direct=True)
    def last_word(a: int) -> str:
        """End."""
        return "the end"

    wanted = calls(ToolCall("last_word", {"a": 1}, id="c1"))
    with served(create_agent(says(wanted), [last_word]), value=HI, thread=False) as server:
        chat = client.chat(server.url, automatically=["outputs", "approvals"])
    assert len(chat.requests) == 1
    assert chat.answer["parts"][1]["output"] == "the end"


def test_ids_of_calls_that_repeat_are_different_parts(client: Client) -> None:
    wanted = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    again = ToolCall("add", {"a": 3, "b": 4}, id="c1")
    agent = create_agent(says(calls(wanted), calls(again), "Done"), [add])
    with served(agent, value=HI, thread=False) as server:
        chat = client.chat(server.url)
        assert by_client(chat.answer) == by_snapshot(server.snapshot)


def test_second_turn_of_a_thread_adds_only_what_is_new(client: Client) -> None:
    model = says("One", "Two")
    runnable = graph(one=node_of(model)).compile(checkpointer=InMemorySaver())
    with served(runnable) as server:
        chat = client.chat(server.url, {"send": {"text": "first"}}, {"send": {"text": "second"}})
        (state,) = (server.runs[1].snapshot.output,)
    assert [message["content"] for message in state["messages"]] == [
        "first",
        "One",
        "second",
        "Two",
    ]
    assert [texts(message) for message in chat.messages] == [
        ["first"],
        ["One"],
        ["second"],
        ["Two"],
    ]


def test_files_and_sources_are_parts_of_their_own(client: Client) -> None:
    citation = {"type": "citation", "url": "https://example.com/a", "title": "A"}
    blocks: list[Any] = [
        {"type": "text", "text": "See", "annotations": [citation, citation]},
        {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
        {"type": "image", "url": "https://example.com/b.png", "mime_type": "image/png"},
    ]

    async def made(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(blocks)]}

    with served(graph(made=made).compile(), value=HI, thread=False) as server:
        chat = client.chat(server.url)
    found = [
        {key: part[key] for key in ("type", "url", "mediaType", "title") if key in part}
        for part in chat.answer["parts"][2:]
    ]
    assert found == [
        {"type": "source-url", "url": "https://example.com/a", "title": "A"},
        {"type": "file", "url": "data:image/png;base64,aGk=", "mediaType": "image/png"},
        {"type": "file", "url": "https://example.com/b.png", "mediaType": "image/png"},
    ]


def test_wrong_request_is_refused_with_what_is_wrong(client: Client) -> None:
    wrong = {"id": "m1", "role": "user", "parts": [{"type": "tool-x"}]}
    with served(KINDS["model"].make(), value="hi", thread=False) as server:
        chat = client.chat(server.url, messages=[wrong])
    assert chat.status == "error"
    assert chat.error == "messages[0].parts[0]: a user's message has no parts of type 'tool-x'"
