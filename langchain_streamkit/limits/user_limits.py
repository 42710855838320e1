"""Limits of each user of a server: runs a minute, runs at once, open streams at once.

Guarantees: of all that ask at the same time, from any process that shares the store, just as many
are admitted at once as are allowed; a user learns nothing of others.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import math
import secrets
from typing import TYPE_CHECKING, Final, Literal, Never, Self, TypeAlias, get_args

from langchain_streamkit.errors import LimitExceeded, LimitsUnavailable, StreamUsageError
from langchain_streamkit.limits.contract import Place
from langchain_streamkit.limits.holds import Hold, Keeper
from langchain_streamkit.limits.opening import open_store
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger("langchain_streamkit")

WhenUnavailable: TypeAlias = Literal["refuse_runs", "refuse", "admit"]
LimitName: TypeAlias = Literal["runs_per_minute", "concurrent_runs", "open_streams"]

LEASE_S: Final = 30.0
RETRY_S: Final = 5
"""When to ask again for a place that is free when somebody ends: nobody knows when."""

_LIMITS: Final = get_args(LimitName)
_OPTIONS: Final = (*_LIMITS, "url", "lease_s", "when_unavailable")
_MEANS: Final[dict[LimitName, str]] = {
    "runs_per_minute": "a user may start {} in a minute",
    "concurrent_runs": "a user may have {} at the same time",
    "open_streams": "a user may read {} at the same time",
}
_THINGS: Final[dict[LimitName, str]] = {
    "runs_per_minute": "run",
    "concurrent_runs": "run",
    "open_streams": "stream",
}
_ANONYMOUS: Final = "anonymous"


class Limits:
    """What each user of a server may start and read; for one event loop.

    Whoever starts a run asks ``admit_run`` and releases what it gives when the run ends; whoever
    reads one asks ``open_stream``. Users without a name share one set of limits.

    Args:
        runs_per_minute: how many runs may start in a minute. The window slides; it is kept by two
            weighted counters, so that a few more may fall in some sixty seconds. Needs the extra
            ``serve``.
        concurrent_runs: how many runs may go on at the same time, whether somebody reads them or
            not.
        open_streams: how many streams may be read at the same time.
        url: where it is counted: ``"memory://"``, in this process; ``"redis://host:port/db"``
            (``rediss://``, ``unix://path``), for all processes that name the same, which needs the
            extra ``redis``.
        lease_s: how many seconds after a process has died its places are free; 1 at least.
        when_unavailable: what happens while the store cannot be reached. ``"refuse_runs"`` raises
            ``LimitsUnavailable`` for runs and admits readers; ``"refuse"`` raises it for both;
            ``"admit"`` admits both. What is admitted so takes its places when the store is back.
        unknown: nothing.

    Raises:
        StreamUsageError: for anything that is none of these, and if nothing is limited.
        StreamError: if an extra is missing.
    """

    def __init__(
        self,
        *,
        runs_per_minute: int | None = None,
        concurrent_runs: int | None = None,
        open_streams: int | None = None,
        url: str = "memory://",
        lease_s: float = LEASE_S,
        when_unavailable: WhenUnavailable = "refuse_runs",
        **unknown: Never,
    ) -> None:
        for name in unknown:
            raise StreamUsageError(f"Limits() has no option {name}=; {_nearest(name)}")
        self.runs_per_minute = _count("runs_per_minute", runs_per_minute)
        self.concurrent_runs = _count("concurrent_runs", concurrent_runs)
        self.open_streams = _count("open_streams", open_streams)
        if all(getattr(self, name) is None for name in _LIMITS):
            raise StreamUsageError(
                f"Limits() without a limit limits nothing; give one of {', '.join(_LIMITS)}"
            )
        if when_unavailable not in get_args(WhenUnavailable):
            raise StreamUsageError(
                f"when_unavailable={short_repr(when_unavailable)} is not known; write"
                " 'refuse_runs', 'refuse' or 'admit'"
            )
        self.when_unavailable: WhenUnavailable = when_unavailable
        self._store = open_store(url)
        self._keeper = Keeper(self._store, _seconds(lease_s))
        self._rates = None if runs_per_minute is None else self._store.rates()

    def __repr__(self) -> str:
        """Return the limits that are set: ``Limits(concurrent_runs=3)``."""
        limits = {name: getattr(self, name) for name in _LIMITS}
        shown = [f"{name}={most}" for name, most in limits.items() if most is not None]
        return f"Limits({', '.join(shown)})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def admit_run(self, user: str | None, run_id: str) -> Hold:
        """Return the place of a run that is about to start, to be released when it has ended.

        ``runs_per_minute`` is asked first, then ``concurrent_runs``: a start that the second
        refuses counts for the first. ``run_id`` is seen in the store, to tell what holds a place.

        Raises ``LimitExceeded``, and ``LimitsUnavailable`` as ``when_unavailable`` says.
        """
        key = _key(user)
        try:
            if self._rates is not None and self.runs_per_minute is not None:
                wait_s = await self._rates.hit(key, self.runs_per_minute)
                if wait_s is not None:
                    # The window is exact, so that a moment later there is room.
                    after_s = math.floor(wait_s) + 1
                    raise _exceeded("runs_per_minute", self.runs_per_minute, after_s)
        except LimitsUnavailable as exc:
            if self.when_unavailable != "admit":
                raise
            logger.warning("a run is admitted uncounted: %s", exc)
        refuse = self.when_unavailable != "admit"
        place = Place(f"runs:{key}", f"{run_id}:{secrets.token_hex(8)}")
        return await self._take("concurrent_runs", self.concurrent_runs, place, refuse=refuse)

    async def open_stream(self, user: str | None) -> Hold:
        """Return the place of a reader, to be released when it has gone.

        Raises ``LimitExceeded``, and ``LimitsUnavailable`` as ``when_unavailable`` says.
        """
        place = Place(f"streams:{_key(user)}", secrets.token_hex(8))
        refuse = self.when_unavailable == "refuse"
        return await self._take("open_streams", self.open_streams, place, refuse=refuse)

    async def aclose(self) -> None:
        """Close connections. Places that are still held are free when their leases are over."""
        await self._keeper.aclose()
        await self._store.aclose()

    async def _take(
        self, limit: LimitName, most: int | None, place: Place, *, refuse: bool
    ) -> Hold:
        if most is None:
            return Hold(self._keeper, None)
        left_s = await self._keeper.take(place, most, refuse=refuse)
        if left_s is not None:
            # The lease of one that died is over then; the others are renewed before.
            raise _exceeded(limit, most, min(RETRY_S, math.ceil(left_s)))
        return Hold(self._keeper, place)


def _key(user: object) -> str:
    """Return what stands for a user in the store: of one length, and without their name in it."""
    if user is None:
        return _ANONYMOUS
    if not isinstance(user, str):
        raise StreamUsageError(
            f"user={short_repr(user)} is no string; write the user's id, or None for those without"
        )
    return hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _exceeded(limit: LimitName, most: int, retry_after_s: int) -> LimitExceeded:
    things = _THINGS[limit] if most == 1 else f"{_THINGS[limit]}s"
    retry_after_s = max(1, retry_after_s)
    return LimitExceeded(
        f"limit {limit}: {_MEANS[limit].format(f'{most} {things}')}; try again in"
        f" {retry_after_s} s",
        limit=limit,
        allowed=most,
        retry_after_s=retry_after_s,
    )


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, _OPTIONS, n=1)
    return f"did you mean {close[0]}=?" if close else f"it takes {', '.join(_OPTIONS)}"


def _count(name: LimitName, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise StreamUsageError(
            f"{name}={short_repr(value)} is no number of {_THINGS[name]}s; write {name}=10, or"
            " leave it out for no limit"
        )
    return value


def _seconds(lease_s: object) -> float:
    if (
        isinstance(lease_s, bool)
        or not isinstance(lease_s, int | float)
        or not (1 <= lease_s < math.inf)
    ):
        raise StreamUsageError(
            f"lease_s={short_repr(lease_s)} is no number of seconds from 1 on; write lease_s=30"
        )
    return float(lease_s)
