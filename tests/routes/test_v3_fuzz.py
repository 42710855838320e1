"""Whatever is fed as v3 events gives a legal stream, or one clear AdaptError."""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import warnings
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core._api import LangChainBetaWarning

from langchain_streamkit import adapt
from langchain_streamkit import events as ev
from langchain_streamkit.errors import AdaptError
from langchain_streamkit.testing import Turn, assert_legal
from langchain_streamkit.values import to_plain
from tests.lengths import examples
from tests.routes.scenes import SCENES
from tests.routes.ways import recorded, v3_stream
from tests.scenarios.told import says

_SCENES = (
    "reasoning",
    "two_interleaved_tool_calls",
    "sub_agent_twice_in_parallel",
    "nested_graph",
    "interrupt_and_resume",
    "hand_off_of_a_supervisor",
)
_ODD = st.sampled_from(
    [None, 0, -1, 2.5, "", "text", "error", "a:b|c:d", True, [], ["x"], {}, {"event": "values"}]
)


@functools.cache
def items_of(name: str, *, plain: bool) -> str | list[Any]:
    scene = SCENES[name]

    async def run() -> list[Any]:
        config: dict[str, Any] = {"configurable": {"thread_id": "t"}}
        return await recorded(await v3_stream(scene.make(), scene.value, config))

    items = asyncio.run(run())
    return json.dumps(to_plain(items)) if plain else items


@functools.cache
def items_of_model() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        model: Any = says(Turn("Hello you", reasoning="I think"))
        return list(model.stream_events("hi", version="v3"))


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all fields in plain containers."""
    found: list[tuple[Any, ...]] = []
    inner: Any = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, one in inner:
        found += [(*path, key), *_places(one, (*path, key))]
    return found


@st.composite
def broken_items(draw: st.DrawFn, items: list[Any]) -> list[Any]:
    """The items with some dropped, doubled, moved, cut, without a field or with another value."""
    for _ in range(draw(st.integers(1, 6))):
        if not items:
            break
        n = draw(st.integers(0, len(items) - 1))
        match draw(
            st.sampled_from(["drop", "double", "move", "cut", "unset", "set", "unset", "set"])
        ):
            case "drop":
                del items[n]
            case "double":
                items.insert(draw(st.integers(0, len(items))), copy.deepcopy(items[n]))
            case "move":
                items.insert(draw(st.integers(0, len(items) - 1)), items.pop(n))
            case "cut":
                del items[n:]
            case change:
                places = _places(items[n])
                if not places:
                    continue
                *path, last = draw(st.sampled_from(places))
                holder = functools.reduce(lambda at, key: at[key], path, items[n])
                if change == "set":
                    holder[last] = draw(_ODD)
                else:
                    del holder[last]
    return items


def read(items: list[Any]) -> None:
    """The rule itself."""
    run = adapt(items)
    try:
        events = list(run)
    except AdaptError:
        return
    if not items:
        return
    if not events:
        try:
            run.result()
        except AdaptError:
            return
    assert_legal(events)
    assert isinstance(
        events[-1], ev.RunFinished | ev.RunFailed | ev.RunInterrupted | ev.RunCancelled
    )
    for event in events:
        if isinstance(event, ev.Diagnostic):
            assert event.code in ("gap", "item_skipped", "no_tokens"), event.message


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_broken_events_of_a_graph_give_a_legal_stream(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(_SCENES))
    plain = json.loads(items_of(name, plain=True))  # type: ignore[arg-type]
    read(data.draw(broken_items(plain)))


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_broken_live_objects_give_a_legal_stream(data: st.DataObject) -> None:
    items = copy.deepcopy(items_of(data.draw(st.sampled_from(_SCENES)), plain=False))
    read(data.draw(broken_items(items)))  # type: ignore[arg-type]


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_broken_events_of_a_model_give_a_legal_stream(data: st.DataObject) -> None:
    read(data.draw(broken_items(copy.deepcopy(items_of_model()))))


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"method": st.sampled_from(["values", "messages", "tools", "lifecycle", "x"])},
            optional={
                "params": st.fixed_dictionaries(
                    {},
                    optional={"namespace": _ODD, "data": _ODD, "interrupts": _ODD},
                ),
                "seq": _ODD,
            },
        )
        | st.dictionaries(st.sampled_from(["event", "index", "delta", "content"]), _ODD)
        | _ODD,
        max_size=8,
    )
)
def test_anything_at_all_gives_a_legal_stream(items: list[Any]) -> None:
    read(items)
