"""The figures as tables, for a terminal or for the README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.contenders import BARE, LOGGED, NATIVE, ONE_RUN, RUN, SSE_STARLETTE
from benchmarks.delivering import RATE
from benchmarks.protocols import CONTENDERS, SPOKEN
from benchmarks.protocols import OURS as OUR_AG_UI
from benchmarks.routes import FLOOR, LIMIT, OURS, OURS_ALL, OURS_COUNTED, ROUTES, V2, V3
from benchmarks.sse_source import RATE as STREAM_RATE
from benchmarks.storing import BATCH
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.logs import Logs
    from benchmarks.measure import Samples
    from benchmarks.protocols import Protocols
    from benchmarks.serving import Serving
    from benchmarks.targets import Verdict

_LABELS = {
    FLOOR: "its own astream, thrown away (floor)",
    LIMIT: "ainvoke, streaming forced, nothing delivered (limit)",
    V2: "astream_events v2, thrown away",
    V3: "astream_events v3, thrown away",
    OURS: "ours, events to SSE bytes (tokens off)",
    OURS_COUNTED: "ours, with every token counted (the default)",
    OURS_ALL: "ours, every event (view all)",
}

_SERVED = {
    BARE: "StreamingResponse of frames made by hand: no ping, no time limit (bare)",
    SSE_STARLETTE: "sse-starlette: frames, ping",
    NATIVE: "FastAPI's own: frames, ping",
    RUN: "ours, SSEResponse(run): events, view, frames, ping, time limit",
    LOGGED: "ours, the router: that, and each run appended to its log in memory and read from it",
    ONE_RUN: "ours, the router: that, all streams reading one run",
}


class Table(NamedTuple):
    """Rows of text; the first column is words, the others are figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def costs(samples: Mapping[str, Samples]) -> Table:
    """CPU microseconds per token, and as a multiple of the floor."""
    names = list(samples)
    header = ["CPU us per token (x floor)", *(f"{name} {WORKLOADS[name][0]}" for name in names)]
    rows = [[_LABELS[route], *(_cost(samples[name], route) for name in names)] for route in ROUTES]
    return Table(header, rows)


def _cost(taken: Samples, route: str) -> str:
    if route not in taken.by_route:
        return "-"
    return f"{taken.per_token(route):.1f} ({taken.ratio(route, FLOOR):.2f})"


def counting(costs: Mapping[str, Mapping[int, float]]) -> Table:
    """CPU microseconds of counting one chunk, by how many tokens the text has."""
    sizes = list(next(iter(costs.values())))
    header = ["counting: CPU us per chunk of one token", *(f"{size:,} tokens" for size in sizes)]
    rows = [[name, *(f"{by_size[size]:.1f}" for size in sizes)] for name, by_size in costs.items()]
    return Table(header, rows)


def delivery(logs: Logs) -> Table:
    """How soon a reader has what a producer says, through Redis."""
    header = [
        f"Redis, {logs.load.runs:,} runs x {RATE} tokens/s, a reader each",
        *("p50", "p99", "sent", "received", "CPU us per event: producer", "reader"),
        "cores taken by others",
    ]
    rows = [
        [
            where,
            *(f"{one.p50:.1f} ms", f"{one.p99:.0f} ms", f"{one.sent:,}", f"{one.received:,}"),
            *(f"{one.producer_us:.0f}", f"{one.reader_us:.0f}"),
            "-" if elsewhere is None else f"{elsewhere:.2f}",
        ]
        for where, (one, elsewhere) in logs.live.items()
    ]
    return Table(header, rows)


def stores(logs: Logs) -> Table:
    """What each store does in a second."""
    events = next(iter(logs.stored.values())).events
    header = ["log", "appends/s, awaited", f"events/s by {BATCH}", f"replay of {events:,}"]
    rows = [
        [name, f"{one.single:,.0f}", f"{one.batched:,.0f}", f"{one.replay_s:.2f} s"]
        for name, one in logs.stored.items()
    ]
    return Table(header, rows)


def serving(serving: Serving) -> Table:
    """What a stream of server-sent events costs, and how soon a client has a token."""
    others = "" if serving.elsewhere is None else f" ({serving.elsewhere:.2f} cores by others)"
    header = [
        f"{serving.streams:,} streams x {STREAM_RATE} tokens/s, one uvicorn{others}",
        *("CPU us per token (x bare)", "of a core", "KiB per stream", "p50", "p99"),
        f"of {serving.asked:,}",
    ]
    rows: list[list[str]] = []
    for contender, label in _SERVED.items():
        one = serving.typical(contender)
        ratio = serving.cpu_ratio(contender)
        cpu = [f"{one.cpu_us:.1f} ({ratio:.2f})", f"{one.busy:.0%}", f"{one.kib:.1f}"]
        times = [f"{one.p50_ms:.1f} ms", f"{one.p99_ms:.0f} ms", f"{one.received:,}"]
        rows.append([label, *cpu, *times])
    return Table(header, rows)


def protocols(seen: Protocols) -> Table:
    """What a run costs as AG-UI."""
    header = [f"AG-UI, {seen.tokens:,} tokens"]
    for name in SPOKEN:
        header += [f"{name}: CPU us per token (ours /)", f"{name}: bytes per token"]
    rows: list[list[str]] = []
    for contender in CONTENDERS:
        row = [contender]
        for name in SPOKEN:
            if contender not in seen.rounds[name]:
                row += ["-", "-"]
                continue
            one = seen.typical(name, contender)
            ratio = 1.0 if contender == OUR_AG_UI else seen.ratio(name, contender)
            row += [f"{one.cpu_us:.1f} ({ratio:.2f})", f"{one.size:.0f}"]
        rows.append(row)
    return Table(header, rows)


def promises(verdicts: Iterable[Verdict]) -> Table:
    """Each promise beside what was measured."""
    return Table(["target", "measured", "at most", ""], [_promise(one) for one in verdicts])


def _promise(one: Verdict) -> list[str]:
    measured = f"{one.measured:.2f}{one.unit}"
    if one.at_most is None:
        return [one.what, measured, "-", "-"]
    return [one.what, measured, f"{one.at_most:g}{one.unit}", "ok" if one.met else "MISSED"]


def plain(table: Table) -> str:
    """Aligned columns."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(table.header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown(table: Table) -> str:
    """A GitHub table."""
    ruler = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [[cell.replace("|", r"\|") for cell in line] for line in (table.header, *table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], ruler, *lines[1:]])
