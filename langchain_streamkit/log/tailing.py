"""Reading a stream to its end: what is kept, then what comes, never a hole and never a double.

The reader listens first and reads then, so that nothing falls between the two. Every entry that is
given follows the one before; what was told live and does not follow is read from the store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_streamkit.errors import ProducerLost, ReplayGap
from langchain_streamkit.events import decode_event
from langchain_streamkit.log.feed import Feed
from langchain_streamkit.log.outcomes import check_after, gone
from langchain_streamkit.log.position import Position
from langchain_streamkit.log.rescue import rescue

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.log.contract import Info, LogStore, Page

PAGE: Final = 500
"""Entries read from a store at once, at most."""
PAGE_BYTES: Final = 1 << 18
"""How many bytes a page is to have, going by the entries of the page before."""
FIRST_PAGE: Final = 16
"""Entries of the first page, whose size nobody knows."""
IDLE_S: Final = 15.0
"""How long a reader with nobody to wait for trusts that it was told of everything."""


class Entry(NamedTuple):
    """One event in a log: where it is, and its JSON."""

    position: Position
    data: bytes

    def event(self) -> Event:
        """Return the event; raises as ``decode_event`` does."""
        return decode_event(self.data)


class Stretch(NamedTuple):
    """Events that follow each other in a log, without an object for each."""

    generation: str
    first: int
    """Number of the first one."""
    data: Sequence[bytes]
    """The JSON of each; at least one."""

    def entries(self) -> list[Entry]:
        """Return the same, each with its position."""
        generation = self.generation
        return [
            Entry(Position(generation, seq), data) for seq, data in enumerate(self.data, self.first)
        ]


def stretch_of(page: Page, after: Position) -> Stretch | None:
    """Return the events of a page that was read after ``after``; None if there is none.

    Raises ``ReplayGap`` if there is a hole, between ``after`` and the page or inside of it.
    """
    info = page.info
    check_after(info, after)
    last = after.seq
    for seq, _ in page.entries:
        if seq != last + 1:
            raise hole(info, last, seq)
        last = seq
    if not page.entries:
        if last < info.top:
            raise hole(info, last, info.top + 1)
        return None
    return Stretch(info.generation, after.seq + 1, [data for _, data in page.entries])


def hole(info: Info, last: int, found: int) -> ReplayGap:
    """Entries are missing that the store itself should have."""
    return ReplayGap(
        f"log {info.name!r} has lost the events {last + 1} to {found - 1}; load the state anew,"
        f" then read after {info.generation}-{found - 1}",
        oldest=Position(info.generation, found - 1),
    )


async def tail(
    store: LogStore, name: str, after: Position | None, *, wait: bool
) -> AsyncGenerator[Stretch]:
    """See ``EventLog.follow``."""
    feed = Feed()
    most = FIRST_PAGE
    stop = await store.listen(name, feed)
    try:
        while True:
            feed.settle()
            page = await store.read(name, 0 if after is None else after.seq, most)
            if page is None:
                if not wait or after is not None:
                    raise gone(name)
                await _told(feed, IDLE_S)
                continue
            info = page.info
            after = after or Position(info.generation, 0)
            if stretch := stretch_of(page, after):
                after = Position(info.generation, after.seq + len(stretch.data))
                most = _page_after(stretch.data)
                yield stretch
            last = after.seq
            if last < info.top:
                continue
            if info.state == "finished":
                if not info.top:
                    raise lost_unheard(info)
                return
            if info.lapsed:
                await rescue(store, name)
                continue
            # A lease that was seen running out is looked at when it must have been renewed.
            loop = asyncio.get_running_loop()
            timer = loop.call_later(info.lease_left_s or IDLE_S, feed.changed)
            try:
                while not feed.stale:
                    await feed.wait()
                    first, live = feed.take(info.generation, last)
                    if live:
                        last += len(live)
                        yield Stretch(info.generation, first, live)
            finally:
                timer.cancel()
            after = Position(info.generation, last)
    finally:
        stop()


def _page_after(entries: Sequence[bytes]) -> int:
    """How many entries the next page may have, if they are as large as these."""
    size = sum(map(len, entries))
    return max(1, min(PAGE, PAGE_BYTES * len(entries) // max(1, size)))


async def _told(feed: Feed, timeout_s: float) -> None:
    timer = asyncio.get_running_loop().call_later(timeout_s, feed.changed)
    try:
        await feed.wait()
    finally:
        timer.cancel()


def lost_unheard(info: Info) -> ProducerLost:
    """The producer is gone, and there is nothing that could be closed."""
    return ProducerLost(
        f"the producer of log {info.name!r} (run {info.run_id!r}) was lost before its first event;"
        " start the run again"
    )
