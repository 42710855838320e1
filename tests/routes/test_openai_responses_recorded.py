"""``adapt`` of recorded Responses events: text, calls and reasoning."""

from __future__ import annotations

from typing import Any

import pytest

from tests.routes.openai_parts import (
    CALL,
    FORMS,
    MESSAGE,
    WHOLE_CALL,
    event,
    item_event,
    of_type,
    said,
    streamed,
    text_events,
    texts,
    told,
)


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
