"""What ``useChat`` posts is read as LangChain's messages and answers, or refused where it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_streamkit import StreamUsageError
from langchain_streamkit.wire.ai_sdk.request import ChatRequest, read_chat_request
from tests.protocols.bodies import VALUES, refusal


def user(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"id": "u1", "role": role, "parts": list(parts)}


def assistant(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": "a1", "role": "assistant", "parts": list(parts)}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def tool(state: str, **more: Any) -> dict[str, Any]:
    given = {"toolName": "add", "toolCallId": "c1", "state": state, "input": {"a": 1}}
    return {"type": "dynamic-tool", **given, **more}


def question(answer: Any, name: str = "i1") -> dict[str, Any]:
    """The tool ``interrupt``, answered."""
    given = {"toolCallId": name, "state": "output-available", "input": "sure?", "output": answer}
    return {"type": "tool-interrupt", **given}


def approval(name: str, *, approved: bool, **more: Any) -> dict[str, Any]:
    return tool("approval-responded", approval={"id": name, "approved": approved, **more})


STEP = {"type": "step-start"}


def read(*messages: dict[str, Any], **body: Any) -> ChatRequest:
    return read_chat_request(json.dumps({"id": "t", "messages": messages, **body}).encode())


def test_text_of_a_user_is_plain_text_under_its_id() -> None:
    asked = read(user(text("hi")), trigger="submit-message", more={"any": 1})
    assert asked.messages == asked.new_messages == [HumanMessage("hi", id="u1")]
    assert (asked.thread_id, asked.resume, asked.continues) == ("t", None, None)
    assert asked.metadata == {}


def test_files_are_standard_blocks() -> None:
    asked = read(
        user(
            {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,aGk="},
            {
                "type": "file",
                "mediaType": "application/pdf",
                "url": "https://x/a.pdf",
                "filename": "a",
            },
            text("look"),
        )
    )
    (message,) = asked.messages
    assert message.content == [
        {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
        {"type": "file", "url": "https://x/a.pdf", "mime_type": "application/pdf", "filename": "a"},
        {"type": "text", "text": "look"},
    ]


def test_each_step_is_an_answer_with_the_results_of_its_tools() -> None:
    asked = read(
        user(text("be brief"), role="system"),
        user(text("hi")),
        assistant(
            STEP,
            {"type": "reasoning", "text": "Hm"},
            text("Let me see"),
            tool("output-available", output={"sum": 3}),
            tool("output-error", errorText="no", toolCallId="c2"),
            STEP,
            {"type": "source-url", "sourceId": "s", "url": "https://x"},
            {"type": "data-chart", "data": [1]},
            text("It is 3"),
        ),
        user(text("thanks")),
    )
    system, hi, first, one, two, last, thanks = asked.messages
    assert isinstance(system, SystemMessage)
    assert hi.content == "hi"
    assert isinstance(first, AIMessage)
    assert first.content == [
        {"type": "reasoning", "reasoning": "Hm"},
        {"type": "text", "text": "Let me see"},
    ]
    assert [(call["id"], call["args"]) for call in first.tool_calls] == [
        ("c1", {"a": 1}),
        ("c2", {"a": 1}),
    ]
    assert isinstance(one, ToolMessage)
    assert isinstance(two, ToolMessage)
    assert (one.content, one.status, one.tool_call_id) == ('{"sum":3}', "success", "c1")
    assert (two.content, two.status, two.name) == ("no", "error", "add")
    assert last.content == "It is 3"
    assert asked.new_messages == [thanks]


def test_typed_tools_have_their_name_in_the_type() -> None:
    part = {"type": "tool-get-weather", "toolCallId": "c1", "state": "output-available"}
    asked = read(user(text("hi")), assistant({**part, "output": "rain"}), user(text("and?")))
    message = asked.messages[1]
    assert isinstance(message, AIMessage)
    assert message.tool_calls[0]["name"] == "get-weather"


@pytest.mark.parametrize("state", ["input-streaming", "input-available", "approval-requested"])
def test_call_that_nothing_came_of_is_left_out(state: str) -> None:
    asked = read(user(text("hi")), assistant(tool(state)), user(text("never mind")))
    assert [message.content for message in asked.messages] == ["hi", "never mind"]


def test_denied_call_is_told_to_the_model() -> None:
    denied = tool("output-denied", approval={"id": "i1", "approved": False})
    asked = read(user(text("hi")), assistant(denied), user(text("so?")))
    result = asked.messages[2]
    assert isinstance(result, ToolMessage)
    assert (result.status, result.content) == ("error", "The user denied this call.")


def test_what_a_failed_attempt_said_is_left_out() -> None:
    whose = {"providerMetadata": {"streamkit": {"messageId": "m1"}}}
    dropped = {"type": "data-dropped", "id": "m1", "data": {"messageId": "m1", "reason": "retry"}}
    asked = read(
        user(text("hi")),
        assistant(STEP, text("Half", **whose), dropped, STEP, text("Whole")),
        user(text("ok")),
    )
    assert [message.content for message in asked.messages] == ["hi", "Whole", "ok"]


def test_signature_of_reasoning_comes_back() -> None:
    part = {
        "type": "reasoning",
        "text": "Hm",
        "providerMetadata": {"streamkit": {"messageId": "m", "extras": {"signature": "x"}}},
    }
    asked = read(user(text("hi")), assistant(part), user(text("ok")))
    assert asked.messages[1].content == [
        {"type": "reasoning", "reasoning": "Hm", "extras": {"signature": "x"}}
    ]


def test_output_of_the_last_step_is_what_is_new() -> None:
    done = tool("output-available", output="Lisbon")
    asked = read(user(text("hi")), assistant(STEP, done), messageId="a1")
    assert [message.content for message in asked.new_messages] == ["Lisbon"]
    assert asked.continues == "a1"
    assert asked.metadata == {"ai_sdk_message_id": "a1"}


def test_tool_parts_that_the_run_goes_on_with_are_in_its_metadata() -> None:
    """Those before the last step, where clients do not look for them; and all questions."""
    asked = read(
        user(text("hi")),
        assistant(
            STEP,
            tool("input-available"),
            tool("output-error", toolCallId="c2", errorText="no"),
            tool("output-available", toolCallId="c3", providerExecuted=True),
            STEP,
            question("one"),
            STEP,
            question("two", "i1#2"),
            tool("approval-responded", toolCallId="c4"),
        ),
    )
    assert asked.metadata["ai_sdk_tool_parts"] == {
        "open": ["c1"],
        "ended": ["c2"],
        "questions": ["i1", "i1#2"],
    }
    assert asked.resume == {"i1": "two"}


def test_id_of_a_void_part_may_be_anything() -> None:
    whose = {"callProviderMetadata": {"streamkit": {"messageId": "m1"}}}
    dropped = {"type": "data-dropped", "data": {"messageId": "m1"}}
    void = tool("input-available", toolCallId={}, **whose)
    asked = read(user(text("hi")), assistant(dropped, void, STEP, question("yes")))
    assert asked.resume == {"i1": "yes"}


def test_interrupt_of_any_id_is_answered_under_it() -> None:
    assert read(user(text("hi")), assistant(STEP, question("x", "i1#2"))).resume == {"i1#2": "x"}


@pytest.mark.parametrize("answer", ["yes", None, {"a": [1]}, False])
def test_output_of_the_tool_interrupt_is_an_answer(answer: Any) -> None:
    asked = read(user(text("hi")), assistant(STEP, question(answer)))
    assert asked.resume == {"i1": answer}
    assert [message.content for message in asked.messages] == ["hi"]


def test_answers_of_earlier_steps_were_taken() -> None:
    first, second = question("one"), question("two", "i2")
    asked = read(user(text("hi")), assistant(STEP, first, STEP, text("on"), second))
    assert asked.resume == {"i2": "two"}


@pytest.mark.parametrize("approved", [True, False])
def test_approval_of_an_interrupt_is_yes_or_no(*, approved: bool) -> None:
    asked = read(user(text("hi")), assistant(STEP, approval("i1", approved=approved)))
    assert asked.resume == {"i1": approved}


def test_approvals_of_several_calls_are_one_answer_in_their_order() -> None:
    parts = [
        approval("i1/2/2", approved=False, reason="too dear"),
        approval("i1/1/2", approved=True),
    ]
    asked = read(user(text("hi")), assistant(STEP, *parts))
    assert asked.resume == {
        "i1": {"decisions": [{"type": "approve"}, {"type": "reject", "message": "too dear"}]}
    }


@pytest.mark.parametrize("names", [["i1/1/2"], ["i1/2/2"], ["i1/1/2", "i1/3/2"]])
def test_some_answers_of_several_are_refused(names: list[str]) -> None:
    parts = [approval(name, approved=True) for name in names]
    assert "answer all of them" in refusal(read, user(text("hi")), assistant(STEP, *parts))


def test_answers_of_the_body_win() -> None:
    asked = read(user(text("hi")), assistant(question("no")), resume={"i1": "yes", "i2": 2})
    assert asked.resume == {"i1": "yes", "i2": 2}


def test_user_who_wants_another_answer_is_told_of() -> None:
    assert read(user(text("hi")), trigger="regenerate-message", messageId="a1").regenerates
    assert not read(user(text("hi"))).regenerates


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (user({"type": "tool-x"}), "messages[0].parts[0]: a user's message has no parts"),
        (user(), "messages[0]: the message says nothing"),
        (user({"type": "text"}), "messages[0].parts[0]: Object missing required field `text`"),
        (user({"type": "text", "text": 1}), "`messages[0].parts[0].text`"),
        (
            user({"type": "file", "mediaType": "a/b", "url": "file:///etc"}),
            "messages[0].parts[0].url",
        ),
        (user({"type": "file", "mediaType": "a/b", "url": "data:,x"}), "base64"),
        (user({"text": "x"}), "no parts of type None"),
        (user({"type": ["text"]}), "no parts of type ['text']"),
        (assistant({"type": "sound"}), "messages[0].parts[0]: parts of type 'sound' are not known"),
        (assistant(text("hi")), "answers nothing"),
        (assistant({"type": "tool-x", "state": "a"}), "`toolCallId`"),
        ({"id": "u1", "role": "user", "content": "hi"}, "`parts`"),
        ({"id": "u1", "role": "tool", "parts": []}, "role"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(message: dict[str, Any], said: str) -> None:
    assert said in refusal(read, message)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"id": "t", "messages": []}'])
def test_body_that_is_no_request_is_refused(body: bytes) -> None:
    assert "useChat" in refusal(read_chat_request, body)


_fields = st.sampled_from(
    [
        "type",
        "text",
        "state",
        "toolCallId",
        "toolName",
        "input",
        "output",
        "approval",
        "data",
        "providerMetadata",
        "callProviderMetadata",
        "mediaType",
        "url",
        "errorText",
    ]
)
_types = st.sampled_from(
    ["text", "file", "reasoning", "step-start", "dynamic-tool", "tool-interrupt", "data-dropped"]
)
_states = st.sampled_from(["output-available", "approval-responded", "output-error"])
_approvals = st.fixed_dictionaries(
    {"id": st.text(max_size=3) | st.sampled_from(["i/1/1", "i/1/9"]), "approved": st.booleans()}
)
_parts = st.dictionaries(_fields, VALUES, max_size=6).flatmap(
    lambda part: st.fixed_dictionaries(
        {},
        optional={
            "type": _types,
            "state": _states,
            "approval": _approvals,
            "toolCallId": st.just("c"),
        },
    ).map(lambda known: {**part, **known})
)
_messages = st.fixed_dictionaries(
    {
        "id": st.text(max_size=3),
        "role": st.sampled_from(["user", "assistant", "system"]),
        "parts": st.lists(_parts, max_size=4),
    }
)


@given(st.lists(_messages, min_size=1, max_size=3))
def test_any_body_is_a_request_or_refused(messages: list[dict[str, Any]]) -> None:
    try:
        asked = read(*messages)
    except StreamUsageError as exc:
        told = bool(exc.wire)
    else:
        told = bool(asked.messages or asked.resume)
    assert told
