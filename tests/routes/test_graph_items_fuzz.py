"""Whatever is fed as the items of a graph gives a legal stream, or one clear refusal."""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_streamkit import adapt
from langchain_streamkit.errors import AdaptError
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.testing import assert_legal
from tests.lengths import examples
from tests.routes.scenes import SCENES
from tests.routes.ways import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

ALL_MODES = ["values", "updates", "messages", "custom", "tasks", "debug", "checkpoints", "tools"]
LISTS: list[Any] = [
    "messages",
    "updates",
    "values",
    ["messages", "updates"],
    ["messages", "updates", "custom", "tasks", "tools"],
    ALL_MODES,
]
SHOWN = [
    "two_interleaved_tool_calls",
    "tool_error",
    "sub_agent_twice_in_parallel",
    "nested_graph",
    "interrupt_and_resume",
    "hand_off_of_a_supervisor",
    "fallback_after_three_tokens",
    "failing_model",
]
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(object()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            st.sampled_from(["id", "name", "input", "result", "type", "ns", "data", "messages"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def recordings() -> list[list[Any]]:
    """The items of each scene in each list of modes, with subgraphs, in two forms."""

    async def record() -> list[list[Any]]:
        return [
            await recorded(
                scene.make().astream(
                    scene.value,
                    {"configurable": {"thread_id": "t"}},
                    stream_mode=modes,
                    subgraphs=True,
                    **options,
                )
            )
            for scene in map(SCENES.__getitem__, SHOWN)
            for modes in LISTS
            for options in ({}, {"version": "v2"})
        ]

    return asyncio.run(record())


def is_told(items: list[Any], **options: Any) -> bool:
    """Check what ``adapt`` makes of the items; whether it is a stream of events."""
    run: Any = adapt(items, capture={"state", "checkpoints"}, output_deltas=True, **options)
    try:
        events = list(run)
    except AdaptError:
        return False
    if items:
        assert_legal(events)
        assert sum(event.type in TERMINAL_TYPES for event in events) == 1
    return True


def damaged(draw: Callable[[Any], Any], value: Any) -> Any:
    """``value`` with something in it missing, or of another type."""
    choices = ["replace"]
    if isinstance(value, dict) and value:
        choices += ["drop", "inside", "inside"]
    elif isinstance(value, list | tuple) and value:
        choices += ["inside", "inside", "shorten"]
    match draw(st.sampled_from(choices)):
        case "drop":
            key = draw(st.sampled_from(sorted(value, key=repr)))
            return {name: value[name] for name in value if name != key}
        case "shorten":
            return value[:-1]
        case "inside" if isinstance(value, dict):
            fields: dict[Any, Any] = value
            key = draw(st.sampled_from(sorted(fields, key=repr)))
            return {**fields, key: damaged(draw, fields[key])}
        case "inside":
            items = list(value)
            at = draw(st.integers(0, len(items) - 1))
            items[at] = damaged(draw, items[at])
            return items if isinstance(value, list) else tuple(items)
        case _:
            return draw(ODD)


MANY = settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="langchain_streamkit")


@MANY
@given(data=st.data())
def test_recorded_items_dropped_doubled_reordered_cut_or_damaged_give_a_legal_stream(
    data: st.DataObject, recordings: list[list[Any]]
) -> None:
    items = list(data.draw(st.sampled_from(recordings)))
    for _ in range(data.draw(st.integers(1, 4))):
        if not items:
            break
        at = data.draw(st.integers(0, len(items) - 1))
        match data.draw(st.sampled_from(["drop", "double", "move", "cut", "damage", "insert"])):
            case "drop":
                del items[at]
            case "double":
                items.insert(data.draw(st.integers(0, len(items))), items[at])
            case "move":
                items.insert(data.draw(st.integers(0, len(items) - 1)), items.pop(at))
            case "cut":
                del items[at:]
            case "damage":
                items[at] = damaged(data.draw, items[at])
            case _:
                items.insert(at, data.draw(ODD))
    is_told(items)


@MANY
@given(items=st.lists(ODD, max_size=6), mode=st.none() | st.sampled_from(ALL_MODES))
def test_objects_of_any_kind_give_a_legal_stream_or_one_refusal(
    items: list[Any], mode: str | None
) -> None:
    is_told(items, mode=mode)


def test_items_are_read_and_never_changed(recordings: list[list[Any]]) -> None:
    for items in recordings:
        before = copy.deepcopy(items)
        assert is_told(items)
        assert repr(items) == repr(before)
