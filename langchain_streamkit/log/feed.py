"""What a reader has been told of live and has not read yet: bounded, and never trusted blindly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

MOST_ENTRIES: Final = 256
MOST_BYTES: Final = 1 << 18


class Feed:
    """A ``Listener`` of one reader.

    It holds entries that follow each other, at most ``MOST_ENTRIES`` and about ``MOST_BYTES``
    bytes of them. What does not fit, does not follow, or is no entry, is dropped and makes the
    feed *stale*: the reader reads the store again, and nothing is lost.
    """

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._first = 0
        """Number of the first one that waits."""
        self._generation = ""
        self._bytes = 0
        self._stale = False
        self._reader: asyncio.Future[None] | None = None

    def added(self, generation: str, first: int, entries: Sequence[bytes]) -> None:
        """See ``Listener.added``."""
        if self._stale:
            return
        waiting = self._waiting
        if waiting:
            known = self._first + len(waiting) - first
            if known < 0 or generation != self._generation:
                self.changed()
                return
            entries = entries[known:]
        size = sum(map(len, entries))
        if not waiting:
            self._first, self._generation = first, generation
        elif len(waiting) + len(entries) > MOST_ENTRIES or self._bytes + size > MOST_BYTES:
            self.changed()
            return
        waiting += entries
        self._bytes += size
        self._wake()

    def changed(self) -> None:
        """See ``Listener.changed``. What was told before stays, and is read first."""
        self._stale = True
        self._wake()

    def settle(self) -> None:
        """Forget everything: the store is being read, and has it."""
        self._waiting, self._bytes, self._stale = [], 0, False

    def take(self, generation: str, last: int) -> tuple[int, list[bytes]]:
        """Return what waits and follows ``last``, with the number of the first of it; nothing, and
        stale, if it does not follow.
        """
        taken, self._waiting, self._bytes = self._waiting, [], 0
        if taken and (self._generation != generation or self._first > last + 1):
            self.changed()
            taken = []
        known = last + 1 - self._first
        return last + 1, taken[known:] if known else taken

    @property
    def stale(self) -> bool:
        """Whether the store has to be read again."""
        return self._stale

    def wait(self) -> Awaitable[None]:
        """Return what is done when there is something to take or the feed is stale; lets others
        run first. One at a time.
        """
        if self._waiting or self._stale:
            return asyncio.sleep(0)
        self._reader = asyncio.get_running_loop().create_future()
        return self._reader

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
