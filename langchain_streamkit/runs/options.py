"""The options of a run, checked; and what to write instead of those there are not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.filters import as_filter
from langchain_streamkit.runs.timeout import Timeout, as_timeout
from langchain_streamkit.sources.accounts import Accounting
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.message_meter import COUNTINGS
from langchain_streamkit.tokens.meter import Meter, as_limits
from langchain_streamkit.tokens.prices import Prices, known_prices

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from langchain_streamkit.events import Event
    from langchain_streamkit.snapshot import RunSnapshot
    from langchain_streamkit.tokens.ledger import Ledger
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.tokens.meter import Limit
    from langchain_streamkit.tokens.prices import PriceTable

OnEnd: TypeAlias = "Callable[[RunSnapshot], Any]"
"""What is called when a run has ended."""
CAPTURES = frozenset({"inputs", "outputs", "state", "checkpoints", "usage"})
OWN_OPTIONS = {
    "stream_mode": "the events carry what the modes would give; use capture={'state'} for state",
    "subgraphs": "subgraphs are always in the stream, see event.path",
    "version": "the events have one version, see run.started.v",
    "config": "pass it as the third argument, config=",
    "context": "pass it as context=",
}
CONFIG_KEYS = frozenset(
    {
        "tags",
        "metadata",
        "callbacks",
        "run_name",
        "max_concurrency",
        "recursion_limit",
        "configurable",
        "run_id",
    }
)


class Options(NamedTuple):
    """How a run is watched; see ``astream`` for their meaning."""

    include: Iterable[Any] | None = None
    exclude: Iterable[Any] | None = None
    capture: Collection[str] = ()
    steps: str = "graph"
    streaming: bool = True
    output_deltas: bool = False
    show_subagents: bool = False
    on_sink_error: str = "continue"
    max_unread: int = 10_000
    expose_errors: bool = False
    on_cancel: str = "drop"
    tokens: Counting = "exact"
    prices: PriceTable | None = None
    budget: Limit | Iterable[Limit] | None = None
    timeout: Timeout | float | None = None

    def checked(self) -> Options:
        """Return the options, or raise StreamUsageError for a value that means nothing."""
        for option in ("include", "exclude", "capture"):
            value = getattr(self, option)
            if value is not None and not isinstance(value, Iterable):
                raise StreamUsageError(f"{option}={value!r} is no list of names")
        as_filter(self.include, self.exclude)
        if isinstance(self.capture, str):
            raise StreamUsageError(
                f"capture={self.capture!r} is a string; write capture={{{self.capture!r}}}"
            )
        _one_of("capture", self.capture, CAPTURES)
        _one_of("steps", [self.steps], {"graph", "all"})
        _one_of("on_sink_error", [self.on_sink_error], {"continue", "raise"})
        _one_of("on_cancel", [self.on_cancel], {"drop", "keep_partial"})
        _one_of("tokens", [self.tokens], COUNTINGS)
        if self.prices is not None:
            Prices(self.prices)
        room = cast("Any", self.max_unread)
        if isinstance(room, bool) or not isinstance(room, int):
            raise StreamUsageError(f"max_unread={room!r} is not a number of events")
        if room < 1:
            raise StreamUsageError(f"max_unread={room} leaves no room; write 1 or more")
        return self._replace(
            capture=frozenset(self.capture),
            budget=as_limits(self.budget),
            timeout=as_timeout(self.timeout),
        )

    def accounting(self, ledgers: Iterable[Ledger]) -> Accounting:
        """How tokens and costs are accounted for."""
        own, live = self.prices is not None, "usage" in self.capture
        return Accounting(self.tokens, self._prices, own, tuple(ledgers), live)

    @property
    def _prices(self) -> Prices | None:
        return known_prices() if self.prices is None else Prices(self.prices)

    def meter(self, user: str | None, thread_id: str | None) -> Meter | None:
        """What holds a run to its budgets; None if it has none.

        Raises StreamUsageError if a quota's key cannot be made of these.
        """
        limits = as_limits(self.budget)
        if not limits:
            return None
        return Meter(*limits, user=user, thread_id=thread_id, prices=self._prices)

    @property
    def clocks(self) -> Timeout | None:
        """What ends a run that takes too long."""
        return as_timeout(self.timeout)

    @property
    def keep(self) -> Callable[[Event], bool] | None:
        """The filter of ``include`` and ``exclude``, None when everything is wanted."""
        return as_filter(self.include, self.exclude)


WATCHING = (
    "on_end",
    "include",
    "exclude",
    "capture",
    "steps",
    "streaming",
    "show_subagents",
    "expose_errors",
    "tokens",
    "prices",
    "budget",
    "timeout",
)
"""What can be asked of a run that someone else makes."""


def checked_on_end(on_end: Any) -> Any:
    """``on_end`` if it can be called; else StreamUsageError."""
    if on_end is not None and not callable(on_end):
        raise StreamUsageError(
            f"on_end is a {name_of(on_end)}; pass a function of one RunSnapshot, plain or async"
        )
    return on_end


def checked_user(user: object) -> str | None:
    """``user`` if it can name whose run it is; else StreamUsageError."""
    if user is None or isinstance(user, str):
        return user
    raise StreamUsageError(
        f"user={short_repr(user)} is no string; write one that names the user, such as user='42'"
    )


def name_of(value: object) -> str:
    """What to call a value in a message: its type, or itself if it is one."""
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _one_of(option: str, values: Iterable[Any], known: Collection[str]) -> None:
    for value in values:
        if value not in known:
            names = " or ".join(f"{option}={name!r}" for name in sorted(known))
            raise StreamUsageError(f"{option}={value!r} is not known; write {names}")


_OF_THE_RUNNABLE = ("stop", "durability", "interrupt_before", "interrupt_after", "debug")
_OF_THE_WIRE = ("view", "heartbeat_s", "on_disconnect", "retry_ms", "protocol")


def refuse_unknown(function: str, unknown: Mapping[str, object], known: Collection[str]) -> None:
    """Raise StreamUsageError for options ``function`` does not have, saying where they belong."""
    for name in unknown:
        if name in OWN_OPTIONS:
            raise StreamUsageError(f"{function}() has no {name}=: {OWN_OPTIONS[name]}")
        raise StreamUsageError(f"{function}() has no option {name}=; {_instead(name, known)}")


def _instead(name: str, known: Collection[str]) -> str:
    if name in CONFIG_KEYS:
        return f"it belongs in the config: config={{{name!r}: ...}}"
    if name in _OF_THE_RUNNABLE:
        return f"it is the runnable's own: write call={{{name!r}: ...}}"
    if name in _OF_THE_WIRE:
        return "it belongs to what sends the run: SSEResponse, sse_bytes or WebSocketSession"
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}=?" if close else f"it takes {', '.join(known)}"
