"""What a run has come to, read from its log: nothing else has to be kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from langchain_streamkit.events import TERMINAL_TYPES, ErrorInfo, InterruptInfo, Usage, decode_event
from langchain_streamkit.events import RunCancelled as Cancelled
from langchain_streamkit.events import RunFailed as Failed
from langchain_streamkit.events import RunFinished as Finished
from langchain_streamkit.events import RunInterrupted as Interrupted
from langchain_streamkit.failures import MESSAGES
from langchain_streamkit.log.outcomes import gone
from langchain_streamkit.log.position import Position

if TYPE_CHECKING:
    from langchain_streamkit.log import EventLog
    from langchain_streamkit.log.contract import Info

RunState: TypeAlias = Literal["running", "finished", "interrupted", "failed", "cancelled"]
_STATES: Final[dict[type, RunState]] = {
    Finished: "finished",
    Interrupted: "interrupted",
    Failed: "failed",
    Cancelled: "cancelled",
}


class RunStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run as its log has it at this moment."""

    run_id: str
    status: RunState
    """``running`` from the moment it was accepted, a place in a queue included."""
    thread_id: str | None = None
    user: str | None = None
    last_event_id: str | None = None
    """Position of the newest event: what to read after; None before the first."""
    cancel_asked: str | None = None
    """The reason, when somebody has asked the run to stop and it has not ended yet."""
    interrupts: list[InterruptInfo] = []
    """Of an interrupted run: what has to be answered."""
    error: ErrorInfo | None = None
    """Of a failed run; its message is from our table."""
    reason: str | None = None
    """Of a cancelled run."""
    usage: Usage | None = None
    """Of a run that has ended."""


async def status_of(log: EventLog, run_id: str) -> RunStatus:
    """Return what the run has come to; a lost one is closed first. Raises ``RunGone``."""
    info = await log.info(run_id)
    if info.lapsed and await log.close_lost(run_id):
        info = await log.info(run_id)
    seen: RunStatus = RunStatus(
        run_id=run_id,
        status="running",
        thread_id=info.thread_id or None,
        user=info.user or None,
        last_event_id=str(Position(info.generation, info.top)) if info.top else None,
        cancel_asked=info.cancel or None,
    )
    return seen if info.state == "running" else await _ended(log, info, seen)


async def _ended(log: EventLog, info: Info, seen: RunStatus) -> RunStatus:
    seen = msgspec.structs.replace(seen, cancel_asked=None)
    page = await log.store.read(info.name, info.top - 1, 1) if info.top else None
    if page is None or not page.entries:
        if info.top:
            raise gone(info.name)
        lost = ErrorInfo(
            code="producer_lost", message=MESSAGES["producer_lost"], error_id="", retryable=True
        )
        return msgspec.structs.replace(seen, status="failed", error=lost)
    last = decode_event(page.entries[0][1])
    if last.type not in TERMINAL_TYPES:
        return seen
    return msgspec.structs.replace(
        seen,
        status=_STATES[type(last)],
        interrupts=last.interrupts if isinstance(last, Interrupted) else [],
        error=last.error if isinstance(last, Failed) else None,
        reason=last.reason if isinstance(last, Cancelled) else None,
        usage=getattr(last, "usage", None),
    )
