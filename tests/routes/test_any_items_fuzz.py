"""Whatever is fed to ``adapt``: a legal stream with one ending, or one AdaptError."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from langchain_streamkit import AdaptError, adapt
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.testing import assert_legal
from tests.lengths import examples

# Words of all the formats, so that parts of them meet in ways nobody meant.
WORDS = st.sampled_from(
    [
        "event",
        "data",
        "chunk",
        "run_id",
        "parent_ids",
        "name",
        "tags",
        "metadata",
        "type",
        "ns",
        "method",
        "params",
        "namespace",
        "values",
        "updates",
        "messages",
        "custom",
        "tasks",
        "on_chain_start",
        "on_chat_model_stream",
        "on_chat_model_end",
        "message-start",
        "content-block-delta",
        "message-finish",
        "choices",
        "delta",
        "content",
        "index",
        "id",
        "object",
        "chat.completion.chunk",
        "response.created",
        "response.output_text.delta",
        "response",
        "item",
        "text",
        "__interrupt__",
        "langgraph_node",
        "langgraph_checkpoint_ns",
        "input",
        "output",
        "result",
        "error",
        "usage",
    ]
)
MESSAGES = st.sampled_from(
    [
        AIMessageChunk(content="he", id="m1"),
        AIMessageChunk(content="", id="m1", chunk_position="last"),
        AIMessage("hello", id="m1"),
        HumanMessage("hi", id="m2"),
        ToolMessage("3", tool_call_id="c1"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers(-1, 3) | WORDS | MESSAGES
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS, inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(WORDS, inner, max_size=4).map(lambda fields: SimpleNamespace(**fields))
    ),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"event": WORDS, "run_id": WORDS, "data": VALUES},
    optional={"name": VALUES, "tags": VALUES, "metadata": VALUES, "parent_ids": VALUES},
)
PROTOCOL = st.fixed_dictionaries(
    {"type": st.just("event"), "method": WORDS, "params": st.dictionaries(WORDS, VALUES)}
)
PARTS = st.fixed_dictionaries({"type": WORDS, "ns": VALUES, "data": VALUES})
TRIPLES = st.tuples(st.tuples(WORDS), WORDS, VALUES)
CHUNKS = st.fixed_dictionaries(
    {"object": st.just("chat.completion.chunk"), "choices": VALUES}, optional={"id": VALUES}
)
ITEMS = VALUES | EVENTS | PROTOCOL | PARTS | TRIPLES | CHUNKS


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ITEMS, max_size=6))
def test_any_items_are_a_legal_stream_or_one_clear_error(items: list[Any]) -> None:
    try:
        events = list(adapt(items, capture={"state", "checkpoints"}, output_deltas=True))
    except AdaptError as error:
        refusal = str(error)
        events = []
    else:
        refusal = ""
        assert_legal(events)
    assert sum(event.type in TERMINAL_TYPES for event in events) == (0 if refusal else 1)
    assert bool(refusal) == (not events)
