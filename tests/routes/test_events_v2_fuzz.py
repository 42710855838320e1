"""Whatever comes instead of the events of ``astream_events``: a legal stream, or one refusal."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from langchain_streamkit import adapt
from langchain_streamkit.errors import AdaptError
from langchain_streamkit.testing import assert_legal
from tests.lengths import examples
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
CHANGES = ("drop", "double", "move", "cut", "behead", "lose", "break", "odd")
WRONG = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.one_of(st.text(max_size=3), st.integers()), max_size=2),
    st.dictionaries(st.sampled_from(["chunk", "output", "input", "x", "messages"]), st.integers()),
    st.just({1: 2}),
    st.just({"langgraph_path": 5, "langgraph_step": "x", "langgraph_checkpoint_ns": "a:b"}),
    st.just({"chunk": {"__interrupt__": [{"id": 1, "value": 2}, 3]}}),
    st.just(
        {"chunk": ["custom", {"a": 1}], "output": {"messages": [{"type": "ai", "content": 1}]}}
    ),
    st.sampled_from(["on_chain_end", "on_tool_start", "on_llm_stream", "on_chat_model_end"]),
)


class Change(NamedTuple):
    """Something done to the item ``at``, as far as there are so many."""

    what: str
    at: int
    to: int
    field: str
    wrong: Any

    def of(self, items: list[Any]) -> list[Any]:
        if not items:
            return [self.wrong]
        at, to = self.at % len(items), self.to % len(items)
        item = items[at]
        match self.what:
            case "drop":
                return items[:at] + items[at + 1 :]
            case "double":
                return [*items[:to], item, *items[to:]]
            case "move":
                rest = items[:at] + items[at + 1 :]
                return [*rest[:to], item, *rest[to:]]
            case "cut":
                return items[: at + 1]
            case "behead":
                return items[at:]
            case "lose" if isinstance(item, dict):
                changed: Any = {key: value for key, value in item.items() if key != self.field}
            case "break" if isinstance(item, dict):
                changed = {**item, self.field: self.wrong}
            case _:
                changed = self.wrong
        return [*items[:at], changed, *items[at + 1 :]]


def _changed(what: str, at: int, to: int = 0) -> Change:
    return Change(what, at, to, "event", None)


PLACES = st.integers(0, 200)
SEVERAL = st.lists(
    st.builds(Change, st.sampled_from(CHANGES), PLACES, PLACES, st.sampled_from(FIELDS), WRONG),
    min_size=1,
    max_size=6,
)


class Recordings(dict[str, list[Any]]):
    """Recorded items by scene; hypothesis shows it with every example that fails."""

    def __repr__(self) -> str:
        return "recordings"


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    async def record(name: str) -> list[Any]:
        scene = SCENES[name]
        config: Any = {"configurable": {"thread_id": "t"}}
        return await recorded(scene.make().astream_events(scene.value, config, version="v2"))

    return Recordings({name: asyncio.run(record(name)) for name in RECORDED})


FALLBACK = "fallback_after_three_tokens"
LATE_START = [_changed("move", 3, 11), _changed("double", 14, 11)]
"""The first attempt is told of by its tokens alone, the end of both before the second has spoken.
"""
LOST_START = [
    _changed("move", 0),
    _changed("move", 52, 122),
    _changed("drop", 0),
    _changed("drop", 146),
]
EARLY_MODEL = [_changed("double", 3, 0)]
"""A model begins before the graph that it runs in."""


@given(st.sampled_from(RECORDED), SEVERAL)
@example(FALLBACK, LATE_START)
@example(FALLBACK, LOST_START)
@example(FALLBACK, EARLY_MODEL)
@settings(max_examples=examples(800), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_broken_recording_is_a_legal_stream_or_refused(
    recordings: Recordings, name: str, changes: list[Change]
) -> None:
    items = recordings[name]
    for change in changes:
        items = change.of(items)
    run = adapt(items)
    try:
        events = list(run)
    except AdaptError:
        return
    assert_legal(events)
    codes = [event.code for event in events if event.type == "diagnostic"]
    assert "internal" not in codes
