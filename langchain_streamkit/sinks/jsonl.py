"""Events to a file, one JSON object a line, to be read again with ``read_jsonl``."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import msgspec

from langchain_streamkit.errors import SinkError, StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event

_HEAD = b'{"type":"'
"""How every event begins: what does not is not ours to cut."""
_ENCODER = msgspec.json.Encoder()


class JSONLSink:
    """Append events to a file as JSON lines (UTF-8), handed to the system on every send.

    ``path_or_file`` is a path, whose directory must exist, or a file open for writing, text or
    binary, which is flushed but not closed. ``append=False`` empties the path at the first event
    (not again when the sink is used for a further run).

    Several runs and threads may share one sink: lines never mix. Several sinks, or processes, may
    append to one path: each batch is one write at the end of the file.

    A write that fails (a full disk) raises ``SinkError`` naming the file. The lines that were
    written whole stay, the half one is cut off, and later events go on a line of their own. So is
    half an event that a crash left at the end of the path (``read_jsonl`` leaves it out as well).

    Writing blocks the thread, and so an event loop, as long as the disk takes.
    Raises ``StreamUsageError`` for a path that cannot be a file and for a file not writable.
    """

    def __init__(
        self, path_or_file: str | os.PathLike[str] | IO[str] | IO[bytes], *, append: bool = True
    ) -> None:
        self._lock = threading.Lock()
        self._out: _PathLines | _FileLines
        if isinstance(path_or_file, (str, os.PathLike)):
            self._out = _PathLines(Path(path_or_file), empty_first=not append)
        elif callable(getattr(path_or_file, "write", None)):
            if not append:
                raise StreamUsageError(
                    "append=False is for paths; an open file was opened with its own mode"
                )
            self._out = _FileLines(path_or_file)
        else:
            raise StreamUsageError(
                f"JSONLSink takes a path or an open file, not {type(path_or_file).__name__}"
            )

    def send(self, events: Sequence[Event]) -> None:
        """Write the events; returns when the system has them."""
        with self._lock:
            self._out.write(_ENCODER.encode_lines(events))

    def close(self) -> None:
        """Close what was opened here; a further ``send`` opens it again and appends."""
        with self._lock:
            self._out.close()


class _PathLines:
    """Lines at the end of a path; each call is one ``write`` of the system, if it takes it."""

    def __init__(self, path: Path, *, empty_first: bool) -> None:
        if path.is_dir():
            raise StreamUsageError(f"{path} is a directory; pass the path of a file in it")
        if not path.parent.is_dir():
            raise StreamUsageError(f"there is no directory {path.parent}; create it first")
        self._path = path
        self._empty_first = empty_first
        self._file: io.FileIO | None = None
        self._unbroken = False
        """The file ends in the middle of a line."""

    def write(self, data: bytes) -> None:
        try:
            file = self._file or self._open()
        except OSError as exc:
            raise SinkError(f"could not open {self._path} for events: {exc.strerror}") from exc
        events, broken = data.count(b"\n"), self._unbroken
        if broken:
            data = b"\n" + data
        done = 0
        try:
            while done < len(data):
                done += file.write(data[done:])
        except OSError as exc:
            kept = max(0, data[:done].count(b"\n") - broken)
            self.close()
            self._mend()
            raise SinkError(
                f"could not write to {self._path}: {exc.strerror}; {kept} of {events} events are "
                "in the file"
            ) from exc
        self._unbroken = False

    def _open(self) -> io.FileIO:
        if self._empty_first:
            self._path.write_bytes(b"")
            self._empty_first = False
        self._unbroken = self._mend()
        self._file = file = io.FileIO(self._path, "ab")
        return file

    def _mend(self) -> bool:
        """Cut off half an event at the end; True if the last line still has no line break."""
        if not self._path.is_file():
            return False  # not there yet, or a pipe or device
        try:
            with self._path.open("r+b") as file:
                start, tail = _last_line(file)
                if not tail:
                    return False
                ours = tail.startswith(_HEAD) or _HEAD.startswith(tail)
                if ours and not _is_json(tail):
                    file.truncate(start)
                    return False
        except OSError:
            pass  # may be written but not read: an empty line does no harm
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _last_line(file: IO[bytes]) -> tuple[int, bytes]:
    """Return where the line that has no line break begins, and its bytes, empty if none has."""
    start = file.seek(0, os.SEEK_END)
    tail = b""
    while start and b"\n" not in tail:
        step = min(start, 1 << 16)
        start = file.seek(start - step)
        tail = file.read(step) + tail
    cut = tail.rfind(b"\n") + 1
    return start + cut, tail[cut:]


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError:
        return False
    return True


class _FileLines:
    """Lines into a file that someone else opened and closes."""

    def __init__(self, file: IO[str] | IO[bytes]) -> None:
        self._file = file
        self._text = isinstance(file, io.TextIOBase) or hasattr(file, "encoding")
        self._torn = False

    def write(self, data: bytes) -> None:
        if self._torn:
            data = b"\n" + data
        self._torn = True
        try:
            if self._text:
                cast("IO[str]", self._file).write(data.decode())
            else:
                self._write_all(cast("IO[bytes]", self._file), data)
            self._file.flush()
        except (OSError, ValueError) as exc:  # ValueError: the file is closed, or cannot encode
            name: Any = getattr(self._file, "name", type(self._file).__name__)
            raise SinkError(f"could not write events to the file {name}: {exc}") from exc
        self._torn = False

    def _write_all(self, file: IO[bytes], data: bytes) -> None:
        """An unbuffered file may take less than it is given."""
        view = memoryview(data)
        while view:
            view = view[file.write(view) or len(view) :]

    def close(self) -> None:
        """Nothing to do: every send has flushed."""
