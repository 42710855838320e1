"""Every event is frozen, plain JSON from birth, and comes back equal from its JSON."""

from __future__ import annotations

import json
import threading
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit import events as ev
from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.events import (
    EVENT_CLASSES,
    TERMINAL_TYPES,
    Event,
    UnknownEventError,
    decode_event,
)
from tests.foundation.samples import NO_USAGE, SAMPLES, TIMING, USAGE, Script

by_type = pytest.mark.parametrize("type_", EVENT_CLASSES)


@by_type
def test_event_comes_back_equal_from_its_json(type_: str) -> None:
    event = SAMPLES[type_]
    assert decode_event(event.to_json()) == event
    assert decode_event(event.to_json().decode()) == event


@by_type
def test_dict_form_is_what_the_json_says(type_: str) -> None:
    event = SAMPLES[type_]
    assert event.to_dict() == json.loads(event.to_json())
    assert event.to_dict()["type"] == type_


@by_type
def test_event_is_frozen(type_: str) -> None:
    with pytest.raises(AttributeError):
        SAMPLES[type_].seq = 5


@by_type
def test_event_is_one_line_of_json(type_: str) -> None:
    assert b"\n" not in SAMPLES[type_].to_json()


@by_type
def test_type_of_an_event_is_readable_and_named_like_its_class(type_: str) -> None:
    cls = EVENT_CLASSES[type_]
    words = type_.replace("_", ".").split(".")
    assert cls.__name__ == "".join(word.capitalize() for word in words)
    assert SAMPLES[type_].type == type_


@by_type
def test_unknown_fields_are_ignored(type_: str) -> None:
    newer = {**SAMPLES[type_].to_dict(), "hologram": {"x": 1}}
    assert decode_event(json.dumps(newer)) == SAMPLES[type_]


@by_type
def test_every_event_has_the_common_fields_and_a_step_unless_of_the_run(type_: str) -> None:
    fields = {field.name for field in msgspec.structs.fields(EVENT_CLASSES[type_])}
    assert {"seq", "run_id", "ts", "path"} <= fields
    assert ("step_id" in fields) is not type_.startswith("run.")


def test_terminal_types_are_the_four_ends_of_a_run() -> None:
    assert {"run.finished", "run.interrupted", "run.failed", "run.cancelled"} == TERMINAL_TYPES
    assert {cls.type for cls in get_args(ev.TerminalEvent)} == TERMINAL_TYPES


def test_fields_with_nothing_to_say_are_left_out() -> None:
    event = Script().start().events[0]
    assert event.to_dict().keys() == {"type", "seq", "run_id", "ts", "name"}


def test_match_narrows_the_union() -> None:
    event: Event = ev.TextDelta(
        seq=1, run_id="r", ts=1, step_id="s", message_id="m", index=0, text="x"
    )
    match event:
        case ev.TextDelta(text=text):
            assert text == "x"
        case _:
            pytest.fail("no match")


OPEN_FIELDS = [
    (type_, field.name)
    for type_, cls in EVENT_CLASSES.items()
    for field in msgspec.structs.fields(cls)
    if field.type is Any or field.name in ("metadata", "block")
]


@pytest.mark.parametrize(("type_", "name"), OPEN_FIELDS)
def test_any_object_becomes_plain_json_when_the_event_is_made(type_: str, name: str) -> None:
    inner = [1]
    value = {"lock": threading.Lock(), "nan": float("nan"), "inner": inner, "half": "\ud800"}
    event = msgspec.structs.replace(SAMPLES[type_], **{name: value})
    inner.append(2)
    shown = getattr(event, name)
    assert shown["inner"] == [1]
    assert shown["nan"] is None
    assert shown["half"] == "\ufffd"
    assert shown["lock"]["unserializable"] is True
    assert decode_event(event.to_json()) == event


def test_parts_of_events_are_plain_json_too() -> None:
    lock = threading.Lock()
    interrupt = ev.InterruptInfo(interrupt_id="i", payload=lock)
    call = ev.PendingToolCall(tool_call_id="c", name="x", args={"a": lock})
    ends = [
        ev.RunInterrupted(
            seq=1, run_id="r", ts=1, interrupts=(interrupt,), usage=NO_USAGE, timing=TIMING
        ),
        ev.RunFinished(
            seq=1, run_id="r", ts=1, pending_tool_calls=(call,), usage=NO_USAGE, timing=TIMING
        ),
    ]
    for event in ends:
        assert decode_event(event.to_json()) == event


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("text.delta", "text"),
        ("text.finished", "text"),
        ("reasoning.delta", "text"),
        ("reasoning.finished", "text"),
        ("tool_call.delta", "args"),
        ("tool_call.started", "name"),
        ("tool_call.finished", "name"),
        ("tool.started", "name"),
        ("tool.finished", "content"),
        ("tool.failed", "content"),
        ("step.started", "name"),
        ("run.started", "name"),
        ("custom", "name"),
        ("diagnostic", "message"),
    ],
)
def test_text_is_valid_unicode_when_the_event_is_made(type_: str, name: str) -> None:
    event = msgspec.structs.replace(SAMPLES[type_], **{name: "a\ud83d\ude00 \ud83d"})
    assert getattr(event, name) == "a😀 \ufffd"
    assert decode_event(event.to_json()) == event


def test_half_surrogate_in_an_id_does_not_keep_an_event_from_its_json() -> None:
    event = msgspec.structs.replace(SAMPLES["text.delta"], message_id="m\ud800")
    assert json.loads(event.to_json())["message_id"] == "m\ufffd"
    assert json.loads(event.to_json())["type"] == "text.delta"


@given(st.text(st.characters()), st.integers(0, 2**53), st.lists(st.text(), max_size=3))
def test_text_delta_of_any_text_round_trips(text: str, seq: int, path: list[str]) -> None:
    event = ev.TextDelta(
        seq=seq,
        run_id="r",
        ts=1,
        path=tuple(path),
        step_id="s",
        message_id="m",
        index=0,
        text=text,
    )
    assert decode_event(event.to_json()) == event


def test_type_of_a_newer_version_is_told_apart_from_nonsense() -> None:
    with pytest.raises(UnknownEventError, match="a type this version does not know; skip it"):
        decode_event('{"type":"hologram.started","seq":1}')


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"{}", b'{"type":1}', b'{"type":"custom"}', b"\xff", "é" * 9999],
)
def test_what_is_no_event_says_so_and_what_to_pass(data: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"is not an event .* event\.to_json\(\)") as caught:
        decode_event(data)
    assert not isinstance(caught.value, UnknownEventError)
    assert isinstance(caught.value, StreamError)
    assert len(str(caught.value)) < 500


def test_usage_of_an_event_round_trips_with_all_its_fields() -> None:
    usage = msgspec.structs.replace(
        USAGE,
        status="aborted",
        model="m",
        details=ev.UsageDetails(cache_read=1, cache_creation=2, reasoning=3, audio=4),
        first_token_ms=5,
        cost="0.00012",
        late=True,
    )
    event = msgspec.structs.replace(SAMPLES["message.finished"], usage=usage)
    assert decode_event(event.to_json()) == event
