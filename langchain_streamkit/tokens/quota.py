"""A budget that several runs share: of each user, of each thread, of everybody, in a span of time.

Guarantees: all spending of a key in a window is added up in one place, a ``QuotaStore``, while it
happens, so that runs at the same time see each other's. Windows are fixed and follow one another
without a gap; a model call belongs, whole, to the window in which it starts.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Never, Protocol, TypeAlias, cast

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.tokens.budget import Budget
from langchain_streamkit.tokens.quota_store import MemoryQuotaStore

if TYPE_CHECKING:
    from langchain_streamkit.tokens.spending import Spent

KeyFunction: TypeAlias = Callable[[str | None, str | None], str]
"""Given the ``user`` and the ``thread_id`` of a run, says whose spending it adds to."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST: Final = 5200 * _UNITS["w"]
"""A hundred years: the end of a window is a date, and dates end."""
_WINDOW = re.compile(r"([0-9]+)([smhdw])")
_KEYS: Final = (
    "key=lambda user, thread_id: user (what each user spends),"
    " key=lambda user, thread_id: thread_id (each thread),"
    ' or key=lambda user, thread_id: "all" (everybody together)'
)
_STORES: Final = (
    "write store='redis://localhost:6379/0', store=MemoryQuotaStore(), or leave it out for a store"
    " in this process"
)


class QuotaKeyError(StreamUsageError):
    """A quota's key does not say whose spending a run adds to, so the run is not made."""


class QuotaStoreError(StreamError):
    """A quota's store raised, so that nobody knows what may be spent; the cause is what it raised.

    The call that would have spent it is not made, or is broken off.
    """


class QuotaStore(Protocol):
    """Where the spending of keys is added up; for several processes, outside of them.

    Whatever implements it:

    * is called from several threads at once, for every piece of every answer, inside the model's
      callbacks and often in an event loop: it must not block. A store over a network adds to what
      it knows at once, sends that in the background, and returns the total that it last heard of
      plus what it has not sent yet. Only for what begins a call (``model_calls`` or ``tool_calls``
      above zero) it may wait for one answer, for a moment, so that no call is made on a quota that
      others have spent.
    * adds atomically: what two callers add at once is in both of the totals that follow.
    * keeps a window for an hour after its end at least (calls that began in it are still going
      on), and then forgets it.

    An exception that it raises breaks off the call that asked, as a ``QuotaStoreError``.
    """

    def now(self) -> float:
        """Return the seconds since the epoch, alike for all who share the store."""
        ...

    def add(self, key: str, window_start: int, window_s: int, spent: Spent) -> Spent:
        """Add to what the key has spent in the window; return the new total.

        The window is the ``window_s`` seconds from ``window_start``, in seconds since the epoch.
        Counts and cost of ``spent`` can be below zero: an estimate was too high.
        """
        ...

    def get(self, key: str, window_start: int, window_s: int) -> Spent:
        """Return what the key has spent in the window; nothing, if it is not known."""
        ...


