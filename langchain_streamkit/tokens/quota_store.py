"""The spending of keys, added up in the memory of one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from langchain_streamkit.tokens.spending import NOTHING, Spent

KEEP_S = 3600
"""Seconds for which a window is kept after its end: calls that began in it may still go on."""


class MemoryQuotaStore:
    """A ``QuotaStore`` in memory, for any number of threads; gone with the process.

    ``clock`` returns seconds since the epoch. Windows that ended more than ``KEEP_S`` ago are
    dropped, so memory grows only with the keys of that time.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.now = clock
        """The seconds since the epoch."""
        self._lock = threading.Lock()
        # by start and length, then by key: what ends together is dropped together
        self._windows: dict[tuple[int, int], dict[str, Spent]] = {}

    def __len__(self) -> int:
        """Return the number of windows that are kept, counted for each key."""
        with self._lock:
            return sum(map(len, self._windows.values()))

    def add(self, key: str, window_start: int, window_s: int, spent: Spent) -> Spent:
        """Add to what the key has spent in the window; return the new total."""
        with self._lock:
            window = self._windows.get((window_start, window_s))
            if window is None:
                self._drop_old()
                window = self._windows[window_start, window_s] = {}
            total = window[key] = window.get(key, NOTHING) + spent
            return total

    def get(self, key: str, window_start: int, window_s: int) -> Spent:
        """Return what the key has spent in the window."""
        with self._lock:
            return self._windows.get((window_start, window_s), {}).get(key, NOTHING)

    def _drop_old(self) -> None:
        before = self.now() - KEEP_S
        for start, length in [window for window in self._windows if sum(window) < before]:
            del self._windows[start, length]
