"""A run that someone else makes: the items of its stream are read here and told as events.

Guarantees: the source is closed whatever ends the run; an item that cannot be used costs a
diagnostic, never the run; a stream that nobody knows is refused at its first item; of one without
items a diagnostic says so.
"""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.opening import READ_ONCE, opened, opened_sync
from langchain_streamkit.sources.adapters import recognise
from langchain_streamkit.sources.adapters.base import Unadaptable
from langchain_streamkit.sources.control_flow import StopRun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.sources.adapters import Adapter
    from langchain_streamkit.sources.adapters.base import Take


class Reading:
    """What was read of a source so far."""

    def __init__(self, core: RunCore, plan: SourcePlan, token: Take | None = None) -> None:
        self._core = core
        self.plan = plan
        self._token = token or core.lanes.token
        """Takes what models say."""
        self._adapter: Adapter | None = None
        self._skipped: set[str] = set()
        self.live = False
        """Whether the source raises what its run does."""

    def begin(self, first: Any) -> Callable[[Any], None]:
        """Choose the adapter and open the run; returns what takes the items. Raises AdaptError."""
        core = self._core
        adapter = self._adapter = recognise(first, core.tap, self._token, mode=self.plan.mode)
        adapter.output_deltas = core.plan.options.output_deltas
        adapter.live = self.live
        core.open(*adapter.opening(first))
        return adapter.feed

    def failed(self, error: Exception) -> None:
        """An item could not be taken: one diagnostic for each reason. Raises Unadaptable."""
        if isinstance(error, Unadaptable):
            raise error
        if not isinstance(error, AdaptError):
            self._core.report("an item of the stream", error)
            return
        LOGGER.warning("an item of run %s was left out: %s", self._core.run_id, error)
        text = str(error)
        if text not in self._skipped:
            self._skipped.add(text)
            self._core.tap.note(self._core.tap.root, "item_skipped", text)

    @contextmanager
    def watched(self) -> Generator[None, None, None]:
        """Let the adapter know what the source raises."""
        try:
            yield
        except Exception as error:
            if self._adapter is not None and not isinstance(error, AdaptError):
                try:
                    self._adapter.broke(error)
                except Exception as exc:  # noqa: BLE001 -- the run fails by the source's own
                    self._core.report("the end of the stream", exc)
            raise

    async def steps(self) -> AsyncGenerator[None, None]:
        """Read an async source, item by item; closed early, it closes the source."""
        feed: Callable[[Any], None] | None = None
        with self.watched():
            async with opened(self.plan.source) as (items, self.live):
                async for item in items:
                    if feed is None:
                        feed = self.begin(item)
                    try:
                        feed(item)
                    except Exception as exc:  # noqa: BLE001 -- said in a diagnostic
                        self.failed(exc)
                    yield

    def end(self) -> object:
        """The source has ended by itself: what the run returned."""
        if self._adapter is not None:
            return self._adapter.end()
        self._core.open(self.plan.name, None, {})
        text = f"the stream gave no items, so there is nothing to tell; {READ_ONCE}"
        self._core.tap.note(self._core.tap.root, "no_items", text)
        return None


async def read_source(core: RunCore, plan: SourcePlan) -> object:
    """Read an async source to its end; raises what it raises."""
    reading = Reading(core, plan)
    async with aclosing(reading.steps()) as steps:
        async for _ in steps:
            pass
    return reading.end()


def read_source_sync(core: RunCore, plan: SourcePlan) -> object:
    """Read a plain source to its end; raises what it raises, StopRun once a stop was asked."""
    reading = Reading(core, plan)
    feed: Callable[[Any], None] | None = None
    with reading.watched(), opened_sync(plan.source, core) as (items, reading.live):
        for item in items:
            if core.stopping:
                raise StopRun
            if feed is None:
                feed = reading.begin(item)
            try:
                feed(item)
            except Exception as exc:  # noqa: BLE001 -- said in a diagnostic
                reading.failed(exc)
    return reading.end()
