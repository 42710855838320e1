"""The real ``openai`` SDK talks to a run as to a model, by Responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.types import interrupt
from openai import APIStatusError, BadRequestError

from langchain_streamkit import Budget, astream
from langchain_streamkit.testing import ToolCall, Turn
from tests.protocols.openai.apps import served
from tests.scenarios.told import HI, USAGE, add, calls, graph, half, node_of, says

ASK: dict[str, Any] = {"model": "agent", "input": "hi"}


def streamed(client: Any, **asked: Any) -> Any:
    """The response that the SDK's helper comes to."""
    with client.responses.stream(**ASK, **asked) as stream:
        return stream.get_final_response()


def raw(client: Any, **asked: Any) -> list[Any]:
    return list(client.responses.create(**ASK, stream=True, **asked))


def shape(response: Any) -> Any:
    """All that does not differ between two runs of one script."""
    found = response.model_dump(exclude_none=True)
    for item in found["output"]:
        del item["id"]
    return {key: found[key] for key in ("status", "output", "metadata", "model")}


def test_plain_answer_is_one_message_numbered_from_the_first_event_to_the_last() -> None:
    with served(says("Hello you there")) as (server, client):
        events = raw(client)
        start = server.runs[0][0]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events if not event.type.endswith(".delta")] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    response = events[-1].response
    assert (response.id, response.created_at) == (f"resp_{start.run_id}", start.ts // 1000)
    assert (response.output_text, response.status) == ("Hello you there", "completed")


def test_thinking_text_and_usage_are_the_same_streamed_and_whole() -> None:
    turn = Turn("So be it", reasoning="I think so", usage=USAGE)
    with served(says(turn, cycle=True)) as (_, client):
        stream, whole = streamed(client), client.responses.create(**ASK)
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    assert whole.output[0].summary[0].text == "I think so"
    assert whole.output_text == stream.output_text == "So be it"
    assert shape(stream) == shape(whole)
    assert stream.usage == whole.usage
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (10, 5)


def test_tools_of_the_server_are_hidden() -> None:
    wanted = calls(ToolCall("add", {"a": 1, "b": 2}, id="c1"), text="Let me see. ")
    with served(create_agent(says(wanted, "It is 3", cycle=True), [add])) as (_, client):
        stream, whole = streamed(client), client.responses.create(**ASK)
    assert [item.type for item in whole.output] == ["message", "message"]
    assert stream.output_text == whole.output_text == "Let me see. It is 3"


@pytest.mark.parametrize("tools", ["client", "all"])
def test_calls_that_nobody_ran_are_handed_to_the_client(tools: str) -> None:
    wanted = calls(ToolCall("search", {"q": "cats"}, id="c1"), ToolCall("clock", {}, id="c2"))
    agent = create_agent(says(wanted, cycle=True), [])
    offered = {"type": "function", "name": "search", "parameters": {"type": "object"}}
    with served(agent, tools=tools) as (server, client):
        stream = streamed(client, tools=[offered])
        whole = client.responses.create(**ASK)
        pending = server.snapshot.pending_tool_calls
    assert server.asked[0].tools[0]["function"]["name"] == "search"
    for response in (stream, whole):
        assert response.status == "completed"
        found = [
            (call.type, call.call_id, call.name, json.loads(call.arguments), call.status)
            for call in response.output
        ]
        assert found == [
            ("function_call", call.tool_call_id, call.name, call.args, "completed")
            for call in pending
        ]
        assert len(found) == 2


def test_items_that_come_back_are_the_conversation_they_were() -> None:
    wanted = calls(ToolCall("search", {"q": "cats"}, id="c1"), text="One moment")
    agent = create_agent(says(wanted, "Two cats"), [])
    with served(agent) as (server, client):
        first = client.responses.create(**ASK)
        answer = {"type": "function_call_output", "call_id": "c1", "output": "2"}
        history = [{"role": "user", "content": "hi"}, *first.output, answer]
        second = client.responses.create(model="agent", input=history)
    assert second.output_text == "Two cats"
    _, said, tool = server.asked[1].messages
    assert isinstance(said, AIMessage)
    assert (said.text, said.tool_calls[0]["args"]) == ("One moment", {"q": "cats"})
    assert (tool.type, tool.text) == ("tool", "2")


def test_refusal_is_a_part_of_its_own() -> None:
    refusing = graph(
        no=lambda _: {"messages": [AIMessage("", additional_kwargs={"refusal": "I will not."})]}
    ).compile()
    with served(refusing) as (_, client):
        stream, whole = streamed(client), client.responses.create(**ASK)
    assert shape(stream) == shape(whole)
    assert whole.output[0].content[0].refusal == "I will not."


def test_citations_of_web_pages_are_annotations() -> None:
    cited = {"type": "citation", "url": "https://a.b", "title": "A", "cited_text": "x"}
    content: Any = [{"type": "text", "text": "As they say", "annotations": [cited]}]
    told = graph(say=lambda _: {"messages": [AIMessage(content)]}).compile()
    with served(told) as (_, client):
        stream, whole = streamed(client), client.responses.create(**ASK)
    (found,) = whole.output[0].content[0].annotations
    assert (found.type, found.url, found.title) == ("url_citation", "https://a.b", "A")
    assert shape(stream) == shape(whole)


def test_answer_that_was_cut_short_is_incomplete() -> None:
    with served(says(Turn("Half", finish_reason="length"), cycle=True)) as (_, client):
        last, whole = raw(client)[-1], client.responses.create(**ASK)
    assert last.type == "response.incomplete"
    for response in (last.response, whole):
        assert response.incomplete_details.reason == "max_output_tokens"
        assert response.output_text == "Half"


def test_spent_budget_leaves_what_was_said_as_incomplete() -> None:
    model = says(Turn(["word "] * 50), cycle=True)
    budget = Budget(output_tokens=5)
    with served(lambda asked: astream(model, asked.messages, budget=budget)) as (_, client):
        whole = client.responses.create(**ASK)
    assert whole.status == "incomplete"
    assert whole.output_text.startswith("word")


def test_failure_in_mid_answer_ends_as_failed_without_a_word_of_the_exception() -> None:
    with served(says(half(), cycle=True)) as (_, client):
        events = raw(client)
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            streamed(client)
        with pytest.raises(APIStatusError) as refused:
            client.responses.create(**ASK)
    assert events[-1].type == "response.failed"
    assert events[-1].response.status == "failed"
    assert events[-1].response.error.code == "server_error"
    assert "scripted" not in events[-1].model_dump_json()
    assert (refused.value.status_code, refused.value.code) == (500, "model_error")


def test_cancelled_run_fails_with_that_status() -> None:
    async def cancelled() -> Any:
        run = astream(says(Turn(["word "] * 500, delay=0.001)), "hi")
        async for event in run:
            yield event
            if event.type == "text.delta":
                await run.cancel()

    with served(lambda _: cancelled()) as (_, client):
        last = raw(client)[-1]
    assert (last.type, last.response.status) == ("response.failed", "cancelled")


def test_paused_run_is_completed_and_says_what_it_waits_for_in_the_metadata() -> None:
    def ask(_: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    with served(graph(one=node_of(says("Hello you", cycle=True)), ask=ask).compile()) as (
        _,
        client,
    ):
        stream, whole = streamed(client), client.responses.create(**ASK)
    for response in (stream, whole):
        assert response.metadata["outcome"] == "interrupted"
        assert json.loads(response.metadata["interrupts"])[0]["payload"] == "sure?"
        assert response.output_text == "Hello you"


def test_attempt_that_died_was_sent_but_is_not_in_the_response() -> None:
    def retried() -> Any:
        return says(half(), "Full answer").with_retry(
            stop_after_attempt=2, wait_exponential_jitter=False
        )

    with served(lambda asked: astream(retried(), asked.messages)) as (_, client):
        events = raw(client)
        response = streamed(client)
        whole = client.responses.create(**ASK)
    assert [e.text for e in events if e.type == "response.output_text.done"] == [
        "Half",
        "Full answer",
    ]
    assert events[-1].response.output_text == "Full answer"
    assert response.output_text == whole.output_text == "Full answer"


def test_json_is_the_last_message_alone() -> None:
    def tried() -> Any:
        model = says("Let me think", '{"n": 1}')
        return graph(one=node_of(model), two=node_of(model)).compile()

    form = {"format": {"type": "json_schema", "name": "N", "schema": {"type": "object"}}}
    with served(lambda _: astream(tried(), HI)) as (server, client):
        texts = [e.text for e in raw(client, text=form) if e.type == "response.output_text.done"]
        whole = client.responses.create(**ASK, text=form)
    assert texts == [whole.output_text] == ['{"n": 1}']
    assert server.asked[0].options["response_format"]["json_schema"]["name"] == "N"


def test_conversation_that_is_kept_elsewhere_is_refused() -> None:
    with served(says("never")) as (server, client):
        with pytest.raises(BadRequestError, match="send the whole conversation"):
            client.responses.create(**ASK, previous_response_id="resp_1")
        with pytest.raises(BadRequestError, match=r"input\[0\].type"):
            client.responses.create(model="m", input=[{"type": "item_reference", "id": "x"}])
    assert server.runs == []
