"""One way into the store for all producers of a process: group commit, or none where it is no gain.

While one batch is on its way, whatever else is appended waits and goes with the next: nobody waits
for a clock, and a store that takes many appends at once gets many. Where so many wait that a batch
is full, it goes at once: the process then works on the answers to one batch while the store is at
another. Leases are renewed here too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from langchain_streamkit.log.contract import Added, Append, LogStore

FULL: Final = 64
"""Streams in one batch, at most."""
MOST_AT_ONCE: Final = 4
"""Batches on their way; all but one of them were full."""
_TURN_APPENDS: Final = 64
"""So many appends to a store that never waits, then the event loop gets its turn."""


class Commit(Protocol):
    """How appends get into a store."""

    async def append(self, wish: Append, /) -> Added:
        """Return the store's answer; raises what the store raises.

        A caller that is cancelled leaves what it gave to be appended.
        """
        ...

    async def aclose(self) -> None:
        """Return when nothing waits any more."""
        ...


def commit_for(store: LogStore) -> Commit:
    """Return what fits the store."""
    return GroupCommit(store) if store.waits else DirectCommit(store)


class DirectCommit:
    """Appends to a store that never waits, each done when it is called."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._appends = 0

    async def append(self, wish: Append, /) -> Added:
        """See ``Commit.append``; the event loop gets its turn now and then."""
        (answer,) = await self._store.append((wish,))
        self._appends += 1
        if self._appends % _TURN_APPENDS == 0:
            await asyncio.sleep(0)
        return answer

    async def aclose(self) -> None:
        """See ``Commit.aclose``: nothing ever waits."""


class _Waiting:
    """What is to be appended to one stream with the next batch."""

    __slots__ = ("answers", "wish")

    def __init__(self, wish: Append, answer: asyncio.Future[Added]) -> None:
        self.wish = wish
        self.answers = [answer]
        """One for each caller: a caller that is cancelled cancels its own."""


class GroupCommit:
    """Appends of many producers, in batches, of which no two have the same stream."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._sent: set[str] = set()
        """The streams of all batches on their way."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(self, wish: Append, /) -> Added:
        """See ``Commit.append``.

        An append that waits already for the same producer is joined by this one: it has to be
        of the same entries as far as they overlap.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Added] = loop.create_future()
        key = (wish.name, wish.owner)
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = _Waiting(wish, answer)
        else:
            waiting.wish = _joined(waiting.wish, wish)
            waiting.answers.append(answer)
        if not self._tasks or (len(self._waiting) >= FULL and len(self._tasks) < MOST_AT_ONCE):
            self._tasks.add(loop.create_task(self._commit()))
        return await answer

    async def aclose(self) -> None:
        """See ``Commit.aclose``."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _commit(self) -> None:
        try:
            while batch := self._batch():
                self._sent.update(batch)
                try:
                    await self._send(list(batch.values()))
                finally:
                    self._sent.difference_update(batch)
        finally:
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _batch(self) -> dict[str, _Waiting]:
        """Take what is to be sent next; nothing if others are at it, and it would not be full."""
        if len(self._tasks) > 1 and len(self._waiting) < FULL:
            return {}
        batch: dict[str, _Waiting] = {}
        for key in list(self._waiting):
            # Nor may two owners of one stream, one of them fenced, be in one batch.
            if key[0] not in batch and key[0] not in self._sent:
                batch[key[0]] = self._waiting.pop(key)
                if len(batch) == FULL:
                    break
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._store.append([waiting.wish for waiting in batch])
        except BaseException as exc:
            for waiting in batch:
                for answer in waiting.answers:
                    if not answer.done():
                        if isinstance(exc, Exception):
                            answer.set_exception(exc)
                        else:
                            answer.cancel()
            if not isinstance(exc, Exception):
                raise
        else:
            for waiting, added in zip(batch, answers, strict=True):
                for answer in waiting.answers:
                    if not answer.done():
                        answer.set_result(added)


def _joined(old: Append, new: Append) -> Append:
    if not new.entries:
        return old._replace(then=new.then or old.then)
    first = min(old.first, new.first) if old.entries else new.first
    entries = list(old.entries)[: max(0, new.first - first)]
    return new._replace(first=first, entries=[*entries, *new.entries], then=new.then or old.then)
