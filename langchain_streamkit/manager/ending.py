"""The end of all runs of a process: by themselves, then cancelled, then left behind.

Guarantees: it takes no longer than ``grace_s`` and ``END_S`` seconds; what is left behind is named
in the log of the application.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.manager.managed import ManagedRun

LOGGER = logging.getLogger("langchain_streamkit")

END_S: Final = 5.0
"""How long runs that are cancelled may take for it: for ``on_end``, sinks, a log that is away."""


async def end_runs(runs: Mapping[str, ManagedRun], grace_s: float) -> None:
    """Ask graphs to stop after their present step; cancel what goes on for ``grace_s`` seconds.

    ``runs`` are those that go on at any moment, by their id.
    """
    for one in list(runs.values()):
        one.drain()
    if runs:
        await asyncio.wait({one.task for one in runs.values()}, timeout=grace_s)
    rest = list(runs.values())
    if not rest:
        return
    stops = {asyncio.ensure_future(one.stop("shutdown")) for one in rest}
    await asyncio.wait({*stops, *(one.task for one in rest)}, timeout=END_S)
    for stop in stops:
        stop.cancel()
    for run_id in runs:
        LOGGER.error(
            "run %s was stopped and does not end; the process does not wait for it",
            run_id,
            extra={"run_id": run_id},
        )
