"""``adapt`` of chat completions: the SDK's streams, its helper, and recorded chunks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_streamkit import AdaptError, adapt, astream
from langchain_streamkit.errors import ModelFailed, ProducerLost
from langchain_streamkit.testing import (
    CutShort,
    DroppedConnection,
    Malformed,
    ProviderError,
    Reasoning,
    ToolCall,
    Turn,
    assert_legal,
    invalid_api_key,
    rate_limited,
    scripted_provider,
)
from tests.routes.openai_parts import (
    ASKED,
    COUNTED,
    FORMS,
    USAGE,
    answer,
    as_chunks,
    async_sdk,
    call_delta,
    chunk,
    notes,
    of_type,
    plainly,
    sdk,
    texts,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.messages import AIMessage

    from langchain_streamkit import AsyncRun, Run
    from langchain_streamkit.events import Event

FULL = Turn(
    "Hello you",
    reasoning="I think",
    tool_calls=[ToolCall("add", {"a": 1}, id="c1"), ToolCall("add", {"a": 2}, id="c2")],
    interleave=True,
    usage={
        "input_tokens": 10,
        "output_tokens": 5,
        "input_token_details": {"cache_read": 4, "audio": 1},
        "output_token_details": {"reasoning": 3, "audio": 1},
    },
)

# ---- what the client gives -----------------------------------------------------------------------

SYNC: dict[str, Callable[[openai.OpenAI], Any]] = {
    "create": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "helper": lambda c: c.chat.completions.stream(**ASKED, **COUNTED),
}
ASYNC: dict[str, Callable[[openai.AsyncOpenAI], Any]] = {
    "create": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "helper": lambda c: c.chat.completions.stream(**ASKED, **COUNTED),
}


async def read(run: AsyncRun[Any]) -> list[Event]:
    events = [event async for event in run]
    assert_legal(events)
    return events


def check_full(run: Run[Any] | AsyncRun[Any], message: AIMessage, events: list[Event]) -> None:
    (started,) = of_type(events, "message.started")
    assert (started.provider, started.model, started.role) == ("openai", "scripted", "assistant")
    (finished,) = of_type(events, "message.finished")
    assert (finished.finish_reason, finished.raw_finish_reason) == ("tool_calls", "tool_calls")
    usage = finished.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10, 5, 15)
    assert (usage.source, usage.model) == ("provider", "scripted")
    details = usage.details
    assert (details.cache_read, details.reasoning, details.audio) == (4, 3, 2)
    assert (run.snapshot.text, run.snapshot.messages[0].reasoning) == ("Hello you", "I think")
    called = [(c.tool_call_id, c.name, c.args) for c in of_type(events, "tool_call.finished")]
    assert called == [("c1", "add", {"a": 1}), ("c2", "add", {"a": 2})]
    assert message.text == message.content == "Hello you"
    assert message.additional_kwargs == {"reasoning_content": "I think"}
    assert [(c["id"], c["name"], c["args"]) for c in message.tool_calls] == called
    counted: Any = message.usage_metadata
    assert (counted["input_tokens"], counted["total_tokens"]) == (10, 15)
    assert counted["input_token_details"] == {"cache_read": 4, "audio": 1}
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.id == started.message_id
    assert notes(events) == []


@pytest.mark.parametrize("way", SYNC)
def test_a_stream_of_the_client_is_one_whole_message(way: str) -> None:
    with scripted_provider([FULL]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        events = list(run)
        assert_legal(events)
        check_full(run, run.result(), events)


@pytest.mark.parametrize("way", ASYNC)
async def test_an_async_stream_need_not_be_awaited_first(way: str) -> None:
    async with scripted_provider([FULL]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC[way](client))
        events = await read(run)
        check_full(run, await run.result(), events)


async def test_an_awaited_async_stream_is_the_same() -> None:
    async with scripted_provider([FULL]) as provider, async_sdk(provider) as client:
        run = adapt(await ASYNC["create"](client))
        events = await read(run)
        check_full(run, await run.result(), events)


def test_a_helper_that_was_entered_is_read_as_well() -> None:
    with scripted_provider([FULL]) as provider, sdk(provider) as client:
        with client.chat.completions.stream(**ASKED, **COUNTED) as stream:
            run = adapt(stream)
            events = list(run)
        check_full(run, run.result(), events)


async def test_the_same_answer_through_langchain_gives_the_same_events() -> None:
    turn = Turn([*"Hello you"], tool_calls=[ToolCall("add", {"a": 1}, id="c1")], usage=FULL.usage)
    async with scripted_provider([turn], cycle=True) as provider, async_sdk(provider) as client:
        ours = await read(adapt(ASYNC["create"](client)))
        model = ChatOpenAI(
            model="scripted",
            base_url=provider.base_url,
            api_key=SecretStr("none"),
            stream_usage=True,
        )
        theirs = await read(astream(model, "hi"))

    def comparable(events: list[Event]) -> list[dict[str, Any]]:
        drop = {"message_id", "metadata", "name"}
        return [
            {k: v for k, v in one.items() if k not in drop}
            for one in plainly(events)
            if not one["type"].startswith("run.finished")
        ]

    assert comparable(ours) == comparable(theirs)
    ends = [of_type(events, "message.finished")[0].usage for events in (ours, theirs)]
    assert [(u.input_tokens, u.output_tokens, u.details) for u in ends[:1]] == [
        (u.input_tokens, u.output_tokens, u.details) for u in ends[1:]
    ]


# ---- endings -------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Any, str, bool, type[Exception]]] = {
    "error object": (ProviderError("no"), "model_error", True, openai.APIError),
    "error of a kind nobody knows": (
        ProviderError("no", type="odd"),
        "model_error",
        False,
        openai.APIError,
    ),
    "rate limit": (rate_limited(), "rate_limited", True, openai.APIError),
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
        (aborted,) = of_type(events, "message.aborted")
        assert (aborted.reason, aborted.usage.status) == ("error", "failed")
        last: Any = events[-1]
        assert (last.type, last.error.code, last.error.retryable) == ("run.failed", code, retryable)
        with pytest.raises(error):
            run.result()
        assert run.snapshot.text == ""


@pytest.mark.parametrize("name", FAILURES)
async def test_an_async_answer_that_breaks_off_fails_the_run_alike(name: str) -> None:
    fault, code, retryable, error = FAILURES[name]
    turn = Turn(chunks=["Half ", "an ", fault])
    async with scripted_provider([turn]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC["helper"](client))
        events = await read(run)
        assert of_type(events, "message.aborted")
        last: Any = events[-1]
        assert (last.type, last.error.code, last.error.retryable) == ("run.failed", code, retryable)
        with pytest.raises(error):
            await run.result()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (invalid_api_key(), "auth"),
        (rate_limited(), "rate_limited"),
        (ProviderError("no", status_code=400, type="invalid_request_error"), "model_error"),
    ],
)
async def test_a_refused_request_has_the_code_of_its_refusal(
    fault: ProviderError, code: str
) -> None:
    async with scripted_provider([fault]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC["create"](client))
        events = await read(run)
        assert [event.type for event in events] == ["run.started", "run.failed"]
        last: Any = events[-1]
        assert last.error.code == code
        with pytest.raises(openai.APIStatusError):
            await run.result()


async def test_an_answer_that_is_no_stream_is_refused_with_what_to_write() -> None:
    async with scripted_provider(["Hello"]) as provider, async_sdk(provider) as client:
        run = adapt(client.chat.completions.create(**ASKED))  # stream=True is missing
        with pytest.raises(AdaptError, match=r"ChatCompletion; .*stream=True"):
            await run.result()


# ---- stopping ------------------------------------------------------------------------------------


def waiting(gate: asyncio.Event) -> Turn:
    return Turn("a b c", hold={2: gate})


@pytest.mark.parametrize("way", SYNC)
def test_cancelling_hangs_up_on_a_provider_that_is_silent(way: str) -> None:
    gate = asyncio.Event()
    with scripted_provider([waiting(gate)]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        with run:
            run.started()
            provider.wait_request().wait_chunks(2)
            run.cancel()
            provider.wait_request().wait_disconnected()
        assert (run.outcome, run.snapshot.error) == ("cancelled", None)
        last: Any = list(run)[-1]
        assert (last.type, last.pending) == ("run.cancelled", ())


@pytest.mark.parametrize("way", SYNC)
def test_leaving_the_loop_hangs_up(way: str) -> None:
    gate = asyncio.Event()
    with scripted_provider([waiting(gate)]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        for event in run:
            if event.type == "text.delta":
                break
        provider.wait_request().wait_disconnected()
        run.cancel()
        assert run.outcome == "cancelled"


@pytest.mark.parametrize("way", ASYNC)
async def test_cancelling_an_async_run_closes_the_connection(way: str) -> None:
    gate = asyncio.Event()
    async with scripted_provider([waiting(gate)]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC[way](client))
        async with run:
            await run.started()
            request = await provider.await_request()
            await request.await_chunks(2)
            await run.cancel()
            await request.await_disconnected()
        assert run.outcome == "cancelled"
        assert of_type(await read(run), "message.aborted")[0].reason == "cancelled"


@pytest.mark.parametrize("way", ASYNC)
async def test_leaving_an_async_loop_closes_the_connection(way: str) -> None:
    gate = asyncio.Event()
    async with scripted_provider([waiting(gate)]) as provider, async_sdk(provider) as client:
        async with adapt(ASYNC[way](client)) as run:
            async for event in run:
                if event.type == "text.delta":
                    break
        await (await provider.await_request()).await_disconnected()
        assert run.outcome == "cancelled"


def test_a_client_can_be_used_again_after_a_run_was_cancelled() -> None:
    gate = asyncio.Event()
    with scripted_provider([waiting(gate), "Hello you"]) as provider, sdk(provider) as client:
        with adapt(SYNC["create"](client)) as run:
            run.started()
        assert adapt(SYNC["create"](client)).result().text == "Hello you"


# ---- recorded chunks -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_recording_gives_the_same_in_every_form(form: str) -> None:
    items = answer({"reasoning_content": "hm"}, "Hello ", call_delta(0, id="c", name="f", args=""))
    items.insert(-2, chunk(call_delta(0, args='{"a":1}')))
    _, expected = told(items)
    run, events = told(FORMS[form](items))
    assert plainly(events) == plainly(expected)
    assert run.result().tool_calls == [
        {"id": "c", "name": "f", "args": {"a": 1}, "type": "tool_call"}
    ]
    dumped = [one.model_dump() for one in as_chunks(items)]
    assert plainly(told(dumped)[1]) == plainly(expected)


async def test_a_recording_may_be_asynchronous() -> None:
    async def chunks() -> Any:
        for item in answer("Hello you"):
            yield item

    assert (await adapt(chunks()).result()).text == "Hello you"


def test_events_of_the_helper_can_be_recorded_too() -> None:
    with scripted_provider(["Hello you"]) as provider, sdk(provider) as client:
        with client.chat.completions.stream(**ASKED) as stream:
            recorded = list(stream)
        assert told(recorded)[0].result().text == "Hello you"
        dumped = [one.model_dump(warnings=False) for one in recorded]
        assert told(dumped)[0].result().text == "Hello you"


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_recording_that_was_cut_before_the_finish_reason_has_lost_its_producer(
    left: int,
) -> None:
    run, events = told(answer("Hello ", "you")[:left])
    last: Any = events[-1]
    assert (last.error.code, last.error.retryable) == ("producer_lost", True)
    with pytest.raises(ProducerLost, match="finish_reason"):
        run.result()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("function_call", "tool_calls"),
        ("eos", "stop"),
        ("insufficient_system_resource", "other"),
    ],
)
def test_the_finish_reason_is_mapped_and_kept(raw: str, reason: str) -> None:
    run, events = told(answer("Hi", finish=raw))
    (finished,) = of_type(events, "message.finished")
    assert (finished.finish_reason, finished.raw_finish_reason) == (reason, raw)
    assert run.result().response_metadata["finish_reason"] == raw


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("form", FORMS)
def test_reasoning_is_found_under_every_name(form: str, name: str) -> None:
    run, _ = told(FORMS[form](answer({name: "I "}, {name: "think"}, "Hello")))
    message = run.snapshot.messages[0]
    assert (message.reasoning, message.text) == ("I think", "Hello")
    assert run.result().additional_kwargs["reasoning_content"] == "I think"


def test_details_of_reasoning_are_kept_beside_its_text() -> None:
    detail = {"type": "reasoning.encrypted", "data": "xyz", "index": 0}
    run, events = told(answer({"reasoning": "hm", "reasoning_details": [detail]}, "Hello"))
    (thought,) = of_type(events, "reasoning.finished")
    assert (thought.text, thought.extras) == ("hm", {"reasoning_details": [detail]})
    blocks = run.result().content_blocks
    assert [block["type"] for block in blocks] == ["reasoning", "text"]


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    run, events = told(
        answer(
            call_delta(None, id="c1", name="f", args='{"a":1}'),
            call_delta(None, id="c2", name="f", args='{"a":'),
            call_delta(None, args="2}"),
            finish="tool_calls",
        )
    )
    found = [(c.tool_call_id, c.args) for c in of_type(events, "tool_call.finished")]
    assert found == [("c1", {"a": 1}), ("c2", {"a": 2})]
    assert [(c["id"], c["args"]) for c in run.result().tool_calls] == found


def test_a_call_without_an_id_has_the_same_made_up_id_everywhere() -> None:
    run, events = told(
        answer(
            call_delta(0, name="f", args="{}"),
            call_delta(1, name="f", args='{"a":1}'),
            {"function_call": {"name": "g", "arguments": "{}"}},
        )
    )
    ids = [call.tool_call_id for call in of_type(events, "tool_call.finished")]
    message: AIMessage = run.result()
    last: Any = events[-1]
    assert len(set(ids)) == 3
    assert [call["id"] for call in message.tool_calls] == ids
    assert [call.tool_call_id for call in last.pending_tool_calls] == ids


def test_arguments_that_are_no_json_are_an_invalid_call() -> None:
    run, events = told(answer(call_delta(0, id="c", name="f", args='{"a"'), finish="length"))
    (call,) = of_type(events, "tool_call.finished")
    assert (call.args, call.invalid.text) == (None, '{"a"')
    (invalid,) = run.result().invalid_tool_calls
    assert (invalid["id"], invalid["args"]) == ("c", '{"a"')


def test_usage_on_every_chunk_is_not_added_up() -> None:
    parts = [("Hello ", 1), ("you", 2)]
    items = [
        chunk({"content": text}, usage={"prompt_tokens": 10, "completion_tokens": n})
        for text, n in parts
    ]
    run, events = told([*items, chunk({}, "stop"), chunk(usage=USAGE)])
    (finished,) = of_type(events, "message.finished")
    assert (finished.usage.input_tokens, finished.usage.output_tokens) == (10, 5)
    assert run.result().usage_metadata["total_tokens"] == 15


@pytest.mark.parametrize(
    "last",
    [
        chunk({}, "stop", usage=USAGE),
        chunk({}, "stop", x_groq={"id": "req", "usage": USAGE}),
        {
            **chunk(),
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}],
        },
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_usage_is_found_wherever_servers_put_it(form: str, last: Any) -> None:
    _, events = told(FORMS[form]([chunk({"content": "Hello"}), last]))
    assert of_type(events, "message.finished")[0].usage.total_tokens == 15


def test_usage_that_was_not_asked_for_is_said_to_be_missing() -> None:
    run, events = told(answer("Hello", usage=None))
    assert notes(events) == ["usage_not_requested"]
    usage = of_type(events, "message.finished")[0].usage
    assert (usage.output_tokens, usage.source) == (1, "estimated")
    assert run.result().usage_metadata is None


@pytest.mark.parametrize("form", FORMS)
def test_a_first_chunk_without_choices_begins_no_message(form: str) -> None:
    filtered = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    items = [{**filtered, "prompt_filter_results": [{"prompt_index": 0}]}, *answer("Hello")]
    run, events = told(FORMS[form](items))
    (started,) = of_type(events, "message.started")
    assert (started.model, started.message_id) == ("gpt-x", "chatcmpl-1")
    assert run.result().text == "Hello"


def test_chunks_without_an_id_a_kind_or_an_index_are_an_answer() -> None:
    items: list[Any] = [
        {"choices": [{"delta": {"role": "assistant", "content": "Hello "}}]},
        {"choices": [{"delta": {"role": "assistant", "content": "you"}, "finish_reason": "stop"}]},
    ]
    run, events = told(items)
    (started,) = of_type(events, "message.started")
    assert (texts(events), started.model) == (["Hello you"], None)
    assert run.result().id == started.message_id


def test_the_first_id_is_the_messages_where_ids_change() -> None:
    items = [{**item, "id": f"id-{n}"} for n, item in enumerate(answer("Hello ", "you"))]
    run, events = told(items)
    assert {e.message_id for e in of_type(events, "text.delta")} == {"id-0"}
    assert run.result().id == "id-0"


def test_a_finish_reason_may_come_with_content() -> None:
    assert texts(told([chunk({"content": "Hello"}, "stop")])[1]) == ["Hello"]


def test_an_empty_answer_is_a_message() -> None:
    run, events = told(answer())
    assert len(of_type(events, "message.finished")) == 1
    assert run.result().content == ""


@pytest.mark.parametrize("form", FORMS)
def test_further_choices_are_left_out_with_one_diagnostic(form: str) -> None:
    items: list[Any] = []
    for item in answer("Hello ", "you"):
        items.append(item)
        others = [
            {**one, "index": n, "delta": {"content": "x"}}
            for one in item["choices"]
            for n in (1, 2)
        ]
        items.append({**item, "choices": others, "usage": None})
    run, events = told(FORMS[form](items))
    assert (texts(events), notes(events)) == (["Hello you"], ["choices_left_out"])
    assert len(of_type(events, "message.started")) == 1
    assert run.result().text == "Hello you"


@pytest.mark.parametrize("form", FORMS)
def test_a_refusal_is_one_block(form: str) -> None:
    run, events = told(FORMS[form](answer({"refusal": "I "}, {"refusal": "can't"})))
    (added,) = of_type(events, "content.added")
    assert added.block == {
        "type": "non_standard",
        "value": {"type": "refusal", "refusal": "I can't"},
    }
    assert run.result().additional_kwargs["refusal"] == "I can't"
    assert run.result().text == ""


@pytest.mark.parametrize("form", FORMS)
def test_audio_is_one_block_with_its_transcript(form: str) -> None:
    run, events = told(
        FORMS[form](
            answer(
                {"audio": {"id": "au", "transcript": "Hel"}},
                {"audio": {"data": "QUJD"}},
                {"audio": {"data": "REVG", "transcript": "lo"}},
                {"audio": {"expires_at": 9}},
            )
        )
    )
    (added,) = of_type(events, "content.added")
    assert added.block == {
        "type": "audio",
        "id": "au",
        "base64": "QUJDREVG",
        "extras": {"transcript": "Hello", "expires_at": 9},
    }
    assert run.result().content_blocks[0]["type"] == "audio"


@pytest.mark.parametrize("form", FORMS)
def test_citations_are_annotations_of_the_text(form: str) -> None:
    cited = {"url": "https://e.org", "title": "E", "start_index": 0, "end_index": 5}
    delta = {"annotations": [{"type": "url_citation", "url_citation": cited}]}
    run, events = told(FORMS[form](answer("Hello", delta)))
    (text,) = of_type(events, "text.finished")
    assert (text.text, text.annotations) == ("Hello", ({"type": "citation", **cited},))
    assert run.result().content_blocks[0]["annotations"] == [{"type": "citation", **cited}]


@pytest.mark.parametrize(
    ("url", "block"),
    [
        ("data:image/png;base64,QUJD", {"base64": "QUJD", "mime_type": "image/png"}),
        ("https://e.org/a.png", {"url": "https://e.org/a.png"}),
    ],
)
def test_an_image_beside_the_text_is_a_block(url: str, block: dict[str, str]) -> None:
    delta = {"images": [{"type": "image_url", "image_url": {"url": url}}]}
    _, events = told(answer("Look", delta))
    (added,) = of_type(events, "content.added")
    assert added.block == {"type": "image", **block}
    assert texts(events) == ["Look"]


def test_content_in_blocks_is_read_as_blocks() -> None:
    thought = {"type": "thinking", "thinking": "hm"}
    _, events = told(answer({"content": [thought, {"type": "text", "text": "Hello"}]}))
    assert texts(events) == ["Hello"]
    assert of_type(events, "reasoning.finished")[0].text == "hm"


def test_logprobs_are_not_told() -> None:
    items = answer("Hello")
    items[1]["choices"][0]["logprobs"] = {"content": [{"token": "Hello", "logprob": -0.1}]}
    assert plainly(told(items)[1]) == plainly(told(answer("Hello"))[1])


@pytest.mark.parametrize("in_a_chunk", [False, True])
def test_an_error_that_was_recorded_fails_the_run(*, in_a_chunk: bool) -> None:
    error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    last_item = chunk({}, "error", **error) if in_a_chunk else error
    late = chunk({"content": "late"})
    run, events = told([*answer("Half")[:2], last_item, late, last_item])
    last: Any = events[-1]
    (aborted,) = of_type(events, "message.aborted")
    assert (last.error.code, aborted.reason) == ("rate_limited", "error")
    with pytest.raises(ModelFailed, match="slow down"):
        run.result()


def test_an_item_that_is_no_chunk_is_left_out_with_a_diagnostic() -> None:
    run, events = told([*answer("Hello")[:2], {"what": 1}, 7, *answer("Hello")[2:]])
    assert notes(events) == ["item_skipped", "item_skipped"]
    assert run.result().text == "Hello"


def test_chunks_are_not_changed() -> None:
    items = answer({"reasoning": "hm", "annotations": [{"type": "x", "index": 1}]}, "Hello")
    before = repr(items)
    told(items)
    assert repr(items) == before


def test_what_is_done_to_the_result_changes_no_event() -> None:
    run, events = told(answer({"refusal": "no"}))
    (added,) = of_type(events, "content.added")
    run.result().content[0]["value"].clear()
    assert added.block["value"] == {"type": "refusal", "refusal": "no"}


def test_a_run_is_the_model_call_itself() -> None:
    run, events = told(answer("Hello"))
    assert {getattr(event, "step_id", run.run_id) for event in events} == {run.run_id}
    assert run.usage is not None
    assert run.usage.total_tokens == 15
    assert not of_type(events, "step.started")


def test_reasoning_pieces_of_the_provider_arrive_live() -> None:
    turn = Turn(chunks=[Reasoning("a"), Reasoning("b"), "c"])
    with scripted_provider([turn]) as provider, sdk(provider) as client:
        assert adapt(SYNC["create"](client)).result().additional_kwargs == {
            "reasoning_content": "ab"
        }
