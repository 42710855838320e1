"""One way into the store for all producers of a process: group commit.

While one batch is on its way, whatever else is appended waits and goes with the next: nobody waits
for a clock, and a store that takes many appends at once gets many. Leases are renewed here too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from langchain_streamkit.log.contract import Added, Append, LogStore

MOST_AT_ONCE: Final = 512
"""Streams in one batch."""


class _Waiting:
    """What is to be appended to one stream with the next batch."""

    __slots__ = ("answer", "wish")

    def __init__(self, wish: Append, answer: asyncio.Future[Added]) -> None:
        self.wish = wish
        self.answer = answer


class GroupCommit:
    """Appends of many producers, in batches, one batch at a time."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._task: asyncio.Task[None] | None = None

    async def append(self, wish: Append) -> Added:
        """Return the store's answer; raises what the store raises.

        An append that waits already for the same producer is joined by this one: it has to be
        of the same entries as far as they overlap. A caller that is cancelled leaves what it
        gave to be appended.
        """
        key = (wish.name, wish.owner)
        waiting = self._waiting.get(key)
        if waiting is None:
            answer = asyncio.get_running_loop().create_future()
            # Nobody may be left to see the failure.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            waiting = self._waiting[key] = _Waiting(wish, answer)
        else:
            waiting.wish = _joined(waiting.wish, wish)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._commit())
        return await asyncio.shield(waiting.answer)

    async def aclose(self) -> None:
        """Return when nothing waits any more."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _commit(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:MOST_AT_ONCE]
                # A stream may have two owners here, one of them fenced: one at a time.
                batch: dict[str, _Waiting] = {}
                for key in keys:
                    if key[0] not in batch:
                        batch[key[0]] = self._waiting.pop(key)
                await self._send(list(batch.values()))
        finally:
            self._task = None

    async def _send(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._store.append([waiting.wish for waiting in batch])
        except BaseException as exc:
            failure = exc if isinstance(exc, Exception) else asyncio.CancelledError()
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(failure)
            if not isinstance(exc, Exception):
                raise
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)


def _joined(old: Append, new: Append) -> Append:
    if not new.entries:
        return old._replace(then=new.then or old.then)
    first = min(old.first, new.first) if old.entries else new.first
    entries = list(old.entries)[: max(0, new.first - first)]
    return new._replace(first=first, entries=[*entries, *new.entries], then=new.then or old.then)
