"""``StreamCallbackHandler``: the event stream of code that calls its runnables itself.

Attach it like any callback, to a model, a chain or a config; every root run that passes through it
becomes one legal stream, told apart by ``run_id``.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.attached import AttachedRun
from langchain_streamkit.runs.inbox import Inbox
from langchain_streamkit.runs.options import WATCHING, Options, checked_on_end, refuse_unknown
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.sinks.base import as_sinks
from langchain_streamkit.sources.callbacks import TapHandler, context_parent
from langchain_streamkit.sources.lane import Lanes
from langchain_streamkit.sources.langgraph import handler_base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator
    from uuid import UUID

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.core import OnEnd
    from langchain_streamkit.sinks.base import Sink, SinkLike
    from langchain_streamkit.sources.signals import Token
    from langchain_streamkit.sources.tap import RunTap

_Handler = TypeVar("_Handler", bound="StreamCallbackHandler")


class StreamCallbackHandler(TapHandler):
    """Watches every root run it is attached to, and gives their events to its sinks.

    Without sinks the handler is itself iterable, ``for`` or ``async for``: iteration waits for the
    first run, ends when all runs seen so far have ended, and may be begun again for later ones. (A
    handler that was attached to nothing waits until it is closed.) Data of
    ``get_stream_writer()`` does not pass through callbacks: use ``astream`` or ``with_sinks`` for
    it. ``on_end`` is called with the ``RunSnapshot`` of each root.

    Nothing of it breaks or stops the run it watches. ``close`` (``aclose`` with async sinks, which
    it drains) ends the attachment: sinks are closed, later events dropped.
    """

    def __new__(cls, *_: Any, streaming: bool = True, **__: Any) -> Self:
        """Make an instance that LangGraph, if it is loaded, takes for one of its own."""
        return super().__new__(_variant(cls, handler_base(streaming=streaming)))

    def __init__(
        self,
        *sinks: SinkLike,
        on_end: OnEnd | None = None,
        include: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        capture: Collection[str] = (),
        steps: str = "graph",
        streaming: bool = True,
        show_subagents: bool = False,
        max_unread: int = 10_000,
        expose_errors: bool = False,
        **unknown: Any,
    ) -> None:
        """See ``astream`` for the options.

        Raises StreamUsageError for what is no sink and for an unknown option.
        """
        options = Options(
            include,
            exclude,
            capture,
            steps,
            streaming,
            show_subagents=show_subagents,
            max_unread=max_unread,
            expose_errors=expose_errors,
        )
        refuse_unknown("StreamCallbackHandler", unknown, (*WATCHING, "max_unread"))
        options = options.checked()
        checked_on_end(on_end)
        self._inbox = Inbox(max_unread)
        self._has_sinks = bool(sinks)
        given: list[Sink] = as_sinks(sinks) if sinks else [self._inbox]
        outlets = Outlets(given, self._sink_failed, self)
        self._router = _Roots(outlets, options, on_end, self._inbox)
        super().__init__(self._router)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._readable())

    def __aiter__(self) -> AsyncIterator[Event]:
        return aiter(self._readable())

    def _readable(self) -> Inbox:
        if self._has_sinks:
            raise StreamUsageError(
                "this handler gives its events to its sinks; leave them out to iterate the handler,"
                " or pass a queue as a further sink"
            )
        return self._inbox

    def close(self) -> None:
        """End the attachment: open runs end as cancelled, sinks close (async ones soon)."""
        self._router.end_all()
        self._router.outlets.close()
        self._inbox.close()

    async def aclose(self) -> None:
        """End the attachment; returns when sinks and async ``on_end`` calls are done."""
        self.close()
        await self._router.drained()

    def _sink_failed(self, sink: Sink, error: Exception) -> None:
        LOGGER.error("a sink of a StreamCallbackHandler gets no more events", exc_info=error)
        self._router.sink_failed(sink)


def _variant(cls: type[_Handler], base: type[TapHandler]) -> type[_Handler]:
    if issubclass(cls, base):
        return cls
    key = (cls, base)
    if key not in _VARIANTS:
        namespace = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        _VARIANTS[key] = type(cls.__name__, (cls, base), namespace)
    variant: type[_Handler] = _VARIANTS[key]
    return variant


_VARIANTS: dict[tuple[type[Any], type[Any]], Any] = {}


_PAST_RUNS = 4096
"""Ended runs a handler remembers, to tell their late children from roots (some 200 bytes each)."""


class _Roots:
    """Which root each LangChain run belongs to; the handler's ``Router``."""

    def __init__(
        self, outlets: Outlets, options: Options, on_end: OnEnd | None, inbox: Inbox
    ) -> None:
        self.outlets = outlets
        self._options = options
        self._on_end = on_end
        self._inbox = inbox
        self.lanes = Lanes(self._push_token)
        self._lock = threading.Lock()
        self._runs: dict[UUID, AttachedRun] = {}
        self._past: dict[UUID, UUID] = {}
        """Root of runs that have ended: what they start late belongs to it, or to nobody."""
        self._open: dict[UUID, AttachedRun] = {}
        self._closed = False
        self._tails: set[asyncio.Future[Any]] = set()

    def tap_of(self, run_id: UUID) -> RunTap | None:
        run = self._runs.get(run_id)
        return None if run is None else run.tap

    def tap_of_start(
        self, run_id: UUID, parent_id: UUID | None, name: str, metadata: dict[str, Any] | None
    ) -> RunTap | None:
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
                self._runs[run_id] = run
                return run.tap
            if root is not None:
                return None
        run = self._runs[run_id] = self._new_root(run_id, name, metadata or {})
        return run.tap

    def _push_token(self, token: Token) -> None:
        run = self._runs.get(token.run_id)
        if run is not None:
            run.sequencer.push(token)

    def run_ended(self, run_id: UUID) -> None:
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        self._remember(run_id, run.root)
        if run_id == run.root and run.tap.root_end is not None:
            self._end(run, *run.tap.root_end)

    def end_all(self) -> None:
        """Nobody will hear how the open runs end: they end here."""
        self._closed = True
        for run in list(self._open.values()):
            self._end(run, None, asyncio.CancelledError())

    def _end(self, run: AttachedRun, output: object, error: BaseException | None) -> None:
        tail = run.conclude(output, error)
        if tail is not None:
            self._tails.add(tail)
        with self._lock:
            self._open.pop(run.root, None)
            # A copy: callbacks of other runs, in other threads, go on meanwhile.
            for late in [key for key, other in self._runs.copy().items() if other is run]:
                self._remember(late, run.root)
                self._runs.pop(late, None)
            self._inbox.idle(idle=not self._open)

    def _remember(self, run_id: UUID, root: UUID) -> None:
        self._past[run_id] = root
        if len(self._past) > _PAST_RUNS:
            self._past.pop(next(iter(self._past)), None)

    def report(self, where: str, error: Exception) -> None:
        for run in list(self._open.values()):
            run.sequencer.report(where, error)
            return
        LOGGER.error("%s failed in a StreamCallbackHandler", where, exc_info=error)

    def sink_failed(self, sink: Sink) -> None:
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
        try:
            self.outlets.start(asyncio.get_running_loop())
        except RuntimeError:
            self.outlets.without_loop()
        thread_id = metadata.get("thread_id")
        run = AttachedRun(
            run_id,
            self.outlets,
            self._options,
            self._on_end,
            lanes=self.lanes,
            thread_id=None if thread_id is None else str(thread_id),
        )
        with self._lock:
            self._open[run_id] = run
            self._inbox.idle(idle=False)
        run.begin(name, metadata)
        return run
