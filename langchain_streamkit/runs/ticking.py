"""The one timer of a run with clocks: in the run's event loop, or in a thread where it has none.

Guarantees: one timer for each run, whatever it says; nothing is left of it once it was stopped.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Ticker:
    """Calls ``step`` again and again: each returns in how many seconds, None for never again."""

    def __init__(self, step: Callable[[], float | None]) -> None:
        self._step = step
        self._over = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._home = 0
        """The thread of the loop."""
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, loop: asyncio.AbstractEventLoop | None, name: str) -> None:
        """Call ``step`` after ``seconds``: in ``loop``, which runs here, or in a thread so named.

        In the thread, ``step`` may block.
        """
        if loop is not None:
            self._loop, self._home = loop, threading.get_ident()
            self._handle = loop.call_later(seconds, self._tick)
            return
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._wait, seconds), name=name, daemon=True)
        thread.start()

    def stop(self) -> None:
        """No step begins after this; from any thread."""
        self._over.set()
        loop, handle = self._loop, self._handle
        if loop is None or handle is None:
            return
        if threading.get_ident() == self._home:
            handle.cancel()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(handle.cancel)

    def _tick(self) -> None:
        if self._over.is_set() or self._loop is None:
            return
        seconds = self._step()
        if seconds is not None:
            self._handle = self._loop.call_later(seconds, self._tick)

    def _wait(self, seconds: float | None) -> None:
        while seconds is not None and not self._over.wait(seconds):
            seconds = self._step()
