from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_streamkit.events import decode_event
from langchain_streamkit.wire.socket_frames import BadFrame
from langchain_streamkit.wire.ws import READER, Cancel, Refused, Start, pack
from tests.wire.story import short_run

LIMIT = 1 << 20


def test_start_and_cancel_are_read_and_unknown_keys_ignored() -> None:
    start = '{"op":"start","id":"a","input":{"x":[1]},"thread_id":"t","config":{"tags":["x"]}}'

    assert READER.read(start, LIMIT) == Start(id="a", input={"x": [1]}, thread_id="t")
    assert READER.read('{"op":"cancel","id":"a"}', LIMIT) == Cancel(id="a")


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        (None, "binary", None),
        ("", "invalid_json", None),
        ("nonsense", "invalid_json", None),
        ('{"op":"start"', "invalid_json", None),
        ('"\\ud800"', "invalid_json", None),
        ("[" * 100_000, "invalid_frame", None),
        ('{"op":"start","id":"a","input":' + "[" * 100_000, "invalid_json", None),
        ("[]", "invalid_frame", None),
        ("null", "invalid_frame", None),
        ("9" * 5000, "invalid_frame", None),
        ("{}", "invalid_frame", None),
        ('{"op":"start","id":"a"}', "invalid_frame", "a"),
        ('{"op":"start","input":1}', "invalid_frame", None),
        ('{"op":"start","id":7,"input":1}', "invalid_frame", None),
        ('{"op":"start","id":"","input":1}', "invalid_frame", None),
        ('{"op":"cancel","id":"' + "a" * 300 + '"}', "invalid_frame", None),
        ('{"op":"start","id":"a","input":1,"thread_id":5}', "invalid_frame", "a"),
        ('{"op":"fly","id":"a"}', "unknown_op", "a"),
        ('{"op":3,"id":"a"}', "unknown_op", "a"),
        ('{"op":"fly","id":"a",', "unknown_op", None),
        ('{"op":"fly","id":"a","x":' + "[" * 100_000, "unknown_op", None),
        ('{"op":"start","id":"a","thread_id":5,"x":' + "[" * 100_000, "invalid_frame", None),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_code_and_the_id_if_there_is_one(
    text: Any, code: Any, name: Any
) -> None:
    refused = READER.read(text, LIMIT)

    assert isinstance(refused, BadFrame)
    assert (refused.code, refused.id) == (code, name)


def test_refusal_is_a_frame_with_the_id_if_there_is_one() -> None:
    refused = Refused("internal", "broken", "a", "e1")

    assert json.loads(refused.text()) == {
        "id": "a",
        "error": {"code": "internal", "message": "broken", "error_id": "e1"},
    }
    assert "id" not in json.loads(Refused("binary", "no").text())


@pytest.mark.parametrize("text", ["x" * 101, "\u20ac" * 40])
def test_a_frame_above_the_limit_is_refused_by_its_bytes(text: Any) -> None:
    refused = READER.read(json.dumps(text, ensure_ascii=False), 100)

    assert isinstance(refused, BadFrame)
    assert refused.code == "too_large"


def test_a_frame_at_the_limit_is_read() -> None:
    text = '{"op":"cancel","id":"\u20ac"}'

    assert READER.read(text, len(text.encode())) == Cancel(id="\u20ac")


def test_a_batch_is_one_frame_of_whole_events() -> None:
    events = short_run("caf\u00e9\n", "\u2028")

    (text,) = pack('a"b', events, LIMIT)

    assert json.loads(text)["id"] == 'a"b'
    assert [decode_event(json.dumps(e)) for e in json.loads(text)["events"]] == events


def test_a_batch_above_the_limit_is_split_between_events_in_order() -> None:
    events = short_run(*(str(n) * 20 for n in range(10)))

    texts = list(pack("a", events, 1000))

    assert len(texts) > 2
    assert all(len(text.encode()) <= 1000 for text in texts)
    seqs = [event["seq"] for text in texts for event in json.loads(text)["events"]]
    assert seqs == [event.seq for event in events]


def test_one_event_above_the_limit_goes_whole_in_a_frame_of_its_own() -> None:
    events = short_run("x" * 2000)

    counts = [len(json.loads(text)["events"]) for text in pack("a", events, 1000)]

    assert sum(counts) == len(events)
    assert any(len(text) > 2000 for text in pack("a", events, 1000))


def test_no_events_give_no_frame() -> None:
    assert list(pack("a", [], LIMIT)) == []
