from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_streamkit.testing import (
    ScriptedProvider,
    ToolCall,
    Turn,
    scripted_provider,
)

CALLS = Turn(
    tool_calls=[
        ToolCall("weather", {"city": "Rome", "unit": "celsius"}, id="c1"),
        ToolCall("time", {"zone": "Europe/Rome"}, id="c2"),
    ]
)
USAGE = {
    "input_tokens": 20,
    "output_tokens": 9,
    "input_token_details": {"cache_read": 8},
    "output_token_details": {"reasoning": 4},
}


def merged(chunks: Any) -> Any:
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


def post(provider: ScriptedProvider, **body: Any) -> str:
    request = urllib.request.Request(
        f"{provider.base_url}/chat/completions",
        data=json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
        ).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return str(response.read().decode())


def frames(raw: str) -> list[str]:
    assert raw.endswith("\n\n")
    lines = raw.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines)
    return [line.removeprefix("data: ") for line in lines]


def test_stream_on_the_wire_is_role_then_content_then_finish_then_done() -> None:
    with scripted_provider(["Hello you"]) as provider:
        *chunks, done = frames(post(provider, stream=True))
    parsed = [json.loads(chunk) for chunk in chunks]
    deltas = [chunk["choices"][0]["delta"] for chunk in parsed]
    assert done == "[DONE]"
    assert deltas == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hello"},
        {"content": " you"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in parsed] == [None, None, None, "stop"]
    assert {chunk["object"] for chunk in parsed} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in parsed} == {"m"}
    (one_id,) = {chunk["id"] for chunk in parsed}
    assert one_id.startswith("chatcmpl-")
    assert all(isinstance(chunk["created"], int) for chunk in parsed)
    assert not any("usage" in chunk for chunk in parsed)


