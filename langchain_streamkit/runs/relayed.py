"""A run that is made elsewhere and read here: its events come numbered, and pass as they are.

Guarantees: what was received is given on untouched, its ``seq`` and ``ts`` included; the terminal
event is the one that was received, or, where reading ends before it, one that says so, after what
closes everything that is open. A reader that lags makes the source wait.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from langchain_streamkit import errors
from langchain_streamkit.events import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
)
from langchain_streamkit.failures import error_info, log_failure
from langchain_streamkit.log.closing import Closing
from langchain_streamkit.runs.core import RunCore
from langchain_streamkit.runs.driver import AsyncDriver
from langchain_streamkit.sinks.base import apart
from langchain_streamkit.sources.results import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import CancelReason, Event, TerminalEvent
    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.wire.source import Frames

_MOST_UNREAD: Final = 256
"""Events that may wait for the reader before the source does."""


class RelayCore(RunCore):
    """A run whose events are received. ``plan.source`` yields them, the terminal one last."""

    def __init__(
        self, plan: Plan | SourcePlan, sinks: Sequence[Sink], on_end: OnEnd | None
    ) -> None:
        super().__init__(plan, sinks, on_end)
        self._ledgers = (self.ledger, *apart(sinks)[0])
        self._closing = Closing()
        self._seq = 0
        self._terminal: TerminalEvent | None = None
        self.pace = _Pace()

    def receive(self, event: Event) -> bool:
        """Take the next event; whether it is the last one."""
        if isinstance(event, RunStarted):
            self.name, self.thread_id = event.name, event.thread_id or self.thread_id
        self._begun = True
        self.run_id, self._seq = event.run_id, event.seq
        self._closing.feed(event)
        for ledger in self._ledgers:
            ledger.send([event])
        if isinstance(event, RunFinished | RunInterrupted | RunFailed | RunCancelled):
            self._terminal = event
            return True
        self.sequencer.push(event)
        return False

    # ---- the end -----------------------------------------------------------------------------

    def conclude(self, result: Any, error: BaseException | None) -> None:
        """See ``RunCore``. Of a run that could not be read at all there is nothing to tell."""
        if self._terminal is not None:
            self._finish([self._terminal], *_outcome(self._terminal))
        elif not self._begun and isinstance(error, Exception) and not self.stopping:
            self._refuse(error)
        else:
            super().conclude(result, error)

    def _ensure_begun(self) -> None:
        """What has begun elsewhere is not begun here."""

    def _end_failed(self, error: BaseException) -> None:
        info = error_info(error, error_id=uuid4().hex)
        log_failure(error, info, self.run_id, self.thread_id)
        self._finish(self._closed(RunFailed, error=info), error=error)

    def _end_cancelled(self, reason: CancelReason, *, unstopped: bool = False) -> None:
        """Reading was left: whatever the reason is, it is none for the run, which goes on."""
        text = (
            f"run {self.run_id or self.name} was left by its reader, and goes on where it is made:"
            " read it again from last_event_id on"
        )
        events = self._closed(RunCancelled, reason="disconnect", pending=(self.name,))
        self._finish(events, error=errors.RunCancelled(text, reason="disconnect"))

    def _closed(self, kind: type[RunFailed | RunCancelled], **fields: Any) -> list[Event]:
        if not self._begun:
            return []
        return self._closing.end(kind, seq=self._seq + 1, ts=now_ms(), **fields)

    def _finish(
        self, events: Sequence[Event], result: object = None, error: BaseException | None = None
    ) -> None:
        def end(_: object) -> None:
            self.result, self.error = result, error
            for event in events:
                self.normaliser.outbox.add_made(event)

        self._ended(self.sequencer.conclude(end))


def _outcome(event: TerminalEvent) -> tuple[object, errors.StreamError | None]:
    """What ``result()`` returns, and what it raises."""
    match event:
        case RunFinished():
            return event.output, None
        case RunInterrupted():
            from langgraph.types import Interrupt

            asked = [Interrupt(value=one.payload, id=one.interrupt_id) for one in event.interrupts]
            return {"__interrupt__": asked}, None
        case RunFailed(error=error):
            text = f"{error.message} (code {error.code}, error_id {error.error_id})"
            return None, errors.RemoteFailed(
                text, code=error.code, error_id=error.error_id, retryable=error.retryable
            )
        case RunCancelled(run_id=run_id, reason=reason):
            return None, errors.RunCancelled(
                f"run {run_id} was cancelled where it is made, reason {reason!r}", reason=reason
            )


class RelayDriver(AsyncDriver):
    """Tells the source of the run's reader: where a view or the end is waited for too, nobody may
    wait for the reader.
    """

    core: RelayCore

    def _direct_reader(self, frames: Frames) -> None:
        """What is read is events already, so there is no shorter way."""

    def open(self, frames: Frames | None = None) -> None:
        """See ``AsyncDriver``."""
        super().open(frames)
        if not self._sequencer.views:
            self.core.pace.begin()

    def more(self) -> asyncio.Future[None]:
        """See ``AsyncDriver``."""
        self.core.pace.all_read()
        return super().more()

    def join(self, feed: Feed[Any]) -> None:
        """See ``AsyncDriver``."""
        self.core.pace.end()
        super().join(feed)

    def abandoned(self, reason: CancelReason) -> None:
        """See ``AsyncDriver``."""
        self.core.pace.end()
        super().abandoned(reason)

    async def finished(self, *, reading: bool = True) -> None:
        """See ``AsyncDriver``."""
        self.core.pace.end()
        await super().finished(reading=reading)


class _Pace:
    """How far the source may be ahead of the reader."""

    def __init__(self) -> None:
        self._unread = 0
        self._held = False
        self._free = asyncio.Event()

    def begin(self) -> None:
        """There is a reader to wait for."""
        self._held = True

    def end(self) -> None:
        """Do not wait for the reader any more."""
        self._held = False
        self._free.set()

    def all_read(self) -> None:
        """The reader wants more."""
        self._unread = 0
        self._free.set()

    async def room(self) -> None:
        """Count an event; return when the next one may come."""
        self._unread += 1
        if self._held and self._unread >= _MOST_UNREAD:
            self._free.clear()
            await self._free.wait()


async def read_relayed(core: RunCore, plan: SourcePlan) -> None:
    """Read the source of a ``RelayCore`` to the terminal event; raises what it raises."""
    assert isinstance(core, RelayCore)  # noqa: S101 - whose plan this is
    async with aclosing(plan.source) as events:
        async for event in events:
            if core.receive(event):
                return
            await core.pace.room()
    raise errors.SourceFailed(f"the events of run {core.run_id} ended without the run's end")
