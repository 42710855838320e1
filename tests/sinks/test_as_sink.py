from __future__ import annotations

import asyncio
import functools
import io
import queue
from pathlib import Path
from typing import Any

import pytest

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.sinks import CallbackSink, ConsoleSink, JSONLSink, QueueSink, as_sink
from tests.wire.story import short_run


class MySink:
    def send(self, events: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Half:
    def send(self, events: Any) -> None:
        pass


def test_a_sink_stays_itself() -> None:
    for sink in (MySink(), ConsoleSink(), CallbackSink(print)):
        assert as_sink(sink) is sink


@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue, queue.SimpleQueue, queue.LifoQueue])
def test_a_queue_becomes_a_queue_sink(made: Any) -> None:
    assert isinstance(as_sink(made()), QueueSink)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_becomes_a_jsonl_sink(tmp_path: Any, kind: Any) -> None:
    path = tmp_path / "run.jsonl"
    sink = as_sink(kind(path))
    sink.send(short_run())
    sink.close()

    assert isinstance(sink, JSONLSink)
    assert path.read_bytes().count(b"\n") == len(short_run())


async def async_function(event: Any) -> None:
    pass


@pytest.mark.parametrize("function", [print, [].append, async_function, functools.partial(print)])
def test_a_function_becomes_a_callback_sink(function: Any) -> None:
    assert isinstance(as_sink(function), CallbackSink)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (5, "int is not a sink; pass a sink"),
        (None, "None is not a sink; leave it out, or pass a sink"),
        (QueueSink, r"QueueSink is a class, not a sink; pass an instance: QueueSink\(...\)"),
        (Half(), r"Half has send\(\) but no close\(\): not a sink"),
        ([], "pass its append method"),
        (io.StringIO(), r"has close\(\) but no send\(\)"),
        ((n for n in ""), "a generator is not a sink"),
    ],
)
def test_anything_else_is_refused_with_what_to_pass(wrong: Any, said: Any) -> None:
    with pytest.raises(StreamUsageError, match=said):
        as_sink(wrong)
