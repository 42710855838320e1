"""Logs in the memory of the process: the default, for one process and its lifetime."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from langchain_streamkit.log import rules
from langchain_streamkit.log.contract import Answer, Page
from langchain_streamkit.log.listeners import Listeners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_streamkit.log.contract import Added, Append, Claim, Clock, Listener
    from langchain_streamkit.log.rules import Record


class _Stream:
    def __init__(self, record: Record) -> None:
        self.record = record
        self.entries: list[bytes] = []
        """Those from number ``record.oldest`` on."""


class MemoryStore:
    """A ``LogStore`` of one event loop. Nothing outlives the process.

    Streams whose time is over are dropped when another is made.
    """

    waits: ClassVar[bool] = False

    def __init__(self, *, clock: Clock = time.time) -> None:
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        self._present: dict[str, dict[str, int]] = {}
        self._listeners = Listeners()

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._streams)} streams>"

    async def claim(self, claim: Claim, /) -> Answer:
        """See ``LogStore.claim``."""
        now = self._now()
        self._drop_expired(now)
        stream = self._streams.get(claim.name)
        old = 1 if stream is None else stream.record.oldest
        status, record = rules.claim(None if stream is None else stream.record, claim, now)
        if stream is None:
            self._streams[claim.name] = _Stream(record)
        else:
            del stream.entries[: record.oldest - old]
        if status == "ok":
            self._listeners.changed(claim.name)
        return rules.answer(status, record, now)

    async def take_over(self, name: str, owner: str, lease_ms: int, /) -> Answer:
        """See ``LogStore.take_over``."""
        now = self._now()
        stream = self._stream(name, now)
        if stream is None:
            return Answer("gone", None)
        status = rules.take_over(stream.record, owner, lease_ms, now)
        return rules.answer(status, stream.record, now)

    async def append(self, appends: Sequence[Append], /) -> list[Added]:
        """See ``LogStore.append``."""
        now = self._now()
        return [self._append(wish, now) for wish in appends]

    def _append(self, wish: Append, now: int) -> Added:
        stream = self._stream(wish.name, now)
        if stream is None:
            return rules.added("gone", None)
        record = stream.record
        status, known = rules.append(record, wish, now)
        if status == "ok":
            fresh = wish.entries[known:]
            if fresh:
                stream.entries += fresh
                self._listeners.added(wish.name, record.generation, wish.first + known, fresh)
            if wish.then:
                self._listeners.changed(wish.name)
        return rules.added(status, record)

    async def read(self, name: str, after: int, limit: int, /) -> Page | None:
        """See ``LogStore.read``."""
        now = self._now()
        stream = self._stream(name, now)
        if stream is None:
            return None
        oldest = stream.record.oldest
        skipped = max(0, after + 1 - oldest)
        found = stream.entries[skipped : skipped + limit]
        return Page(stream.record.info(now), list(enumerate(found, oldest + skipped)))

    async def cancel(self, name: str, reason: str, /) -> Answer:
        """See ``LogStore.cancel``."""
        now = self._now()
        stream = self._stream(name, now)
        if stream is None:
            return Answer("gone", None)
        status = rules.cancel(stream.record, reason)
        if status == "ok":
            self._listeners.cancelled(name)
        return rules.answer(status, stream.record, now)

    async def expire(self, name: str, ttl_ms: int, /) -> Answer:
        """See ``LogStore.expire``."""
        now = self._now()
        stream = self._stream(name, now)
        if stream is None:
            return Answer("gone", None)
        stream.record.expires = now + ttl_ms
        if not ttl_ms:
            del self._streams[name]
        self._listeners.changed(name)
        return rules.answer("ok", stream.record, now)

    async def of_user(self, user: str, /) -> list[str]:
        """See ``LogStore.of_user``."""
        self._drop_expired(self._now())
        return [name for name, stream in self._streams.items() if stream.record.user == user]

    async def attend(self, name: str, reader: str, lease_ms: int, /) -> int:
        """See ``LogStore.attend``."""
        now = self._now()
        present = {one: end for one, end in self._present.pop(name, {}).items() if end > now}
        present.pop(reader, None)
        if lease_ms:
            present[reader] = now + lease_ms
        if present:
            self._present[name] = present
        return len(present)

    async def listen(self, name: str, listener: Listener, /) -> Callable[[], None]:
        """See ``LogStore.listen``."""
        return self._listeners.add(name, listener)

    def on_cancel(self, told: Callable[[str | None], None], /) -> Callable[[], None]:
        """See ``LogStore.on_cancel``."""
        return self._listeners.add_cancel(told)

    async def aclose(self) -> None:
        """Nothing to let go of: another ``EventLog`` may use the same store."""

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _stream(self, name: str, now: int) -> _Stream | None:
        stream = self._streams.get(name)
        if stream is not None and stream.record.expires <= now:
            del self._streams[name]
            return None
        return stream

    def _drop_expired(self, now: int) -> None:
        for name in [name for name, s in self._streams.items() if s.record.expires <= now]:
            del self._streams[name]
