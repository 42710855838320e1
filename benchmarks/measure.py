"""CPU time per token of every route, measured in turns so that a noisy machine is fair to all.

Ratios are taken between samples of the same round and only then is the median taken: what slows
the machine for a while slows both sides of a ratio.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import NamedTuple, TypeAlias

from benchmarks.routes import FLOOR, OURS, ROUTES, routes_for
from benchmarks.workloads import WORKLOADS

Progress: TypeAlias = Callable[[str], None]


class Samples(NamedTuple):
    """CPU microseconds per token of each route of one workload, by round."""

    tokens: int
    by_route: Mapping[str, list[float]]

    def per_token(self, route: str) -> float:
        """The median, in microseconds of CPU time."""
        return median(self.by_route[route])

    def ratio(self, route: str, base: str) -> float:
        """The median over the rounds of ``route`` divided by ``base`` of the same round."""
        pairs = zip(self.by_route[route], self.by_route[base], strict=True)
        return median(one / other for one, other in pairs)


def measure(
    tokens: int, rounds: int, names: Iterable[str] = tuple(WORKLOADS), *, tell: Progress
) -> dict[str, Samples]:
    """Measure every route of the workloads, in another order each round: what a route leaves behind
    (memory, caches) is then nobody's in particular.
    """
    taken: dict[str, dict[str, list[float]]] = {}
    with asyncio.Runner() as runner:
        for turn in range(-1, rounds):  # the first one imports and fills caches
            for name in names:
                runner.run(_round(name, tokens, turn, taken.setdefault(name, {})))
            tell(f"round {turn + 1} of {rounds}")
    return {name: Samples(tokens, by_route) for name, by_route in taken.items()}


async def _round(name: str, tokens: int, turn: int, taken: dict[str, list[float]]) -> None:
    routes = routes_for(name)
    random.Random(turn).shuffle(routes)
    for route in routes:
        cost = await sample(name, route, tokens)
        if turn >= 0:
            taken.setdefault(route, []).append(cost)


async def sample(name: str, route: str, tokens: int) -> float:
    """Run one workload once by one route; CPU microseconds per token, the set-up of the run
    included, that of the graph not."""
    work = WORKLOADS[name][1](tokens)
    gc.collect()
    begun = time.process_time()
    await ROUTES[route](work)
    return (time.process_time() - begun) * 1e6 / tokens


class Growth(NamedTuple):
    """What a token of a long answer costs, as a multiple of one of a short answer."""

    ours: float
    floor: float

    @property
    def beyond_floor(self) -> float:
        """How much of the growth is ours: LangChain keeps every chunk, which the garbage
        collector visits again and again, whoever watches."""
        return self.ours / self.floor


def measure_growth(
    short: int, long: int, rounds: int, names: Iterable[str] = ("W1", "W3"), *, tell: Progress
) -> dict[str, Growth]:
    """Measure ours and the floor at both lengths, in turns. A short sample is the median of
    five, so that its set-up and noise weigh no more than those of the long one."""
    found: dict[str, list[Growth]] = {name: [] for name in names}
    with asyncio.Runner() as runner:
        for turn in range(rounds):
            for name, growths in found.items():
                growths.append(runner.run(_growth(name, short, long)))
            tell(f"long answers, round {turn + 1} of {rounds}")
    return {
        name: Growth(median(g.ours for g in growths), median(g.floor for g in growths))
        for name, growths in found.items()
    }


async def _growth(name: str, short: int, long: int) -> Growth:
    cost: dict[tuple[str, int], float] = {}
    for route in (OURS, FLOOR):
        cost[route, short] = median([await sample(name, route, short) for _ in range(5)])
        cost[route, long] = await sample(name, route, long)
    return Growth(cost[OURS, long] / cost[OURS, short], cost[FLOOR, long] / cost[FLOOR, short])
