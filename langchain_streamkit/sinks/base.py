"""What a sink is, and what may be given where a sink is taken.

``Sink`` is the whole contract; ``as_sink`` turns a function, a queue or a path into one.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import queue
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, cast

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import Event
from langchain_streamkit.tokens.ledger import Ledger


class Sink(Protocol):
    """Somewhere events go; both methods may be plain or ``async``.

    Guarantees to a sink: ``send`` gets every event of a run once, in order of ``seq``, in batches
    of at least one; calls never overlap within one run, and an awaitable that was returned is
    awaited before the next call. ``close`` is called once for each attachment (one ``astream``,
    one ``with_sinks`` run, one handler) after the last terminal event: nothing more comes from
    there. One sink may serve several runs, at the same time and from several threads: their
    events are told apart by ``run_id``.

    What a sink raises never reaches the run's own result: it becomes a ``diagnostic`` event, or
    ends the run where ``on_sink_error="raise"`` was asked; the sink gets no further events, but is
    closed. The sinks here raise ``SinkError``.
    """

    def send(self, events: Sequence[Event], /) -> Awaitable[None] | None:
        """Take events; do not keep the sequence, the events themselves never change."""
        ...

    def close(self) -> Awaitable[None] | None:
        """Learn that no more events come from this attachment."""
        ...


SinkLike: TypeAlias = (
    Sink
    | Callable[[Event], object]
    | asyncio.Queue[Any]
    | queue.Queue[Any]
    | queue.SimpleQueue[Any]
    | str
    | os.PathLike[str]
)
"""What is taken where a sink is: see ``as_sink``."""

_EXPECTED = (
    "pass a sink (an object with send(events) and close()), a plain or async function of one "
    "event, an asyncio.Queue, queue.Queue or queue.SimpleQueue, or a path for JSON lines"
)


def as_sink(target: SinkLike) -> Sink:
    """Return the sink that ``target`` is or stands for.

    A sink stays itself; a function becomes a ``CallbackSink``, a queue a ``QueueSink``, a ``str``
    or path a ``JSONLSink``. Raises ``StreamUsageError`` for anything else.
    """
    from langchain_streamkit.sinks.callback import CallbackSink
    from langchain_streamkit.sinks.jsonl import JSONLSink
    from langchain_streamkit.sinks.queue import QueueSink

    given = cast("object", target)
    if given is None:
        raise StreamUsageError(f"None is not a sink; leave it out, or {_EXPECTED}")
    if isinstance(given, (str, os.PathLike)):
        return JSONLSink(cast("str | os.PathLike[str]", given))
    if isinstance(given, (asyncio.Queue, queue.Queue, queue.SimpleQueue)):
        return QueueSink(cast("queue.Queue[Any]", given))
    if isinstance(given, type):
        raise StreamUsageError(
            f"{given.__name__} is a class, not a sink; pass an instance: {given.__name__}(...)"
        )
    if inspect.isgenerator(given) or inspect.iscoroutine(given):
        raise StreamUsageError(f"a {type(given).__name__} is not a sink; {_EXPECTED}")
    sends, closes = (callable(getattr(given, name, None)) for name in ("send", "close"))
    if sends and closes:
        return cast("Sink", given)
    if callable(given):
        return CallbackSink(given)
    name = type(given).__name__
    if sends or closes:
        has, lacks = ("send", "close") if sends else ("close", "send")
        raise StreamUsageError(f"{name} has {has}() but no {lacks}(): not a sink; {_EXPECTED}")
    if isinstance(given, list):
        raise StreamUsageError(f"a list is not a sink; pass its append method, or {_EXPECTED[5:]}")
    if callable(getattr(given, "write", None)):
        raise StreamUsageError(
            f"{name} is a file, not a sink; write JSONLSink(file) for JSON lines or "
            "ConsoleSink(file) for text to read"
        )
    raise StreamUsageError(f"{name} is not a sink; {_EXPECTED}")


def apart(sinks: Iterable[Sink]) -> tuple[list[Ledger], list[Sink]]:
    """The ledgers, which a run gives its records themselves, and the others."""
    ledgers: list[Ledger] = []
    others: list[Sink] = []
    for sink in sinks:
        if isinstance(sink, Ledger):
            ledgers.append(sink)
        else:
            others.append(sink)
    return ledgers, others


def as_sinks(sinks: Iterable[SinkLike] | SinkLike) -> list[Sink]:
    """One sink or several, as sinks. Raises ``StreamUsageError`` for what is none."""
    if isinstance(sinks, (list, tuple, set, frozenset)):
        return [as_sink(sink) for sink in cast("Iterable[SinkLike]", sinks)]
    return [as_sink(cast("SinkLike", sinks))]