class Quota:
    """A limit across runs: what a key may spend in each window of time.

    Give the same quota, or quotas with the same store, to all runs that are to share it. Runs at
    the same time see each other's spending while it streams. Immutable; for any number of threads.

    Args:
        budget: the limits, and what happens when one is exceeded.
        key: a plain function of ``user`` and ``thread_id`` (each None if the run has none) that
            returns whose spending the run adds to. In one store the same key means the same
            spending, whichever quota asks.
        window: ``"30s"``, ``"15m"``, ``"1h"``, ``"1d"``, ``"1w"``, whole seconds, or a timedelta,
            up to a hundred years. Windows follow one another from 1970-01-01T00:00Z, a Thursday:
            days begin at midnight UTC, weeks on Thursdays.
        store: where spending is added up; by default in this process, by this quota alone. A
            ``QuotaStore``, or the URL of one: ``"redis://host:port/db"`` (``rediss://``,
            ``unix://path``), which all processes share that name the same, as ``RedisQuotaStore``
            says; it needs the extra ``redis``.
        unknown: nothing.

    Raises:
        StreamUsageError: for anything that is none of these.
        StreamError: if the extra is missing.
    """

    __slots__ = ("_key", "budget", "store", "window_s")

    def __init__(
        self,
        budget: Budget,
        key: KeyFunction | None = None,
        *,
        window: str | int | timedelta = "1d",
        store: QuotaStore | str | None = None,
        **unknown: Never,
    ) -> None:
        if not isinstance(budget, Budget):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise StreamUsageError(
                f"Quota() takes a Budget first, not {budget!r}; write"
                " Quota(Budget(tokens=100_000), key=lambda user, thread_id: user)"
            )
        for name in unknown:
            raise StreamUsageError(
                f"Quota() has no option {name}=; it takes key, window and store, and limits stand"
                " in its Budget"
            )
        self.budget = budget
        self._key = _checked_key(key)
        self.window_s = _seconds(window)
        """The length of a window."""
        self.store = MemoryQuotaStore() if store is None else _checked_store(store)

    def __repr__(self) -> str:
        """Return the budget and the window."""
        return f"Quota({self.budget!r}, window={self.window_s})"

    def key(self, user: str | None, thread_id: str | None) -> str:
        """Return whose spending a run adds to.

        Raises QuotaKeyError if the function given as ``key`` raises or returns no string.
        """
        whose = f"user={user!r}, thread_id={thread_id!r}"
        try:
            key: Any = self._key(user, thread_id)
        except Exception as exc:
            raise QuotaKeyError(
                f"the quota's key= raised {type(exc).__name__}: {exc} for {whose}; it has to"
                " return a string for every run"
            ) from exc
        if not isinstance(key, str) or not key:
            raise QuotaKeyError(
                f"the quota's key= returned {key!r} for {whose}; it has to return a string for"
                ' every run: pass user= or thread_id= to the run, or write `user or "anonymous"`'
            )
        return key

    def window_start(self) -> int:
        """Return when the present window began, in seconds since the epoch."""
        now = int(self.store.now())
        return now - now % self.window_s

    @property
    def resets_at(self) -> datetime:
        """When the present window ends and the next begins, in UTC."""
        return datetime.fromtimestamp(self.window_start() + self.window_s, UTC)

    def spent(self, user: str | None = None, thread_id: str | None = None) -> Spent:
        """Return what has been spent so far in the present window, of the key of these."""
        return self.store.get(self.key(user, thread_id), self.window_start(), self.window_s)


def _checked_key(key: object) -> KeyFunction:
    if key is None:
        raise StreamUsageError(f"a quota needs a key, which says who shares it: write {_KEYS}")
    if not callable(key):
        raise StreamUsageError(f"key={key!r} is no function; write {_KEYS}")
    if inspect.iscoroutinefunction(key):
        raise StreamUsageError(f"key= is an async function, and is not awaited; write {_KEYS}")
    return cast("KeyFunction", key)


def _seconds(window: object) -> int:
    seconds: object = window
    if isinstance(window, timedelta):
        seconds = window.total_seconds()
        seconds = int(seconds) if seconds.is_integer() else seconds
    elif isinstance(window, str) and (match := _WINDOW.fullmatch(window)):
        seconds = int(match[1]) * _UNITS[match[2]]
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= _LONGEST:
        raise StreamUsageError(
            f"window={window!r} is no length of time; write window='30s', '15m', '1h', '1d' or"
            " '1w', whole seconds, or a timedelta of whole seconds, up to '5200w'"
        )
    return seconds


def _checked_store(store: Any) -> QuotaStore:
    if isinstance(store, str):
        return _opened(store)
    lacks = [name for name in ("now", "add", "get") if not callable(getattr(store, name, None))]
    if lacks:
        raise StreamUsageError(
            f"store={store!r} is no QuotaStore: it has no {lacks[0]}(); {_STORES}"
        )
    return cast("QuotaStore", store)


@functools.cache  # quotas of one URL are quotas of one store
def _opened(url: str) -> QuotaStore:
    scheme = url.partition(":")[0]
    if scheme not in {"redis", "rediss", "unix"}:
        raise StreamUsageError(f"store={url!r} is no URL of a Redis server; {_STORES}")
    if importlib.util.find_spec("redis") is None:
        raise StreamError(
            f"store={url!r} needs the extra redis: pip install 'langchain-streamkit[redis]'"
        )
    from langchain_streamkit.tokens.quota_redis import RedisQuotaStore

    return RedisQuotaStore(url)
