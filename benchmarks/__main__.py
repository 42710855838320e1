"""The command: measure everything in one run, print the tables beside the targets.

``python -m benchmarks --quick`` takes seconds and shows that it works; its figures are noise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from benchmarks import table
from benchmarks.adapting import measure_adapting
from benchmarks.counting import measure_counting
from benchmarks.delivering import Load
from benchmarks.imports import IN_USE, PACKAGE, import_ms
from benchmarks.logs import Logs, LogSizes, measure_logs
from benchmarks.machine import describe
from benchmarks.measure import Samples, measure, measure_growth
from benchmarks.memory import measure_sleep
from benchmarks.profiling import profile
from benchmarks.protocols import Protocols, measure_protocols
from benchmarks.routes import FLOOR
from benchmarks.serving import Serving, ServingSizes, measure_serving
from benchmarks.targets import (
    Verdict,
    adapting_verdicts,
    cost_verdicts,
    counting_verdicts,
    growth_verdicts,
    import_verdicts,
    log_verdicts,
    memory_verdicts,
    protocol_verdicts,
    serving_verdicts,
)
from benchmarks.workloads import WORKLOADS


class Sizes(NamedTuple):
    """How much is measured."""

    tokens: int
    rounds: int
    long: int
    """Tokens of the long answer, and of the run whose reader sleeps."""
    long_rounds: int
    imports: int
    counted: tuple[int, ...] = (1000, 10_000, 100_000)
    """Tokens of the texts that are counted."""
    log: LogSizes = LogSizes(Load(1000, 50), events=100_000, singles=3000, rounds=3)
    serving: ServingSizes = ServingSizes(streams=1000, seconds=5, rounds=5)


FULL = Sizes(tokens=1000, rounds=15, long=100_000, long_rounds=3, imports=7)
QUICK = Sizes(
    tokens=100,
    rounds=2,
    long=2000,
    long_rounds=1,
    imports=1,
    counted=(100, 1000),
    log=LogSizes(Load(20, 5), events=2000, singles=100, rounds=1),
    serving=ServingSizes(streams=20, seconds=0.5, rounds=1),
)


class Report(NamedTuple):
    """Everything that was measured."""

    machine: str
    sizes: Sizes
    samples: dict[str, Samples]
    verdicts: list[Verdict]
    counting: Mapping[str, Mapping[int, float]] = MappingProxyType({})
    logs: Logs | None = None
    serving: Serving | None = None
    protocols: Protocols | None = None

    def text(self, *, as_markdown: bool) -> str:
        show = table.markdown if as_markdown else table.plain
        how = f"Medians of {self.sizes.rounds} rounds of {self.sizes.tokens:,} tokens, in turns."
        tables = [show(table.costs(self.samples))] if self.samples else []
        tables += [show(table.counting(self.counting))] if self.counting else []
        if self.logs is not None:
            tables += [show(table.delivery(self.logs)), show(table.stores(self.logs))]
        tables += [show(table.serving(self.serving))] if self.serving is not None else []
        tables += [show(table.protocols(self.protocols))] if self.protocols is not None else []
        tables.append(show(table.promises(self.verdicts)))
        return "\n\n".join([*tables, f"{self.machine}. {how}"])

    def to_dict(self) -> dict[str, Any]:
        costs = {
            name: {
                route: {
                    "us_per_token": taken.per_token(route),
                    "x_floor": taken.ratio(route, FLOOR),
                    "rounds": rounds,
                }
                for route, rounds in taken.by_route.items()
            }
            for name, taken in self.samples.items()
        }
        targets = [{**one._asdict(), "met": one.met} for one in self.verdicts]
        sizes = self.sizes._asdict()
        return {
            "machine": self.machine,
            "sizes": sizes,
            "costs": costs,
            "counting": {name: dict(by_size) for name, by_size in self.counting.items()},
            "serving": self.serving and self.serving.to_dict(),
            "protocols": self.protocols and self.protocols._asdict(),
            "targets": targets,
        }


def measure_all(sizes: Sizes) -> Report:
    """Measure everything; takes minutes at full size."""
    machine = describe()
    samples = measure(sizes.tokens, sizes.rounds, tell=_tell)
    growths = measure_growth(sizes.tokens, sizes.long, sizes.long_rounds, tell=_tell)
    _tell("a reader that sleeps")
    sleep = measure_sleep(sizes.long)
    _tell("counting")
    counting = measure_counting(sizes.counted, sizes.long_rounds)
    _tell("adapting")
    adapting = measure_adapting(sizes.tokens, sizes.rounds)
    _tell("the log")
    logs = measure_logs(sizes.log)
    serving = measure_serving(sizes.serving, tell=_tell)
    protocols = measure_protocols(sizes.tokens, sizes.rounds, tell=_tell)
    _tell("imports")
    verdicts = [
        *cost_verdicts(samples),
        *counting_verdicts(counting),
        *adapting_verdicts(adapting),
        *growth_verdicts(growths, sizes.tokens, sizes.long),
        *memory_verdicts(sleep),
        *log_verdicts(logs),
        *serving_verdicts(serving),
        *protocol_verdicts(protocols),
        *import_verdicts({one: import_ms(one, sizes.imports) for one in (PACKAGE, IN_USE)}),
    ]
    return Report(machine, sizes, samples, verdicts, counting, logs, serving, protocols)


def counting_of(sizes: Sizes) -> Report:
    """Measure only what counting costs."""
    counting = measure_counting(sizes.counted, sizes.long_rounds)
    return Report(describe(), sizes, {}, [*counting_verdicts(counting)], counting)


def costs_of(names: Sequence[str], sizes: Sizes) -> Report:
    """Measure only what a token costs in these workloads, as one does while making it cheaper."""
    samples = measure(sizes.tokens, sizes.rounds, names, tell=_tell)
    return Report(describe(), sizes, samples, [*cost_verdicts(samples)])


def logs_of(sizes: Sizes) -> Report:
    """Measure only the log."""
    logs = measure_logs(sizes.log)
    return Report(describe(), sizes, {}, [*log_verdicts(logs)], logs=logs)


def serving_of(sizes: Sizes) -> Report:
    """Measure only serving."""
    serving = measure_serving(sizes.serving, tell=_tell)
    return Report(describe(), sizes, {}, [*serving_verdicts(serving)], serving=serving)


def protocols_of(sizes: Sizes) -> Report:
    """Measure only the protocols of front ends."""
    protocols = measure_protocols(sizes.tokens, sizes.rounds, tell=_tell)
    verdicts = [*protocol_verdicts(protocols)]
    return Report(describe(), sizes, {}, verdicts, protocols=protocols)


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--tokens", type=int, help="of a run (1000)")
    parser.add_argument("--rounds", type=int, help="in which every route has its turn (15)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--markdown", action="store_true", help="tables for the README")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--only", nargs="+", choices=WORKLOADS, help="only the costs of these workloads"
    )
    parser.add_argument("--counting", action="store_true", help="only what counting tokens costs")
    parser.add_argument("--log", action="store_true", help="only the event log")
    parser.add_argument("--serving", action="store_true", help="only server-sent events over HTTP")
    parser.add_argument("--protocols", action="store_true", help="only AG-UI beside its own")
    parser.add_argument("--profile", choices=WORKLOADS, help="only show where our time goes")
    options = parser.parse_args(arguments)
    _send_no_traces()

    sizes = QUICK if options.quick else FULL
    sizes = sizes._replace(
        tokens=options.tokens or sizes.tokens, rounds=options.rounds or sizes.rounds
    )
    if options.profile:
        print(profile(options.profile, sizes.tokens))
        return
    if options.counting:
        report = counting_of(sizes)
    elif options.log:
        report = logs_of(sizes)
    elif options.serving:
        report = serving_of(sizes)
    elif options.protocols:
        report = protocols_of(sizes)
    else:
        report = costs_of(options.only, sizes) if options.only else measure_all(sizes)
    print(report.text(as_markdown=options.markdown))
    if options.json:
        options.json.write_text(json.dumps(report.to_dict(), indent=2))


def _send_no_traces() -> None:
    """A developer's own settings would add LangSmith's tracer to every route."""
    for name in [name for name in os.environ if name.startswith(("LANGCHAIN_", "LANGSMITH_"))]:
        del os.environ[name]


if __name__ == "__main__":
    main()
