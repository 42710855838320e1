"""``StreamCallbackHandler``: the event stream of code that calls its runnables itself.

Attach it like any callback, to a model, a chain or a config; every root run that passes through it
becomes one legal stream, told apart by ``run_id``.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_streamkit.api import as_sinks
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.attached import AttachedRun
from langchain_streamkit.runs.inbox import Inbox
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.runs.plan import Options, refuse_unknown
from langchain_streamkit.sources.callbacks import TapHandler, context_parent
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

    Without sinks the handler is itself iterable, ``for`` or ``async for``: iteration ends when all
    runs seen so far have ended, and may be begun again for later ones. Data of
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
        )
        refuse_unknown("StreamCallbackHandler", unknown, ("on_end", *Options._fields))
        options = options.checked()
        self._inbox = Inbox(max_unread)
        given: list[Sink] = as_sinks(sinks) if sinks else [self._inbox]
        self._router = _Roots(Outlets(given, self._sink_failed), options, on_end, self._inbox)
        super().__init__(self._router)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._inbox)

    def __aiter__(self) -> AsyncIterator[Event]:
        return aiter(self._inbox)

    def close(self) -> None:
        """End the attachment and close its sinks; async ones close as soon as they can."""
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


class _Roots:
    """Which root each LangChain run belongs to; the handler's ``Router``."""

    def __init__(
        self, outlets: Outlets, options: Options, on_end: OnEnd | None, inbox: Inbox
    ) -> None:
        self.outlets = outlets
        self._options = options
        self._on_end = on_end
        self._inbox = inbox
        self._lock = threading.Lock()
        self._runs: dict[UUID, AttachedRun] = {}
        self._open: set[AttachedRun] = set()
        self._tails: set[asyncio.Future[Any]] = set()

    def tap_of(self, run_id: UUID) -> RunTap | None:
        run = self._runs.get(run_id)
        return None if run is None else run.tap

    def tap_of_start(
        self, run_id: UUID, parent_id: UUID | None, name: str, metadata: dict[str, Any] | None
    ) -> RunTap | None:
        run = self._runs.get(parent_id) if parent_id is not None else None
        if run is None and (around := context_parent()) is not None:
            run = self._runs.get(around)
        if run is None:
            run = self._new_root(run_id, name, metadata or {})
        self._runs[run_id] = run
        return run.tap

    def push_token(self, token: Token) -> None:
        run = self._runs.get(token.run_id)
        if run is not None:
            run.sequencer.push(token)

    def run_ended(self, run_id: UUID) -> None:
        run = self._runs.pop(run_id, None)
        if run is None or run_id != run.root or run.tap.root_end is None:
            return
        tail = run.conclude(*run.tap.root_end)
        if tail is not None:
            self._tails.add(tail)
        with self._lock:
            self._open.discard(run)
            idle = not self._open
        self._inbox.idle(idle=idle)

    def report(self, where: str, error: Exception) -> None:
        for run in list(self._open):
            run.sequencer.report(where, error)
            return
        LOGGER.error("%s failed in a StreamCallbackHandler", where, exc_info=error)

    def sink_failed(self, sink: Sink) -> None:
        for run in list(self._open):
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
            thread_id=None if thread_id is None else str(thread_id),
        )
        with self._lock:
            self._open.add(run)
        self._inbox.idle(idle=False)
        run.begin(name, metadata)
        return run
