"""The end of a run whose producer is gone: what closes everything that its events left open.

No IO and no clock. ``Closing`` is fed the events of one run, as far as they have come, and says
what makes a legal stream of them. What was open is closed as cancelled, children before parents:
nothing is known to have failed but the run itself, whose code is ``producer_lost``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import msgspec

from langchain_streamkit import events as ev
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.failures import MESSAGES
from langchain_streamkit.grammar.table import KEYS, THING_OF, TRANSITIONS
from langchain_streamkit.sources.calls import parse_args
from langchain_streamkit.tokens.totals import SOURCES, STATUSES

if TYPE_CHECKING:
    from langchain_streamkit.events import Event, Usage
    from langchain_streamkit.grammar.table import Thing

_FIRST_OUTPUT = (ev.TextDelta, ev.ReasoningDelta, ev.ToolCallDelta)
_DETAILS = ("cache_read", "cache_creation", "reasoning", "audio")


class _Open:
    """A thing that has begun and not ended."""

    __slots__ = ("opener", "pieces", "usage")

    def __init__(self, opener: Event) -> None:
        self.opener = opener
        self.pieces: list[str] = []
        self.usage: Usage | None = None
        """Of a message, the newest that was told of it while it was open."""


class Closing:
    """What is open in the events so far of one run."""

    def __init__(self) -> None:
        self._open: dict[tuple[Thing, object], _Open] = {}
        self._used: list[Usage] = []
        self._first: Event | None = None
        self._last: Event | None = None
        self._first_output_ts: int | None = None

    def feed(self, event: Event) -> None:
        """Take in the next event of the run."""
        self._first = self._first or event
        self._last = event
        if self._first_output_ts is None and isinstance(event, _FIRST_OUTPUT):
            self._first_output_ts = event.ts
        thing = THING_OF.get(event.type)
        if thing is None:
            return
        key = (thing, KEYS[thing](event))
        if TRANSITIONS[thing]["new"].get(event.type) == "open":
            self._open[key] = _Open(event)
            return
        match event:
            case ev.TextDelta() | ev.ReasoningDelta():
                if key in self._open:
                    self._open[key].pieces.append(event.text)
            case ev.ToolCallDelta():
                if key in self._open:
                    self._open[key].pieces.append(event.args)
            case ev.UsageUpdated():
                if key in self._open:
                    self._open[key].usage = event.usage
            case _ if TRANSITIONS[thing]["open"].get(event.type) != "open":
                self._open.pop(key, None)
                if isinstance(event, ev.MessageFinished | ev.MessageAborted) and event.usage:
                    self._used.append(event.usage)
            case _:
                pass

    def close(self, *, seq: int, ts: int, error_id: str) -> list[Event]:
        """Return the events that end the run, numbered from ``seq`` on; none if it has ended.

        ``ts`` is now, in ms since the epoch; ``error_id`` is what the log knows this end by.
        Raises ``StreamUsageError`` before the first event was fed: there is nothing to end.
        """
        error = ev.ErrorInfo(
            code="producer_lost",
            message=MESSAGES["producer_lost"],
            error_id=error_id,
            retryable=True,
        )
        return self.end(ev.RunFailed, seq=seq, ts=ts, error=error)

    def end(
        self, kind: type[ev.RunFailed | ev.RunCancelled], *, seq: int, ts: int, **fields: Any
    ) -> list[Event]:
        """The same with another terminal event: of ``kind``, with ``fields`` of its own."""
        first, last = self._first, self._last
        if first is None or last is None:
            raise StreamUsageError("no event of the run was fed: what has not begun has no end")
        if last.type in TERMINAL_TYPES:
            return []
        ts = max(ts, last.ts)
        head: dict[str, Any] = {"run_id": last.run_id, "ts": ts}
        left = [found for (thing, _), found in self._open.items() if thing != "run"]
        closers = [self._closer(found, head) for found in reversed(left)]
        used = self._used + [
            closer.usage
            for closer in closers
            if isinstance(closer, ev.MessageAborted) and closer.usage is not None
        ]
        begin = self._first_output_ts
        timing = ev.Timing(
            duration_ms=ts - first.ts,
            first_token_ms=None if begin is None else begin - first.ts,
        )
        usage = _sum(last.run_id, used)
        end = kind(seq=0, run_id=last.run_id, ts=ts, usage=usage, timing=timing, **fields)
        return [
            msgspec.structs.replace(closer, seq=number)
            for number, closer in enumerate([*closers, end], seq)
        ]

    def _closer(self, found: _Open, head: dict[str, Any]) -> Event:
        opener = cast("Any", found.opener)
        same: dict[str, Any] = {"seq": 0, **head, "path": opener.path, "step_id": opener.step_id}
        joined = "".join(found.pieces)
        match found.opener:
            case ev.StepStarted():
                return ev.StepFinished(outcome="cancelled", **same)
            case ev.ToolStarted(tool_call_id=call_id):
                return ev.ToolFinished(outcome="cancelled", tool_call_id=call_id, **same)
            case ev.MessageStarted(message_id=message_id):
                usage = found.usage
                if usage is not None:
                    usage = msgspec.structs.replace(usage, status="aborted")
                return ev.MessageAborted(
                    message_id=message_id, reason="cancelled", usage=usage, **same
                )
            case _:
                pass
        same |= {"message_id": opener.message_id, "index": opener.index}
        match found.opener:
            case ev.ToolCallStarted(tool_call_id=call_id, name=name):
                args, invalid = _arguments(joined)
                return ev.ToolCallFinished(
                    tool_call_id=call_id, name=name, args=args, invalid=invalid, **same
                )
            case ev.ReasoningStarted():
                return ev.ReasoningFinished(text=joined, **same)
            case _:
                return ev.TextFinished(text=joined, **same)


def _arguments(joined: str) -> tuple[dict[str, Any] | None, ev.InvalidArgs | None]:
    """Nothing at all is not yet an empty object: the model may just have begun."""
    if not joined:
        return None, ev.InvalidArgs(text="", error="cut off before the first character")
    return parse_args(joined)


def _sum(run_id: str, used: list[Usage]) -> Usage:
    """The usage of the run, as certain as its least certain part; ``none`` of no call."""
    costs = [Decimal(usage.cost) for usage in used if usage.cost is not None]
    details = {name: sum(getattr(usage.details, name) for usage in used) for name in _DETAILS}
    if not used:
        return ev.Usage(
            call_id=run_id, input_tokens=0, output_tokens=0, total_tokens=0, source="none"
        )
    sources = {usage.source for usage in used}
    statuses = {usage.status for usage in used}
    return ev.Usage(
        call_id=run_id,
        input_tokens=sum(usage.input_tokens for usage in used),
        output_tokens=sum(usage.output_tokens for usage in used),
        total_tokens=sum(usage.total_tokens for usage in used),
        source=next(word for word in SOURCES if word in sources),
        status=next(word for word in STATUSES if word in statuses),
        details=ev.UsageDetails(**details),
        cost=str(sum(costs)) if costs else None,
    )
