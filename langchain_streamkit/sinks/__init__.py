"""Where events go: queues, functions, files, a terminal; ``base.py`` holds the contract."""

from __future__ import annotations

from langchain_streamkit.sinks.base import Sink, SinkLike, as_sink
from langchain_streamkit.sinks.callback import CallbackSink
from langchain_streamkit.sinks.console import ConsoleSink
from langchain_streamkit.sinks.jsonl import JSONLSink
from langchain_streamkit.sinks.queue import QueueEnd, QueueSink

__all__ = [
    "CallbackSink",
    "ConsoleSink",
    "JSONLSink",
    "QueueEnd",
    "QueueSink",
    "Sink",
    "SinkLike",
    "as_sink",
]
