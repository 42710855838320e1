"""A producer's side of a log: appending, the lease, being asked to stop, the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, Self

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.log.contract import Append
from langchain_streamkit.log.outcomes import refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from langchain_streamkit.log.commit import Commit
    from langchain_streamkit.log.contract import Added, Info

BEATS: Final = 3
"""Renewals in one lease, when nothing is appended."""
MOST_ENTRIES: Final = 256
"""Entries in one append."""


class LogWriter:
    """The only one who writes to a stream, for one run; made by ``EventLog.open``.

    The lease is renewed by every append and, when there are none, by a heartbeat until ``finish``
    or ``aclose``. ``async with`` is ``aclose`` at its end.

    ``cancelled()`` returns when somebody has asked the run to stop, in whatever process: at once
    where the wake-up arrives, with the next append or heartbeat otherwise.
    """

    def __init__(self, commit: Commit, info: Info, owner: str, lease_s: float) -> None:
        self.name = info.name
        self.generation = info.generation
        self.run_id = info.run_id
        self.lasting = info.lasting
        self._owner = owner
        self._commit = commit
        self._top = info.top
        self._unsure: list[bytes] = []
        self._ended = False
        self._refused: StreamError | None = None
        self._loop = asyncio.get_running_loop()
        self._cancel = self._loop.create_future()
        self._pulse = asyncio.Event()
        self._renewed = self._loop.time()
        """When the answer came to what renewed the lease last."""
        self._see(info.cancel)
        self._heart = self._loop.create_task(self._beat(lease_s / BEATS))

    def __repr__(self) -> str:
        return f"<LogWriter of {self.name!r}, run {self.run_id!r}, at {self._top}>"

    @property
    def top(self) -> int:
        """Number of the newest entry that the store has acknowledged."""
        return self._top

    @property
    def cancel_reason(self) -> str | None:
        """Why the run is to stop; None while nobody has asked."""
        return self._cancel.result() if self._cancel.done() else None

    async def cancelled(self) -> str:
        """Return the reason when somebody has asked the run to stop.

        Raises what ended this producer instead: ``Fenced``, ``RunGone``, ``ReplayGap``.
        """
        reason: str = await asyncio.shield(self._cancel)
        return reason

    async def append(self, entries: Sequence[bytes]) -> int:
        """Add events, each as one line of JSON; returns the number of the last one.

        When this returns, the store has them, once and in order, and every reader gets them. One
        call at a time.

        Raises:
            LogUnavailable: the store cannot be reached; they may be kept or not. The next append
                brings them again, before its own: nothing is lost, nothing doubled.
            Fenced: the stream is no longer this producer's. Nothing was added; stop the run.
            RunGone, ReplayGap: the store has lost the stream or a part of it; the same.
            StreamUsageError: for an entry with a line break, and after the end.
        """
        self._check(entries)
        self._unsure += entries
        while self._unsure:
            await self._put(self._unsure[:MOST_ENTRIES], "")
        return self._top

    async def finish(self, entries: Sequence[bytes] = ()) -> None:
        """Add the last events of the run and end it, in one step. Raises as ``append`` does.

        A lasting stream is idle then, for the next run; another is finished, and its readers end.
        Does nothing when called again.
        """
        if self._ended and not entries:
            return
        self._check(entries)
        self._unsure += entries
        while len(self._unsure) > MOST_ENTRIES:
            await self._put(self._unsure[:MOST_ENTRIES], "")
        await self._put(self._unsure, "idle" if self.lasting else "finished")
        self._ended = True
        await self.aclose()

    async def aclose(self) -> None:
        """Stop renewing the lease; a run that was not finished is lost when it is over."""
        self._ended = True
        self._heart.cancel()
        await asyncio.wait([self._heart])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def wake(self) -> None:
        """Ask the store, now, whether the run is to stop."""
        self._pulse.set()

    def _check(self, entries: Sequence[bytes]) -> None:
        if self._refused is not None:
            raise self._refused
        if self._ended:
            raise StreamUsageError(
                f"the writer of log {self.name!r} is closed; append before finish(), or open the"
                " log again for another run"
            )
        for entry in entries:
            if b"\n" in entry:
                raise StreamUsageError(
                    f"an entry of log {self.name!r} has a line break; append event.to_json()"
                )

    async def _put(self, entries: Sequence[bytes], then: Literal["", "idle", "finished"]) -> None:
        first = self._top + 1
        wish = Append(self.name, self._owner, first, tuple(entries), then)
        self._take(await self._commit.append(wish))
        # What another call had already seen acknowledged is no longer among the unsure.
        done = first + len(entries) - 1 - self._top
        if done > 0:
            del self._unsure[:done]
            self._top += done

    def _take(self, answer: Added) -> None:
        if answer.status != "ok":
            self._refused = refusal(self.name, answer.status, top=answer.top)
            if not self._cancel.done():
                self._cancel.set_exception(self._refused)
                self._cancel.exception()  # nobody has to wait for it
            raise self._refused
        self._renewed = self._loop.time()
        self._see(answer.cancel)

    def _see(self, reason: str) -> None:
        if reason and not self._cancel.done():
            self._cancel.set_result(reason)

    async def _beat(self, every_s: float) -> None:
        while True:
            try:
                async with asyncio.timeout_at(self._renewed + every_s):
                    await self._pulse.wait()
            except TimeoutError:
                if self._loop.time() < self._renewed + every_s:
                    continue  # an append has renewed it meanwhile
            self._pulse.clear()
            try:
                self._take(await self._commit.append(Append(self.name, self._owner, 1)))
            except StreamError:
                if self._refused is not None:
                    return
                self._renewed = self._loop.time()
