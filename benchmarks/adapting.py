"""What ``adapt`` costs for each token, beyond reading the stream that it adapts.

The stream is the events v2 of an agent, recorded and played again with a turn of the loop before
each, as they come when they are live. Played live they cost thirty times what is measured here, and
their noise as much as all of it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from benchmarks.workloads import agent
from langchain_streamkit import adapt, sse_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

Items: TypeAlias = "Sequence[Any]"


class Adapting(NamedTuple):
    """CPU microseconds per token beyond iterating: to the bytes of a response, and to events."""

    to_bytes: float
    to_events: float


def measure_adapting(tokens: int, rounds: int) -> Adapting:
    """Measure in turns; of each round the difference, of the rounds the median."""
    with asyncio.Runner() as runner:
        items = runner.run(_recorded(tokens))
        taken = [runner.run(_round(items, tokens)) for _ in range(rounds + 1)][1:]
    return Adapting(median(one.to_bytes for one in taken), median(one.to_events for one in taken))


async def _recorded(tokens: int) -> Items:
    work = agent(tokens)
    return [item async for item in work.runnable.astream_events(work.input, version="v2")]


async def _played(items: Items) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item


async def _round(items: Items, tokens: int) -> Adapting:
    alone = await _cost(_iterate, items, tokens)
    to_bytes = await _cost(_to_bytes, items, tokens)
    to_events = await _cost(_to_events, items, tokens)
    return Adapting(to_bytes - alone, to_events - alone)


async def _cost(
    read: Callable[[Items], Coroutine[Any, Any, None]], items: Items, tokens: int
) -> float:
    gc.collect()
    begun = time.process_time()
    await read(items)
    return (time.process_time() - begun) * 1e6 / tokens


async def _iterate(items: Items) -> None:
    async for _ in _played(items):
        pass


async def _to_bytes(items: Items) -> None:
    async for _ in sse_bytes(adapt(_played(items))):
        pass


async def _to_events(items: Items) -> None:
    async for _ in adapt(_played(items)):
        pass
