"""Signals into events, in one thread at a time: what the sequencer does while it holds its lock.

Guarantees: signals are taken in the order they were pushed; every event passes the transform
before anyone sees it, and the snapshot sees what the readers see; what cannot be turned into
events costs a diagnostic, never the run.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import BaseEvent
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.sources.lane import TextLane
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import Note, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.snapshot import RunSnapshot
    from langchain_streamkit.sources.lane import LaneQueue
    from langchain_streamkit.sources.normaliser import Normaliser
    from langchain_streamkit.sources.signals import AnySignal
    from langchain_streamkit.wire.source import Frames

    Keep = Callable[[Event], bool]
    Transform = Callable[[Event], Any]
    Queued = AnySignal | TextLane | Event


class EventMaker:
    """Makes the events of one run from ``signals``, which any thread may append to.

    ``keep`` filters what is returned (the snapshot gets all), ``queue`` is whom lanes tell that
    text lies in them.
    """

    def __init__(
        self,
        normaliser: Normaliser,
        snapshot: RunSnapshot,
        queue: LaneQueue,
        keep: Keep | None,
        on_transform_error: Callable[[Exception], None],
    ) -> None:
        self.signals: deque[Queued] = deque()
        self.closed = False
        """The end is being made: what is pushed now comes too late."""
        self.transform: Transform | None = None
        """What every event passes through before anyone sees it."""
        self.keep = keep
        self.watch: Callable[[Sequence[Event]], None] | None = None
        """What sees all events, whatever ``keep`` leaves out."""
        self._normaliser = normaliser
        self._outbox = normaliser.outbox
        self._snapshot = snapshot
        self._queue = queue
        self._on_transform_error = on_transform_error

    @property
    def waiting(self) -> bool:
        """Whether ``made`` would find anything to do."""
        return bool(self.signals or self._outbox.drafts)

    def fold(self) -> None:
        """Make drafts of all that was pushed."""
        signals, normaliser = self.signals, self._normaliser
        while signals:
            signal = signals.popleft()
            if self.closed:  # pushed by another thread while the end was being made
                normaliser.too_late(signal)
                continue
            try:
                if isinstance(signal, TextLane):
                    ts = signal.ts
                    if text := signal.text():
                        self._feed_text(signal, ts, text)
                    continue
                if isinstance(signal, BaseEvent):
                    self._outbox.add_made(signal)
                    continue
                normaliser.feed(signal)
                if type(signal) is Token:
                    normaliser.open_lane(signal.run_id, self._queue)
            except Exception as exc:  # noqa: BLE001 -- the run goes on without this signal
                where = type(signal).__name__
                self._log(where, exc)
                normaliser.diagnose(now_ms(), "internal", _internal_text(where, exc))

    def made(self) -> list[Event]:
        """All that was pushed or folded, as events."""
        events: list[Event] = self._of_lanes(None)
        if self.waiting:
            self.fold()
            events += self._numbered()
        if self.watch is not None and events:
            self.watch(events)
        if self.keep is not None:
            return [event for event in events if self.keep(event)]
        return events

    def encoded(self, frames: Frames) -> bytes:
        """The same as ``frames`` encodes it. Only while nothing keeps or transforms events."""
        parts: list[bytes] = self._of_lanes(frames)
        if self.waiting:
            self.fold()
            if events := self._numbered():
                parts.append(frames.encode(events))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _of_lanes(self, frames: Frames | None) -> list[Any]:
        """The deltas of the lanes at the head of the queue, which need nothing else: as events, or
        encoded.
        """
        signals = self.signals
        deltas: list[Any] = []
        if self._outbox.drafts or self.transform is not None:
            return deltas
        while signals and type(lane := signals[0]) is TextLane:
            signals.popleft()
            ts = lane.ts
            text = lane.text()
            make = lane.event if frames is None else lane.framing or lane.frame_with(frames)
            delta = lane.delta(text, ts, make)
            if delta is not None:
                deltas.append(delta)
            elif text and not lane.open:
                self._feed_text(lane, ts, text)
                break
        return deltas

    def _feed_text(self, lane: TextLane, ts: int, text: str) -> None:
        self._normaliser.feed_text(lane, ts, text)
        if not lane.open:
            self._normaliser.open_lane(lane.run_id, self._queue)

    def _numbered(self) -> list[Event]:
        events = self._outbox.seal(self._transformed if self.transform is not None else None)
        feed = self._snapshot.feed
        for event in events:
            feed(event)
        return events

    def _transformed(self, event: Event) -> Any:
        transform = self.transform
        try:
            changed: Any = event if transform is None else transform(event)
            if changed is not None and not isinstance(changed, BaseEvent):
                raise StreamUsageError(
                    f"map()'s function returned a {type(changed).__name__}; return the event, a"
                    " changed one, or None"
                )
        except Exception as exc:  # noqa: BLE001 -- what redaction fails on is withheld
            self._on_transform_error(exc)
            return self._normaliser.errors.withheld(event, exc)
        return changed

    def report(self, where: str, error: Exception) -> Note:
        """Log an error of ours, made on any thread; returns the signal of its diagnostic."""
        self._log(where, error)
        return Note(now_ms(), self._normaliser.root, "internal", _internal_text(where, error))

    def _log(self, where: str, error: Exception) -> None:
        LOGGER.error(
            "%s could not be turned into events in run %s",
            where,
            self._normaliser.run_id,
            exc_info=error,
            extra={"run_id": self._normaliser.run_id},
        )


def _internal_text(where: str, error: Exception) -> str:
    return f"{where} could not be shown ({type(error).__name__}); the log has the details"
