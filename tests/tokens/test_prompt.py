"""Prompts are estimated, say so, and no block of any kind makes the estimate fail or fetch."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr
from tiktoken import registry

from langchain_streamkit import StreamUsageError, count_prompt
from langchain_streamkit.tokens.vocabularies import load_encoding

TOOL_CALL = {"name": "weather", "args": {"city": "Köln"}, "id": "call_1", "type": "tool_call"}
TALK: list[AnyMessage] = [
    SystemMessage("Answer in one word."),
    HumanMessage("How is the weather in Köln?", name="anna"),
    AIMessage("", tool_calls=[TOOL_CALL]),
    ToolMessage("rain", tool_call_id="call_1"),
    AIMessage("Wet."),
    HumanMessage([{"type": "text", "text": "真的吗？"}]),
]
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
EMPTY = 7
"""Tokens of one message that says nothing."""


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return city


class Weather(BaseModel):
    """The weather in a city."""

    city: str


def plain_weather(city: str) -> str:
    """The weather in a city."""
    return city


def of_content(*blocks: Any, model: str | None = "gpt-4o") -> int:
    return count_prompt([HumanMessage([*blocks])], model=model).tokens - EMPTY


def text_tokens(text: str) -> int:
    return len(load_encoding("o200k_base").encode_ordinary(text))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_text_and_tool_rounds_are_counted_as_langchain_openai_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(registry.ENCODINGS, "o200k_base", load_encoding("o200k_base"))
    theirs = ChatOpenAI(model="gpt-4o", api_key=SecretStr("x")).get_num_tokens_from_messages(TALK)
    assert count_prompt(TALK, model="gpt-4o").tokens == theirs


def test_estimate_says_that_it_is_one_and_of_what() -> None:
    assert count_prompt("hi", model="gpt-4o") == (EMPTY + 1, False, "o200k_base+framing")
    assert count_prompt("hi", model="gpt-4").method == "cl100k_base+framing"
    found = count_prompt([HumanMessage([IMAGE])], [weather], model="claude-sonnet-4-5")
    assert not found.exact
    assert found.method == "~o200k_base+framing+image+tools"
    assert count_prompt("hi").method == "~o200k_base+framing"


@pytest.mark.parametrize(
    "prompt",
    [
        "hi",
        ["hi"],
        [("human", "hi")],
        [{"role": "user", "content": "hi"}],
        {"role": "user", "content": "hi"},
        HumanMessage("hi"),
        [HumanMessage("hi")],
        [HumanMessage([{"type": "text", "text": "hi"}])],
        [HumanMessage(["hi"])],
        StringPromptValue(text="hi"),
        ChatPromptValue(messages=[HumanMessage("hi")]),
    ],
    ids=repr,
)
def test_prompt_in_any_form_that_a_model_takes_is_counted_alike(prompt: Any) -> None:
    assert count_prompt(prompt).tokens == EMPTY + 1


@pytest.mark.parametrize(
    "given",
    [weather, plain_weather, Weather, convert_to_openai_tool(weather)],
    ids=["tool", "function", "Pydantic", "dict"],
)
def test_tool_in_any_form_is_counted_by_its_schema(given: Any) -> None:
    schema = json.dumps(convert_to_openai_tool(given), separators=(",", ":"))
    assert count_prompt("hi", [given]).tokens == EMPTY + 1 + text_tokens(schema)


def test_tool_that_cannot_be_converted_is_counted_somehow() -> None:
    assert count_prompt("hi", [{"neither": "name", "nor": object()}]).tokens > EMPTY + 1


@pytest.mark.parametrize(
    ("model", "detail", "tokens"),
    [
        ("gpt-4o", "low", 85),
        ("gpt-4o", "high", 765),
        ("gpt-4o", None, 765),
        ("gpt-4o-mini", "low", 2833),
        ("gpt-5", "high", 630),
        ("openai/gpt-5-nano", "low", 2520),
        ("claude-opus-4-5", None, 1398),
        ("gemini-2.5-flash", None, 1032),
        (None, None, 765),
    ],
)
def test_image_is_counted_by_the_table_of_its_model(
    model: str | None, detail: str | None, tokens: int
) -> None:
    extra = {"detail": detail} if detail else {}
    forms: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", **extra}},
        {"type": "input_image", "image_url": "https://example.com/a.png", **extra},
        {"type": "image", "base64": "iVBO" * 9000, "mime_type": "image/png", "extras": extra},
        {"type": "image", "source": {"type": "base64", "data": "iVBO" * 9000}, **extra},
    ]
    assert {of_content(form, model=model) for form in forms} == {tokens}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "input_audio", "input_audio": {"data": "UklG" * 9000, "format": "wav"}},
        {"type": "audio", "base64": "UklG" * 9000, "mime_type": "audio/wav"},
        {"type": "video", "url": "https://example.com/a.mp4"},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64," + "JVBE" * 9000}},
        {"type": "file", "base64": "JVBE" * 9000, "mime_type": "application/pdf"},
        {"type": "document", "source": {"type": "base64", "data": "JVBE" * 9000}},
    ],
    ids=lambda block: str(block["type"]),
)
def test_sound_and_files_are_a_fixed_estimate_whatever_their_size(block: dict[str, Any]) -> None:
    assert 900 <= of_content(block) <= 8000


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "text", "data": "one two three"}},
        {"type": "document", "source": {"type": "content", "content": "one two three"}},
        {"type": "text-plain", "text": "one two three", "mime_type": "text/plain"},
        {"type": "reasoning", "reasoning": "one two three", "id": "rs_1"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "one two three"}]},
        {"type": "thinking", "thinking": "one two three", "signature": "Er" * 900},
        {"type": "tool_result", "tool_use_id": "x", "content": ["one", {"text": "two"}, "three"]},
        {"type": "nobody_knows", "words": ["one", {"more": "two three"}]},
        {"type": "nobody_knows", "words": "one two three", "data": "QUJD" * 900, "flag": True},
        {"type": ["odd"], "words": "one two three"},
    ],
)
def test_words_of_a_block_are_counted_and_nothing_else_of_it(block: dict[str, Any]) -> None:
    assert of_content(block) == 3


def test_image_inside_a_tool_result_is_an_image() -> None:
    assert of_content({"type": "tool_result", "content": [IMAGE]}) == 765


def test_tool_call_said_in_a_block_too_is_counted_once() -> None:
    block = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Köln"}}
    once = AIMessage("", tool_calls=[TOOL_CALL])
    twice = AIMessage([block], tool_calls=[TOOL_CALL])
    assert count_prompt([once]) == count_prompt([twice])


def test_base64_that_is_the_text_itself_is_counted_as_text() -> None:
    text = "QUJDREVG" * 100
    assert of_content({"type": "text", "text": text}) == text_tokens(text)
    assert count_prompt(text).tokens == EMPTY + text_tokens(text)


def test_special_tokens_in_a_prompt_are_text() -> None:
    assert count_prompt("<|endoftext|>").tokens == EMPTY + text_tokens("<|endoftext|>")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
kinds = st.sampled_from(["text", "image", "image_url", "file", "tool_use", "reasoning", "x", None])


@settings(max_examples=100)
@given(
    blocks=st.lists(
        st.tuples(kinds, st.dictionaries(st.sampled_from(["text", "data", "source"]), json_values)),
        max_size=3,
    )
)
def test_no_block_makes_it_raise(blocks: list[tuple[str | None, dict[str, Any]]]) -> None:
    content = [{"type": kind, **fields} for kind, fields in blocks]
    message = HumanMessage.model_construct(content=content, name=None)
    assert count_prompt([message]).tokens >= EMPTY


def test_block_that_holds_itself_or_anything_odd_is_counted() -> None:
    block: dict[str, Any] = {"type": "x", "object": object(), "ends": False}
    block["self"] = block
    message = HumanMessage.model_construct(content=[block, 7, None], name=None)
    assert count_prompt([message]).tokens > EMPTY


@pytest.mark.parametrize("given", [None, 3, {"messages": [("user", "hi")]}])
def test_what_holds_no_messages_is_refused_with_what_to_write(given: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"count_prompt\(state\['messages'\]\)"):
        count_prompt(given)


def test_a_model_that_is_no_name_is_refused_with_what_to_write() -> None:
    model: Any = ChatOpenAI(model="gpt-4.1-mini", api_key=SecretStr("none"))
    with pytest.raises(StreamUsageError, match=r"model='gpt-4\.1-mini'"):
        count_prompt("hi", model=model)


@pytest.mark.parametrize(
    ("tools", "advice"),
    [
        (["weather"], r"'weather' in tools= is a str, no tool; pass the tool itself"),
        ([3], "3 in tools= is an int, no tool"),
        ([weather, None], "None in tools= is a NoneType, no tool"),
        ("weather", r"tools= is a str.*write tools=\[tool, \.\.\.\]"),
        (weather, r"tools= is a StructuredTool.*write tools=\[tool, \.\.\.\]"),
        (convert_to_openai_tool(weather), r"tools= is a dict.*write tools=\[tool, \.\.\.\]"),
        (3, r"tools= is an int.*write tools=\[tool, \.\.\.\]"),
    ],
    ids=["name", "number", "none", "str", "one_tool", "one_dict", "int"],
)
def test_what_is_no_list_of_tools_is_answered_with_what_to_write(tools: Any, advice: str) -> None:
    with pytest.raises(StreamUsageError, match=advice):
        count_prompt("hi", tools)
