"""Where the events of a run wait for the answer to the command that started it.

A client starts a run, and when it has the answer it looks for the run in the stream it reads
already; Python's throws away what comes there before somebody looks. Answer and stream take two
connections, so that only the server can tell which is first.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

SETTLE_S: Final = 0.05
"""What a client is given to look for the run, from the answer on."""
BEGIN: Final = ("run.start", "input.respond")
"""The commands that start a run."""
WAIT_S: Final = 2.0
"""No reader waits longer, whatever becomes of the command."""


class Answers:
    """Holds the runs of threads back from those who read the thread before; of one process."""

    def __init__(self) -> None:
        self._awaited: dict[str, dict[asyncio.Event, float]] = {}
        """By thread: what is set when a command is answered, and when the command came."""

    @contextmanager
    def awaited(self, thread_id: str, method: str) -> Generator[None]:
        """Hold back what a command begins, while entered and for ``SETTLE_S`` more."""
        if method not in BEGIN:
            yield
            return
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        self._awaited.setdefault(thread_id, {})[answered] = loop.time()
        try:
            yield
        finally:
            loop.call_later(SETTLE_S, self._forget, thread_id, answered)

    def after_now(self, thread_id: str) -> Callable[[], Awaitable[None]]:
        """Return what waits until the commands that come from now on, so far, are answered."""
        return partial(self._given, thread_id, asyncio.get_running_loop().time())

    async def _given(self, thread_id: str, since: float) -> None:
        coming = self._awaited.get(thread_id, {})
        waited = [answered for answered, came in coming.items() if came >= since]
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                for answered in waited:
                    await answered.wait()

    def _forget(self, thread_id: str, answered: asyncio.Event) -> None:
        answered.set()
        coming = self._awaited[thread_id]
        del coming[answered]
        if not coming:
            del self._awaited[thread_id]
