"""Serving many streams of server-sent events: what each costs a server, beside what others offer.

Every contender has a server process of its own, new in each round, and the same client; the rounds
are in turns. Processor time for each token is what can be compared on any machine; how soon tokens
arrive depends on how much of the machine is left to server and client.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from benchmarks.contenders import BARE, CONTENDERS
from benchmarks.machine import Elsewhere
from benchmarks.sse_client import Seen
from benchmarks.sse_source import RATE


class ServingSizes(NamedTuple):
    """How much is measured."""

    streams: int
    seconds: float
    """For which tokens are counted, of each contender in each round."""
    rounds: int


class Serving(NamedTuple):
    """What was seen of each contender in each round."""

    sizes: ServingSizes
    rounds: dict[str, list[Seen]]
    elsewhere: float | None
    """The cores that others took of the machine meanwhile."""

    @property
    def streams(self) -> int:
        """How many at once."""
        return self.sizes.streams

    @property
    def asked(self) -> int:
        """Tokens that a server with time enough says, in all rounds."""
        return round(self.sizes.rounds * self.sizes.seconds * self.streams * RATE)

    def typical(self, contender: str) -> Seen:
        """Return the median of each figure, but the sum of what was received and misplaced."""
        seen = self.rounds[contender]
        medians = Seen(*(median(figures) for figures in zip(*seen, strict=True)))
        return medians._replace(
            received=sum(one.received for one in seen),
            misplaced=sum(one.misplaced for one in seen),
        )

    def cpu_ratio(self, contender: str) -> float:
        """Return processor time for each token over that of the bare response, in one round."""
        pairs = zip(self.rounds[contender], self.rounds[BARE], strict=True)
        return median(one.cpu_us / bare.cpu_us for one, bare in pairs)

    def kib_beyond(self, contender: str) -> float:
        """Return KiB for each stream beyond those of the bare response."""
        pairs = zip(self.rounds[contender], self.rounds[BARE], strict=True)
        return median(one.kib - bare.kib for one, bare in pairs)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        rounds = {name: [one._asdict() for one in seen] for name, seen in self.rounds.items()}
        return {**self.sizes._asdict(), "seen": rounds, "elsewhere": self.elsewhere}


def measure_serving(sizes: ServingSizes, *, tell: Callable[[str], None]) -> Serving:
    """Measure every contender; Linux only, as the server's figures come from ``/proc``."""
    elsewhere = Elsewhere()
    rounds: dict[str, list[Seen]] = {name: [] for name in CONTENDERS}
    for number in range(sizes.rounds):
        for name, seen in rounds.items():
            tell(f"serving, round {number + 1} of {sizes.rounds}: {name}")
            seen.append(_measure(name, sizes.streams, sizes.seconds))
    return Serving(sizes, rounds, elsewhere.cores())


def _measure(contender: str, streams: int, seconds: float) -> Seen:
    with _server(contender, streams) as (pid, port):
        client = ["-m", "benchmarks.sse_client", *map(str, (pid, port, streams, seconds))]
        done = subprocess.run(
            [sys.executable, *client], check=True, stdout=subprocess.PIPE, cwd=_ROOT
        )
        return Seen(**json.loads(done.stdout))


_ROOT: Final = Path(__file__).parents[1]


@contextmanager
def _server(contender: str, streams: int) -> Iterator[tuple[int, int]]:
    """Give its process id and port."""
    command = [sys.executable, "-m", "benchmarks.sse_server", contender, str(streams)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline()
            if not port:
                raise RuntimeError(f"{command!r} ended with {server.wait()}")
            yield server.pid, int(port)
        finally:
            server.kill()
