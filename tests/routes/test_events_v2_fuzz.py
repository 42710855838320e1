"""Whatever comes instead of the events of ``astream_events``: a legal stream, or one refusal."""

from __future__ import annotations

import asyncio
import copy
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_streamkit import adapt
from langchain_streamkit.errors import AdaptError
from langchain_streamkit.testing import assert_legal
from tests.routes.scenes import SCENES
from tests.routes.ways import recorded

RECORDED = (
    "fallback_after_three_tokens",
    "two_interleaved_tool_calls",
    "hand_off_of_a_supervisor",
    "interrupts_in_two_parallel_nodes_of_a_sub_graph",
    "custom_events",
    "tool_error",
)
FIELDS = ("event", "run_id", "parent_ids", "name", "tags", "metadata", "data")
WRONG = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.one_of(st.text(max_size=3), st.integers()), max_size=2),
    st.dictionaries(st.sampled_from(["chunk", "output", "input", "x", "messages"]), st.integers()),
    st.just({1: 2}),
    st.just({"langgraph_path": 5, "langgraph_step": "x", "langgraph_checkpoint_ns": "a:b"}),
    st.sampled_from(["on_chain_end", "on_tool_start", "on_llm_stream", "on_chat_model_end"]),
)


@cache
def items_of(name: str) -> tuple[Any, ...]:
    scene = SCENES[name]
    config: Any = {"configurable": {"thread_id": "t"}}
    stream = scene.make().astream_events(scene.value, config, version="v2")
    return tuple(asyncio.run(recorded(stream)))


@st.composite
def mutated(draw: st.DrawFn) -> list[Any]:
    """A recording with some of its items dropped, doubled, moved, cut off or broken."""
    items: list[Any] = [copy.copy(one) for one in items_of(draw(st.sampled_from(RECORDED)))]
    for _ in range(draw(st.integers(1, 6))):
        if not items:
            break
        at = draw(st.integers(0, len(items) - 1))
        match draw(
            st.sampled_from(["drop", "double", "move", "cut", "behead", "lose", "break", "odd"])
        ):
            case "drop":
                del items[at]
            case "double":
                items.insert(draw(st.integers(0, len(items))), copy.copy(items[at]))
            case "move":
                items.insert(draw(st.integers(0, len(items) - 1)), items.pop(at))
            case "cut":
                del items[at + 1 :]
            case "behead":
                del items[:at]
            case "lose" if isinstance(items[at], dict):
                items[at] = {**items[at]}
                items[at].pop(draw(st.sampled_from(FIELDS)), None)
            case "break" if isinstance(items[at], dict):
                items[at] = {**items[at], draw(st.sampled_from(FIELDS)): draw(WRONG)}
            case _:
                items[at] = draw(WRONG)
    return items


@given(mutated())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_broken_recording_is_a_legal_stream_or_refused(items: list[Any]) -> None:
    run = adapt(items)
    try:
        events = list(run)
    except AdaptError:
        return
    assert_legal(events)
    assert not [
        event for event in events if event.type == "diagnostic" and event.code == "internal"
    ]
