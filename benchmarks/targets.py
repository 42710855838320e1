"""What the project promises, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.contenders import LOGGED, ONE_RUN, RUN
from benchmarks.counting import cost_at_the_end
from benchmarks.delivering import RATE
from benchmarks.imports import PACKAGE
from benchmarks.logs import TWO
from benchmarks.protocols import DEFAULT, LEAN, SPOKEN
from benchmarks.routes import FLOOR, LIMIT, OURS, OURS_COUNTED, V2, V3

if TYPE_CHECKING:
    from benchmarks.adapting import Adapting
    from benchmarks.imports import Import
    from benchmarks.logs import Logs
    from benchmarks.measure import Growth, Samples
    from benchmarks.memory import Sleep
    from benchmarks.protocols import Protocols
    from benchmarks.serving import Serving

_RATIOS: dict[str, dict[str, float]] = {
    "W1": {FLOOR: 1.15},
    "W2": {FLOOR: 0.35},
    "W3": {FLOOR: 0.85, LIMIT: 1.15, V2: 0.55, V3: 0.45},
    "W4": {FLOOR: 0.85, LIMIT: 1.15, V2: 0.55, V3: 0.45},
}
"""The most that ours may cost, as a multiple of another route."""
_GROWTH = 1.15
"""A token of a long answer may cost as much as one of a short one; what LangChain itself grows by
is taken off first, and the rest of the tolerance is the noise of such long samples."""
_COUNTED_STREAM = 1.2
"""What exact counting may make of the cost of a stream."""
_COUNTING_US = 6.0
_COUNTED = ("English", "Python code", "Chinese")
"""The texts whose count costs no more than that for a chunk, however long they are."""
_ADAPTING_US = 3.0
_IMPORT_MS = 50.0
_MEMORY_MB = 4.0
_DELIVERY_MS = 5.0
_REPLAY_S = 1.0
_SERVED = {
    RUN: "SSEResponse of a run",
    LOGGED: "the router, a logged run each",
    ONE_RUN: "the router, one logged run for all",
}
_AG_UI = {LEAN: 0.30, DEFAULT: 0.20}
"""The most that AG-UI may cost, as a multiple of another's."""
_SERVED_X = 1.0
_SERVED_KIB = 16.0


class Verdict(NamedTuple):
    """What was measured, and the most it may be; ``None`` where nothing is promised."""

    what: str
    measured: float
    at_most: float | None
    unit: str

    @property
    def met(self) -> bool:
        return self.at_most is None or self.measured <= self.at_most


def cost_verdicts(samples: Mapping[str, Samples]) -> Iterator[Verdict]:
    for name, taken in samples.items():
        for base, most in _RATIOS[name].items():
            yield Verdict(f"{name} ours / {base}", taken.ratio(OURS, base), most, "x")
        counted = taken.ratio(OURS_COUNTED, OURS)
        yield Verdict(f"{name} ours with tokens counted / without", counted, _COUNTED_STREAM, "x")


def growth_verdicts(growths: Mapping[str, Growth], short: int, long: int) -> Iterator[Verdict]:
    for name, growth in growths.items():
        what = f"{name} a token of {long:,} / of {short:,}, over the floor's own {growth.floor:.2f}"
        yield Verdict(what, growth.beyond_floor, _GROWTH, "x")


def counting_verdicts(costs: Mapping[str, Mapping[int, float]]) -> Iterator[Verdict]:
    for name in _COUNTED:
        what = f"counting a chunk of {name}, {max(costs[name]):,} tokens"
        yield Verdict(what, cost_at_the_end(costs, name), _COUNTING_US, " us")


def adapting_verdicts(cost: Adapting) -> Iterator[Verdict]:
    what = "adapt() over events v2, a token beyond iterating them"
    yield Verdict(f"{what}: to SSE bytes", cost.to_bytes, _ADAPTING_US, " us")
    yield Verdict(f"{what}: to events, in a task of its own", cost.to_events, None, " us")


def import_verdicts(milliseconds: Mapping[Import, float]) -> Iterator[Verdict]:
    for what, measured in milliseconds.items():
        most = _IMPORT_MS if what == PACKAGE else None
        yield Verdict(f"{what.statement}, after {what.after}", measured, most, " ms")


def memory_verdicts(sleep: Sleep) -> Iterator[Verdict]:
    what = f"sleeping reader, {sleep.tokens:,} tokens of 4 branches: held"
    yield Verdict(what, sleep.extra_bytes / 1e6, _MEMORY_MB, " MB")
    lost = 0.0 if sleep.text_arrived else 1.0
    yield Verdict("sleeping reader: text lost", lost, 0.0, "")


def log_verdicts(logs: Logs) -> Iterator[Verdict]:
    for where, (one, _) in logs.live.items():
        what = f"Redis, {logs.load.runs:,} runs x {RATE} tokens/s, {where}"
        yield Verdict(f"{what}: p50", one.p50, _DELIVERY_MS if where == TWO else None, " ms")
        wrong = abs(one.sent - one.received) + one.misplaced
        yield Verdict(f"{what}: lost, doubled or out of order", wrong, 0.0, "")
    for name, stored in logs.stored.items():
        what = f"replay of {stored.events:,} events, {name}"
        yield Verdict(what, stored.replay_s, _REPLAY_S, " s")


def serving_verdicts(serving: Serving) -> Iterator[Verdict]:
    for contender, name in _SERVED.items():
        what = f"{serving.streams:,} streams, {name}"
        ratio = serving.cpu_ratio(contender)
        yield Verdict(f"{what}: server CPU / bare StreamingResponse", ratio, _SERVED_X, "x")
        beyond = serving.kib_beyond(contender)
        yield Verdict(f"{what}: a stream, beyond the bare one", beyond, _SERVED_KIB, " KiB")
        wrong = serving.typical(contender).misplaced
        yield Verdict(f"{what}: lost, doubled or out of order", wrong, 0.0, "")


def protocol_verdicts(protocols: Protocols) -> Iterator[Verdict]:
    for name in SPOKEN:
        for base, most in _AG_UI.items():
            what = f"{name} AG-UI: CPU, ours / {base}"
            yield Verdict(what, protocols.ratio(name, base), most, "x")
            beyond = protocols.beyond(name, base)
            yield Verdict(f"{what}, beyond the graph alone", beyond, None, "x")
