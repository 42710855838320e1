"""The real ``openai`` SDK talks to a run as to a model, by chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.types import interrupt
from openai import APIError, APIStatusError, BadRequestError, RateLimitError

from langchain_streamkit import Budget, astream
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn
from tests.protocols.openai.apps import served
from tests.scenarios.told import HI, USAGE, add, calls, graph, half, node_of, says

ASKED: list[Any] = [{"role": "user", "content": "hi"}]
ASK: dict[str, Any] = {"model": "agent", "messages": ASKED}
SEARCH: dict[str, Any] = {
    "type": "function",
    "function": {"name": "search", "parameters": {"type": "object", "properties": {}}},
}


def test_plain_answer_streams_as_one_assistant_message_with_the_ids_of_its_run() -> None:
    with served(says("Hello you there")) as (server, client):
        chunks = list(client.chat.completions.create(**ASK, stream=True))
        start = server.runs[0][0]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello you there"
    assert [c.choices[0].finish_reason for c in chunks][-2:] == [None, "stop"]
    assert {c.id for c in chunks} == {f"chatcmpl-{start.run_id}"}
    assert {c.created for c in chunks} == {start.ts // 1000}
    assert {c.object for c in chunks} == {"chat.completion.chunk"}
    assert not any(c.choices[0].logprobs for c in chunks)


def test_whole_answer_says_what_the_stream_says() -> None:
    with served(says("Hello you", cycle=True)) as (_, client):
        whole = client.chat.completions.create(**ASK)
        with client.chat.completions.stream(**ASK) as stream:
            streamed = stream.get_final_completion()
    assert whole.object == "chat.completion"
    assert whole.choices[0].message.content == streamed.choices[0].message.content == "Hello you"
    assert whole.choices[0].finish_reason == streamed.choices[0].finish_reason == "stop"


def test_usage_of_the_whole_run_comes_last_where_it_is_asked_for() -> None:
    usage = {**USAGE, "output_token_details": {"reasoning": 2}}
    model = says(Turn("Hi", usage=usage), cycle=True)
    with served(graph(a=node_of(model), b=node_of(model)).compile()) as (_, client):
        chunks = list(
            client.chat.completions.create(
                **ASK, stream=True, stream_options={"include_usage": True}
            )
        )
        without = list(client.chat.completions.create(**ASK, stream=True))
        whole = client.chat.completions.create(**ASK)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage == whole.usage
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (20, 10)
    assert chunks[-1].usage.completion_tokens_details is not None
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 4
    assert not any(c.usage for c in [*chunks[:-1], *without])


def test_tools_of_the_server_are_hidden_and_its_messages_stand_apart() -> None:
    wanted = calls(ToolCall("add", {"a": 1, "b": 2}, id="c1"), text="Let me see.")
    agent = create_agent(says(wanted, "It is 3", cycle=True), [add])
    with served(agent) as (_, client):
        with client.chat.completions.stream(**ASK) as stream:
            streamed = stream.get_final_completion().choices[0]
        whole = client.chat.completions.create(**ASK).choices[0]
    for choice in (streamed, whole):
        assert choice.message.content == "Let me see.\n\nIt is 3"
        assert not choice.message.tool_calls
        assert choice.finish_reason == "stop"


@pytest.mark.parametrize("tools", ["client", "all"])
def test_calls_that_nobody_ran_are_handed_to_the_client(tools: str) -> None:
    wanted = calls(
        ToolCall("search", {"q": "cats"}, id="c1"),
        ToolCall("clock", {}, id="c2"),
        text="One moment",
    )
    agent = create_agent(says(wanted, cycle=True), [])
    with served(agent, tools=tools) as (server, client):
        with client.chat.completions.stream(**ASK, tools=[SEARCH]) as stream:
            streamed = stream.get_final_completion().choices[0]
        whole = client.chat.completions.create(**ASK).choices[0]
        pending = server.snapshot.pending_tool_calls
    assert server.asked[0].tools == [SEARCH]
    for choice in (streamed, whole):
        assert choice.finish_reason == "tool_calls"
        assert [
            (call.id, call.type, call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or ()
        ] == [(call.tool_call_id, "function", call.name, call.args) for call in pending]
        assert len(pending) == 2


def test_arguments_stream_where_every_call_is_the_clients() -> None:
    model = says(
        Turn(
            tool_calls=[ToolCall("a", {"n": "first"}), ToolCall("b", {"n": "second"})],
            interleave=True,
        )
    )
    with served(model, tools="all") as (_, client):
        chunks = list(client.chat.completions.create(**ASK, stream=True))
        found = [call for c in chunks for call in c.choices[0].delta.tool_calls or ()]
    assert [call.function.name for call in found if call.id and call.function] == ["a", "b"]
    args = [
        "".join(c.function.arguments or "" for c in found if c.index == n and c.function)
        for n in (0, 1)
    ]
    assert [json.loads(one) for one in args] == [{"n": "first"}, {"n": "second"}]
    assert len(found) > 4


def test_thinking_is_reasoning_content() -> None:
    model = says(Turn("So be it", reasoning="I think so"), cycle=True)
    with served(model) as (_, client):
        chunks = list(client.chat.completions.create(**ASK, stream=True))
        whole = client.chat.completions.create(**ASK).choices[0].message
    thought = "".join(getattr(c.choices[0].delta, "reasoning_content", "") for c in chunks)
    assert thought == whole.reasoning_content == "I think so"
    assert whole.content == "So be it"


def test_refusal_is_told_as_one() -> None:
    refusing = graph(
        no=lambda _: {"messages": [AIMessage("", additional_kwargs={"refusal": "I will not."})]}
    ).compile()
    with served(refusing) as (_, client):
        with client.chat.completions.stream(**ASK) as stream:
            streamed = stream.get_final_completion().choices[0].message
        whole = client.chat.completions.create(**ASK).choices[0].message
    assert streamed.refusal == whole.refusal == "I will not."


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_answer_that_was_cut_short_says_why(reason: str) -> None:
    model = says(Turn("Half", finish_reason=reason), cycle=True)
    with served(model) as (_, client):
        whole = client.chat.completions.create(**ASK)
        *_, last = client.chat.completions.create(**ASK, stream=True)
    assert whole.choices[0].finish_reason == last.choices[0].finish_reason == reason


def test_spent_budget_cuts_the_answer_at_its_length() -> None:
    model = says(Turn(["word "] * 50), cycle=True)
    budget = Budget(output_tokens=5)
    with served(lambda asked: astream(model, asked.messages, budget=budget)) as (server, client):
        *_, last = client.chat.completions.create(**ASK, stream=True)
        whole = client.chat.completions.create(**ASK)
        assert server.snapshot.outcome == "cancelled"
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert (whole.choices[0].message.content or "").startswith("word")


def test_failure_in_mid_answer_is_an_error_without_a_word_of_the_exception() -> None:
    with served(says(half(), cycle=True)) as (_, client):
        heard: list[str] = []
        with pytest.raises(APIError) as raised:
            heard.extend(
                chunk.choices[0].delta.content or ""
                for chunk in client.chat.completions.create(**ASK, stream=True)
            )
        with pytest.raises(APIStatusError) as refused:
            client.chat.completions.create(**ASK)
    assert heard == ["", "Half"]
    assert (raised.value.code, raised.value.type) == ("model_error", "server_error")
    assert "scripted" not in str(raised.value)
    assert (refused.value.status_code, refused.value.code) == (500, "model_error")
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_too_many_requests_to_the_provider_are_too_many_to_us() -> None:
    class Throttled(Exception):
        status_code = 429

    with (
        served(ScriptedModel([Throttled()], cycle=True)) as (_, client),
        pytest.raises(RateLimitError) as raised,
    ):
        client.chat.completions.create(**ASK)
    assert raised.value.code == "rate_limit_exceeded"
    assert raised.value.response.headers["x-should-retry"] == "true"


def test_cancelled_run_is_an_error_and_no_end() -> None:
    async def cancelled() -> Any:
        run = astream(says(Turn(["word "] * 500, delay=0.001)), "hi")
        async for event in run:
            yield event
            if event.type == "text.delta":
                await run.cancel()

    with served(lambda _: cancelled()) as (_, client):
        with pytest.raises(APIError) as raised:
            list(client.chat.completions.create(**ASK, stream=True))
        with pytest.raises(APIStatusError) as refused:
            client.chat.completions.create(**ASK)
    assert raised.value.code == refused.value.code == "cancelled"


def test_paused_run_stops_and_says_what_it_waits_for_in_the_metadata() -> None:
    def ask(_: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    paused = graph(one=node_of(says("Hello you", cycle=True)), ask=ask).compile()
    with served(paused) as (_, client):
        *_, last = client.chat.completions.create(**ASK, stream=True)
        whole = client.chat.completions.create(**ASK)
    for answer in (last, whole):
        metadata: Any = answer.metadata
        assert answer.choices[0].finish_reason == "stop"
        assert metadata["outcome"] == "interrupted"
        assert json.loads(metadata["interrupts"])[0]["payload"] == "sure?"
    assert whole.choices[0].message.content == "Hello you"


def test_text_of_an_attempt_that_died_stays_and_the_next_one_follows_whole() -> None:
    def retried() -> Any:
        return says(half(), "Full answer").with_retry(
            stop_after_attempt=2, wait_exponential_jitter=False
        )

    with served(lambda asked: astream(retried(), asked.messages)) as (server, client):
        chunks = list(client.chat.completions.create(**ASK, stream=True))
        whole = client.chat.completions.create(**ASK)
    heard = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert heard == "Half\n\nFull answer"
    assert whole.choices[0].message.content == server.snapshot.text == "Full answer"


def test_answer_in_json_is_the_last_message_alone_however_often_it_was_tried() -> None:
    answer = '{"n": 1}'

    def tried() -> Any:
        model = says("Let me think", Turn("{", fail_after=1), answer)
        node = node_of(model.with_retry(stop_after_attempt=2, wait_exponential_jitter=False))
        return graph(one=node_of(model), two=node).compile()

    with served(lambda _: astream(tried(), HI)) as (server, client):
        form: Any = {"type": "json_object"}
        chunks = list(client.chat.completions.create(**ASK, stream=True, response_format=form))
        whole = client.chat.completions.create(**ASK, response_format=form)
    heard = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert heard == whole.choices[0].message.content == server.snapshot.text == answer


def test_models_that_speak_at_once_are_heard_one_after_the_other() -> None:
    builder = graph(one=node_of(says("One two three four")))
    builder.add_node("two", node_of(says("Five six seven eight")))
    builder.add_edge("__start__", "two")
    with served(lambda _: astream(builder.compile(), HI)) as (_, client):
        chunks = list(client.chat.completions.create(**ASK, stream=True))
    heard = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert sorted(heard.split("\n\n")) == ["Five six seven eight", "One two three four"]


def test_answers_of_agents_within_tools_are_not_the_users() -> None:
    inner: Any = create_agent(says("Inner answer", cycle=True), [], name="researcher")

    @tool
    async def research(question: str) -> str:
        """Ask the inner agent."""
        return str((await inner.ainvoke(HI))["messages"][-1].text)

    wanted = calls(ToolCall("research", {"question": "why?"}, id="c1"))
    with served(create_agent(says(wanted, "Done"), [research])) as (_, client):
        chunks = list(client.chat.completions.create(**ASK, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Done"


def test_wrong_request_is_refused_with_its_place_and_what_to_send() -> None:
    with served(says("never")) as (server, client), pytest.raises(BadRequestError) as raised:
        client.chat.completions.create(model="agent", messages=[{"role": "robot"}])
    assert "messages[0].role" in str(raised.value)
    assert "assistant or tool" in str(raised.value)
    assert raised.value.type == "invalid_request_error"
    assert server.runs == []
