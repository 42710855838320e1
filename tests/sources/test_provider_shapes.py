"""Chunk sequences as real integrations make them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI

from tests.sources.assembling import Session, Told, merged

_CITATION = {
    "type": "url_citation",
    "url": "http://x",
    "title": "X",
    "start_index": 0,
    "end_index": 5,
}
_STANDARD = {**_CITATION, "type": "citation"}


class _Feed(BaseCallbackHandler):
    """Feeds a session from the callbacks, where the tokens of a real run are seen."""

    def __init__(self) -> None:
        self.session = Session()
        self.finals: list[Any] = []

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:
        self.session.feed([chunk.message])

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.finals.append(response.generations[0][0].message)


def openai(events: list[dict[str, Any]], **options: Any) -> tuple[Told, Any]:
    """What ``ChatOpenAI`` makes of the provider's events."""
    lines = [
        f"event: {e['type']}\ndata: {json.dumps(e)}\n\n"
        if "type" in e
        else f"data: {json.dumps(e)}\n\n"
        for e in events
    ]
    body = "".join([*lines, "data: [DONE]\n\n"]).encode()
    headers = {"content-type": "text/event-stream"}
    with httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=body))
    ) as client:
        feed = _Feed()
        model = ChatOpenAI(model="gpt", api_key="x", http_client=client, **options)  # type: ignore[arg-type]
        for _ in model.stream("hi", config={"callbacks": [feed]}):
            pass
    return feed.session.finish(feed.finals[0])


def chat_chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt",
        "choices": [choice],
    }


def call_delta(index: int, args: str, **first: Any) -> dict[str, Any]:
    function = {"arguments": args, **({"name": first.pop("name")} if first else {})}
    return {"index": index, **first, "function": function}


CHAT = [
    chat_chunk({"role": "assistant", "content": ""}),
    chat_chunk({"content": "Hel"}),
    chat_chunk({"content": "lo"}),
    chat_chunk({"tool_calls": [call_delta(0, "", name="f", id="call_a", type="function")]}),
    chat_chunk({"tool_calls": [call_delta(0, '{"a"')]}),
    chat_chunk({"tool_calls": [call_delta(1, "", name="g", id="call_b", type="function")]}),
    chat_chunk({"tool_calls": [call_delta(0, ":1}"), call_delta(1, "{}")]}),
    chat_chunk({}, "tool_calls"),
    {
        **chat_chunk({}),
        "choices": [],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    },
]


@pytest.mark.parametrize("version", [None, "v1"])
def test_openai_chat_completions(version: str | None) -> None:
    told, ending = openai(CHAT, output_version=version, stream_usage=True)
    assert [b["kind"] for b in told.blocks] == ["text", "tool_call", "tool_call"]
    assert told.of("text") == [{"text": "Hello"}]
    assert told.calls == [("call_a", "f", {"a": 1}), ("call_b", "g", {})]
    assert told.types.count("text.delta") == 2
    assert (ending.finish_reason, ending.model, ending.provider) == ("tool_calls", "gpt", "openai")
    assert (ending.usage.total_tokens, ending.usage.details.cache_read) == (12, 2)


_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "status": "in_progress",
    "metadata": {},
}
_THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [
        {"type": "summary_text", "text": "think"},
        {"type": "summary_text", "text": "more"},
    ],
    "encrypted_content": "ENC",
}
_SEARCH = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "q"},
}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": [_CITATION]}],
}
_CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_a",
    "name": "f",
    "arguments": '{"a":1}',
    "status": "completed",
}


def _summary(kind: str, part_: int, **rest: Any) -> dict[str, Any]:
    return {
        "type": f"response.reasoning_summary_{kind}",
        "item_id": "rs_1",
        "output_index": 0,
        "summary_index": part_,
        **rest,
    }


