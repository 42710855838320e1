"""What the stores of the log do in a second: appends, awaited one by one or in batches, and replay.

Wall time, as a producer and a reader see it; with Redis in a process of its own beside this one.
"""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import aclosing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.redis_server import redis_server
from langchain_streamkit.events import TextDelta
from langchain_streamkit.log import open_log

if TYPE_CHECKING:
    from langchain_streamkit.log import EventLog

BATCH = 64


class Stored(NamedTuple):
    """Of one store."""

    single: float
    """Appends a second, of one producer that awaits each."""
    batched: float
    """Events a second, appended in batches of ``BATCH``."""
    replay_s: float
    """Seconds to read a log of ``events`` from its beginning to its end."""
    events: int


def measure_storing(events: int, singles: int, rounds: int) -> dict[str, Stored]:
    """Measure each store; without Redis where there is no redis-server."""
    with TemporaryDirectory() as folder, redis_server() as redis:
        urls = {"memory": "memory://", "SQLite": f"sqlite:///{Path(folder) / 'runs.db'}"}
        if redis is not None:
            urls["Redis"] = redis
        return {
            name: asyncio.run(_store(url, events, singles, rounds)) for name, url in urls.items()
        }


async def _store(url: str, events: int, singles: int, rounds: int) -> Stored:
    async with open_log(url, ttl_s=60) as log:
        data = _events(events)
        single = [await _append(log, f"single-{n}", data[:singles], 1) for n in range(rounds)]
        batched = [await _append(log, f"batched-{n}", data, BATCH) for n in range(rounds)]
        replays = [await _replay(log, f"batched-{n}", events) for n in range(rounds)]
        return Stored(singles / median(single), events / median(batched), median(replays), events)


def _events(count: int) -> list[bytes]:
    return [
        TextDelta(
            seq=seq,
            run_id="run-1",
            ts=1_764_000_000_000 + seq,
            path=("agent",),
            step_id="model",
            message_id="message-1",
            index=0,
            text=" token",
        ).to_json()
        for seq in range(1, count + 1)
    ]


async def _append(log: EventLog, name: str, events: list[bytes], size: int) -> float:
    """Seconds."""
    writer = await log.open(name)
    gc.collect()
    begun = time.perf_counter()
    for at in range(0, len(events), size):
        await writer.append(events[at : at + size])
    took = time.perf_counter() - begun
    await writer.finish()
    return took


async def _replay(log: EventLog, name: str, events: int) -> float:
    """Seconds until the last one is read."""
    gc.collect()
    read = 0
    begun = time.perf_counter()
    async with aclosing(log.tail(name)) as tail:
        async for batch in tail:
            read += len(batch)
    took = time.perf_counter() - begun
    assert read == events, (name, read, events)
    return took
