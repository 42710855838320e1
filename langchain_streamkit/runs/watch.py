"""One call of a watched runnable: what ``with_sinks`` does around ``invoke`` and its kin."""

from __future__ import annotations

import asyncio
import functools
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.attached import AttachedRun
from langchain_streamkit.runs.drive import Collected, as_agen
from langchain_streamkit.runs.leftovers import still_running
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.runs.preparing import prepare
from langchain_streamkit.runs.reach import Reach
from langchain_streamkit.sinks.base import apart
from langchain_streamkit.sources.langgraph import handler_base, watch_graph

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Iterable,
        Iterator,
        Sequence,
    )
    from types import TracebackType
    from uuid import UUID

    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.sinks.base import Sink
    from langchain_streamkit.sources.tap import RunTap


class Watch:
    """One call of a watched runnable: its run, its handler, the config to call with."""

    def __init__(self, plan: Plan, sinks: Sequence[Sink], on_end: OnEnd | None) -> None:
        self._plan = plan
        ledgers, others = apart(sinks)
        self._outlets = Outlets(others, self._sink_failed, self)
        self._run = AttachedRun(
            plan.run_id,
            self._outlets,
            plan.options,
            on_end,
            graph=plan.is_graph,
            ledgers=ledgers,
            thread_id=plan.thread_id,
            user=plan.user,
        )
        self._reach = Reach(lambda: self._run.expired)
        self._run.give_up = self._give_up
        self._tail: asyncio.Future[Any] | None = None
        self.lanes = self._run.sequencer.lanes
        handler = handler_base(streaming=plan.options.streaming)(self)
        config = plan.config_for(handler)
        self.config = watch_graph(config, self._run.tap, is_graph=plan.is_graph)
        self._output: Any = None

    # ---- the call ----------------------------------------------------------------------------

    def __enter__(self) -> None:
        self.begin_sync()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(self._output, error)

    async def __aenter__(self) -> None:
        await self.prepared()
        self.begin_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(self._output, error)
        await self.drained()

    async def prepared(self) -> None:
        """Load what counting needs, without blocking the loop."""
        await prepare(self._plan)

    def begin_sync(self) -> None:
        """Begin a run in plain code. Raises StreamUsageError for async sinks."""
        self._outlets.refuse_async()
        self._begin()

    def begin_async(self) -> None:
        """Begin a run in the running loop."""
        loop = asyncio.get_running_loop()
        self._outlets.start(loop)
        self._run.on_expiry = self._reach.cancel
        self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._run.begin(self._plan.name, dict(self._plan.config.get("metadata") or {}), loop)

    async def reached(self, call: Awaitable[Any]) -> Any:
        """What the call returns. Raises RunTimeout when time is up; the call is cancelled then."""
        with self._reach:
            return self.returned(await call)

    def returned(self, output: Any) -> Any:
        """Note what the call returned."""
        self._output = output
        return output

    def passing(self, chunks: Iterable[Any]) -> Iterator[Any]:
        """The chunks of the call, noting their sum."""
        collected = Collected()
        for chunk in chunks:
            collected.add(chunk)
            yield chunk
        self._output = collected.value

    async def apassing(self, chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """The same for an async call."""
        collected = Collected()
        reached = as_agen(chunks) if self._run.timed is None else self._reaching(chunks)
        async with aclosing(reached):
            async for chunk in reached:
                collected.add(chunk)
                yield chunk
        self._output = collected.value

    async def _reaching(self, chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """The chunks, each of them waited for until time is up."""
        if self._run.timed is not None:
            self._run.timed.clocks.asked = self._reach.is_waited_in
        while True:
            with self._reach:
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            yield chunk

    def end(self, output: Any, error: BaseException | None) -> None:
        """End the run as the call ended, unless its own callbacks have ended it."""
        if self._run.tap.root_end is not None and error is not None:
            output, error = self._run.tap.root_end  # in a batch, another item may have failed
        left = functools.partial(still_running, self)
        self._note_end(self._run.conclude(output, error, left))
        self._outlets.close()

    def _give_up(self) -> None:
        """Time is up, and the call has not noticed: its stream ends without it."""
        self._note_end(self._run.break_off())
        self._outlets.close()

    @property
    def ended(self) -> bool:
        """Whether the run has ended, which is before its call if that did not stop in time."""
        return self._run.sequencer.closed

    async def drained(self) -> None:
        """Wait until async sinks and ``on_end`` are done."""
        await self._outlets.drained()
        if self._tail is not None:
            await asyncio.wait({self._tail})
            if not self._tail.cancelled() and (error := self._tail.exception()) is not None:
                LOGGER.error("on_end failed after run %s", self._plan.run_id, exc_info=error)

    def _note_end(self, tail: asyncio.Future[Any] | None) -> None:
        if tail is not None:
            self._tail = tail

    def _sink_failed(self, sink: Sink, error: Exception) -> None:
        LOGGER.error(
            "a sink of run %s failed and gets no more events", self._plan.run_id, exc_info=error
        )
        self._run.sink_failed(sink)

    # ---- the handler's router ----------------------------------------------------------------

    def tap_of(self, run_id: UUID) -> RunTap | None:
        """Every run below ours is ours."""
        return self._run.tap

    def tap_of_start(
        self, run_id: UUID, parent_id: UUID | None, name: str, metadata: dict[str, Any] | None
    ) -> RunTap | None:
        """The same. Raises RunTimeout when time is up."""
        self._run.check()
        return self._run.tap

    def run_ended(self, run_id: UUID) -> None:
        """The call itself tells how the run ended, with the result it returns."""
        if run_id == self._run.root:
            self._run.root_ended()

    def report(self, where: str, error: Exception) -> None:
        """An error of ours in a callback."""
        self._run.sequencer.report(where, error)
