"""The one sequencing point of a run: signals in from any thread, numbered events out.

Guarantees: every reader and sink gets the identical events in the same order; signals are taken in
the order they were pushed; whoever pushes never waits for another thread; what nobody has read yet
merges (see ``outbox.py``), so an idle reader costs memory for its text, not for its tokens.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from langchain_streamkit.runs.maker import EventMaker
from langchain_streamkit.runs.views.open_views import OpenViews
from langchain_streamkit.sources.lane import Lanes
from langchain_streamkit.sources.results import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.maker import Keep, Queued, Transform
    from langchain_streamkit.runs.outlets import Outlets
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.snapshot import RunSnapshot
    from langchain_streamkit.sources.lane import TextLane
    from langchain_streamkit.sources.normaliser import Normaliser
    from langchain_streamkit.wire.source import Frames

_FOLD_AT = 512
"""Raw signals (up to 1 KB each) that may lie unread before they are folded into drafts."""
_LAG = 1024
"""Sealed events a reader may be behind before new ones are left to merge."""
_LAGGING_STRIDE = 256
"""Signals, or pieces of one text, merged while a reader lags, so sinks still see the run go on."""
_DELTAS = frozenset({"text.delta", "reasoning.delta", "tool_call.delta"})


class Sequencer:
    """Turns signals into events, once, for one run.

    ``keep`` filters what readers and sinks get (the snapshot gets all). ``on_overflow`` is called
    once, when more than ``max_unread`` events that cannot merge wait for the reader.
    """

    def __init__(
        self,
        normaliser: Normaliser,
        snapshot: RunSnapshot,
        outlets: Outlets,
        *,
        keep: Keep | None,
        max_unread: int,
        on_overflow: Callable[[], None],
        on_transform_error: Callable[[Exception], None],
        lanes: Lanes | None = None,
    ) -> None:
        self.normaliser = normaliser
        self.wake: Callable[[], None] | None = None
        """Set by a reader that waits; called, from any thread, when there may be something."""
        self.ended = False
        """The terminal event can be read: nothing comes after it."""
        self.lanes = lanes or Lanes(self.push)
        """The short way of plain text, for callbacks."""
        self.text_writer = snapshot.text_writer
        """What shows further text of an open block in the snapshot."""
        self.short: TextLane | None = None
        """The lane whose text the reader may make frames of: until a push, a view or a stop."""
        self.discarded = False
        """Events were thrown away because nobody read."""
        self.views = OpenViews(normaliser.run_id)
        """The views that are open."""
        self._snapshot = snapshot
        self._maker = EventMaker(normaliser, snapshot, self, keep, on_transform_error)
        self._signals = self._maker.signals
        self._outlets = outlets
        self._outbox = normaliser.outbox
        self._eager = bool(outlets)
        self._alone = keep is None and not self._eager
        """Nobody but the reader wants the events, and it wants them as they are."""
        self._max_unread = max_unread
        self._fold_at = min(_FOLD_AT, max_unread)
        self._on_overflow: Callable[[], None] | None = on_overflow
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._ready: deque[Event] = deque()
        self._ready_structural = 0
        self._may_discard = False

    @property
    def transform(self) -> Transform | None:
        """What every event passes through before anyone sees it."""
        return self._maker.transform

    @transform.setter
    def transform(self, transform: Transform) -> None:
        self._maker.transform = transform
        self._alone = False

    @property
    def closed(self) -> bool:
        """The end is being made, or is: what is pushed now comes too late."""
        return self._maker.closed

    # ---- writing -----------------------------------------------------------------------------

    def push(self, signal: Queued) -> None:
        """Take a signal, or a lane with text, from any thread; never waits for another one."""
        if self._maker.closed:
            self.normaliser.too_late(signal)
            return
        self.short = None
        signals = self._signals
        signals.append(signal)
        if self._eager:
            if not self._lagging() or len(signals) >= _LAGGING_STRIDE:
                self._work(seal=True)
        elif len(signals) >= self._fold_at:
            self._work(seal=False)
        wake = self.wake
        if wake is not None:
            wake()

    def tell_growth(self, pieces: int) -> None:
        """Text lies in a lane that nobody has taken out yet."""
        if pieces >= _LAGGING_STRIDE or (self._eager and not self._lagging()):
            self._work(seal=self._eager)

    def conclude(self, end: Callable[[Normaliser], None]) -> bool:
        """Let ``end`` put the terminal event, and seal it. False if the run ended before."""
        if self._owner == threading.get_ident():  # a sink's send ended the run it is fed from
            return self._conclude(end)
        with self._lock:
            self._owner = threading.get_ident()
            try:
                return self._conclude(end)
            finally:
                self._owner = None

    def _conclude(self, end: Callable[[Normaliser], None]) -> bool:
        if self._maker.closed:
            return False
        self.short = None
        self._fold()
        self._maker.closed = True
        try:
            end(self.normaliser)
        except Exception as exc:  # noqa: BLE001 -- whatever happens, the stream ends
            self._maker.report("the end", exc)
            self.normaliser.break_off(now_ms(), exc)
        self._seal()
        self.ended = True
        self._tell_reader()
        return True

    def _work(self, *, seal: bool) -> None:
        """Fold what was pushed; whoever holds the lock does it for all that push meanwhile."""
        while True:
            if not self._lock.acquire(blocking=False):
                return
            self._owner = threading.get_ident()
            try:
                if seal:
                    self._seal()
                else:
                    self._fold()
            finally:
                self._owner = None
                self._lock.release()
            if not self._signals or not (seal or len(self._signals) >= self._fold_at):
                break
        self._tell_reader()

    def _tell_reader(self) -> None:
        wake = self.wake
        if wake is not None:
            wake()

    def _fold(self) -> None:
        self._maker.fold()
        self._check_unread()

    def _check_unread(self) -> None:
        # Whoever may come yet is not worth the memory of every delta.
        ready = len(self._ready) if self._may_discard else self._ready_structural
        if self._outbox.structural + ready > self._max_unread:
            self._too_many()

    def _too_many(self) -> None:
        if self.discarded or self._on_overflow is None:
            return
        if self._may_discard:
            self._keep_nothing()
        else:
            overflow, self._on_overflow = self._on_overflow, None
            overflow()

    def report(self, where: str, error: Exception) -> None:
        """An error of ours in a callback, on any thread: a log line and a diagnostic."""
        self.push(self._maker.report(where, error))

    def _seal(self) -> None:
        """Number what was pushed, give it to sinks, keep it for the reader."""
        events = self._maker.made()
        if not events:
            return
        if not self.discarded:
            self._ready.extend(events)
            self._ready_structural += sum([event.type not in _DELTAS for event in events])
            self._check_unread()
        if self._eager:
            self._outlets.send(events)

    # ---- reading -----------------------------------------------------------------------------

    def take(self) -> list[Event]:
        """All events that are ready now; the reader's next call begins after them."""
        ready = self._ready
        if not self.has_more:
            return []
        if self._eager or ready or self.views:
            if self._maker.waiting:
                self._work(seal=True)
            return self._drained()
        # Nobody but this reader wants the events: no detour over what lies ready.
        if not self._lock.acquire(blocking=False):
            return []  # whoever holds it is folding and will wake the reader
        self._owner = threading.get_ident()
        try:
            # Another thread may have sealed in between.
            return self._drained() if ready else self._maker.made()
        finally:
            self._owner = None
            self._lock.release()

    def encoded(self, frames: Frames) -> bytes:
        """What ``frames`` makes of all events that are ready now, if there are any; as ``take``."""
        if self._lock.acquire(blocking=False):
            try:
                if self._alone and not self._ready:
                    return self._maker.encoded(frames)
            finally:
                self._lock.release()
        events = self.take()
        return frames.encode(events) if events else b""

    def _drained(self) -> list[Event]:
        ready = self._ready
        events: list[Event] = []
        while ready:
            events.append(ready.popleft())
        self._ready_structural = 0
        return events

    def short_of(self, run_id: UUID) -> TextLane | None:
        """The lane of a call, ``short`` from now on, if it has one and nothing waits before it."""
        if not self._alone or self.lanes.guarded or not self._lock.acquire(blocking=False):
            return None  # whoever holds it is making events
        self.short = None if self.has_more else self.lanes.find(run_id)
        self._lock.release()
        return self.short

    # ---- views -------------------------------------------------------------------------------

    def subscribe(self, feed: Feed[Any]) -> None:
        """Give ``feed`` what the snapshot shows, then every event that comes after it."""
        if self.owned:  # a sink or map() opens a view, in the middle of the making of events
            self._join(feed)
            return
        with self._lock:
            self._owner = threading.get_ident()
            try:
                if not self._maker.closed:
                    self._seal()
                self._join(feed)
            finally:
                self._owner = None
        self._tell_reader()

    def _join(self, feed: Feed[Any]) -> None:
        self.views.join(feed, self._snapshot)
        self._maker.watch = self.views.tell
        self._alone = False
        self.short = None

    @property
    def unsealed(self) -> bool:
        """Whether something was pushed that is no event yet."""
        return self._maker.waiting

    @property
    def has_more(self) -> bool:
        """Whether ``take`` would find anything to do."""
        return bool(self._signals or self._outbox.drafts or self._ready)

    @property
    def owned(self) -> bool:
        """Whether this thread is in the middle of making events, so inside a sink's ``send``."""
        return self._owner == threading.get_ident()

    @property
    def has_signals(self) -> bool:
        """Whether something was pushed that is not folded yet."""
        return bool(self._signals)

    @property
    def made(self) -> int:
        """How many events there are so far, read or not."""
        return self._outbox.made

    @property
    def silent(self) -> bool:
        """Whether the run ended without an event between run.started and the terminal one."""
        return self.ended and self.made <= 2

    def settle(self, *, seal: bool = True) -> None:
        """Fold what was pushed now, so that snapshot and counters are current."""
        self._work(seal=seal)

    def nobody_reads(self) -> None:
        """No reader yet: rather than stop the run, throw events away when they grow too many."""
        self._may_discard = True

    def somebody_reads(self) -> None:
        """There is a reader now, who gets everything."""
        self._may_discard = False

    def no_reader(self) -> None:
        """There will be no reader but sinks and views."""
        self._keep_nothing()

    def begin(self, ts: int, name: str, user: str | None, metadata: dict[str, Any]) -> None:
        """Emit run.started; sinks get it at once."""
        self.normaliser.begin(ts, name, user, metadata)
        if self._eager:
            self._work(seal=True)

    def _keep_nothing(self) -> None:
        self.discarded = True
        self._eager = True
        self._alone = False
        self._ready.clear()
        self._ready_structural = 0

    def _lagging(self) -> bool:
        return len(self._ready) > _LAG or self._outlets.lag > _LAG
