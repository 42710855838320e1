"""The chunks of events that runs seldom have, read by the AI SDK too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import StreamUsageError
from langchain_streamkit import events as ev
from langchain_streamkit.testing import assert_legal
from langchain_streamkit.wire.ai_sdk.continuing import CONTINUES, TOOL_PARTS
from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder
from tests.protocols.ai_sdk.apps import serving_bytes
from tests.wire.story import TIMING, USAGE, Story

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_streamkit.events import Event
    from tests.protocols.ai_sdk.apps import Bytes
    from tests.protocols.ai_sdk.clients import Chat, Client

ERROR = ev.ErrorInfo(code="tool_error", message="A tool failed.", error_id="e1")


@pytest.fixture(scope="module")
def server() -> Iterator[Bytes]:
    with serving_bytes() as running:
        yield running


def chunks(events: Sequence[Event], **options: Any) -> list[dict[str, Any]]:
    encoder = AiSdkEncoder(**options)
    frames = [frame for event in events for frame in encoder.encode(event)]
    return [json.loads(frame[6:]) for frame in frames if frame != b"data: [DONE]\n\n"]


def types(events: Sequence[Event], **options: Any) -> list[str]:
    return [chunk["type"] for chunk in chunks(events, **options)]


def read(client: Client, server: Bytes, events: Sequence[Event], **options: Any) -> Chat:
    """What a client makes of these events, which are legal."""
    assert_legal(events)
    encoder = AiSdkEncoder(**options)
    frames = [encoder.opening(), encoder.ping]
    frames += [frame for event in events for frame in encoder.encode(event)]
    server.body = b"".join(frames)
    chat = client.chat(server.url)
    assert chat.status == "ready", chat
    return chat


def parts(chat: Chat, kind: str) -> list[dict[str, Any]]:
    return [part for part in chat.answer["parts"] if part["type"] == kind]


def in_a_run(*events: Any, story: Story) -> list[Any]:
    return [*events, story.finish()]


def test_frames_are_data_lines_and_done_is_the_last() -> None:
    story = Story()
    events = [story.start(), *story.message("Hello"), story.finish()]
    encoder = AiSdkEncoder()
    frames = [frame for event in events for frame in encoder.encode(event)]
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") for frame in frames)
    assert all(frame.count(b"\n") == 2 for frame in frames)
    assert frames[-1] == b"data: [DONE]\n\n"
    assert [json.loads(frame[6:])["type"] for frame in frames[:-1]] == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    assert encoder.encode(story.finish()) == []


def test_nothing_that_is_null_is_sent_where_clients_refuse_it() -> None:
    story = Story()
    events = [story.start(), *story.message("Hello"), story.finish()]
    for chunk in chunks(events, sdk_version=7):
        assert None not in chunk.values()


def test_unknown_version_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StreamUsageError, match="write 5, 6 or 7"):
        AiSdkEncoder(sdk_version=4)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [None, 5])
def test_what_early_releases_of_5_refuse_is_not_sent(version: Any) -> None:
    story = Story()
    asked = ev.InterruptInfo(interrupt_id="i1", payload="sure?")
    events = [
        story.start(),
        *story.message("Hello"),
        story.make(ev.RunInterrupted, interrupts=(asked,), usage=USAGE, timing=TIMING),
    ]
    found = chunks(events, sdk_version=version)
    assert "finishReason" not in found[-1]
    assert "tool-approval-request" not in [chunk["type"] for chunk in found]
    assert "tool-approval-request" in types(events, sdk_version=6)


def test_run_that_goes_on_with_a_message_has_its_id() -> None:
    story = Story()
    start = story.start(metadata={CONTINUES: "run-0", "other": "secret"}, thread_id="t")
    (chunk,) = chunks([start])
    assert chunk == {
        "type": "start",
        "messageId": "run-0",
        "messageMetadata": {"runId": "run-1", "threadId": "t"},
    }


@pytest.mark.parametrize("wrong", [None, "c1", ["c1"], {"open": "c1"}, {"open": [1, None]}])
def test_metadata_that_is_not_ours_says_nothing_of_parts(wrong: Any) -> None:
    story = Story()
    start = story.start(metadata={CONTINUES: "run-0", TOOL_PARTS: wrong})
    call = {"tool_call_id": "c1", "step_id": "s1"}
    started = story.make(ev.ToolStarted, name="add", input={}, **call)
    assert types([start, started]) == ["start", "tool-input-available"]


def test_calls_of_one_message_with_one_id_are_two_parts(client: Client, server: Bytes) -> None:
    story = Story()
    events = [story.start(), story.message_start()]
    for index in (0, 1):
        block = {"message_id": "m1", "index": index, "tool_call_id": "c1"}
        events += [
            story.make(ev.ToolCallStarted, name="add", **block),
            story.make(ev.ToolCallDelta, args=f'{{"a":{index}}}', **block),
            story.make(ev.ToolCallFinished, name="add", args={"a": index}, **block),
        ]
    events += [story.message_end(finish_reason="tool_calls"), story.finish()]
    found = parts(read(client, server, events), "dynamic-tool")
    assert [(part["toolCallId"], part["input"]) for part in found] == [
        ("c1", {"a": 0}),
        ("c1#2", {"a": 1}),
    ]


def test_tool_that_fails_and_is_tried_again_is_one_part(client: Client, server: Bytes) -> None:
    story = Story()
    call = {"tool_call_id": "c1"}
    events = [
        story.start(),
        story.make(ev.ToolStarted, name="add", input={"a": 1}, step_id="s1", **call),
        story.make(ev.ToolFailed, error=ERROR, content="secret", step_id="s1", **call),
        story.make(ev.ToolStarted, name="add", input={"a": 1}, attempt=2, step_id="s2", **call),
        story.make(ev.ToolFinished, output=3, content="3", step_id="s2", **call),
        story.finish(),
    ]
    (part,) = parts(read(client, server, events), "dynamic-tool")
    assert (part["state"], part["output"], part["input"]) == ("output-available", 3, {"a": 1})
    assert "secret" not in json.dumps(chunks(events))


def test_progress_of_a_tool_is_a_part_that_is_replaced(client: Client, server: Bytes) -> None:
    story = Story()
    who = {"tool_call_id": "c1", "step_id": "s1"}
    events = [
        story.start(),
        story.make(ev.ToolStarted, name="add", input={}, **who),
        story.make(ev.ToolProgress, data="a tenth", **who),
        story.make(ev.ToolProgress, data="half", **who),
        story.make(ev.ToolFinished, output=None, content=None, **who),
        story.finish(),
    ]
    chat = read(client, server, events)
    (part,) = parts(chat, "data-tool-progress")
    assert part["data"] == {"toolCallId": "c1", "data": "half"}
    assert [one["data"]["data"] for one in chat.data] == ["a tenth", "half"]


def test_arguments_that_are_no_json_are_an_error_of_the_part(client: Client, server: Bytes) -> None:
    story = Story()
    block = {"message_id": "m1", "index": 0, "tool_call_id": "c1"}
    wrong = ev.InvalidArgs(text='{"a":', error="it is cut off")
    events = [
        story.start(),
        story.message_start(),
        story.make(ev.ToolCallStarted, name="add", **block),
        story.make(ev.ToolCallDelta, args='{"a":', **block),
        story.make(ev.ToolCallFinished, name="add", invalid=wrong, **block),
        story.message_end(finish_reason="tool_calls"),
        story.finish(),
    ]
    (part,) = parts(read(client, server, events), "dynamic-tool")
    assert (part["state"], part["errorText"], part["input"]) == (
        "output-error",
        "it is cut off",
        '{"a":',
    )


def test_tool_that_the_provider_runs_is_a_part_with_its_result(
    client: Client, server: Bytes
) -> None:
    story = Story()
    asked = {"type": "server_tool_call", "id": "s1", "name": "web", "args": {"q": "cats"}}
    found = {"type": "server_tool_result", "tool_call_id": "s1", "output": ["a"]}
    foreign = {"type": "server_tool_result", "tool_call_id": "s0", "output": ["b"]}
    events = [story.start(), story.message_start()]
    events += [
        story.make(ev.ContentAdded, message_id="m1", index=index, block=block)
        for index, block in enumerate((asked, found, foreign))
    ]
    events += [story.message_end(), story.finish()]
    chat = read(client, server, events)
    (part,) = parts(chat, "dynamic-tool")
    assert (part["state"], part["output"], part["providerExecuted"]) == (
        "output-available",
        ["a"],
        True,
    )
    assert chat.calls == []
    assert [one["data"]["block"] for one in parts(chat, "data-content")] == [foreign]


def test_message_that_is_not_the_assistants_is_data(client: Client, server: Bytes) -> None:
    story = Story()
    events = [
        story.start(),
        story.make(ev.MessageStarted, message_id="m1", role="user"),
        *story.text("Do it"),
        story.message_end(),
        story.finish(),
    ]
    chat = read(client, server, events)
    assert chat.answer["parts"] == [
        {"type": "data-message", "data": {"messageId": "m1", "role": "user", "text": "Do it"}}
    ]


def test_live_usage_and_output_pass_by_without_a_part(client: Client, server: Bytes) -> None:
    story = Story()
    events = [
        story.start(),
        story.message_start(),
        story.make(ev.UsageUpdated, message_id="m1", usage=USAGE),
        story.message_end(),
        story.make(ev.OutputDelta, data={"a": 1}),
        story.finish(),
    ]
    chat = read(client, server, events)
    assert [one["type"] for one in chat.data] == ["data-usage", "data-output"]
    assert [part["type"] for part in chat.answer["parts"]] == ["step-start"]


def test_signature_of_reasoning_is_kept_for_the_next_request(client: Client, server: Bytes) -> None:
    story = Story()
    block = {"message_id": "m1", "index": 0}
    events = [
        story.start(),
        story.message_start(),
        story.make(ev.ReasoningStarted, **block),
        story.make(ev.ReasoningDelta, text="Hm", **block),
        story.make(ev.ReasoningFinished, text="Hm", extras={"signature": "x"}, **block),
        story.message_end(),
        story.finish(),
    ]
    (part,) = parts(read(client, server, events), "reasoning")
    assert part["text"] == "Hm"
    assert part["providerMetadata"]["streamkit"]["extras"] == {"signature": "x"}


def test_retracted_message_is_named_with_its_calls_given_up(client: Client, server: Bytes) -> None:
    story = Story()
    events = [
        story.start(),
        story.message_start(),
        *story.text("Half"),
        *story.tool_call("m1", "c1", "add", '{"a":1}'),
        story.message_end(finish_reason="tool_calls"),
        story.make(ev.MessageRetracted, message_id="m1", reason="retry"),
        *story.message("Whole", message_id="m2"),
        story.finish(),
    ]
    chat = read(client, server, events)
    assert [part["data"] for part in parts(chat, "data-dropped")] == [
        {"messageId": "m1", "reason": "retry"}
    ]
    (call,) = parts(chat, "dynamic-tool")
    assert call["state"] == "output-error"
    assert call["callProviderMetadata"] == {"streamkit": {"messageId": "m1"}}
    if client.version == 7:
        chat = read(client, server, events, sdk_version=7)
        assert [part.get("text") for part in chat.answer["parts"]] == [None, "Whole"]


def test_ids_and_names_may_be_any_text(client: Client, server: Bytes) -> None:
    odd = 'a"\\\ud83d\n\u2028data: x'
    story = Story()
    events = [
        story.start(),
        story.message_start(odd),
        *story.text("Hi", message_id=odd),
        *story.tool_call(odd, "c\u2028\n", odd, '{"a":1}'),
        story.message_end(odd),
        story.make(ev.Custom, name=odd, data={odd: 1}),
        story.finish(),
    ]
    chat = read(client, server, events)
    assert [part["text"] for part in parts(chat, "text")] == ["Hi"]
    assert chat.answer["parts"][-1]["type"].startswith('data-a"\\')


def test_messages_beside_each_other_are_in_one_step(client: Client, server: Bytes) -> None:
    story = Story()
    one, two = {"message_id": "m1", "index": 0}, {"message_id": "m2", "index": 0}
    events = [
        story.start(),
        story.message_start("m1"),
        story.make(ev.TextStarted, **one),
        story.message_start("m2"),
        story.make(ev.TextStarted, **two),
        story.make(ev.TextDelta, text="A", **one),
        story.make(ev.TextDelta, text="B", **two),
        story.make(ev.TextFinished, text="A", **one),
        story.message_end("m1"),
        story.make(ev.TextFinished, text="B", **two),
        story.message_end("m2"),
        *story.message("C", message_id="m3"),
        story.finish(),
    ]
    chat = read(client, server, events)
    assert [part.get("text") for part in chat.answer["parts"]] == [None, "A", "B", None, "C"]
