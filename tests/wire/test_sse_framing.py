from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import TextDelta, decode_event
from langchain_streamkit.wire.sse import END, SSEFrames, encode_event, frame, opening
from tests.wire.story import Story


def test_an_event_is_its_seq_and_its_json_in_an_unnamed_frame() -> None:
    event = Story().delta("hi")

    assert encode_event(event) == b"id: 1\ndata: " + event.to_json() + b"\n\n"


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\u2028b", "a\u2029b", "a\x0bb", "a\x85b"])
def test_no_text_breaks_a_frame_into_lines_of_the_format(text: Any) -> None:
    event = Story().delta(text)

    data = encode_event(event)

    body = data.removesuffix(b"\n\n")
    assert b"\r" not in data
    assert body.count(b"\n") == 1
    assert decode_event(body.split(b"data: ", 1)[1]) == event


def test_unicode_line_separator_is_not_split() -> None:
    assert (
        frame("a\u2028b\x0bc\x85d".encode()) == b"data: " + "a\u2028b\x0bc\x85d".encode() + b"\n\n"
    )


def test_line_breaks_in_data_become_further_data_lines() -> None:
    assert frame(b"a\r\nb\rc\nd\n") == b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"


def test_a_frame_may_have_an_id_and_an_event_name() -> None:
    assert frame(b"x", event_id="7-3", event="tick") == b"id: 7-3\nevent: tick\ndata: x\n\n"


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("field", ["event_id", "event"])
def test_cr_lf_and_nul_in_an_id_or_event_name_are_refused(field: Any, bad: Any) -> None:
    with pytest.raises(StreamUsageError, match="take out CR, LF and NUL"):
        frame(b"x", **{field: bad})


def test_the_first_bytes_are_a_comment_and_the_retry_time() -> None:
    assert opening() == b": ok\n\n"
    assert opening(2000) == b": ok\n\nretry: 2000\n\n"


def test_the_end_frame_is_named_and_has_data_so_that_browsers_dispatch_it() -> None:
    assert END.startswith(b"event: end\n")
    assert json.loads(END.split(b"data: ")[1]) == {}


_TEXT = st.text() | st.sampled_from(["%", '","ts":0,"', '"seq":0,', "\ud83d", "a\\"])


@given(
    name=st.fixed_dictionaries({"run_id": _TEXT, "step_id": _TEXT, "message_id": _TEXT}),
    path=st.lists(_TEXT, max_size=2),
    index=st.integers(0, 300),
    first=_TEXT,
    deltas=st.lists(
        st.tuples(
            st.integers(1, 1 << 40),
            st.integers(0, 1 << 52),
            st.text(),
            st.none() | st.integers(0, 1 << 40),
        )
    ),
)
def test_further_deltas_of_a_block_make_the_frames_that_encode_makes(
    name: dict[str, str], path: list[str], index: int, first: str, deltas: Any
) -> None:
    block: dict[str, Any] = {**name, "path": tuple(path), "index": index}
    frames = SSEFrames()
    short = frames.of_text(TextDelta(seq=7, ts=7, text=first, tokens=7, **block))

    for seq, ts, text, tokens in deltas:
        event = TextDelta(seq=seq, ts=ts, text=text, tokens=tokens, **block)
        assert short(seq, ts, text, tokens) == frames.encode([event]) == encode_event(event)


def test_a_block_that_the_view_hides_makes_no_frames() -> None:
    story = Story()
    frames = SSEFrames("chat")
    frames.encode([story.message_start("m1", audience="internal")])

    assert frames.of_text(story.delta("hi"))(9, 9, " there", 3) == b""
