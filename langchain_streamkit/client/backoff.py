"""How long to wait before a server is asked again."""

from __future__ import annotations

from random import uniform
from time import monotonic
from typing import Final

from langchain_streamkit.errors import ServerUnreachable

MOST_S: Final = 30.0
"""No wait of our own is longer, however often it failed."""
LONGEST_ASKED_S: Final = 60.0
"""A server that asks for a longer wait than this has refused."""


class Backoff:
    """Exponential backoff with full jitter, by which clients that lost one server come back apart:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.

    ``tries`` is how often in a row it may fail, ``where`` the address that is asked, ``connect_s``
    how long it is tried from ``begin`` on while nobody is there. ``scale_s`` is the longest first
    wait, until the server says another (``retry:``).
    """

    def __init__(self, tries: int, where: str, connect_s: float) -> None:
        self.scale_s = 1.0
        self._tries = tries
        self._where = where
        self._connect_s = connect_s
        self._failed = 0
        self.begin()

    def begin(self) -> None:
        """The first request is made now."""
        self._began = monotonic()

    def succeeded(self) -> None:
        """Something new was received."""
        self._failed = 0

    def wait_s(
        self, error: BaseException, asked_s: float = 0.0, *, unreached: bool = False
    ) -> float:
        """Return how long to wait after ``error``, at least the seconds that the server asked for.

        ``unreached``: nobody has ever answered there. Raises ServerUnreachable when it has failed
        too often, or nobody was there for too long.
        """
        why = f"{type(error).__name__}: {error}"
        left_s = self._began + self._connect_s - monotonic()
        if unreached and left_s <= 0:
            raise ServerUnreachable(
                f"{self._where} could not be reached within {self._connect_s:g} s ({why}): start"
                " the server, mend the address, or write connect(..., connect_s=60) to wait longer"
            ) from error
        if self._failed >= self._tries:
            raise ServerUnreachable(
                f"{self._where} could not be read {self._failed + 1} times in a row, the last time"
                f" because of {why}"
            ) from error
        most = min(MOST_S, self.scale_s * 2**self._failed)
        self._failed += 1
        wait_s = asked_s + uniform(0, most)  # noqa: S311 - no secret
        return min(wait_s, left_s) if unreached else wait_s
