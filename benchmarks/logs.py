"""The event log: how soon readers have what producers say, and what each store does in a second."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from benchmarks.delivering import Delivered, Load, deliver_between_two, deliver_in_one
from benchmarks.machine import Elsewhere
from benchmarks.redis_server import redis_server
from benchmarks.storing import Stored, measure_storing

TWO = "producers and readers in a process each"
ONE = "all in one process"


class LogSizes(NamedTuple):
    """How much is measured."""

    load: Load
    events: int
    """In the log that is read again."""
    singles: int
    rounds: int


class Live(NamedTuple):
    """One delivery, and the cores that others took of the machine meanwhile."""

    delivered: Delivered
    elsewhere: float | None


class Logs(NamedTuple):
    """Everything that was measured of the log; Redis is missing where it is not installed."""

    load: Load
    live: dict[str, Live]
    stored: dict[str, Stored]


def measure_logs(sizes: LogSizes) -> Logs:
    live = {where: _live(where, sizes.load) for where in (TWO, ONE)}
    stored = measure_storing(sizes.events, sizes.singles, sizes.rounds)
    return Logs(sizes.load, {where: one for where, one in live.items() if one}, stored)


def _live(where: str, load: Load) -> Live | None:
    elsewhere = Elsewhere()
    with redis_server() as url:
        if url is None:
            return None
        if where == TWO:
            delivered = deliver_between_two(url, load)
        else:
            delivered = asyncio.run(deliver_in_one(url, load))
    return Live(delivered, elsewhere.cores())
