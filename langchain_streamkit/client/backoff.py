"""How long to wait before a server is asked again."""

from __future__ import annotations

from random import uniform
from typing import Final

from langchain_streamkit.errors import ServerUnreachable

MOST_S: Final = 30.0
"""No wait of our own is longer, however often it failed."""
LONGEST_ASKED_S: Final = 60.0
"""A server that asks for a longer wait than this has refused."""


class Backoff:
    """Exponential backoff with full jitter, by which clients that lost one server come back apart:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.

    ``tries`` is how often in a row it may fail, ``scale_s`` the longest first wait, until the
    server says another (``retry:``).
    """

    def __init__(self, tries: int, scale_s: float = 1.0) -> None:
        self.scale_s = scale_s
        self._tries = tries
        self._failed = 0

    def succeeded(self) -> None:
        """Something new was received."""
        self._failed = 0

    def wait_s(self, error: BaseException, asked_s: float = 0.0) -> float:
        """Return how long to wait after ``error``, at least the seconds that the server asked for.

        Raises ServerUnreachable when it has failed too often.
        """
        if self._failed >= self._tries:
            raise ServerUnreachable(
                f"the server could not be read {self._failed + 1} times in a row, the last time"
                f" because of {type(error).__name__}: {error}"
            ) from error
        most = min(MOST_S, self.scale_s * 2**self._failed)
        self._failed += 1
        return asked_s + uniform(0, most)  # noqa: S311 - no secret
