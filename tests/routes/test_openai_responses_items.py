"""``adapt`` of recorded Responses events: server tools, other items, and the response itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.routes.openai_parts import (
    FORMS,
    WHOLE_CALL,
    as_events,
    created,
    ended,
    event,
    item_event,
    notes,
    numbered,
    of_type,
    plainly,
    response,
    said,
    streamed,
    text_events,
    texts,
    told,
)


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
