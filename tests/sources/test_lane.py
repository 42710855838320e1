"""The short way of plain text gives what the long way gives, whenever the reader comes."""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit.events import (
    Event,
    ReasoningFinished,
    TextFinished,
    ToolCallFinished,
    decode_event,
)
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.runs.sequencer import Sequencer
from langchain_streamkit.snapshot import RunSnapshot
from langchain_streamkit.sources.lane import Lanes
from langchain_streamkit.sources.normaliser import Normaliser
from langchain_streamkit.sources.piece_types import ReasoningPiece, ToolPiece, UsagePiece
from langchain_streamkit.sources.signals import ModelEnd, ModelStart, Token
from langchain_streamkit.sources.usage import TokenCounts
from langchain_streamkit.testing import RecordingSink, assert_legal
from langchain_streamkit.wire.sse import SSEFrames

WAIT_S = 30.0


class Line:
    """A run of one or more models, fed by hand."""

    def __init__(self, models: int = 1, sink: RecordingSink | None = None) -> None:
        self.models = [uuid4() for _ in range(models)]
        self.normaliser = Normaliser(self.models[0])
        self.snapshot = RunSnapshot()
        self.sequencer = Sequencer(
            self.normaliser,
            self.snapshot,
            Outlets([sink] if sink else [], _unexpected, self),
            keep=None,
            max_unread=10_000,
            on_overflow=_unexpected,
            on_transform_error=_unexpected,
        )
        self.events: list[Event] = []
        self.frames = SSEFrames("all")
        self.sequencer.begin(1, "models", None, {})
        for model in self.models:
            parent = None if model is self.models[0] else self.models[0]
            self.sequencer.push(ModelStart(1, model, parent, "model"))

    def say(self, pieces: Any, model: int = 0) -> None:
        """A chunk, by the way that callbacks take."""
        run_id = self.models[model]
        self.sequencer.lanes.token(run_id, f"message-{model}", pieces)

    def say_long(self, pieces: Any, model: int = 0) -> None:
        """A chunk, never by the short way."""
        self.sequencer.push(Token(1, self.models[model], f"message-{model}", pieces))

    def take(self) -> None:
        self.events += self.sequencer.take()

    def take_frames(self) -> None:
        """Read as ``sse_bytes`` does."""
        data = self.sequencer.encoded(self.frames)
        for frame in filter(None, data.split(b"\n\n")):
            self.events.append(decode_event(frame.partition(b"\ndata: ")[2]))

    def end(self) -> list[Event]:
        """Every event of the run, which ends now."""
        for model in reversed(self.models):
            self.sequencer.push(ModelEnd(2, model, None))
        self.sequencer.conclude(lambda normaliser: normaliser.finish(3, None))
        self.take()
        assert_legal(self.events)
        return self.events

    def text(self, model: int = 0) -> str:
        return "".join(
            event.text
            for event in self.events
            if event.type == "text.delta" and event.message_id == f"message-{model}"
        )


def _unexpected(*given: Any) -> None:
    raise AssertionError(given)


def contents(events: list[Event]) -> list[Any]:
    """What the blocks of a stream say, whatever merged."""
    return [
        (event.type, event.message_id, event.index, getattr(event, "text", None))
        for event in events
        if isinstance(event, (TextFinished, ReasoningFinished, ToolCallFinished))
    ]


def unnamed(event: Event) -> dict[str, Any]:
    """The event without what differs between two runs: ids, times."""
    left_out = {"run_id", "step_id", "ts", "timing", "usage"}
    return {key: value for key, value in event.to_dict().items() if key not in left_out}


WORDS = st.sampled_from(["a", "word ", "", "é", "\ud83d", "\ude00", "日本"])
RICH = st.sampled_from(
    [
        (ReasoningPiece("thought", "hm "),),
        (ToolPiece("0", "call-1", "look", '{"a": 1}'),),
        (ToolPiece("1", "call-2", "look", "{}"),),
    ]
)
STEPS = st.lists(st.tuples(st.just("say"), WORDS | RICH) | st.tuples(st.just("take"), st.none()))


@given(STEPS)
def test_whenever_it_is_read_the_blocks_are_those_of_the_long_way(steps: list[Any]) -> None:
    short, long = Line(), Line()
    for what, pieces in steps:
        if what == "take":
            short.take()
        else:
            short.say(pieces)
            long.say_long(pieces)
    assert contents(short.end()) == contents(long.end())


@given(STEPS, st.sets(st.integers(0, 20)))
def test_whenever_its_frames_are_read_they_are_the_events(
    steps: list[Any], settled: set[int]
) -> None:
    framed, plain = Line(), Line()
    for number, (what, pieces) in enumerate(steps):
        if number in settled:  # someone looks at the snapshot
            framed.sequencer.settle()
            plain.sequencer.settle()
        if what == "take":
            framed.take_frames()
            plain.take()
        else:
            framed.say(pieces)
            plain.say(pieces)
    framed.take_frames()
    plain.take()
    assert [unnamed(event) for event in framed.end()] == [unnamed(e) for e in plain.end()]
    assert framed.snapshot.text == plain.snapshot.text


@given(STEPS)
def test_a_sink_gets_the_blocks_of_the_long_way_too(steps: list[Any]) -> None:
    sink = RecordingSink()
    short, long = Line(sink=sink), Line()
    for what, pieces in steps:
        if what == "say":
            short.say(pieces)
            long.say_long(pieces)
    short.end()
    assert contents(list(sink.events)) == contents(long.end())


