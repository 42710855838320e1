"""Whether a Redis server answers, for whoever reads the process's log.

Guarantees: one warning when it is away, and one when it is back, however many calls fail meanwhile;
none for what is over within ``AWAY_S`` seconds.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final, Literal, TypeAlias

LOGGER = logging.getLogger("langchain_streamkit")
AWAY_S: Final = 1.0
"""A connection that was lost is made anew in less, and nobody has to look after anything."""

Part: TypeAlias = Literal["calls", "live"]
"""What fails by itself: the calls of runs and readers, the connection for live events."""


class RedisHealth:
    """Told by each part of a store what becomes of its tries; ``where`` names the store."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._failing: dict[Part, float] = {}
        """Since when, by the monotonic clock."""
        self._away: float | None = None
        """Since when, if it was told."""

    def failed(self, part: Part, why: object, began: float) -> None:
        """A try that began at a moment of the monotonic clock did not reach the server."""
        since = self._failing.setdefault(part, began)
        if self._away is None and monotonic() - since >= AWAY_S:
            self._away = since
            LOGGER.warning(
                "%s does not answer: %s; it is tried until it does, runs and readers wait for some"
                " seconds",
                self._where,
                why or "no reason is known",
            )

    def answered(self, part: Part) -> None:
        """The server did what this part asked."""
        if self._failing:
            self._failing.pop(part, None)
            self._look()

    def connected(self) -> None:
        """The server is there: calls that failed may be long ago, and nobody calls now."""
        self._failing.clear()
        self._look()

    def _look(self) -> None:
        if self._away is not None and not self._failing:
            LOGGER.warning("%s answers again, after %.1f s", self._where, monotonic() - self._away)
            self._away = None
