"""What a place where logs are kept does: ``LogStore``, and the records it takes and gives.

A store keeps streams by name. A stream is a dense sequence of entries, numbered 1, 2, 3 …, and is

* ``running`` while a producer holds it, under a secret owner token and a lease that each append
  renews; when the lease has run out, the stream is *lapsed* until somebody takes it over;
* ``idle`` when it goes on over several runs (``lasting``) and none of them runs;
* ``finished`` when nothing more can come.

It is gone when it was never made, or its time to live is over. That time runs from the end of the
lease, or from the end of the run.

Every method is one atomic step, whatever other processes do, and may be called again after an
answer was lost: the second call changes nothing more, and answers as the first would have.
Methods answer in words (``Status``) instead of raising, because only the caller knows what the
answer means to it; they raise ``LogUnavailable`` where the store cannot be reached.
``log/rules.py`` holds the rules for stores that run them in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeAlias

State: TypeAlias = Literal["idle", "running", "finished"]
Status: TypeAlias = Literal[
    "ok", "gone", "foreign", "held", "lapsed", "finished", "fenced", "behind"
]
"""``foreign``: it is another user's; ``held``: a producer with a lease has it; ``lapsed``: one
whose lease is over, and whose run is to be closed first; ``fenced``: not, or no longer, the
caller's; ``behind``: entries before the first given one are missing, which the store had taken."""
Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch; all processes that share a store have to agree on it."""


class Info(NamedTuple):
    """A stream as it was at one moment."""

    name: str
    generation: str
    state: State
    top: int
    """Number of the newest entry; 0 without any yet."""
    oldest: int
    """Number of the oldest entry that is kept; ``top + 1`` if none is."""
    run_id: str
    """Of the run that is being, or was last, written."""
    start: int
    """Number of that run's first entry."""
    lasting: bool
    lease_left_s: float
    """How long the lease still lasts; 0.0 when it is over, or there is none."""
    cancel: str
    """The reason for which the present run is to stop; ``""`` while nobody has asked."""
    user: str
    """Whose it is, from its first claim to its end; ``""`` is nobody's in particular."""
    thread_id: str
    """The conversation that the run belongs to; ``""`` for none."""

    @property
    def lapsed(self) -> bool:
        """Whether the producer has not been heard of for longer than its lease."""
        return self.state == "running" and self.lease_left_s <= 0


class Claim(NamedTuple):
    """A producer's wish to write one run into a stream."""

    name: str
    owner: str
    """The secret token that all of its appends carry."""
    run_id: str
    generation: str
    """Of the stream, if it has to be made."""
    lasting: bool
    lease_ms: int
    ttl_ms: int
    keep: int
    """How many entries of earlier runs are kept at most when this one begins."""
    user: str = ""
    thread_id: str = ""


class Append(NamedTuple):
    """Entries to be added, numbered ``first``, ``first + 1`` …; those that are there are skipped.

    Without entries it renews the lease. ``then`` ends the run with the same step.
    """

    name: str
    owner: str
    first: int
    entries: Sequence[bytes] = ()
    then: Literal["", "idle", "finished"] = ""


class Answer(NamedTuple):
    """How a step went; ``info`` is None where the stream is gone."""

    status: Status
    info: Info | None


class Added(NamedTuple):
    """How an append went."""

    status: Status
    top: int
    """Number of the newest entry; 0 where the stream is gone."""
    cancel: str
    """As in ``Info``."""


class Page(NamedTuple):
    """Some entries, and the stream as it was at the same moment."""

    info: Info
    entries: list[tuple[int, bytes]]


class Listener(Protocol):
    """Somebody who follows a stream; called on the event loop, and never blocks."""

    def added(self, generation: str, first: int, entries: Sequence[bytes]) -> None:
        """Entries were added. Some may come twice, or late, or never: that is why they have a
        number.
        """
        ...

    def changed(self) -> None:
        """Something else has happened, or may have been missed: read the stream again."""
        ...


class LogStore(Protocol):
    """Where logs are kept. One instance belongs to one event loop."""

    waits: ClassVar[bool]
    """Whether an append may let others run before it is done; if not, it is done when called, and
    gains nothing from being one of many."""

    async def claim(self, claim: Claim, /) -> Answer:
        """Make the stream, or go on with an idle one, as its only producer.

        ``ok``, or ``foreign``, ``held``, ``lapsed``, ``finished`` with nothing changed. Entries of
        earlier runs beyond ``keep`` are removed.
        """
        ...

    async def take_over(self, name: str, owner: str, lease_ms: int, /) -> Answer:
        """Become the owner of a lapsed stream, which fences the one before: ``ok``.

        Otherwise ``held``, ``finished`` (idle ones, too) or ``gone``.
        """
        ...

    async def append(self, appends: Sequence[Append], /) -> list[Added]:
        """Add to several streams, each at most once; each is a step of its own.

        ``ok``; ``fenced``, ``behind`` or ``gone`` with nothing added. Listeners get what is new.
        """
        ...

    async def read(self, name: str, after: int, limit: int, /) -> Page | None:
        """Return up to ``limit`` kept entries after number ``after``; None when gone."""
        ...

    async def cancel(self, name: str, reason: str, /) -> Answer:
        """Ask the present run to stop: ``ok``; the first reason stays.

        ``finished`` if there is no such run, ``gone``.
        """
        ...

    async def expire(self, name: str, ttl_ms: int, /) -> Answer:
        """Let the stream be gone after this time, at once with 0: ``ok`` or ``gone``.

        A producer that goes on with a stream renews its time.
        """
        ...

    async def of_user(self, user: str, /) -> list[str]:
        """Return the names of the user's streams that are there, in the order they were made."""
        ...

    async def attend(self, name: str, reader: str, lease_ms: int, /) -> int:
        """Note that ``reader``, any unique string, reads the stream for ``lease_ms`` from now; with
        0, that it has left. Returns how many read it. The stream need not be there.
        """
        ...

    async def listen(self, name: str, listener: Listener, /) -> Callable[[], None]:
        """Tell ``listener`` of everything that happens after this returned; returns what ends it.

        The stream need not be there yet.
        """
        ...

    def on_cancel(self, told: Callable[[str | None], None], /) -> Callable[[], None]:
        """Tell ``told`` the name of each stream whose run is asked to stop, by whatever process;
        None, where any may have been asked to unheard.

        Returns what ends it. Such a call may be missed; ``Info.cancel`` is what counts.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads; what is kept stays."""
        ...
