from __future__ import annotations

import io
import threading
from typing import Any

import pytest

from langchain_streamkit.sinks import ConsoleSink, JSONLSink
from tests.wire.story import short_run


class OneAtATime(io.StringIO):
    """Holds its first writer until told to go on, and notices a second one meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.second = threading.Event()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        if self.entered.is_set() and not self.go_on.is_set():
            self.second.set()
        self.entered.set()
        self.go_on.wait(10)
        return super().write(text)


@pytest.mark.parametrize("made", [ConsoleSink, JSONLSink])
def test_threads_that_share_a_sink_write_one_after_the_other(made: Any) -> None:
    file = OneAtATime()
    sink = made(file)
    workers = [
        threading.Thread(target=sink.send, args=(short_run(run_id=f"run-{n}"),)) for n in range(2)
    ]
    workers[0].start()
    assert file.entered.wait(10)
    workers[1].start()

    overlapped = file.second.wait(0.1)
    file.go_on.set()
    for worker in workers:
        worker.join(10)

    assert not overlapped
