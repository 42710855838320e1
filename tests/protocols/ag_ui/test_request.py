"""What AG-UI clients post is read as LangChain's messages and answers, or refused where it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_streamkit import StreamUsageError
from langchain_streamkit.wire.ag_ui.request import AgUiRequest, read_run_input
from tests.protocols.bodies import VALUES, refusal

HELLO = {"id": "u1", "role": "user", "content": "hi"}


def assistant(content: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "a1", "role": "assistant", "content": content, **more}


def call(name: str = "c1", args: str = '{"a":1}', **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": "add", "arguments": args}, **more}


def result(content: Any = "3", name: str = "c1", **more: Any) -> dict[str, Any]:
    return {"id": f"t-{name}", "role": "tool", "toolCallId": name, "content": content, **more}


def read(*messages: dict[str, Any], **body: Any) -> AgUiRequest:
    given = {"threadId": "t", "runId": "r", "messages": messages, **body}
    return read_run_input(json.dumps(given).encode())


def test_everything_the_client_says_is_in_the_request() -> None:
    asked = read(
        HELLO,
        parentRunId="r0",
        protocolVersion="1.0",
        state={"plan": 1},
        tools=[{"name": "locate", "description": "Where?", "parameters": {"type": "object"}}],
        context=[{"description": "page", "value": "home"}],
        forwardedProps={"x": 1},
        unknown=True,
    )
    assert (asked.thread_id, asked.run_id, asked.parent_run_id) == ("t", "r", "r0")
    assert asked.messages == asked.new_messages == [HumanMessage("hi", id="u1")]
    assert (asked.state, asked.forwarded_props, asked.resume) == ({"plan": 1}, {"x": 1}, None)
    assert [(one.description, one.value) for one in asked.context] == [("page", "home")]
    assert [one.to_openai() for one in asked.tools] == [
        {
            "type": "function",
            "function": {
                "name": "locate",
                "description": "Where?",
                "parameters": {"type": "object"},
            },
        }
    ]
    assert asked.history == (HELLO,)


def test_tool_without_a_schema_takes_no_arguments() -> None:
    (tool,) = read(tools=[{"name": "locate", "description": ""}]).tools
    assert tool.to_openai()["function"]["parameters"] == {"type": "object", "properties": {}}


def test_parts_of_a_content_are_standard_blocks() -> None:
    def part(kind: str, source: str, value: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "source": {"type": source, "value": value, **more}}

    asked = read(
        {
            "id": "u1",
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                part("image", "data", "aGk=", mimeType="image/png"),
                part("audio", "url", "https://x/a.wav"),
                part("document", "file", "f1", provider="openai", mimeType="application/pdf"),
                part("video", "url", "data:video/mp4;base64,aGk="),
            ],
        }
    )
    assert asked.messages[0].content == [
        {"type": "text", "text": "look"},
        {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
        {"type": "audio", "url": "https://x/a.wav"},
        {"type": "file", "file_id": "f1", "mime_type": "application/pdf"},
        {"type": "video", "base64": "aGk=", "mime_type": "video/mp4"},
    ]


def test_history_is_langchains() -> None:
    asked = read(
        {"id": "s1", "role": "system", "content": "be brief"},
        {"id": "d1", "role": "developer", "content": "be kind"},
        HELLO,
        {
            "id": "r1",
            "role": "reasoning",
            "content": "Hm",
            "encryptedValue": '{"signature":"x"}',
        },
        assistant("Let me see", toolCalls=[call(), call("c2", "no json"), call("c3")]),
        result(),
        result("A tool failed.", "c2", error="A tool failed."),
        {"id": "x1", "role": "activity", "activityType": "chart", "content": {}},
        {"id": "a2", "role": "assistant", "content": "It is 3", "name": "adder"},
        {"id": "u2", "role": "user", "content": "thanks", "name": None},
    )
    system, developer, _, first, one, two, last, thanks = asked.messages
    assert isinstance(system, SystemMessage)
    assert developer.additional_kwargs == {"__openai_role__": "developer"}
    assert isinstance(first, AIMessage)
    assert first.content == [
        {"type": "reasoning", "reasoning": "Hm", "extras": {"signature": "x"}},
        {"type": "text", "text": "Let me see"},
    ]
    assert [(one["id"], one["args"]) for one in first.tool_calls] == [("c1", {"a": 1})]
    assert [(one["id"], one["args"]) for one in first.invalid_tool_calls] == [("c2", "no json")]
    assert isinstance(one, ToolMessage)
    assert isinstance(two, ToolMessage)
    assert (one.content, one.status, one.name) == ("3", "success", "add")
    assert (two.status, two.tool_call_id) == ("error", "c2")
    assert (last.content, last.name) == ("It is 3", "adder")
    assert asked.new_messages == [thanks]


def test_calls_that_nothing_came_of_are_left_out() -> None:
    asked = read(HELLO, assistant(toolCalls=[call()]), {**HELLO, "id": "u2"})
    assert [message.id for message in asked.messages] == ["u1", "u2"]
    assert [message.id for message in asked.new_messages] == ["u2"]


def test_what_a_subagent_said_is_not_the_agents() -> None:
    asked = read(HELLO, assistant("inner", subagentRunId="s1"), assistant("Done", id="a2"))
    assert [message.content for message in asked.messages] == ["hi", "Done"]


def test_emptied_reasoning_is_nothing() -> None:
    thought = {"id": "r1", "role": "reasoning", "content": ""}
    assert read(HELLO, thought, assistant("Yes")).messages[1].content == "Yes"


def test_answer_to_a_call_whose_id_was_made_unlike_has_the_graphs_id() -> None:
    earlier = [HELLO, assistant(toolCalls=[call()]), result()]
    again = assistant(id="a2", toolCalls=[call("c1#2")])
    asked = read(*earlier, again, result("4", "c1#2"))
    (new,) = asked.new_messages
    assert isinstance(new, ToolMessage)
    assert (new.content, new.tool_call_id) == ("4", "c1")
    last = asked.messages[-1]
    assert isinstance(last, ToolMessage)
    assert last.tool_call_id == "c1#2"


@pytest.mark.parametrize("payload", ["yes", None, {"a": [1]}, False])
def test_answers_are_by_interrupt(payload: Any) -> None:
    entries = [
        {"interruptId": "i1", "status": "resolved", "payload": payload},
        {"interruptId": "i2", "status": "cancelled"},
    ]
    assert read(HELLO, resume=entries).resume == {"i1": payload, "i2": {"status": "cancelled"}}
    assert read(HELLO, resume=[]).resume is None


def test_interrupt_that_is_answered_twice_is_refused() -> None:
    entry = {"interruptId": "i1", "status": "cancelled"}
    assert "resume[1].interruptId: 'i1' is answered twice" in refusal(read, resume=[entry, entry])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"id": "m", "role": "user"}, "`content`"),
        ({"id": "m", "role": "tool", "content": ""}, "`toolCallId`"),
        ({"id": "m", "role": "nobody", "content": ""}, "role"),
        ({"role": "user", "content": ""}, "`id`"),
        ({"id": "m", "role": "user", "content": [{"type": "sound"}]}, "`$.messages[0].content[0]"),
        (
            {"id": "m", "role": "user", "content": [
                {"type": "image", "source": {"type": "url", "value": "file:///etc"}}
            ]},
            "messages[0].content[0].source.value: the address",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_place(message: Any, said: str) -> None:
    assert said in refusal(read, message)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"threadId": "t"}', b"[" * 99999])
def test_body_that_is_no_input_is_refused(body: bytes) -> None:
    assert "RunAgentInput" in refusal(read_run_input, body)


_ids = st.sampled_from(["c1", "c1#2", "c1/result", "", "#2"])
_roles = ["developer", "system", "user", "assistant", "tool", "reasoning", "activity"]
_messages = st.fixed_dictionaries(
    {"id": _ids, "role": st.sampled_from(_roles), "content": VALUES | st.text(max_size=3)},
    optional={
        "toolCallId": _ids,
        "toolCalls": st.lists(st.builds(call, _ids, st.text(max_size=3)), max_size=3),
        "encryptedValue": VALUES,
        "subagentRunId": st.none() | st.text(max_size=2),
        "error": st.text(max_size=2),
    },
)


@given(st.lists(_messages, max_size=4))
def test_any_body_is_a_request_or_refused(messages: list[dict[str, Any]]) -> None:
    try:
        asked = read(*messages)
    except StreamUsageError as exc:
        told = bool(exc.wire)
    else:
        told = len(asked.history) == len(messages)
    assert told
