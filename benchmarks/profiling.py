"""Where our route spends its time in one workload; a profiler slows small functions the most."""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
from collections import defaultdict
from pathlib import Path

from benchmarks.routes import OURS, ROUTES
from benchmarks.workloads import WORKLOADS

_TOP = 40
_PACKAGES = ("langchain_streamkit", "langchain_core", "langgraph", "pydantic", "asyncio")


def profile(name: str, tokens: int) -> str:
    """Microseconds per token by package, then the functions that took most themselves."""
    profiler = cProfile.Profile()
    with asyncio.Runner() as runner:
        runner.run(ROUTES[OURS](WORKLOADS[name][1](100)))  # imports, caches
        watched = ROUTES[OURS](WORKLOADS[name][1](tokens))
        profiler.enable()
        runner.run(watched)
        profiler.disable()
    out = io.StringIO()
    stats = pstats.Stats(profiler, stream=out)
    for package, seconds in sorted(_by_package(profiler).items(), key=lambda one: -one[1]):
        out.write(f"{package:<20} {seconds * 1e6 / tokens:6.1f} us per token\n")
    stats.sort_stats("tottime").print_stats(_TOP)
    root = f"{Path(__file__).parents[1]}/"
    return out.getvalue().replace(root, "")


def _by_package(profiler: cProfile.Profile) -> dict[str, float]:
    spent: defaultdict[str, float] = defaultdict(float)
    for entry in profiler.getstats():
        file = "" if isinstance(entry.code, str) else entry.code.co_filename
        found = [package for package in _PACKAGES if f"/{package}/" in file]
        # What C code takes belongs to whoever calls it, but the profiler only knows its name.
        package = found[0] if found else "built-in" if isinstance(entry.code, str) else "other"
        spent[package] += entry.inlinetime
    return spent
