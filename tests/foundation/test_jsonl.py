"""Events come back from a file as they went in, a crash in mid-line included."""

from __future__ import annotations

from pathlib import Path

import pytest

from langchain_streamkit.errors import StreamError
from langchain_streamkit.jsonl import read_jsonl
from tests.foundation.samples import SAMPLES, whole_run


def test_events_come_back_equal_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(e.to_json() + b"\n" for e in SAMPLES.values()))
    assert list(read_jsonl(path)) == list(SAMPLES.values())
    assert list(read_jsonl(str(path))) == list(SAMPLES.values())


def test_last_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    events = whole_run()
    whole = b"".join(e.to_json() + b"\n" for e in events[:2])
    last = events[2].to_json()
    for cut in range(1, len(last)):
        path.write_bytes(whole + last[:cut])
        assert list(read_jsonl(path)) == events[:2]


def test_last_line_that_only_lacks_its_line_break_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"\n".join(e.to_json() for e in whole_run()))
    assert list(read_jsonl(path)) == whole_run()


@pytest.mark.parametrize("broken", [b'{"type":"run.st\n', b"[1]\n", b"\xff\n", b"null\n"])
def test_broken_line_in_the_middle_is_named(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "run.jsonl"
    events = whole_run()
    path.write_bytes(events[0].to_json() + b"\n" + broken + events[1].to_json() + b"\n")
    reader = read_jsonl(path)
    assert next(reader) == events[0]
    with pytest.raises(StreamError, match=r"run\.jsonl, line 2: .* is not an event"):
        next(reader)


def test_empty_lines_and_types_of_a_newer_version_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    first = whole_run()[0]
    path.write_bytes(b'\n{"type":"hologram.started","seq":1}\n \r\n' + first.to_json() + b"\r\n")
    assert list(read_jsonl(path)) == [first]


def test_missing_file_is_the_usual_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_jsonl(tmp_path / "none.jsonl"))
