"""Whatever a model says passes: what nobody knows is passed whole, and never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_streamkit import astream
from langchain_streamkit import events as ev
from tests.guarantees.pains import all_of, asked_in_a_node, of, on_screen
from tests.scenarios.told import HI, says


def chunk(content: Any = "", **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, **fields)


THOUGHT = "I think so"
REASONING = {
    "a content block": [
        chunk([{"type": "reasoning", "reasoning": "I think", "index": 0}]),
        chunk([{"type": "reasoning", "reasoning": " so", "index": 0}]),
        chunk([{"type": "text", "text": "Hello", "index": 1}]),
    ],
    "a thinking block": [
        chunk([{"type": "thinking", "thinking": "I think so", "index": 0}]),
        chunk([{"type": "thinking", "signature": "sig", "index": 0}]),
        chunk([{"type": "text", "text": "Hello", "index": 1}]),
    ],
    "reasoning_content": [
        chunk(additional_kwargs={"reasoning_content": "I think"}),
        chunk(additional_kwargs={"reasoning_content": " so"}),
        chunk("Hello"),
    ],
    "reasoning": [
        chunk(additional_kwargs={"reasoning": "I think"}),
        chunk(additional_kwargs={"reasoning": " so"}),
        chunk("Hello"),
    ],
}


@pytest.mark.parametrize("form", REASONING)
async def test_reasoning_in_every_form_is_a_block_that_ends_before_the_text(form: str) -> None:
    model = says([*REASONING[form], chunk(" you")])
    events = await all_of(astream(asked_in_a_node(model), HI))
    (thought,) = of(ev.ReasoningFinished, events)
    (begun,) = of(ev.TextStarted, events)
    assert thought.text == THOUGHT
    assert thought.seq < begun.seq
    assert on_screen(events) == ["Hello you"]


CITATION = {"type": "citation", "url": "https://example.com", "title": "Example"}


async def test_a_citation_that_comes_with_the_text_is_its_annotation() -> None:
    model = says(
        [
            chunk([{"type": "text", "text": "So they", "index": 0}]),
            chunk([{"type": "text", "text": " say", "annotations": [CITATION], "index": 0}]),
        ]
    )
    (text,) = of(ev.TextFinished, await all_of(astream(asked_in_a_node(model), HI)))
    assert text.text == "So they say"
    assert [one["url"] for one in text.annotations] == ["https://example.com"]


BLOCKS: dict[str, dict[Any, Any]] = {
    "image": {"type": "image", "url": "https://example.com/cat.png"},
    "image in base64": {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
    "audio": {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"},
    "video": {"type": "video", "url": "https://example.com/cat.mp4"},
    "file": {"type": "file", "file_id": "file-1"},
    "a server's tool call": {
        "type": "server_tool_call",
        "name": "web_search",
        "args": {"query": "cats"},
        "id": "s1",
    },
    "a server's tool result": {
        "type": "server_tool_result",
        "tool_call_id": "s1",
        "status": "success",
        "output": ["found"],
    },
    "not standard": {"type": "non_standard", "value": {"type": "odd", "n": 1}},
    "unknown": {"type": "hologram", "depth": 3, "inside": {"type": "x"}},
    "without a type": {"depth": 3},
    "with a type that is no text": {"type": 7, "depth": 3},
}


@pytest.mark.parametrize("name", BLOCKS)
async def test_every_other_block_passes_whole_between_the_texts(name: str) -> None:
    block = {**BLOCKS[name], "index": 1}
    model = says(
        [
            chunk([{"type": "text", "text": "See", "index": 0}]),
            chunk([block]),
            chunk([{"type": "text", "text": "that", "index": 2}]),
        ]
    )
    events = await all_of(astream(asked_in_a_node(model), HI))
    assert events[-1].type == "run.finished"
    assert of(ev.Diagnostic, events) == []
    (added,) = of(ev.ContentAdded, events)
    told = str(added.block)
    assert all(str(value) in told for key, value in BLOCKS[name].items() if key != "type")
    assert [text.text for text in of(ev.TextFinished, events)] == ["See", "that"]
    assert [event.index for event in of((ev.TextStarted, ev.ContentAdded), events)] == [0, 1, 2]


async def test_content_of_no_form_at_all_is_no_exception() -> None:
    model = says([chunk([{"type": "text"}]), chunk([{}]), chunk(["plain", {"type": None}])])
    run = astream(model, "hi")
    events = await all_of(run)
    assert events[-1].type == "run.finished"
    assert on_screen(events) == ["plain"]
