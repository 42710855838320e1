from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit.wire.run_frames import (
    READER,
    Asked,
    Cancel,
    Pong,
    Start,
    Subscribe,
    Unsubscribe,
    begun,
    end,
    pack,
)
from langchain_streamkit.wire.socket_frames import BadFrame, error_frame

GENERATION = "1f0c9a3e"
LIMIT = 1 << 20
FRAMES: list[Asked] = [
    Start(id="a"),
    Start(id="a", input={"x": [1]}, thread_id="t", metadata={"k": 1}),
    Start(id="a", thread_id="t", resume={"i1": True}),
    Subscribe(id="a", run_id="r"),
    Subscribe(id="a", run_id="r", since="1f0c9a3e-42"),
    Unsubscribe(id="a"),
    Cancel(id="a"),
    Cancel(run_id="r"),
    Pong(),
]


def entries(*sizes: int) -> list[tuple[int, bytes]]:
    return [(seq, b'{"seq":%d,"x":"%b"}' % (seq, b"x" * size)) for seq, size in enumerate(sizes, 1)]


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_frame_is_read_as_it_was_meant(frame: Any) -> None:
    assert READER.read(msgspec.json.encode(frame).decode(), LIMIT) == frame


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        (None, "binary", None),
        ("", "invalid_json", None),
        ('"\\ud800"', "invalid_json", None),
        ("[" * 100_000, "invalid_frame", None),
        ('{"op":"start","id":"a","input":' + "[" * 100_000, "invalid_json", None),
        ('{"op":"start","id":"a","input":' + "9" * 5000 + "}", "invalid_frame", "a"),
        ("{}", "invalid_frame", None),
        ('{"op":"start"}', "invalid_frame", None),
        ('{"op":"start","id":""}', "invalid_frame", None),
        ('{"op":"start","id":"' + "a" * 201 + '"}', "invalid_frame", None),
        ('{"op":"start","id":"a","config":{}}', "invalid_frame", "a"),
        ('{"op":"start","id":"a","metadata":[]}', "invalid_frame", "a"),
        ('{"op":"start","id":"a","resume":[]}', "invalid_frame", "a"),
        ('{"op":"subscribe","id":"a"}', "invalid_frame", "a"),
        ('{"op":"subscribe","id":"a","run_id":"r","since":42}', "invalid_frame", "a"),
        ('{"op":"Start","id":"a"}', "unknown_op", "a"),
        ('{"op":"fly","id":"a"', "unknown_op", None),
        ('{"op":"fly","id":"a","x":' + "[" * 100_000, "unknown_op", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_anything_else_is_refused_with_a_code_and_the_id_if_it_has_one(
    text: Any, code: str, name: str | None
) -> None:
    refused = READER.read(text, LIMIT)
    assert isinstance(refused, BadFrame)
    assert (refused.code, refused.id) == (code, name)


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_text_at_all_raises(text: str) -> None:
    assert isinstance(READER.read(text, LIMIT), BadFrame)


@given(st.sampled_from(FRAMES), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_no_broken_frame_raises(frame: Any, at: int, noise: bytes) -> None:
    data = msgspec.json.encode(frame)
    READER.read((data[:at] + noise + data[at + 1 :]).decode(errors="replace"), LIMIT)


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(300, 2000))
def test_events_come_in_order_in_frames_below_the_limit(sizes: list[int], limit: int) -> None:
    texts = list(pack("a", "r", GENERATION, entries(*sizes), limit))
    frames = [json.loads(text) for text in texts]
    seqs = [event["seq"] for frame in frames for event in frame["events"]]
    assert seqs == list(range(1, len(sizes) + 1))
    for text, frame in zip(texts, frames, strict=True):
        assert len(text) <= limit or len(frame["events"]) == 1
        assert frame["last_event_id"] == f"{GENERATION}-{frame['events'][-1]['seq']}"
        assert (frame["id"], frame["run_id"]) == ("a", "r")


def test_names_of_clients_are_written_as_json() -> None:
    name = 'a"b\n\u2028'
    for text in (
        next(pack(name, "r", GENERATION, entries(1), LIMIT)),
        begun(name, "r"),
        end(name),
        error_frame(name, {"code": "x"}),
    ):
        assert json.loads(text)["id"] == name