def test_text_that_is_read_as_it_comes_is_a_delta_a_piece() -> None:
    line = Line()
    for piece in ("one ", "two ", "three"):
        line.say(piece)
        line.take()
    assert [e.text for e in line.events if e.type == "text.delta"] == ["one ", "two ", "three"]


def test_text_that_nobody_reads_is_one_delta() -> None:
    line = Line()
    for _ in range(1_000):
        line.say("word ")
    line.end()
    assert [e.text for e in line.events if e.type == "text.delta"] == ["word " * 1_000]


def test_unread_text_stays_before_what_was_said_after_it() -> None:
    line = Line()
    line.say("one ")
    line.take()
    line.say("two ")  # by the lane
    line.say((ReasoningPiece("thought", "hm"),))
    line.say((ReasoningPiece("thought", "hm"),))
    line.take()
    line.say("three")
    finished = [
        (event.type, event.text)
        for event in line.end()
        if isinstance(event, (TextFinished, ReasoningFinished))
    ]
    assert finished == [
        ("text.finished", "one two "),
        ("reasoning.finished", "hmhm"),
        ("text.finished", "three"),
    ]


def test_the_snapshot_has_the_text_that_was_read_so_far() -> None:
    line = Line()
    for piece in ("one ", "two ", "three"):
        line.say(piece)
        line.take()
        assert line.snapshot.live_text == line.text()


def test_a_lane_is_short_while_nothing_waits_before_its_text() -> None:
    line = Line(models=2)
    sequencer, (one, other) = line.sequencer, line.models

    def is_short() -> bool:
        return sequencer.short_of(other) is not None and sequencer.short is not None

    line.say("one ")
    line.say("two ", 1)
    assert not is_short()  # its start waits
    line.take()
    assert is_short()
    assert sequencer.short_of(uuid4()) is None
    assert is_short()
    line.say("three ")
    assert sequencer.short is None
    assert not is_short()
    line.sequencer.settle()  # as whoever looks at the snapshot does
    assert not is_short()
    line.take()
    with sequencer._lock:  # another thread makes events
        assert not is_short()
    assert is_short()
    sequencer.push(ModelEnd(2, one, None))
    assert not is_short()
    line.take()
    assert is_short()
    line.end()
    assert sequencer.short is None


def test_text_after_the_end_of_its_model_is_late() -> None:
    line = Line(models=2)
    line.say("one ", 1)
    line.take()
    line.say("two ", 1)
    line.sequencer.push(ModelEnd(2, line.models[1], None))
    line.say("three", 1)
    line.take()
    line.say("four", 1)
    line.take()
    assert line.text(1) == "one two three"  # which was said before anybody had read the end
    assert line.normaliser.late == 1


def test_a_refusing_line_refuses_text_that_had_a_lane() -> None:
    class Refused(Exception):
        pass

    def refuse(token: Token) -> None:
        raise Refused

    line = Line()
    line.say("one ")
    line.take()
    line.sequencer.lanes.refuse(refuse)
    with pytest.raises(Refused):
        line.say("two ")
    line.take()
    with pytest.raises(Refused):
        line.say("three")


def test_ids_that_are_equal_but_not_the_same_object_take_the_long_way() -> None:
    line = Line()
    line.say("one ")
    line.take()
    twin = UUID(str(line.models[0]))
    line.sequencer.lanes.token(twin, "message-0", "two")
    line.end()
    assert line.text() == "one two"


@pytest.mark.parametrize("sink", [None, RecordingSink()], ids=["reader", "sink"])
def test_threads_that_talk_while_another_reads_lose_and_mix_nothing(
    sink: RecordingSink | None,
) -> None:
    models, pieces = 4, 5_000
    line = Line(models=models, sink=sink)
    begin = threading.Barrier(models + 1)

    def talk(model: int) -> None:
        begin.wait(WAIT_S)
        for n in range(pieces):
            line.say(f"{n} ", model)

    talkers = [threading.Thread(target=talk, args=(n,)) for n in range(models)]
    for talker in talkers:
        talker.start()
    begin.wait(WAIT_S)
    while any(talker.is_alive() for talker in talkers):
        line.take()
    for talker in talkers:
        talker.join(WAIT_S)
    line.end()
    expected = "".join(f"{n} " for n in range(pieces))
    for model in range(models):
        assert line.text(model) == expected
    assert line.normaliser.late == 0


def test_text_keeps_its_place_when_the_reader_is_slow_to_open_its_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = Lanes.open

    def slow(self: Lanes, lane: Any) -> None:
        time.sleep(0.0002)  # widens the window in which the model's thread may come in between
        opened(self, lane)

    monkeypatch.setattr(Lanes, "open", slow)
    usage = (UsagePiece(TokenCounts(1, 1, 2)),)
    script: list[Any] = ["a"]
    for n in range(60):
        script += [usage] * (1 + n % 4)
        script += [f"s{n}.{k} " for k in range(n % 5)]
        script += [(ReasoningPiece("thought", f"<r{n}> "),), f"t{n} "]
    for _ in range(10):
        line = Line()
        talker = threading.Thread(target=lambda line=line: [line.say(one) for one in script])
        talker.start()
        while talker.is_alive():
            line.take()
        said = [text for _, _, _, text in contents(line.end())]
        assert "".join(said) == "".join(
            one if isinstance(one, str) else getattr(one[0], "text", "") for one in script
        )
