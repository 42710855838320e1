"""What a reader has been told of live and has not read yet: bounded, and never trusted blindly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ENTRIES: Final = 256
MOST_BYTES: Final = 1 << 20


class Feed:
    """A ``Listener`` of one reader.

    It holds entries that follow each other, at most ``MOST_ENTRIES`` and about ``MOST_BYTES``
    bytes of them. What does not fit, does not follow, or is no entry, is dropped and makes the
    feed *stale*: the reader reads the store again, and nothing is lost.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, bytes]] = []
        self._generation = ""
        self._bytes = 0
        self._stale = False
        self._woken = asyncio.Event()

    def added(self, generation: str, first: int, entries: Sequence[bytes]) -> None:
        """See ``Listener.added``."""
        if self._stale:
            return
        known = 0
        if self._waiting:
            known = self._waiting[-1][0] + 1 - first
            if known < 0 or generation != self._generation:
                self.changed()
                return
        fresh = entries[known:]
        size = sum(map(len, fresh))
        count = len(self._waiting) + len(fresh)
        if self._waiting and (count > MOST_ENTRIES or self._bytes + size > MOST_BYTES):
            self.changed()
            return
        self._generation = generation
        self._waiting += enumerate(fresh, first + known)
        self._bytes += size
        self._woken.set()

    def changed(self) -> None:
        """See ``Listener.changed``. What was told before stays, and is read first."""
        self._stale = True
        self._woken.set()

    def settle(self) -> None:
        """Forget everything: the store is being read, and has it."""
        self._waiting, self._bytes, self._stale = [], 0, False
        self._woken.clear()

    def take(self, generation: str, last: int) -> list[tuple[int, bytes]]:
        """Return what waits and follows ``last``; nothing, and stale, if it does not follow."""
        taken, self._waiting, self._bytes = self._waiting, [], 0
        if not self._stale:
            self._woken.clear()
        if not taken:
            return []
        first = taken[0][0]
        if self._generation != generation or first > last + 1:
            self.changed()
            return []
        return taken[last + 1 - first :]

    @property
    def stale(self) -> bool:
        """Whether the store has to be read again."""
        return self._stale

    async def wait(self) -> None:
        """Return when there is something to take or the feed is stale; lets others run first."""
        if self._woken.is_set():
            await asyncio.sleep(0)
        else:
            await self._woken.wait()
