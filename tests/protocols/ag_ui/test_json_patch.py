"""Patches of states give what they were made of, to the libraries of clients too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_streamkit import StreamUsageError
from langchain_streamkit import events as ev
from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.json_patch import difference
from langchain_streamkit.wire.ag_ui.request import AgUiRequest
from tests.protocols.ag_ui.clients import validated
from tests.wire.story import Story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.protocols.ag_ui.clients import Client

_keys = st.sampled_from(["a", "b", "", "a/b", "~", "~1", "0", "-", "é", "__proto__", "constructor"])
_leaves = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, "", "x"])
documents = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
states = st.dictionaries(_keys, documents, max_size=4)


def exact(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@settings(deadline=None)
@given(documents, documents)
def test_patch_makes_the_new_document_of_the_old(old: Any, new: Any) -> None:
    patch = difference(old, new)
    assert exact(jsonpatch.apply_patch(old, patch)) == exact(new)
    assert difference(new, new) == []


def test_appended_items_are_added_and_nothing_else_is_told() -> None:
    old = [{"n": number} for number in range(100)]
    assert difference(old, [*old, 1]) == [{"op": "add", "path": "/100", "value": 1}]
    assert difference(old, old[1:]) == [{"op": "remove", "path": "/0"}]
    assert difference({"a": old}, {"a": [7, *old]}) == [{"op": "add", "path": "/a/0", "value": 7}]


def told(values: Sequence[Any], **options: Any) -> list[bytes]:
    story = Story()
    encoder = AgUiEncoder(AgUiRequest(thread_id="thread-1", run_id="asked"), **options)
    events = [story.start(), *(story.make(ev.StateSnapshot, values=one) for one in values)]
    return [frame for event in [*events, story.finish()] for frame in encoder.encode(event)]


def test_client_has_the_state_whatever_it_was(client: Client) -> None:
    @settings(max_examples=50, deadline=None)
    @given(st.lists(states | documents, min_size=1, max_size=5))
    def check(values: list[Any]) -> None:
        frames = told(values)
        validated(frames)
        ran = client.read(b"".join(frames))
        assert ran.failed is None
        assert exact(ran.state) == exact(values[-1])

    check()


def test_client_gets_the_channels_that_it_may() -> None:
    state = {"messages": ["secret"], "plan": 1, "key": "secret"}
    assert b"secret" not in b"".join(told([state], state=["plan"]))
    assert b'"snapshot":{"plan":1}' in b"".join(told([state], state=["plan"]))
    assert b'"snapshot":{"plan":1,"key":"secret"}' in b"".join(told([state]))
    assert b"STATE" not in b"".join(told([state], state=False))


def test_state_of_a_subgraph_is_not_the_graphs() -> None:
    story = Story()
    encoder = AgUiEncoder(AgUiRequest(thread_id="t", run_id="r"))
    assert encoder.encode(story.make(ev.StateSnapshot, values={}, path=("inner",))) == []


def test_one_channel_as_a_string_is_refused_with_what_to_write() -> None:
    with pytest.raises(StreamUsageError, match=r"write state=\['plan'\]"):
        told([], state="plan")
