"""``adapt`` of chat completions that were recorded, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import adapt
from langchain_streamkit.errors import ModelFailed, ProducerLost
from langchain_streamkit.testing import scripted_provider
from tests.routes.openai_parts import (
    ASKED,
    FORMS,
    USAGE,
    answer,
    as_chunks,
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
    from langchain_core.messages import AIMessage


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
