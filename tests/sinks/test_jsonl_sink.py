from __future__ import annotations

import io
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from langchain_streamkit.errors import SinkError, StreamUsageError
from langchain_streamkit.events import decode_event
from langchain_streamkit.jsonl import read_jsonl
from langchain_streamkit.sinks import JSONLSink
from tests.wire.story import Story, short_run

EVENTS = short_run("caf\u00e9\n", "\u2028 line", "\U0001f600")


@pytest.fixture
def path(tmp_path: Any) -> Any:
    return tmp_path / "run.jsonl"


def write(path: Any, events: Any) -> None:
    sink = JSONLSink(path)
    sink.send(events)
    sink.close()


def test_one_event_a_line_and_read_jsonl_reads_them_again(path: Any) -> None:
    sink = JSONLSink(path)
    sink.send(EVENTS[:3])
    sink.send(EVENTS[3:])
    sink.close()

    assert list(read_jsonl(path)) == EVENTS
    assert path.read_bytes().count(b"\n") == len(EVENTS)


def test_what_was_sent_is_readable_before_the_sink_is_closed(path: Any) -> None:
    sink = JSONLSink(path)
    sink.send(EVENTS[:2])

    assert list(read_jsonl(path)) == EVENTS[:2]
    sink.close()


def test_nothing_is_made_before_the_first_event(path: Any) -> None:
    JSONLSink(path).close()

    assert not path.exists()


def test_a_sink_appends_to_what_is_there_and_may_be_used_again_after_close(path: Any) -> None:
    for _ in range(2):
        sink = JSONLSink(path)
        for _ in range(2):
            sink.send(EVENTS)
            sink.close()

    assert list(read_jsonl(path)) == EVENTS * 4


def test_without_append_the_file_is_emptied_once(path: Any) -> None:
    path.write_text("old\n")
    sink = JSONLSink(path, append=False)
    sink.send(EVENTS)
    sink.close()
    sink.send(EVENTS)
    sink.close()

    assert list(read_jsonl(path)) == EVENTS * 2


