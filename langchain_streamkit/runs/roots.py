"""The root runs that pass through one handler, told apart: the ``Router`` of a handler.

Guarantees: every run belongs to one root, also one that outlives it; each root is one legal stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any

from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.attached import AttachedRun
from langchain_streamkit.sources.callbacks import context_parent
from langchain_streamkit.sources.guard import GuardedLanes
from langchain_streamkit.sources.lane import Lanes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from langchain_streamkit.runs.inbox import Inbox
    from langchain_streamkit.runs.options import OnEnd, Options
    from langchain_streamkit.runs.outlets import Outlets
    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.sources.guard import Guard
    from langchain_streamkit.sources.signals import Token
    from langchain_streamkit.sources.tap import RunTap
    from langchain_streamkit.tokens.ledger import Ledger

_LEFT_RUNS = 64
"""Roots that a handler still refuses when it has given up on them."""
_PAST_RUNS = 4096
"""Ended runs a handler remembers, to tell their late children from roots (some 200 bytes each)."""


class Roots:
    """Which root each LangChain run belongs to; a handler's ``Router``."""

    def __init__(
        self,
        outlets: Outlets,
        options: Options,
        ledgers: Sequence[Ledger] = (),
        on_end: OnEnd | None = None,
        inbox: Inbox | None = None,
        user: str | None = None,
    ) -> None:
        self.outlets = outlets
        self._ledgers = ledgers
        self._options = options
        self._on_end = on_end
        self._inbox = inbox
        self._user = user
        self.lanes = Lanes(self._push_token)
        if options.budget:
            self.lanes = GuardedLanes(self._push_token, self._guard_of)
        self._lock = threading.Lock()
        self._runs: dict[UUID, AttachedRun] = {}
        self._past: dict[UUID, UUID] = {}
        """Root of runs that have ended: what they start late belongs to it, or to nobody."""
        self._late: dict[UUID, AttachedRun] = {}
        """What was open when its root ended: how it ends may be of use to a ledger."""
        self._left: dict[UUID, AttachedRun] = {}
        """Roots whose stream has ended by a clock, while the call goes on."""
        self._open: dict[UUID, AttachedRun] = {}
        self._closed = False
        self._tails: set[asyncio.Future[Any]] = set()

    def tap_of(self, run_id: UUID) -> RunTap | None:
        """The tap of the root that a run belongs to."""
        run = self._runs.get(run_id) or self._late.pop(run_id, None)
        return None if run is None else run.tap

    def tap_of_start(
        self, run_id: UUID, parent_id: UUID | None, name: str, metadata: dict[str, Any] | None
    ) -> RunTap | None:
        """The tap of the root that a run which starts belongs to, or of a new root."""
        if self._closed:
            return None
        for above in (parent_id, context_parent()):
            if above is None:
                continue
            run = self._runs.get(above)
            root = self._past.get(above)
            if root is not None:  # a child that outlives its parent, or even its root
                self._remember(run_id, root)
                run = self._open.get(root)
            if run is not None:
                run.check()
                self._runs[run_id] = run
                return run.tap
            if root is not None:
                if (left := self._left.get(root)) is not None:
                    left.check()
                return None
        run = self._runs[run_id] = self._new_root(run_id, name, metadata or {})
        return run.tap

    def _guard_of(self, run_id: UUID) -> Guard | None:
        run = self._runs.get(run_id)
        return None if run is None else run.tap.guard

    def _push_token(self, token: Token) -> None:
        run = self._runs.get(token.run_id)
        if run is None and self._left and (late := self._late.get(token.run_id)) is not None:
            late.check()
        if run is not None:
            run.push(token)

    def run_ended(self, run_id: UUID) -> None:
        """Forget a run; if it is a root, its stream ends."""
        run = self._runs.pop(run_id, None)
        if run is None:
            if (left := self._left.pop(run_id, None)) is not None:
                left.root_ended()
            return
        self._remember(run_id, run.root)
        if run_id == run.root and run.tap.root_end is not None:
            self._end(run, *run.tap.root_end)
            run.root_ended()

    def end_all(self) -> None:
        """Nobody will hear how the open runs end: they end here."""
        self._closed = True
        for run in list(self._open.values()):
            self._end(run, None, asyncio.CancelledError())

    def _end(self, run: AttachedRun, output: object, error: BaseException | None) -> None:
        self._forget(run, run.conclude(output, error))

    def _give_up_in(self, loop: asyncio.AbstractEventLoop | None, run: AttachedRun) -> None:
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._give_up, run)
                return
        self._give_up(run)

    def _give_up(self, run: AttachedRun) -> None:
        """Time is up, and the call has not noticed: what it still does is refused."""
        if run.sequencer.closed:
            return
        self._left[run.root] = run
        if len(self._left) > _LEFT_RUNS:
            self._left.pop(next(iter(self._left)), None)
        self._forget(run, run.break_off())

    def _forget(self, run: AttachedRun, tail: asyncio.Future[Any] | None) -> None:
        if tail is not None:
            self._tails.add(tail)
        with self._lock:
            self._open.pop(run.root, None)
            # A copy: callbacks of other runs, in other threads, go on meanwhile.
            for late in [key for key, other in self._runs.copy().items() if other is run]:
                self._remember(late, run.root)
                self._late[late] = self._runs.pop(late)
                if len(self._late) > _PAST_RUNS:
                    self._late.pop(next(iter(self._late)), None)
            self._tell_idle()

    def _tell_idle(self) -> None:
        if self._inbox is not None:
            self._inbox.idle(idle=not self._open)

    def _remember(self, run_id: UUID, root: UUID) -> None:
        self._past[run_id] = root
        if len(self._past) > _PAST_RUNS:
            self._past.pop(next(iter(self._past)), None)

    def report(self, where: str, error: Exception) -> None:
        """An error of ours, in a callback of some run."""
        for run in list(self._open.values()):
            run.sequencer.report(where, error)
            return
        LOGGER.error("%s failed in a StreamCallbackHandler", where, exc_info=error)

    def sink_failed(self, sink: Sink) -> None:
        """Tell the readers that are left that ``sink`` gets no more events."""
        for run in list(self._open.values()):
            run.sink_failed(sink)

    async def drained(self) -> None:
        """Wait for the async sinks and ``on_end`` calls."""
        await self.outlets.drained()
        tails, self._tails = self._tails, set()
        for answer in await asyncio.gather(*tails, return_exceptions=True):
            if isinstance(answer, Exception):
                LOGGER.error("on_end failed", exc_info=answer)

    def _new_root(self, run_id: UUID, name: str, metadata: dict[str, Any]) -> AttachedRun:
        loop: asyncio.AbstractEventLoop | None = None
        try:
            loop = asyncio.get_running_loop()
            self.outlets.start(loop)
        except RuntimeError:
            self.outlets.without_loop()
        thread_id = metadata.get("thread_id")
        run = AttachedRun(
            run_id,
            self.outlets,
            self._options,
            self._on_end,
            lanes=self.lanes,
            ledgers=self._ledgers,
            thread_id=None if thread_id is None else str(thread_id),
            user=self._user,
        )
        run.give_up = functools.partial(self._give_up_in, loop, run)
        with self._lock:
            self._open[run_id] = run
            self._tell_idle()
        run.begin(name, metadata)
        return run
