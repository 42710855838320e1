from __future__ import annotations

from typing import Any

import pytest

from langchain_streamkit.testing import Reasoning, ToolCall, Turn, scripted_provider

RICH = Turn(
    "It is sunny.",
    reasoning="Let me think.",
    tool_calls=[
        ToolCall("weather", {"city": "Rome", "unit": "celsius"}, id="c1"),
        ToolCall("time", {"zone": "Europe/Rome"}, id="c2"),
    ],
    usage={
        "input_tokens": 20,
        "output_tokens": 9,
        "input_token_details": {"cache_read": 8},
        "output_token_details": {"reasoning": 4},
    },
)


def merged(chunks: Any) -> Any:
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


def events_of(sdk: Any, turn: Any) -> list[Any]:
    with scripted_provider([turn]) as provider:
        return list(sdk(provider).responses.create(model="m", input="hi", stream=True))


def test_events_come_in_the_order_of_the_real_api(sdk: Any) -> None:
    events = events_of(
        sdk,
        Turn(
            ["a", "b"], reasoning=["r"], tool_calls=[ToolCall("f", ["{", "}"]), ToolCall("g", "{}")]
        ),
    )
    call = ["output_item.added", "function_call_arguments.delta"]
    done = ["function_call_arguments.done", "output_item.done"]
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        *call,
        "function_call_arguments.delta",
        *done,
        *call,
        *done,
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    placed = [event.output_index for event in events if hasattr(event, "output_index")]
    assert placed == sorted(placed)
    assert set(placed) == {0, 1, 2, 3}


def test_interleaved_calls_keep_their_items_apart(sdk: Any) -> None:
    calls = [ToolCall("f", ["1", "2", "3"], id="a"), ToolCall("g", ["4", "5"], id="b")]
    events = events_of(sdk, Turn(tool_calls=calls, interleave=True))
    deltas = [event for event in events if event.type == "response.function_call_arguments.delta"]
    assert [(event.output_index, event.delta) for event in deltas] == [
        (0, "1"),
        (1, "4"),
        (0, "2"),
        (1, "5"),
        (0, "3"),
    ]
    done = [event for event in events if event.type == "response.output_item.done"]
    assert [(event.item.call_id, event.item.arguments) for event in done] == [
        ("b", "45"),
        ("a", "123"),
    ]
    assert [item.call_id for item in events[-1].response.output] == ["a", "b"]


def test_text_before_and_after_reasoning_is_two_messages(sdk: Any) -> None:
    response = events_of(sdk, ["a", Reasoning("r"), "b"])[-1].response
    assert [item.type for item in response.output] == ["message", "reasoning", "message"]
    assert response.output_text == "ab"


@pytest.mark.parametrize(
    ("reason", "detail"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_answer_cut_short_is_an_incomplete_response(sdk: Any, reason: str, detail: str) -> None:
    *_, last = events_of(sdk, Turn("a", finish_reason=reason))
    assert last.type == "response.incomplete"
    assert last.response.status == "incomplete"
    assert last.response.incomplete_details.reason == detail


def test_sdk_stream_helper_accepts_the_stream(sdk: Any) -> None:
    with (
        scripted_provider([RICH]) as provider,
        sdk(provider).responses.stream(model="m", input="hi") as stream,
    ):
        for _ in stream:
            pass
        response = stream.get_final_response()
    assert response.output_text == "It is sunny."
    assert response.usage.input_tokens_details.cached_tokens == 8
    assert response.usage.output_tokens_details.reasoning_tokens == 4
    assert response.usage.total_tokens == 29


async def test_chat_openai_gets_the_same_message_in_every_way(chat: Any) -> None:
    async with scripted_provider([RICH], cycle=True) as provider:
        model = chat(provider, use_responses_api=True)
        streamed = None
        async for chunk in model.astream("hi"):
            streamed = chunk if streamed is None else streamed + chunk
        assert streamed is not None
        for message in (streamed, await model.ainvoke("hi")):
            assert message.text == "It is sunny."
            assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
                ("c1", "weather", {"city": "Rome", "unit": "celsius"}),
                ("c2", "time", {"zone": "Europe/Rome"}),
            ]
            assert message.usage_metadata is not None
            assert message.usage_metadata["total_tokens"] == 29
            reasoning = [b for b in message.content_blocks if b["type"] == "reasoning"]
            assert "".join(b.get("reasoning", "") for b in reasoning) == "Let me think."
        assert {request.path for request in provider.requests} == {"/v1/responses"}


def test_chat_openai_gets_no_usage_when_the_provider_never_sends_it(chat: Any) -> None:
    with scripted_provider(["a"], usage=False) as provider:
        model = chat(provider, use_responses_api=True)
        assert merged(model.stream("hi")).usage_metadata is None


def test_made_up_usage_counts_the_chunks(chat: Any) -> None:
    with scripted_provider(["a b c d"]) as provider:
        usage = merged(chat(provider, use_responses_api=True).stream("hi")).usage_metadata
    assert usage["output_tokens"] == 4


def test_call_that_never_had_an_id_gets_one(sdk: Any) -> None:
    response = events_of(sdk, [{"index": 0, "name": "f"}, {"index": 0, "args": "{}"}])[-1].response
    (item,) = response.output
    assert item.call_id.startswith("call_")
    assert (item.name, item.arguments, item.status) == ("f", "{}", "completed")
