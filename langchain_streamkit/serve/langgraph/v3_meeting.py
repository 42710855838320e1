"""Where the subscriptions of one socket wait for each other: before the end of each run.

JavaScript's client stops all its iterations at the end of a run, whichever subscription brings it;
what the others of its socket had not been sent by then would never be read. It subscribes when its
run has started, so that the run may have ended between its first subscription and its last.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

SETTLE_S: Final = 0.1
"""An end is held back while the client has said something so lately: it may subscribe to more."""


class Meeting:
    """Holds back the end of a run until every subscription has been sent what comes before it."""

    def __init__(self) -> None:
        self._reached: dict[str, int] = {}
        """By subscription: up to which number it has been sent, or did not want, everything."""
        self._moved = asyncio.Event()
        self._time = asyncio.get_running_loop().time
        self._heard = self._time()

    def heard(self) -> None:
        """The client has said something."""
        self._heard = self._time()

    def join(self, name: str, since: int) -> None:
        """Wait for a subscription, too, that has everything up to ``since``."""
        self._reached[name] = since

    def leave(self, name: str) -> None:
        """Wait for it no longer."""
        self._reached.pop(name, None)
        self._wake()

    async def end(self, name: str, seq: int) -> None:
        """Return when the others have come as far as this one: to the end that has ``seq``."""
        self._reached[name] = seq
        self._wake()
        while (wait_s := self._heard + SETTLE_S - self._time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), wait_s)
        while min(self._reached.values()) < seq:
            await self._moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
