"""A run that is held to clocks: what is heard of it, who looks at the clocks, what ends it.

Guarantees: the first clock that runs out is the one that is told; a run that has ended has no
timer.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from langchain_streamkit.runs.clocks import Clocks, timed_out
from langchain_streamkit.runs.hearing import Hearing
from langchain_streamkit.runs.ticking import Ticker

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from langchain_streamkit.errors import RunTimeout
    from langchain_streamkit.runs.sequencer import Sequencer
    from langchain_streamkit.runs.timeout import Timeout


class Timed:
    """The clocks of one run, whose signals go through ``push`` to its sequencer.

    ``expired`` is called once, with what the run has to end with, in the run's event loop or, where
    it has none, in a thread in which it may block. If it returns a number of seconds, ``overdue``
    is called after them, unless the clocks were stopped by then.
    """

    def __init__(
        self,
        timeout: Timeout,
        sequencer: Sequencer,
        run_id: str,
        expired: Callable[[RunTimeout], float | None],
        overdue: Callable[[], None] | None = None,
    ) -> None:
        self._timeout = timeout
        self._run_id = run_id
        hearing = Hearing(sequencer, sequencer.push)
        self.push = hearing.push
        self.clocks = Clocks(timeout, hearing)
        self._ticker = Ticker(self._step)
        self._expired = expired
        self._overdue = overdue
        self._ran_out = False

    def start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """The run starts, in ``loop`` if it has one: that of the caller."""
        self._ticker.start(self.clocks.begin(monotonic()), loop, f"streamkit clocks {self._run_id}")

    def stop(self) -> None:
        """The run has ended."""
        self._ticker.stop()

    def _step(self) -> float | None:
        if self._ran_out:
            if self._overdue is not None:
                self._overdue()
            return None
        found = self.clocks.look(monotonic())
        if not isinstance(found, str):
            return found
        self._ran_out = True
        return self._expired(timed_out(found, self._timeout, self._run_id))
