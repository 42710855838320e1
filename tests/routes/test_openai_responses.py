"""``adapt`` of the Responses API: the SDK's streams, its helper, and recorded events."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_streamkit import adapt, astream
from langchain_streamkit.errors import ModelFailed, ProducerLost
from langchain_streamkit.testing import (
    CutShort,
    DroppedConnection,
    Malformed,
    ProviderError,
    ToolCall,
    Turn,
    assert_legal,
    rate_limited,
    scripted_provider,
)
from tests.routes.openai_parts import (
    FORMS,
    as_events,
    async_sdk,
    created,
    ended,
    event,
    item_event,
    notes,
    numbered,
    of_type,
    plainly,
    response,
    sdk,
    texts,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit import AsyncRun
    from langchain_streamkit.events import Event

FULL = Turn(
    "Hello you",
    reasoning="I think",
    tool_calls=[ToolCall("add", {"a": 1}, id="c1"), ToolCall("add", {"a": 2}, id="c2")],
    interleave=True,
    usage={
        "input_tokens": 10,
        "output_tokens": 5,
        "input_token_details": {"cache_read": 4, "cache_creation": 1},
        "output_token_details": {"reasoning": 3},
    },
)
SYNC: dict[str, Callable[[openai.OpenAI], Any]] = {
    "create": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
    "helper": lambda c: c.responses.stream(model="scripted", input="hi"),
}
ASYNC: dict[str, Callable[[openai.AsyncOpenAI], Any]] = {
    "create": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
    "helper": lambda c: c.responses.stream(model="scripted", input="hi"),
}


async def read(run: AsyncRun[Any]) -> list[Event]:
    events = [event async for event in run]
    assert_legal(events)
    return events


def check_full(message: Any, events: list[Event]) -> None:
    (started,) = of_type(events, "message.started")
    assert (started.provider, started.model) == ("openai", "scripted")
    (finished,) = of_type(events, "message.finished")
    assert (finished.finish_reason, finished.raw_finish_reason) == ("tool_calls", "completed")
    usage = finished.usage
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (10, 5, "provider")
    details = usage.details
    assert (details.cache_read, details.cache_creation, details.reasoning) == (4, 1, 3)
    assert texts(events) == ["Hello you"]
    assert [one.text for one in of_type(events, "reasoning.finished")] == ["I think"]
    called = [(c.tool_call_id, c.name, c.args) for c in of_type(events, "tool_call.finished")]
    assert called == [("c1", "add", {"a": 1}), ("c2", "add", {"a": 2})]
    assert [(c["id"], c["name"], c["args"]) for c in message.tool_calls] == called
    kinds = [block["type"] for block in message.content_blocks]
    assert kinds == ["reasoning", "text", "tool_call", "tool_call"]
    assert (message.text, message.usage_metadata["total_tokens"]) == ("Hello you", 15)
    assert message.response_metadata["status"] == "completed"
    assert message.id == started.message_id
    assert notes(events) == []


# ---- what the client gives -----------------------------------------------------------------------


@pytest.mark.parametrize("way", SYNC)
def test_a_stream_of_the_client_is_one_whole_message(way: str) -> None:
    with scripted_provider([FULL]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        events = list(run)
        assert_legal(events)
        check_full(run.result(), events)


@pytest.mark.parametrize("way", ASYNC)
async def test_an_async_stream_need_not_be_awaited_first(way: str) -> None:
    async with scripted_provider([FULL]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC[way](client))
        events = await read(run)
        check_full(await run.result(), events)


async def test_the_same_answer_through_langchain_gives_the_same_events() -> None:
    # langchain-openai 1.7 gives every piece of interleaved calls an index of its own
    turn = dataclasses.replace(FULL, interleave=False)
    async with scripted_provider([turn], cycle=True) as provider, async_sdk(provider) as client:
        ours = await read(adapt(ASYNC["create"](client)))
        model = ChatOpenAI(
            model="scripted",
            base_url=provider.base_url,
            api_key=SecretStr("none"),
            use_responses_api=True,
        )
        theirs = await read(astream(model, "hi"))

    def comparable(events: list[Event]) -> list[dict[str, Any]]:
        drop = {"message_id", "metadata", "name", "extras"}  # ids, made up for each request
        found = [{k: v for k, v in one.items() if k not in drop} for one in plainly(events)]
        return [one for one in found if one["type"] != "run.finished"]

    def extras(events: list[Event]) -> list[list[str]]:
        return [[*(getattr(one, "extras", None) or {})] for one in events]

    assert comparable(ours) == comparable(theirs)
    assert [one for one in extras(ours) if one] == [one for one in extras(theirs) if one]


def test_events_of_the_helper_can_be_recorded_too() -> None:
    with scripted_provider(["Hello you"]) as provider, sdk(provider) as client:
        with client.responses.stream(model="scripted", input="hi") as stream:
            recorded = list(stream)
        assert told(recorded)[0].result().text == "Hello you"
        dumped = [one.model_dump(warnings=False) for one in recorded]
        assert told(dumped)[0].result().text == "Hello you"


# ---- endings -------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Any, str, bool, type[Exception]]] = {
    "error event": (ProviderError("no", code="server_error"), "model_error", True, ModelFailed),
    "rate limit": (rate_limited(), "rate_limited", True, ModelFailed),
    "not json": (Malformed(), "model_error", False, ValueError),
    "connection dropped": (DroppedConnection(), "model_error", True, openai.APIConnectionError),
    "answer cut short": (CutShort(), "producer_lost", True, ProducerLost),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_answer_that_breaks_off_fails_the_run_and_aborts_the_message(name: str) -> None:
    fault, code, retryable, error = FAILURES[name]
    turn = Turn(chunks=["Half ", "an ", fault])
    with scripted_provider([turn]) as provider, sdk(provider) as client:
        run = adapt(SYNC["create"](client))
        events = list(run)
        assert_legal(events)
        assert of_type(events, "message.aborted")[0].reason == "error"
        last: Any = events[-1]
        assert (last.type, last.error.code, last.error.retryable) == ("run.failed", code, retryable)
        with pytest.raises(error):
            run.result()


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"code": "server_error", "message": "broke"}, "model_error", True),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, "rate_limited", True),
        ({"code": "bio_policy", "message": "no"}, "content_policy", False),
        ({"code": "image_too_large", "message": "no"}, "model_error", False),
        (None, "model_error", False),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_failed_response_fails_the_run_with_its_code_and_usage(
    form: str, error: Any, code: str, *, retryable: bool
) -> None:
    items = [
        created(),
        event("output_text.delta", delta="Half"),
        ended(status="failed", error=error),
    ]
    run, events = told(FORMS[form](items))
    (aborted,) = of_type(events, "message.aborted")
    assert (aborted.reason, aborted.usage.output_tokens) == ("error", 7)
    last: Any = events[-1]
    assert (last.error.code, last.error.retryable) == (code, retryable)
    with pytest.raises(ModelFailed, match=error["message"] if error else r"response\.failed"):
        run.result()


def test_an_error_before_the_response_was_created_fails_the_run() -> None:
    error = {"type": "error", "code": "rate_limit_exceeded", "message": "no", "sequence_number": 0}
    run, events = told([error])
    last: Any = events[-1]
    assert last.error.code == "rate_limited"
    assert run.outcome == "failed"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), (None, "other")],
)
@pytest.mark.parametrize("form", FORMS)
def test_an_incomplete_response_is_a_message_that_says_why(
    form: str, reason: str | None, finish: str
) -> None:
    details = {"reason": reason} if reason else None
    items = [
        created(),
        event("output_text.delta", delta="Half"),
        ended(status="incomplete", incomplete_details=details),
    ]
    run, events = told(FORMS[form](items))
    (finished,) = of_type(events, "message.finished")
    raw = reason or "incomplete"
    assert (finished.finish_reason, finished.raw_finish_reason) == (finish, raw)
    assert run.result().text == "Half"


@pytest.mark.parametrize("left", [1, 2])
def test_a_recording_without_an_end_has_lost_its_producer(left: int) -> None:
    run, events = told([created(), event("output_text.delta", delta="Half")][:left])
    last: Any = events[-1]
    assert (last.error.code, last.error.retryable) == ("producer_lost", True)
    with pytest.raises(ProducerLost, match=r"response\.completed"):
        run.result()


def test_nothing_after_the_end_is_told() -> None:
    late = event("output_text.delta", delta="late")
    run, events = told(
        [created(), event("output_text.delta", delta="Hello"), ended(), late, created()]
    )
    assert (texts(events), run.result().text) == (["Hello"], "Hello")
    failed = ended(status="failed", error={"code": "server_error", "message": "no"})
    assert not texts(told([created(), failed, late])[1])


# ---- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", SYNC)
def test_cancelling_hangs_up_on_a_provider_that_is_silent(way: str) -> None:
    gate = asyncio.Event()
    turn = Turn("a b c", hold={2: gate})
    with scripted_provider([turn]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        with run:
            run.started()
            provider.wait_request().wait_chunks(2)
            run.cancel()
            provider.wait_request().wait_disconnected()
        last: Any = list(run)[-1]
        assert (last.type, last.pending) == ("run.cancelled", ())


@pytest.mark.parametrize("way", ASYNC)
async def test_leaving_an_async_loop_closes_the_connection(way: str) -> None:
    gate = asyncio.Event()
    turn = Turn("a b c", hold={2: gate})
    async with scripted_provider([turn]) as provider, async_sdk(provider) as client:
        async with adapt(ASYNC[way](client)) as run:
            async for one in run:
                if one.type == "text.delta":
                    break
        await (await provider.await_request()).await_disconnected()
        assert run.outcome == "cancelled"


# ---- recorded events -----------------------------------------------------------------------------

MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}
WHOLE_CALL = {**CALL, "arguments": '{"a":1}'}


def said(text: str, **part: Any) -> dict[str, Any]:
    """A complete message item."""
    return {**MESSAGE, "content": [{"type": "output_text", "text": text, **part}]}


def streamed(*items: dict[str, Any], whole: list[dict[str, Any]] | None = None) -> list[Any]:
    return [created(), *items, ended(*(whole or []))]


def text_events(text: str, *between: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        item_event("added", 0, MESSAGE),
        event("content_part.added", content_index=0, part={"type": "output_text", "text": ""}),
        *[event("output_text.delta", content_index=0, delta=letter) for letter in text],
        *between,
        event("output_text.done", content_index=0, text=text),
        event("content_part.done", content_index=0, part={"type": "output_text", "text": text}),
        item_event("done", 0, said(text)),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_text_is_told_once_although_the_api_repeats_it(form: str) -> None:
    run, events = told(FORMS[form](streamed(*text_events("Hello"), whole=[said("Hello")])))
    assert texts(events) == ["Hello"]
    assert of_type(events, "text.finished")[0].extras == {"id": "msg_1"}
    assert run.result().text == "Hello"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "items",
    [
        [event("output_text.done", content_index=0, text="Hello")],
        [event("content_part.done", part={"type": "output_text", "text": "Hello"})],
        [item_event("done", 0, said("Hello"))],
        [],
    ],
    ids=["done", "part", "item", "response"],
)
def test_text_without_deltas_is_told_by_whatever_has_it(form: str, items: list[Any]) -> None:
    run, events = told(FORMS[form](streamed(*items, whole=[said("Hello")])))
    assert (texts(events), run.result().text) == (["Hello"], "Hello")


@pytest.mark.parametrize("form", FORMS)
def test_two_parts_of_a_message_are_two_blocks(form: str) -> None:
    deltas = [
        event("output_text.delta", content_index=n, delta=t)
        for n, t in [(0, "a"), (0, "b"), (1, "c")]
    ]
    assert texts(told(FORMS[form](streamed(*deltas)))[1]) == ["ab", "c"]


@pytest.mark.parametrize("form", FORMS)
def test_citations_are_annotations_of_the_text(form: str) -> None:
    cited = {"type": "url_citation", "url": "https://e.org", "title": "E"}
    places = {"start_index": 0, "end_index": 5}
    file = {"type": "file_citation", "file_id": "f1", "filename": "a.txt", "index": 3}
    added = [
        event("output_text.annotation.added", content_index=0, annotation_index=n, annotation=one)
        for n, one in enumerate([{**cited, **places}, file])
    ]
    items = streamed(
        *text_events("Hello", *added),
        whole=[said("Hello", annotations=[{**cited, **places}, file])],
    )
    run, events = told(FORMS[form](items))
    (text,) = of_type(events, "text.finished")
    expected = [
        {"type": "citation", "url": "https://e.org", "title": "E", **places},
        {"type": "citation", "title": "a.txt", "extras": {"file_id": "f1", "file_index": 3}},
    ]
    assert (text.text, [*text.annotations]) == ("Hello", expected)
    assert run.result().content_blocks[0]["annotations"] == expected


@pytest.mark.parametrize("form", FORMS)
def test_citations_that_come_only_with_the_whole_part_are_told(form: str) -> None:
    cited = {"type": "url_citation", "url": "https://e.org", "start_index": 0, "end_index": 5}
    part = {"type": "output_text", "text": "Hello", "annotations": [cited]}
    items = streamed(
        event("output_text.delta", delta="Hello"),
        event("content_part.done", content_index=0, part=part),
        item_event("done", 0, {**MESSAGE, "content": [part]}),
    )
    (text,) = of_type(told(FORMS[form](items))[1], "text.finished")
    assert (text.text, len(text.annotations)) == ("Hello", 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_refusal_is_one_block(form: str) -> None:
    part = {"type": "refusal", "refusal": "I can't"}
    items = streamed(
        item_event("added", 0, MESSAGE),
        event("refusal.delta", content_index=0, delta="I "),
        event("refusal.delta", content_index=0, delta="can't"),
        event("refusal.done", content_index=0, refusal="I can't"),
        event("content_part.done", content_index=0, part=part),
        item_event("done", 0, {**MESSAGE, "content": [part]}),
    )
    run, events = told(FORMS[form](items))
    (added,) = of_type(events, "content.added")
    assert added.block == {"type": "non_standard", "value": part}
    assert run.result().additional_kwargs["refusal"] == "I can't"


@pytest.mark.parametrize("form", FORMS)
def test_interleaved_calls_are_told_apart_by_their_items(form: str) -> None:
    other = {**CALL, "id": "fc_2", "call_id": "c2"}
    items = streamed(
        item_event("added", 0, CALL),
        item_event("added", 1, other),
        event("function_call_arguments.delta", "fc_1", 0, delta='{"a"'),
        event("function_call_arguments.delta", "fc_2", 1, delta='{"b"'),
        event("function_call_arguments.delta", "fc_1", 0, delta=":1}"),
        event("function_call_arguments.delta", "fc_2", 1, delta=":2}"),
        event("function_call_arguments.done", "fc_1", 0, arguments='{"a":1}'),
        item_event("done", 0, WHOLE_CALL),
        item_event("done", 1, {**other, "arguments": '{"b":2}'}),
    )
    run, events = told(FORMS[form](items))
    found = [(c.tool_call_id, c.args, c.extras) for c in of_type(events, "tool_call.finished")]
    assert found == [("c1", {"a": 1}, {"item_id": "fc_1"}), ("c2", {"b": 2}, {"item_id": "fc_2"})]
    assert [call["id"] for call in run.result().tool_calls] == ["c1", "c2"]
    last: Any = events[-1]
    assert [call.tool_call_id for call in last.pending_tool_calls] == ["c1", "c2"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "items",
    [
        [item_event("added", 0, CALL), item_event("done", 0, WHOLE_CALL)],
        [item_event("added", 0, WHOLE_CALL), item_event("done", 0, WHOLE_CALL)],
        [item_event("done", 0, WHOLE_CALL)],
        [],
    ],
    ids=["done", "added", "only done", "response"],
)
def test_a_call_without_deltas_is_told_by_whatever_has_it(form: str, items: list[Any]) -> None:
    _, events = told(FORMS[form](streamed(*items, whole=[WHOLE_CALL])))
    found = [(c.tool_call_id, c.name, c.args) for c in of_type(events, "tool_call.finished")]
    assert found == [("c1", "f", {"a": 1})]


def test_an_item_whose_done_event_has_another_index_is_the_same_item() -> None:
    items = streamed(
        item_event("added", 1, CALL),
        event("function_call_arguments.delta", "fc_1", 1, delta='{"a":1}'),
        item_event("done", 4, WHOLE_CALL),
    )
    assert len(of_type(told(items)[1], "tool_call.finished")) == 1


def test_deltas_without_an_item_id_are_found_by_their_index() -> None:
    delta = {
        "type": "response.function_call_arguments.delta",
        "output_index": 0,
        "delta": '{"a":1}',
    }
    items = streamed(item_event("added", 0, CALL), delta, item_event("done", 0, WHOLE_CALL))
    (call,) = of_type(told(items)[1], "tool_call.finished")
    assert call.args == {"a": 1}


@pytest.mark.parametrize("form", FORMS)
def test_a_custom_tool_call_has_its_text_as_one_argument(form: str) -> None:
    call = {"type": "custom_tool_call", "id": "ct_1", "call_id": "c1", "name": "sql"}
    items = streamed(
        item_event("added", 0, {**call, "input": ""}),
        event("custom_tool_call_input.delta", "ct_1", delta="select 1"),
        item_event("done", 0, {**call, "input": "select 1"}),
    )
    (told_call,) = of_type(told(FORMS[form](items))[1], "tool_call.finished")
    assert (told_call.name, told_call.args) == ("sql", {"__arg1": "select 1"})


@pytest.mark.parametrize("form", FORMS)
def test_each_summary_of_the_reasoning_is_a_block(form: str) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    parts = [{"type": "summary_text", "text": text} for text in ("ab", "c")]
    whole = {**item, "summary": parts, "encrypted_content": "xyz"}
    deltas = [("a", 0), ("b", 0), ("c", 1)]
    items = streamed(
        item_event("added", 0, {**item, "encrypted_content": "early"}),
        *[
            one
            for text, n in deltas
            for one in (
                event("reasoning_summary_part.added", "rs_1", summary_index=n),
                event("reasoning_summary_text.delta", "rs_1", summary_index=n, delta=text),
            )
        ],
        event("reasoning_summary_text.done", "rs_1", summary_index=1, text="c"),
        item_event("done", 0, whole),
        whole=[whole],
    )
    run, events = told(FORMS[form](items))
    thoughts = of_type(events, "reasoning.finished")
    assert [one.text for one in thoughts] == ["ab", "c"]
    assert thoughts[0].extras == {"id": "rs_1"}
    assert thoughts[1].extras == {"id": "rs_1", "encrypted_content": "xyz"}
    assert run.snapshot.messages[0].reasoning == "abc"


@pytest.mark.parametrize("form", FORMS)
def test_raw_reasoning_text_is_reasoning(form: str) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    items = streamed(
        item_event("added", 0, item),
        event("reasoning_text.delta", "rs_1", content_index=0, delta="I "),
        event("reasoning_text.delta", "rs_1", content_index=0, delta="think"),
        event("reasoning_text.done", "rs_1", content_index=0, text="I think"),
        item_event("done", 0, {**item, "content": [{"type": "reasoning_text", "text": "I think"}]}),
    )
    run, _ = told(FORMS[form](items))
    assert run.snapshot.messages[0].reasoning == "I think"


@pytest.mark.parametrize("form", FORMS)
def test_a_web_search_is_a_server_tool_and_its_progress_is_not_told(form: str) -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    items = streamed(
        item_event("added", 0, {**search, "status": "in_progress"}),
        *[
            event(f"web_search_call.{step}", "ws_1")
            for step in ("in_progress", "searching", "completed")
        ],
        item_event("done", 0, search),
        whole=[search],
    )
    _, events = told(FORMS[form](items))
    kinds = [added.block["type"] for added in of_type(events, "content.added")]
    assert kinds == ["server_tool_call", "server_tool_result"]
    assert notes(events) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_generated_image_is_told_when_it_is_complete(form: str) -> None:
    image = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "QUJD"}
    items = streamed(
        item_event("added", 0, {**image, "result": None}),
        event("image_generation_call.partial_image", "ig_1", partial_image_b64="QQ=="),
        item_event("done", 0, image),
    )
    _, events = told(FORMS[form](items))
    found = {added.block["type"]: added.block for added in of_type(events, "content.added")}
    assert found["image"]["base64"] == "QUJD"
    assert sum(added.block["type"] == "image" for added in of_type(events, "content.added")) == 1


@pytest.mark.parametrize(
    "item",
    [
        {
            "type": "mcp_call",
            "id": "m_1",
            "name": "t",
            "arguments": "{}",
            "server_label": "s",
            "output": "o",
        },
        {
            "type": "mcp_approval_request",
            "id": "m_2",
            "name": "t",
            "arguments": "{}",
            "server_label": "s",
        },
        {
            "type": "code_interpreter_call",
            "id": "ci_1",
            "code": "1",
            "container_id": "c",
            "outputs": [],
        },
        {"type": "file_search_call", "id": "fs_1", "queries": ["q"], "status": "completed"},
        {"type": "computer_call", "id": "cc_1", "call_id": "c", "action": {"type": "wait"}},
        {"type": "local_shell_call", "id": "ls_1", "call_id": "c", "action": {"type": "exec"}},
        {"type": "of_tomorrow", "id": "x_1", "what": {"ever": 1}},
    ],
    ids=lambda item: item["type"],
)
@pytest.mark.parametrize("form", FORMS)
def test_every_other_item_is_content_and_never_an_error(form: str, item: Any) -> None:
    run, events = told(FORMS[form](streamed(item_event("done", 0, item), whole=[item])))
    added = of_type(events, "content.added")
    assert added
    assert item["id"] in repr([one.block for one in added])
    assert (run.outcome, notes(events)) == ("finished", [])


def test_audio_is_one_block_with_its_transcript() -> None:
    items = streamed(
        {"type": "response.audio.delta", "delta": "QUJD"},
        {"type": "response.audio.transcript.delta", "delta": "Hel"},
        {"type": "response.audio.transcript.delta", "delta": "lo"},
        {"type": "response.audio.delta", "delta": "REVG"},
    )
    (added,) = of_type(told(items)[1], "content.added")
    assert added.block == {"type": "audio", "base64": "QUJDREVG", "extras": {"transcript": "Hello"}}


def test_events_that_nobody_knows_are_passed_over() -> None:
    unknown = {"type": "response.of_tomorrow", "delta": "x"}
    run, events = told(streamed(unknown, event("output_text.delta", delta="Hello")))
    assert (texts(events), notes(events), run.outcome) == (["Hello"], [], "finished")


def test_an_item_that_is_no_event_is_left_out_with_a_diagnostic() -> None:
    run, events = told([created(), 7, event("output_text.delta", delta="Hello"), ended()])
    assert notes(events) == ["item_skipped"]
    assert run.result().text == "Hello"


def test_metadata_and_conversation_of_the_response_are_the_runs() -> None:
    first = created(metadata={"topic": "green"}, conversation={"id": "conv_1"})
    run, events = told([first, ended()])
    started: Any = events[0]
    assert (started.metadata, started.thread_id, started.name) == (
        {"topic": "green"},
        "conv_1",
        "responses",
    )
    assert run.thread_id == "conv_1"


def test_a_stream_that_was_resumed_in_the_middle_tells_the_rest() -> None:
    items = [event("output_text.delta", delta="you"), ended(said("Hello you"))]
    run, events = told(numbered(items))
    assert (texts(events), run.outcome) == (["you"], "finished")


def test_usage_of_the_response_has_its_details() -> None:
    run, events = told([created(), event("output_text.delta", delta="Hi"), ended()])
    usage = of_type(events, "message.finished")[0].usage
    details = usage.details
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (20, 7, 27)
    assert (details.cache_read, details.cache_creation, details.reasoning) == (4, 2, 3)
    assert run.result().usage_metadata["input_token_details"] == {
        "cache_read": 4,
        "cache_creation": 2,
    }


def test_events_are_not_changed() -> None:
    annotation = {"type": "file_citation", "file_id": "f", "index": 1}
    items = streamed(
        *text_events("Hello", event("output_text.annotation.added", annotation=annotation))
    )
    before = repr(items)
    told(items)
    assert repr(items) == before


def test_objects_and_their_dumps_give_the_same() -> None:
    items = streamed(
        *text_events("Hello"), item_event("done", 1, WHOLE_CALL), whole=[said("Hello")]
    )
    objects = as_events(items)
    dumps = [one.model_dump(warnings=False) for one in objects]
    assert plainly(told(objects)[1]) == plainly(told(dumps)[1]) == plainly(told(items)[1])


def test_the_response_of_a_call_alone_is_enough() -> None:
    whole = {"type": "response.completed", "response": response(said("Hello"), WHOLE_CALL)}
    run, events = told([whole])
    assert (texts(events), len(run.result().tool_calls)) == (["Hello"], 1)
