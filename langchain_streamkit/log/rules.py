"""What each step does to a stream: the rules of ``contract.py`` as functions of record and time.

No IO and no clock. ``redis_script.py`` says the same in Redis' own language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from langchain_streamkit.log.contract import (
    Added,
    Answer,
    Info,
    State,
)

if TYPE_CHECKING:
    from langchain_streamkit.log.contract import Append, Claim, Status


class Record(msgspec.Struct, kw_only=True):
    """What is kept of a stream beside its entries; times in ms since the epoch."""

    name: str
    generation: str
    state: State
    top: int
    oldest: int
    run_id: str
    start: int
    owner: str
    lease_ms: int
    lease_until: int
    lasting: bool
    cancel: str
    ttl_ms: int
    expires: int
    user: str
    thread_id: str
    made: int

    def info(self, now: int) -> Info:
        """What is shown of it."""
        left = self.lease_until - now if self.state == "running" else 0
        return Info(
            name=self.name,
            generation=self.generation,
            state=self.state,
            top=self.top,
            oldest=self.oldest,
            run_id=self.run_id,
            start=self.start,
            lasting=self.lasting,
            lease_left_s=max(0, left) / 1000,
            cancel=self.cancel,
            user=self.user,
            thread_id=self.thread_id,
        )

    def renew(self, now: int) -> None:
        """Begin the lease anew, and the time to live after it."""
        self.lease_until = now + self.lease_ms
        self.expires = self.lease_until + self.ttl_ms


def claim(record: Record | None, wish: Claim, now: int) -> tuple[Status, Record]:
    """Return the answer, and the record as it is to be kept; ``record`` is None where gone."""
    if record is None:
        record = Record(
            name=wish.name,
            generation=wish.generation,
            state="idle",
            top=0,
            oldest=1,
            run_id="",
            start=1,
            owner="",
            lease_ms=0,
            lease_until=0,
            lasting=wish.lasting,
            cancel="",
            ttl_ms=0,
            expires=0,
            user=wish.user,
            thread_id=wish.thread_id,
            made=now,
        )
    elif record.user != wish.user:
        return "foreign", record
    elif record.owner == wish.owner and record.state == "running":
        return "ok", record
    elif record.state == "finished":
        return "finished", record
    elif record.state == "running":
        return ("held" if record.lease_until > now else "lapsed"), record
    record.state = "running"
    record.run_id = wish.run_id
    record.start = record.top + 1
    record.oldest = max(record.oldest, record.top + 1 - wish.keep)
    record.owner = wish.owner
    record.lasting = wish.lasting
    record.cancel = ""
    record.lease_ms = wish.lease_ms
    record.ttl_ms = wish.ttl_ms
    record.renew(now)
    return "ok", record


def take_over(record: Record, owner: str, lease_ms: int, now: int) -> Status:
    """Change the record if it is lapsed."""
    if record.state != "running":
        return "finished"
    if record.owner != owner:
        if record.lease_until > now:
            return "held"
        record.owner = owner
        record.lease_ms = lease_ms
        record.renew(now)
    return "ok"


def append(record: Record, wish: Append, now: int) -> tuple[Status, int]:
    """Change the record, and return how many of the given entries are there already."""
    last = wish.first + len(wish.entries) - 1
    if record.owner != wish.owner:
        return "fenced", 0
    if record.state != "running":  # the answer to the append that ended the run was lost
        return ("ok" if wish.then and last <= record.top else "fenced"), len(wish.entries)
    if wish.first > record.top + 1:
        return "behind", 0
    known = min(len(wish.entries), record.top + 1 - wish.first)
    record.top = max(record.top, last)
    record.renew(now)
    if wish.then:
        record.state = wish.then
        record.expires = now + record.ttl_ms
    return "ok", known


def cancel(record: Record, reason: str) -> Status:
    """Change the record if a run is there to be stopped."""
    if record.state != "running":
        return "finished"
    record.cancel = record.cancel or reason
    return "ok"


def added(status: Status, record: Record | None) -> Added:
    """The answer to an append."""
    return Added("gone", 0, "") if record is None else Added(status, record.top, record.cancel)


def answer(status: Status, record: Record | None, now: int) -> Answer:
    """The answer with what is shown of the record."""
    return Answer(status, None if record is None else record.info(now))
