"""Events read back from a file with one JSON event a line, as ``JSONLSink`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.events import UnknownEventError, decode_event

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from langchain_streamkit.events import Event


def read_jsonl(path: str | os.PathLike[str]) -> Iterator[Event]:
    """Yield the events of a file, in its order.

    A last line that has no line break and is not a whole event was cut by a crash of the writer,
    and is left out. Empty lines and events of a newer version's types are skipped. Raises
    ``StreamError`` with the line number for any other line that is not an event, and ``OSError``
    when the file cannot be read.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                event = decode_event(line)
            except UnknownEventError:
                continue
            except StreamUsageError as exc:
                if not line.endswith(b"\n"):
                    return
                raise StreamError(
                    f"{path}, line {number}: {exc}. Remove the line, or read the part before it."
                ) from exc
            yield event
