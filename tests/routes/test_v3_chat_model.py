"""The v3 stream of a chat model: its message is the same as by our own route."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_streamkit import RunSnapshot, adapt, astream
from langchain_streamkit import events as ev
from langchain_streamkit.errors import ProducerLost, SourceFailed
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn, assert_legal
from langchain_streamkit.values import to_plain
from tests.scenarios.told import USAGE, half, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langchain_core.outputs import ChatGenerationChunk

    from langchain_streamkit.events import Event

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

TURNS = {
    "text": Turn("Hello you there", usage=USAGE),
    "reasoning": Turn("Hello you", reasoning="I think of it", usage=USAGE),
    "tool calls": Turn(
        "Let me",
        tool_calls=[ToolCall("add", {"a": n}, id=f"c{n}") for n in (1, 2)],
        interleave=True,
        usage=USAGE,
    ),
    "nothing": Turn(""),
}


async def told(run: Any) -> list[Event]:
    events = [event async for event in run]
    assert_legal(events)
    return events


def of_message(events: list[Event]) -> list[tuple[Any, ...]]:
    """What the events say of messages, whatever the run is called and however deltas are cut."""
    snapshot = RunSnapshot.from_events(events)
    return [
        (m.role, m.text, m.reasoning, [(c.tool_call_id, c.name, c.args) for c in m.tool_calls])
        for m in snapshot.messages
    ] + [
        (
            e.finish_reason,
            e.usage.input_tokens if e.usage.source == "provider" else "no prompt",
            e.usage.output_tokens,
            e.usage.source,
            e.usage.model,
        )
        for e in events
        if isinstance(e, ev.MessageFinished) and e.usage is not None
    ]


def events_of(model: Any) -> list[Any]:
    return list(model.stream_events("hi", version="v3"))


@pytest.mark.parametrize("name", TURNS)
async def test_a_message_is_that_of_our_own_route(name: str) -> None:
    expected = of_message(await told(astream(says(TURNS[name]), "hi")))
    stream = await says(TURNS[name]).astream_events("hi", version="v3")
    assert of_message(await told(adapt(stream))) == expected
    sync = list(adapt(says(TURNS[name]).stream_events("hi", version="v3")))
    assert_legal(sync)
    assert of_message(sync) == expected
    recorded = list(adapt(json.loads(json.dumps(to_plain(events_of(says(TURNS[name])))))))
    assert_legal(recorded)
    assert of_message(recorded) == expected


async def test_the_coroutine_may_be_passed_as_it_is() -> None:
    run: Any = adapt(says("Hello").astream_events("hi", version="v3"))
    assert RunSnapshot.from_events(await told(run)).text == "Hello"


async def test_the_result_is_the_message_that_the_stream_itself_gives() -> None:
    turn = TURNS["tool calls"]
    stream = await says(turn).astream_events("hi", version="v3")
    found = await adapt(stream).result()
    expected = await stream
    assert found.content == expected.content
    assert found.tool_calls == expected.tool_calls
    assert found.usage_metadata == expected.usage_metadata
    assert found.response_metadata == expected.response_metadata


async def test_a_failing_model_fails_the_run_with_its_own_exception() -> None:
    stream = await says(half()).astream_events("hi", version="v3")
    run = adapt(stream)
    events = await told(run)
    assert [e.reason for e in events if isinstance(e, ev.MessageAborted)] == ["error"]
    assert events[-1].error.code == "model_error"  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="scripted failure"):
        await run.result()


def test_an_answer_from_the_cache_costs_nothing() -> None:
    *items, last = events_of(says(Turn("Cached", usage=USAGE)))
    events = list(adapt([*items, {**last, "usage": {**last["usage"], "total_cost": 0}}]))
    usage = next(e.usage for e in events if isinstance(e, ev.MessageFinished))
    assert usage is not None
    assert (usage.source, usage.total_tokens) == ("cache", 0)


async def test_cancelling_the_run_stops_the_model() -> None:
    stopped = asyncio.Event()

    class Waiting(ScriptedModel):
        def __init__(self) -> None:
            super().__init__(["Hello you"])

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            try:
                async for chunk in super()._astream(*args, **kwargs):
                    yield chunk
                    await asyncio.sleep(60)
            finally:
                stopped.set()

    stream = await Waiting().astream_events("hi", version="v3")
    run = adapt(stream)
    async for event in run:
        if isinstance(event, ev.TextDelta):
            await run.cancel()
    assert stopped.is_set()
    assert run.outcome == "cancelled"


def test_a_recording_that_was_cut_is_lost() -> None:
    run = adapt(events_of(says("Hello you"))[:-1])
    events = list(run)
    assert_legal(events)
    assert isinstance(events[-1], ev.RunFailed)
    with pytest.raises(ProducerLost, match="before the end of the message"):
        run.result()


def test_an_error_that_the_events_tell_is_the_run_s() -> None:
    items = [*events_of(says("Hello you"))[:4], {"event": "error", "message": "overloaded"}]
    run = adapt(items)
    assert_legal(list(run))
    with pytest.raises(SourceFailed, match="overloaded"):
        run.result()


def chunks_of(*contents: Any, **last: Any) -> list[Any]:
    """The events of a model that streams these contents, as LangChain makes them of chunks."""
    from langchain_core.language_models._compat_bridge import chunks_to_events
    from langchain_core.outputs import ChatGenerationChunk

    made = [
        AIMessageChunk(content=content, response_metadata={"output_version": "v1"})
        for content in contents
    ]
    return list(chunks_to_events(iter([ChatGenerationChunk(message=m) for m in made]), **last))


def kinds(items: list[Any]) -> list[tuple[Any, ...]]:
    events = list(adapt(items))
    assert_legal(events)
    return [
        (event.index, event.text, event.annotations, event.extras)
        if isinstance(event, ev.TextFinished | ev.ReasoningFinished)
        else (event.index, event.block)
        for event in events
        if isinstance(event, ev.TextFinished | ev.ReasoningFinished | ev.ContentAdded)
    ]


def test_citations_of_the_open_block_are_in_it() -> None:
    cited = {"type": "citation", "url": "https://a"}
    items = chunks_of(
        [{"type": "text", "text": "See", "index": 0}],
        [{"type": "text", "text": " it", "annotations": [cited], "index": 0}],
    )
    assert kinds(items) == [(0, "See it", (cited,), None)]


def test_a_signature_that_only_the_end_tells_is_not_lost() -> None:
    items = chunks_of(
        [{"type": "reasoning", "reasoning": "Hm", "index": 0}],
        [{"type": "reasoning", "reasoning": "", "extras": {"signature": "s"}, "index": 0}],
        [{"type": "text", "text": "Yes", "index": 1}],
    )
    assert kinds(items) == [
        (0, "Hm", (), None),
        (1, "Yes", (), None),
        (2, "", (), {"signature": "s"}),
    ]


def test_blocks_without_text_are_whole() -> None:
    image = {"type": "image", "base64": "AA==", "mime_type": "image/png"}
    called = {"type": "server_tool_call", "id": "s1", "name": "search", "args": {"q": 1}}
    odd = {"type": "non_standard", "value": {"type": "odd", "n": 1}}
    parts: list[dict[str, Any]] = [image, called, odd]
    items = chunks_of([{**part, "index": n} for n, part in enumerate(parts)])
    assert [block for _, block in kinds(items)] == parts


def test_arguments_that_are_no_json_are_invalid() -> None:
    chunk = {"type": "tool_call_chunk", "id": "c1", "name": "add", "args": '{"a": ', "index": 0}
    events = list(adapt(chunks_of([chunk], [{**chunk, "id": None, "name": None, "args": "oops"}])))
    assert_legal(events)
    finished = next(e for e in events if isinstance(e, ev.ToolCallFinished))
    assert finished.args is None
    assert finished.invalid is not None
    assert finished.invalid.text == '{"a": oops'


def test_events_from_before_protocol_9_are_read() -> None:
    items = [
        {"event": "message-start", "message_id": "m1"},
        {"event": "content-block-start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "event": "content-block-delta",
            "index": 0,
            "content_block": {"type": "text", "text": "Hi"},
        },
        {
            "event": "content-block-finish",
            "index": 0,
            "content_block": {"type": "text", "text": "Hi"},
        },
        {
            "event": "content-block-delta",
            "index": 1,
            "delta": {
                "type": "block-delta",
                "fields": {"type": "tool_call_chunk", "id": "c1", "name": "add", "args": '{"a"'},
            },
        },
        {
            "event": "content-block-delta",
            "index": 1,
            "delta": {
                "type": "block-delta",
                "fields": {"type": "tool_call_chunk", "args": '{"a": 1}'},
            },
        },
        {
            "event": "content-block-finish",
            "index": 1,
            "content_block": {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1}},
        },
        {"event": "message-finish"},
    ]
    events = list(adapt(items))
    assert_legal(events)
    message = RunSnapshot.from_events(events).messages[0]
    assert (message.message_id, message.text) == ("m1", "Hi")
    assert [(c.name, c.args) for c in message.tool_calls] == [("add", {"a": 1})]


async def test_a_model_without_a_stream_of_its_own_is_read_too() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("Hello you")]))
    stream = await model.astream_events("hi", version="v3")
    assert RunSnapshot.from_events(await told(adapt(stream))).text == "Hello you"
