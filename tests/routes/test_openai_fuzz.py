"""Any stream of the OpenAI SDK, however broken, is a legal run or one refusal."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit import AdaptError, adapt
from langchain_streamkit.testing import assert_legal
from langchain_streamkit.values import to_plain
from tests.routes.openai_parts import (
    FORMS,
    answer,
    call_delta,
    created,
    ended,
    event,
    item_event,
    notes,
    numbered,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.messages import AIMessage


RECORDED: dict[str, list[dict[str, Any]]] = {
    "chat": answer(
        {"reasoning_content": "hm"},
        "Hello ",
        "you",
        {"refusal": "no"},
        {"audio": {"id": "a", "data": "QUJD"}},
        {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]},
        {"images": [{"type": "image_url", "image_url": {"url": "https://e.org"}}]},
        call_delta(0, id="c1", name="f", args=""),
        call_delta(0, args='{"a":'),
        call_delta(1, id="c2", name="g", args="{}"),
        call_delta(0, args="1}"),
        {"function_call": {"name": "h", "arguments": "{}"}},
    ),
    "responses": numbered(
        [
            created(metadata={"a": "b"}),
            item_event("added", 0, {"type": "reasoning", "id": "rs", "summary": []}),
            event("reasoning_summary_part.added", "rs", summary_index=0),
            event("reasoning_summary_text.delta", "rs", summary_index=0, delta="hm"),
            event("reasoning_text.delta", "rs", content_index=0, delta="raw"),
            item_event(
                "done",
                0,
                {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"},
            ),
            item_event(
                "added", 1, {"type": "message", "id": "msg", "content": [], "phase": "final"}
            ),
            event("output_text.delta", "msg", 1, content_index=0, delta="Hello "),
            event("output_text.delta", "msg", 1, content_index=0, delta="you"),
            event(
                "output_text.annotation.added",
                "msg",
                1,
                content_index=0,
                annotation={"type": "url_citation", "url": "u", "start_index": 0, "end_index": 1},
            ),
            event("output_text.done", "msg", 1, content_index=0, text="Hello you"),
            event("refusal.delta", "msg", 1, content_index=1, delta="no"),
            event("refusal.done", "msg", 1, content_index=1, refusal="no"),
            item_event(
                "done", 2, {"type": "web_search_call", "id": "ws", "action": {"query": "q"}}
            ),
            item_event(
                "added", 3, {"type": "function_call", "id": "fc", "call_id": "c", "name": "f"}
            ),
            event("function_call_arguments.delta", "fc", 3, delta='{"a":1}'),
            item_event(
                "done",
                3,
                {
                    "type": "function_call",
                    "id": "fc",
                    "call_id": "c",
                    "name": "f",
                    "arguments": '{"a":1}',
                },
            ),
            item_event(
                "done",
                4,
                {"type": "custom_tool_call", "id": "ct", "call_id": "d", "name": "s", "input": "x"},
            ),
            ended({"type": "message", "content": [{"type": "output_text", "text": "Hello you"}]}),
        ]
    ),
}
ODD: list[Any] = [None, True, 0, 1, -1, 2**70, 0.5, float("nan"), "", "x", "0"]
ODD += ["\ud83d", "\ud800", "{", [], {}, [None], ["x"], [[]], [{}], {"": None}, {"id": []}]
ODD += [{"type": "text"}, {"text": 1}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def mutate(data: st.DataObject, items: list[Any]) -> None:
    """Change one thing anywhere: drop it, double it, replace it, exchange it."""
    found = list(places(items))
    if not found:
        return
    *where, key = data.draw(st.sampled_from(found))
    holder: Any = items
    for step in where:
        holder = holder[step]
    match data.draw(st.sampled_from(["drop", "odd", "copy", "swap", "cut"])):
        case "drop":
            del holder[key]
        case "odd":
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        case "copy":
            items.insert(data.draw(st.integers(0, len(items))), copy.deepcopy(holder[key]))
        case "swap":
            n, m = (data.draw(st.integers(0, len(items) - 1)) for _ in range(2))
            items[n], items[m] = items[m], items[n]
        case _:
            del items[data.draw(st.integers(0, len(items))) :]


def as_object(item: Any) -> Any:
    """The SDK's object of an item, where the SDK can make one."""
    with contextlib.suppress(Exception):
        return FORMS["objects"]([item])[0]
    return item


@pytest.mark.parametrize("name", RECORDED)
@given(data=st.data())
def test_any_stream_at_all_is_a_legal_run_or_one_refusal(name: str, data: st.DataObject) -> None:
    items: list[Any] = copy.deepcopy(RECORDED[name])
    for _ in range(data.draw(st.integers(1, 6))):
        mutate(data, items)
    if data.draw(st.booleans()):
        items = [as_object(item) for item in items]
    run = adapt(items)
    try:
        events = list(run)
    except AdaptError:
        return
    assert_legal(events)
    known = {
        *("item_skipped", "choices_left_out", "no_items"),
        *("usage_not_requested", "usage_not_reported", "price_unknown"),
    }
    assert set(notes(events)) <= known
    if run.outcome == "finished" and run.snapshot.messages:
        message: AIMessage = run.result()
        (seen,) = run.snapshot.messages
        assert message.text == seen.text
        assert [(c["id"], to_plain(c["args"])) for c in message.tool_calls] == [
            (c.tool_call_id, c.args) for c in seen.tool_calls if c.args is not None
        ]
        assert message.content_blocks is not None


@pytest.mark.parametrize("name", RECORDED)
def test_the_recording_itself_is_whole(name: str) -> None:
    run = adapt(copy.deepcopy(RECORDED[name]))
    assert_legal(list(run))
    assert run.outcome == "finished"
    assert run.result().text == "Hello you"