def test_runs_in_several_threads_share_a_file(path: Any) -> None:
    sinks = [JSONLSink(path)] * 2 + [JSONLSink(path)]
    stories = [Story(f"run-{n}") for n in range(6)]
    runs = [[story.delta("x" * 3000) for _ in range(100)] for story in stories]

    def work(sink: Any, events: Any) -> None:
        for event in events:
            sink.send([event])

    workers = [
        threading.Thread(target=work, args=(sinks[n % 3], events)) for n, events in enumerate(runs)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for sink in sinks:
        sink.close()

    got = list(read_jsonl(path))
    for story, run in zip(stories, runs, strict=True):
        assert [event for event in got if event.run_id == story.run_id] == run


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let files grow to ``size`` and no further, as a full disk does: a write falls short.

    It holds for all files of the process, so also for where the test run's own output may go:
    lifted again before anything else is written.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_that_names_the_file_and_keeps_whole_events(path: Any) -> None:
    sink = JSONLSink(path)
    sink.send(EVENTS[:2])
    line = len(EVENTS[2].to_json()) + 1

    with (
        pytest.raises(SinkError, match=r"run.jsonl: .*; 1 of 3 events are in the file"),
        full_disk(path.stat().st_size + line + 20),
    ):
        sink.send(EVENTS[2:5])

    assert list(read_jsonl(path)) == EVENTS[:3]
    assert path.read_bytes().endswith(b"\n")


def test_after_a_full_disk_later_events_are_on_lines_of_their_own(path: Any) -> None:
    sink = JSONLSink(path)
    with pytest.raises(SinkError), full_disk(50):
        sink.send(EVENTS[:2])

    sink.send(EVENTS[2:])
    sink.close()

    assert list(read_jsonl(path)) == EVENTS[2:]


def test_a_half_line_that_cannot_be_cut_off_is_ended_before_the_next(
    path: Any, monkeypatch: Any
) -> None:
    path.write_bytes(EVENTS[0].to_json()[:30])

    def unreadable(path: Any, mode: Any) -> None:
        raise PermissionError(mode)

    monkeypatch.setattr(Path, "open", unreadable)
    write(path, EVENTS[1:])
    monkeypatch.undo()

    half, *lines = path.read_bytes().splitlines()
    assert EVENTS[0].to_json().startswith(half)
    assert [decode_event(line) for line in lines] == EVENTS[1:]


def test_a_device_without_room_is_an_error() -> None:
    with pytest.raises(SinkError, match="/dev/full: No space left on device; 0 of 9 events"):
        JSONLSink("/dev/full").send(EVENTS)


def test_half_an_event_left_by_a_crash_is_cut_off(path: Any) -> None:
    path.write_bytes(EVENTS[0].to_json() + b"\n" + EVENTS[1].to_json()[:30])

    write(path, EVENTS[2:])

    assert list(read_jsonl(path)) == [EVENTS[0], *EVENTS[2:]]


def test_half_an_event_larger_than_a_block_is_cut_off(path: Any) -> None:
    big = Story().delta("x" * 200_000).to_json()
    path.write_bytes(EVENTS[0].to_json() + b"\n" + big[:-10])

    write(path, EVENTS[2:])

    assert list(read_jsonl(path)) == [EVENTS[0], *EVENTS[2:]]


def test_a_whole_event_without_a_line_break_is_kept(path: Any) -> None:
    path.write_bytes(EVENTS[0].to_json())

    write(path, EVENTS[1:])

    assert list(read_jsonl(path)) == EVENTS


@pytest.mark.parametrize("foreign", [b"my notes, unfinished", b"\n", b"", b"# title\n"])
def test_what_is_not_ours_is_never_cut(path: Any, foreign: Any) -> None:
    path.write_bytes(foreign)

    write(path, EVENTS[:1])

    lines = path.read_bytes()
    assert lines.startswith(foreign)
    assert decode_event(lines.splitlines()[-1]) == EVENTS[0]


# ---- open files ----------------------------------------------------------------------------------


def test_an_open_text_file_is_flushed_and_left_open(path: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        sink = JSONLSink(file)
        sink.send(EVENTS)
        assert list(read_jsonl(path)) == EVENTS
        sink.close()
        assert not file.closed


@pytest.mark.parametrize("buffering", [0, -1])
def test_an_open_binary_file_is_written_whole(path: Any, buffering: Any) -> None:
    with path.open("wb", buffering=buffering) as file:
        JSONLSink(file).send(EVENTS)
        assert list(read_jsonl(path)) == EVENTS


def test_a_string_buffer_will_do() -> None:
    text = io.StringIO()
    JSONLSink(text).send(EVENTS)

    assert len(text.getvalue().rstrip("\n").split("\n")) == len(EVENTS)


def test_a_closed_file_is_an_error() -> None:
    file = io.BytesIO()
    file.close()

    with pytest.raises(SinkError, match="could not write events to the file BytesIO"):
        JSONLSink(file).send(EVENTS)


def test_after_a_failed_write_an_open_file_goes_on_in_a_new_line() -> None:
    class Flaky(io.StringIO):
        fails = True

        def write(self, text: Any) -> Any:
            if self.fails:
                super().write(text[:20])
                raise OSError("no room")
            return super().write(text)

    file = Flaky()
    sink = JSONLSink(file)
    with pytest.raises(SinkError, match="no room"):
        sink.send(EVENTS[:1])
    file.fails = False
    sink.send(EVENTS[1:2])

    assert decode_event(file.getvalue().splitlines()[-1]) == EVENTS[1]


# ---- wrong paths ---------------------------------------------------------------------------------


def test_a_path_that_cannot_be_a_file_is_refused_at_once(tmp_path: Any) -> None:
    with pytest.raises(StreamUsageError, match="is a directory; pass the path of a file in it"):
        JSONLSink(tmp_path)
    with pytest.raises(StreamUsageError, match=r"there is no directory .*missing; create it first"):
        JSONLSink(tmp_path / "missing" / "run.jsonl")
    with pytest.raises(StreamUsageError, match="takes a path or an open file, not int"):
        JSONLSink(cast("Any", 5))
    with pytest.raises(StreamUsageError, match="append=False is for paths"):
        JSONLSink(io.StringIO(), append=False)


def test_a_path_that_became_a_directory_is_an_error(path: Any) -> None:
    sink = JSONLSink(path)
    path.mkdir()

    with pytest.raises(SinkError, match=r"could not open .*run.jsonl for events: Is a directory"):
        sink.send(EVENTS)
