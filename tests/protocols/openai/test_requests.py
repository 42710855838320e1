"""Bodies of requests, as LangChain's messages, tools and options; or a word on what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.wire.openai.chat_request import ModelRequest, read_chat_request
from langchain_streamkit.wire.openai.responses_request import read_responses_request

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def chat(**body: Any) -> ModelRequest:
    return read_chat_request(json.dumps({"messages": [USER]} | body).encode())


def responses(**body: Any) -> ModelRequest:
    return read_responses_request(json.dumps({"input": "hi"} | body).encode())


def test_every_role_of_chat_is_a_message() -> None:
    found = chat(
        messages=[
            {"role": "developer", "content": "a"},
            {"role": "system", "content": [{"type": "text", "text": "b"}]},
            {"role": "user", "content": "c", "name": "Ann"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "d", "tool_call_id": "c1"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        ]
    ).messages
    assert [type(m) for m in found] == [
        SystemMessage,
        SystemMessage,
        HumanMessage,
        AIMessage,
        ToolMessage,
        AIMessage,
    ]
    assert [m.text for m in found] == ["a", "b", "c", "", "d", ""]
    assert found[2].name == "Ann"
    assert found[3].tool_calls[0]["args"] == {"a": 1}  # type: ignore[attr-defined]
    assert found[5].additional_kwargs == {"refusal": "no"}


def test_arguments_that_are_no_object_are_an_invalid_call() -> None:
    for text in ("[1]", "{", "3"):
        call = {"id": "c1", "function": {"name": "f", "arguments": text}}
        (said,) = chat(messages=[{"role": "assistant", "tool_calls": [call]}]).messages
        assert isinstance(said, AIMessage)
        assert not said.tool_calls
        assert said.invalid_tool_calls[0]["args"] == text


def test_parts_of_both_protocols_are_the_same_blocks() -> None:
    image, pdf = "data:image/png;base64,aGk=", "data:application/pdf;base64,aGk="
    by_chat = chat(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "x"},
                    {"type": "image_url", "image_url": {"url": image, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}},
                    {"type": "file", "file": {"file_data": pdf, "filename": "f.pdf"}},
                ],
            }
        ]
    )
    by_responses = responses(
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "x"},
                    {"type": "input_image", "image_url": image},
                    {"type": "input_image", "image_url": "https://a.b/c.png"},
                    {"type": "input_file", "file_data": pdf, "filename": "f.pdf"},
                ],
            }
        ]
    )
    assert by_chat.messages == by_responses.messages
    assert by_chat.messages[0].content == [
        {"type": "text", "text": "x"},
        {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
        {"type": "image", "url": "https://a.b/c.png"},
        {
            "type": "file",
            "base64": "aGk=",
            "mime_type": "application/pdf",
            "extras": {"filename": "f.pdf"},
        },
    ]


def test_files_come_by_address_or_as_plain_base64_too() -> None:
    by_address = {"type": "input_file", "file_url": "https://a.b/f.pdf"}
    plain = {"type": "input_file", "file_data": "aGk="}
    (said,) = responses(input=[{"role": "user", "content": [by_address, plain]}]).messages
    assert said.content == [
        {"type": "file", "url": "https://a.b/f.pdf"},
        {"type": "file", "base64": "aGk=", "mime_type": "application/pdf"},
    ]


def test_developer_is_told_from_the_system_in_both_protocols() -> None:
    written = [{"role": "developer", "content": "a"}, {"role": "system", "content": "b"}]
    by_chat, by_responses = chat(messages=written).messages, responses(input=written).messages
    assert by_chat == by_responses
    assert [m.additional_kwargs for m in by_chat] == [{"__openai_role__": "developer"}, {}]


def test_sound_is_a_block_with_its_type() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
    (said,) = chat(messages=[{"role": "user", "content": [part]}]).messages
    assert said.content == [{"type": "audio", "base64": "aGk=", "mime_type": "audio/wav"}]


def test_options_are_the_same_by_both_protocols_and_only_those_that_were_said() -> None:
    schema = {"name": "N", "schema": {"type": "object"}, "strict": True}
    same: dict[str, Any] = {
        "model": "m",
        "stream": True,
        "temperature": 0.5,
        "parallel_tool_calls": False,
        "user": "u",
        "metadata": {"k": "v"},
    }
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    by_chat = chat(
        **same,
        max_completion_tokens=9,
        reasoning_effort="low",
        tools=[{"type": "function", "function": function}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": schema},
    )
    by_responses = responses(
        **same,
        max_output_tokens=9,
        reasoning={"effort": "low"},
        tools=[{"type": "function", **function}],
        tool_choice={"type": "function", "name": "f"},
        text={"format": {"type": "json_schema", **schema}},
    )
    assert by_chat == by_responses
    assert by_chat.options == {
        "temperature": 0.5,
        "max_tokens": 9,
        "reasoning_effort": "low",
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": schema},
    }
    assert by_chat.tools == [{"type": "function", "function": function}]
    assert by_chat.wants_json
    assert chat(stop="x").options == {"stop": ["x"]}
    assert chat(response_format={"type": "text"}).options == {}


def test_items_of_a_response_are_one_message_with_its_calls() -> None:
    found = responses(
        instructions="Be brief.",
        input=[
            USER,
            {"type": "reasoning", "id": "rs", "summary": []},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "x"}],
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "function_call", "call_id": "c3", "name": "f", "arguments": "{}"},
        ],
    ).messages
    assert [m.type for m in found] == ["system", "human", "ai", "tool", "ai"]
    assert [call["id"] for call in found[2].tool_calls] == ["c1", "c2"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": []}, "messages: Expected `array` of length >= 1"),
        ({"messages": [{"role": "function", "content": ""}]}, "messages[0].role: Invalid value"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content: Expected"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video", "url": "x"}]}]},
            "messages[0].content[0].type: Invalid value 'video'; text, images and files",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}],
                    }
                ]
            },
            "'file:///x' is no address that can be passed on",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}
                ]
            },
            "no files are kept here",
        ),
        (
            {"tools": [{"type": "web_search"}]},
            "tools[0].type: Invalid enum value 'web_search'; functions of the client",
        ),
        ({"tool_choice": "some"}, "tool_choice: Invalid enum value 'some'"),
        ({"n": 2}, "n: one answer"),
        ({"logprobs": True}, "logprobs: they are not known"),
        ({"modalities": ["text", "audio"]}, "modalities: answers are text"),
        ({"functions": []}, "functions: these are of an older version"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words_for_the_client(
    body: dict[str, Any], said: str
) -> None:
    with pytest.raises(StreamUsageError) as raised:
        chat(**body)
    assert str(raised.value.wire).startswith(said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"input": []}, "input: it holds no message"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type: Invalid value"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role: Invalid enum value"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"previous_response_id": "r"}, "previous_response_id: nothing is kept here"),
        ({"conversation": {"id": "c"}}, "conversation: nothing is kept here"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "no files are kept here",
        ),
        ({"background": True}, "background: an answer is given at once"),
    ],
)
def test_the_same_of_responses(body: dict[str, Any], said: str) -> None:
    with pytest.raises(StreamUsageError) as raised:
        responses(**body)
    assert str(raised.value.wire).startswith(said)


@pytest.mark.parametrize("read", [read_chat_request, read_responses_request])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(read: Any, body: bytes) -> None:
    with pytest.raises(StreamUsageError) as raised:
        read(body)
    assert raised.value.wire


def replaced(value: Any, by: Any) -> list[Any]:
    """The value with each thing in it replaced, one at a time."""
    found = [by]
    if isinstance(value, dict):
        found += [{**value, k: one} for k, v in value.items() for one in replaced(v, by)]
    if isinstance(value, list):
        found += [
            [*value[:n], one, *value[n + 1 :]]
            for n, v in enumerate(value)
            for one in replaced(v, by)
        ]
    return found


CHAT_BODY: Any = {
    "messages": [
        USER,
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
        {"role": "assistant", "content": "x", "tool_calls": [CALL]},
        {"role": "tool", "content": [{"type": "text", "text": "x"}], "tool_call_id": "c1"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "tool_choice": "auto",
    "response_format": {"type": "text"},
}
RESPONSES_BODY: Any = {
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_text", "text": ""}],
        },
    ],
    "tools": [{"type": "function", "name": "f"}],
    "text": {"format": {"type": "json_object"}},
}
ODD: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({})
)


@settings(max_examples=40)
@given(ODD)
def test_whatever_stands_in_a_body_it_is_a_request_or_refused(odd: Any) -> None:
    for read, whole in ((read_chat_request, CHAT_BODY), (read_responses_request, RESPONSES_BODY)):
        for body in replaced(whole, odd):
            try:
                found = read(json.dumps(body).encode())
            except StreamUsageError as exc:
                assert exc.wire  # noqa: PT017 -- both ways out are right
            else:
                assert found.messages
