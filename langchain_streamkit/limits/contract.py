"""What a place where limits are kept does: ``LimitStore``, and what it takes.

It knows two things of each user, by key: how often something began lately, and which *places* are
taken. A place is taken under a lease: who holds it renews it, and where nobody does it is free
again when the lease is over.

Methods raise ``LimitsUnavailable`` where the store cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Seconds."""


class Place(NamedTuple):
    """One of the places that a user may take at the same time."""

    key: str
    """Which of them are counted together."""
    token: str
    """Tells this one from all others of the key."""


class Rates(Protocol):
    """How often something begins, by key."""

    async def hit(self, key: str, per_minute: int, /) -> float | None:
        """Count one more: None. If that is too many: the seconds until there is room again.

        What is too many is not counted. The window slides, by the weighted counters of two fixed
        windows: in the worst case a few more than ``per_minute`` fall in some sixty seconds.
        """
        ...


class LimitStore(Protocol):
    """Where limits are kept. One instance belongs to one event loop.

    Taking, renewing and giving back are atomic, whatever other processes do, and may be done twice.
    """

    def rates(self) -> Rates:
        """Return what counts beginnings. Raises StreamError if the library for it is missing."""
        ...

    async def acquire(self, place: Place, most: int, lease_ms: int, /) -> float | None:
        """Take a place, unless ``most`` of its key are taken: None.

        Otherwise the seconds until the first of their leases is over, if nobody renews it.
        """
        ...

    async def renew(self, places: Sequence[Place], lease_ms: int, /) -> None:
        """Let the leases begin anew; places that were lost are taken again, limit or not."""
        ...

    async def release(self, places: Sequence[Place], /) -> None:
        """Give places back."""
        ...

    async def aclose(self) -> None:
        """Let go of connections; what is kept stays."""
        ...