def _item(kind: str, index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": item}


def _text(kind: str, **rest: Any) -> dict[str, Any]:
    return {
        "type": f"response.output_text.{kind}",
        "item_id": "msg_1",
        "output_index": 2,
        "content_index": 0,
        **rest,
    }


def _args(delta: str) -> dict[str, Any]:
    return {
        "type": "response.function_call_arguments.delta",
        "item_id": "fc_1",
        "output_index": 3,
        "delta": delta,
    }


RESPONSES = [
    {"type": "response.created", "response": _RESPONSE},
    _item("added", 0, {"id": "rs_1", "type": "reasoning", "summary": []}),
    _summary("part.added", 0, part={"type": "summary_text", "text": ""}),
    _summary("text.delta", 0, delta="thi"),
    _summary("text.delta", 0, delta="nk"),
    _summary("part.added", 1, part={"type": "summary_text", "text": ""}),
    _summary("text.delta", 1, delta="more"),
    _item("done", 0, _THOUGHT),
    _item("done", 1, _SEARCH),
    _item("added", 2, {**_MESSAGE, "content": []}),
    _text("delta", delta="Hel", logprobs=[]),
    _text("delta", delta="lo", logprobs=[]),
    _text("annotation.added", annotation_index=0, annotation=_CITATION),
    _text("done", text="Hello", logprobs=[]),
    _item("added", 3, {**_CALL, "arguments": ""}),
    _args('{"a"'),
    _args(":1}"),
    {
        "type": "response.completed",
        "response": {
            **_RESPONSE,
            "status": "completed",
            "output": [_THOUGHT, _SEARCH, _MESSAGE, _CALL],
            "usage": {
                "input_tokens": 5,
                "output_tokens": 7,
                "total_tokens": 12,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
        },
    },
]


@pytest.mark.parametrize("version", ["v0", "responses/v1", "v1"])
def test_openai_responses(version: str) -> None:
    events = [{**event, "sequence_number": n} for n, event in enumerate(RESPONSES)]
    told, ending = openai(events, use_responses_api=True, output_version=version)
    assert [b["kind"] for b in told.blocks] == [
        "reasoning",
        "reasoning",
        "content",
        "content",
        "text",
        "tool_call",
    ]
    assert [b["text"] for b in told.of("reasoning")] == ["think", "more"]
    assert told.of("reasoning")[1]["extras"]["encrypted_content"] == "ENC"
    assert [b["block"]["type"] for b in told.of("content")] == [
        "server_tool_call",
        "server_tool_result",
    ]
    (text,) = told.of("text")
    assert (text["text"], text["annotations"]) == ("Hello", [_STANDARD])
    assert told.calls == [("call_a", "f", {"a": 1})]
    assert (ending.finish_reason, ending.raw_finish_reason) == ("tool_calls", "completed")
    assert (ending.usage.total_tokens, ending.usage.details.reasoning) == (12, 3)
    assert ending.metadata["id"] == "resp_1"


def _chunks(provider: str, *fields: dict[str, Any]) -> list[Any]:
    return [
        AIMessageChunk(**{"content": [], **f, "response_metadata": {
            "model_provider": provider, **f.get("response_metadata", {})}})
        for f in fields
    ]  # fmt: skip


def run(chunks: list[Any]) -> tuple[Told, Any]:
    return Session().feed(chunks).finish(merged(chunks))


def test_anthropic() -> None:
    """Thinking with a signature, text with a citation, a server's tool and a tool call."""
    citation = {"type": "char_location", "cited_text": "q", "document_title": "D"}
    chunks = _chunks(
        "anthropic",
        {
            "usage_metadata": {"input_tokens": 10, "output_tokens": 0, "total_tokens": 10},
            "response_metadata": {"model_name": "claude"},
        },
        {"content": [{"type": "thinking", "thinking": "h", "index": 0}]},
        {"content": [{"type": "thinking", "thinking": "m", "index": 0}]},
        {"content": [{"type": "thinking", "signature": "SIG", "index": 0}]},
        {"content": [{"type": "text", "text": "", "index": 1}]},
        {"content": [{"type": "text", "text": "Hel", "index": 1}]},
        {"content": [{"type": "text", "text": "lo", "index": 1}]},
        {"content": [{"type": "text", "text": "", "citations": [citation], "index": 1}]},
        {"content": [{"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {},
                      "index": 2}]},
        {"content": [{"type": "input_json_delta", "partial_json": '{"query": ', "index": 2}]},
        {"content": [{"type": "input_json_delta", "partial_json": '"q"}', "index": 2}]},
        {"content": [{"type": "web_search_tool_result", "tool_use_id": "srv",
                      "content": [{"url": "u"}], "index": 3}]},
        {"content": [{"type": "tool_use", "id": "toolu", "name": "f", "input": {}, "index": 4}],
         "tool_call_chunks": [{"name": "f", "args": "", "id": "toolu", "index": 4}]},
        {"content": [{"type": "input_json_delta", "partial_json": '{"a"', "index": 4}],
         "tool_call_chunks": [{"name": None, "args": '{"a"', "id": None, "index": 4}]},
        {"content": [{"type": "input_json_delta", "partial_json": ": 1}", "index": 4}],
         "tool_call_chunks": [{"name": None, "args": ": 1}", "id": None, "index": 4}]},
        {"usage_metadata": {"input_tokens": 0, "output_tokens": 7, "total_tokens": 7},
         "response_metadata": {"stop_reason": "tool_use"}, "chunk_position": "last"},
    )  # fmt: skip
    told, ending = run(chunks)
    assert told.blocks == [
        {"kind": "reasoning", "text": "hm", "extras": {"signature": "SIG"}},
        {
            "kind": "text",
            "text": "Hello",
            "annotations": [{"type": "citation", "cited_text": "q", "title": "D"}],
        },
        {
            "kind": "content",
            "block": {
                "type": "server_tool_call",
                "name": "web_search",
                "id": "srv",
                "args": {"query": "q"},
            },
        },
        {
            "kind": "content",
            "block": {
                "type": "server_tool_result",
                "tool_call_id": "srv",
                "status": "success",
                "output": [{"url": "u"}],
                "extras": {"block_type": "web_search_tool_result"},
            },
        },
        {"kind": "tool_call", "id": "toolu", "name": "f", "args": {"a": 1}},
    ]
    assert (ending.finish_reason, ending.usage.total_tokens) == ("tool_calls", 17)


def test_gemini() -> None:
    """Thoughts and text in unkeyed blocks or strings, whole calls, citations at the end."""
    grounding = {
        "grounding_chunks": [{"web": {"uri": "http://x", "title": "X"}}],
        "grounding_supports": [{"segment": {"text": "Hello"}, "grounding_chunk_indices": [0]}],
    }
    chunks = _chunks(
        "google_genai",
        {"content": [{"type": "thinking", "thinking": "h"}]},
        {"content": [{"type": "thinking", "thinking": "m", "signature": "SIG"}]},
        {"content": [{"type": "text", "text": "Hel"}]},
        {"content": "lo", "response_metadata": {"grounding_metadata": grounding}},
        {"content": "", "tool_call_chunks": [
            {"name": "f", "args": '{"a": 1}', "id": "u1", "index": 0}]},
        {"content": "", "tool_call_chunks": [
            {"name": "f", "args": '{"a": 2}', "id": "u2", "index": 1}],
         "usage_metadata": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12},
         "response_metadata": {"finish_reason": "STOP", "model_name": "gemini"}},
    )  # fmt: skip
    told, ending = run(chunks)
    assert [b["kind"] for b in told.blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    assert told.of("reasoning") == [{"text": "hm", "extras": {"signature": "SIG"}}]
    (text,) = told.of("text")
    assert text["text"] == "Hello"
    assert text["annotations"][0]["url"] == "http://x"
    assert told.calls == [("u1", "f", {"a": 1}), ("u2", "f", {"a": 2})]
    assert (ending.finish_reason, ending.raw_finish_reason) == ("tool_calls", "STOP")


def test_deepseek() -> None:
    """Reasoning beside the content, with empty strings on every other chunk."""
    chunks = _chunks(
        "deepseek",
        {"content": "", "additional_kwargs": {"reasoning_content": "h"}},
        {"content": "", "additional_kwargs": {"reasoning_content": "m"}},
        {"content": "Hel", "additional_kwargs": {"reasoning_content": ""}},
        {"content": "lo"},
        {"content": "", "response_metadata": {"finish_reason": "stop"}},
    )
    told, ending = run(chunks)
    assert told.blocks == [
        {"kind": "reasoning", "text": "hm"},
        {"kind": "text", "text": "Hello"},
    ]
    assert ending.finish_reason == "stop"


def test_bedrock_converse() -> None:
    chunks = _chunks(
        "bedrock_converse",
        {"content": [{"type": "reasoning_content", "reasoning_content": {"text": "hm"},
                      "index": 0}]},
        {"content": [{"type": "reasoning_content", "reasoning_content": {"signature": "SIG"},
                      "index": 0}]},
        {"content": [{"type": "text", "text": "Hello", "index": 1}]},
        {"content": "", "response_metadata": {"stopReason": "end_turn"}},
    )  # fmt: skip
    told, ending = Session().feed(chunks).finish()
    assert told.blocks == [
        {"kind": "reasoning", "text": "hm", "extras": {"signature": "SIG"}},
        {"kind": "text", "text": "Hello"},
    ]
    assert ending.finish_reason == "stop"