def test_usage_chunk_has_no_choices_and_comes_only_when_asked_for() -> None:
    with scripted_provider([Turn("a", usage=USAGE)]) as provider:
        *chunks, usage, _ = frames(
            post(provider, stream=True, stream_options={"include_usage": True})
        )
    assert all(json.loads(chunk)["usage"] is None for chunk in chunks)
    last = json.loads(usage)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 20
    assert last["usage"]["completion_tokens"] == 9
    assert last["usage"]["total_tokens"] == 29
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == 8
    assert last["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4


async def test_chat_openai_gets_the_text_in_every_way(chat: Any) -> None:
    with scripted_provider(["Hello you there"], cycle=True) as provider:
        model = chat(provider)
        assert model.invoke("hi").content == "Hello you there"
        assert (await model.ainvoke("hi")).content == "Hello you there"
        assert [chunk.content for chunk in model.stream("hi") if chunk.content] == [
            "Hello",
            " you",
            " there",
        ]
        assert [chunk.content async for chunk in model.astream("hi") if chunk.content] == [
            "Hello",
            " you",
            " there",
        ]


@pytest.mark.parametrize("interleave", [False, True])
def test_chat_openai_gets_parallel_tool_calls(chat: Any, *, interleave: bool) -> None:
    turn = Turn(tool_calls=CALLS.tool_calls, interleave=interleave)
    with scripted_provider([turn], cycle=True) as provider:
        streamed = merged(chat(provider).stream("hi"))
        invoked = chat(provider).invoke("hi")
    assert streamed.tool_calls == invoked.tool_calls
    assert [(call["id"], call["name"], call["args"]) for call in streamed.tool_calls] == [
        ("c1", "weather", {"city": "Rome", "unit": "celsius"}),
        ("c2", "time", {"zone": "Europe/Rome"}),
    ]
    assert streamed.response_metadata["finish_reason"] == "tool_calls"
    assert invoked.response_metadata["finish_reason"] == "tool_calls"


def test_chat_openai_gets_usage_as_scripted_or_made_up_or_never(chat: Any) -> None:
    with scripted_provider([Turn("a", usage=USAGE), "a b c"]) as provider:
        scripted = merged(chat(provider).stream("hi")).usage_metadata
        made_up = merged(chat(provider).stream("hi")).usage_metadata
    assert scripted["input_tokens"] == 20
    assert scripted["input_token_details"]["cache_read"] == 8
    assert made_up["output_tokens"] == 3
    assert made_up["total_tokens"] == made_up["input_tokens"] + 3
    with scripted_provider([Turn("a", usage=USAGE)], cycle=True, usage=False) as provider:
        assert merged(chat(provider).stream("hi")).usage_metadata is None
        assert chat(provider).invoke("hi").usage_metadata is None


def test_chat_openai_that_does_not_ask_gets_no_usage(chat: Any) -> None:
    with scripted_provider(["a"]) as provider:
        assert merged(chat(provider, stream_usage=False).stream("hi")).usage_metadata is None


async def test_sdk_stream_helper_accepts_the_stream(async_sdk: Any) -> None:
    async with scripted_provider([Turn("Hello you", tool_calls=CALLS.tool_calls)]) as provider:
        messages: Any = [{"role": "user", "content": "hi"}]
        client = async_sdk(provider)
        async with client.chat.completions.stream(model="m", messages=messages) as stream:
            async for _ in stream:
                pass
            completion = await stream.get_final_completion()
    message = completion.choices[0].message
    assert message.content == "Hello you"
    assert [call.function.name for call in message.tool_calls] == ["weather", "time"]


def test_sdk_sees_reasoning_as_an_extra_field(sdk: Any) -> None:
    with scripted_provider([Turn("a", reasoning="let me think")], cycle=True) as provider:
        messages: Any = [{"role": "user", "content": "hi"}]
        create = sdk(provider).chat.completions.create
        chunks = list(create(model="m", messages=messages, stream=True))
        whole = create(model="m", messages=messages)
    thoughts = [chunk.choices[0].delta.model_extra.get("reasoning_content", "") for chunk in chunks]
    assert "".join(thoughts) == "let me think"
    assert whole.choices[0].message.model_extra["reasoning_content"] == "let me think"


def test_tool_call_chunks_are_sent_with_just_the_fields_of_the_script() -> None:
    pieces: list[Any] = [{"name": "f", "args": ""}, {"index": 0, "id": "late", "args": "{}"}, "x"]
    with scripted_provider([pieces]) as provider:
        _, *chunks, _, _ = frames(post(provider, stream=True))
    calls = [json.loads(chunk)["choices"][0]["delta"].get("tool_calls") for chunk in chunks]
    assert calls == [
        [{"type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "id": "late", "function": {"arguments": "{}"}}],
        None,
    ]


def test_whole_answer_joins_chunks_without_an_index_to_the_call_before() -> None:
    pieces: list[Any] = [
        {"id": "1", "name": "f", "args": "{"},
        {"args": "}"},
        {"id": "2", "name": "g", "args": "{}"},
    ]
    with scripted_provider([pieces]) as provider:
        message = json.loads(post(provider))["choices"][0]["message"]
    assert [(call["id"], call["function"]["arguments"]) for call in message["tool_calls"]] == [
        ("1", "{}"),
        ("2", "{}"),
    ]
    assert message["content"] is None


def test_halves_of_a_surrogate_pair_arrive_in_two_deltas() -> None:
    with scripted_provider([["\ud83d", "\ude00"]]) as provider:
        _, first, second, _, _ = frames(post(provider, stream=True))
    assert json.loads(first)["choices"][0]["delta"]["content"] == "\ud83d"
    assert json.loads(second)["choices"][0]["delta"]["content"] == "\ude00"


def test_function_turn_answers_from_the_request_body(chat: Any) -> None:
    def answer(body: Any) -> str:
        return f"{body['messages'][-1]['content']} to you"

    with scripted_provider(answer) as provider:
        replies = [chat(provider).invoke(text).content for text in ("hi", "hello")]
    assert replies == ["hi to you", "hello to you"]


def test_requests_are_recorded_with_headers_and_body(chat: Any) -> None:
    with scripted_provider(["a"]) as provider:
        chat(provider, temperature=0.5).invoke([HumanMessage("hi"), AIMessage("yes")])
        (request,) = provider.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer none"
    assert request.body["temperature"] == 0.5
    assert [message["role"] for message in request.body["messages"]] == ["user", "assistant"]
    assert (request.status, request.chunks_sent) == (200, 1)
    assert request.completed.is_set()
    assert not request.disconnected.is_set()


def test_models_are_listed(sdk: Any) -> None:
    with scripted_provider([], models=["big", "small"]) as provider:
        assert [model.id for model in sdk(provider).models.list()] == ["big", "small"]
        assert provider.requests == ()
