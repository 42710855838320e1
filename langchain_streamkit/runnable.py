"""``with_sinks``: a Runnable that is the one it wraps, and tells sinks what happens in it."""

from __future__ import annotations

import asyncio
import functools
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import get_config_list

from langchain_streamkit.api import as_sinks
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.attached import AttachedRun
from langchain_streamkit.runs.drive import Collected
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.runs.plan import Options, Plan, as_runnable, plan_run, refuse_unknown
from langchain_streamkit.sources.langgraph import handler_base, watch_graph

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Callable,
        Collection,
        Iterable,
        Iterator,
        Sequence,
    )
    from types import TracebackType
    from uuid import UUID

    from langchain_core.runnables import RunnableConfig

    from langchain_streamkit.runs.core import OnEnd
    from langchain_streamkit.sinks.base import Sink, SinkLike
    from langchain_streamkit.sources.signals import Token
    from langchain_streamkit.sources.tap import RunTap


def with_sinks(
    runnable: Runnable[Any, Any],
    *sinks: SinkLike,
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    capture: Collection[str] = (),
    steps: str = "graph",
    streaming: bool = True,
    show_subagents: bool = False,
    **unknown: Any,
) -> Runnable[Any, Any]:
    """A Runnable with the input, output, schema, name, config and behaviour of ``runnable``.

    Each call of it is a run whose events go to ``sinks``; async sinks have got everything when
    ``ainvoke`` returns, and are refused by the sync methods. Composable with ``|``, in graphs and
    agents; attributes it does not have (``get_state``, ``bind_tools``, …) are those of
    ``runnable``. See ``astream`` for the options.

    Raises StreamUsageError for what is no Runnable, no sink or an unknown option.
    """
    options = Options(include, exclude, capture, steps, streaming, show_subagents=show_subagents)
    refuse_unknown("with_sinks", unknown, ("on_end", *Options._fields))
    return WatchedRunnable(as_runnable(runnable), as_sinks(sinks), options.checked(), on_end)


class WatchedRunnable(Runnable[Any, Any]):
    """What ``with_sinks`` returns."""

    def __init__(
        self,
        bound: Runnable[Any, Any],
        sinks: Sequence[Sink],
        options: Options,
        on_end: OnEnd | None,
    ) -> None:
        self.bound = bound
        self._sinks = sinks
        self._options = options
        self._on_end = on_end

    # ---- calls -------------------------------------------------------------------------------

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        watch = self._watch(input, config)
        with watch:
            return watch.returned(self.bound.invoke(input, watch.config, **kwargs))

    async def ainvoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        watch = self._watch(input, config)
        async with watch:
            return watch.returned(await self.bound.ainvoke(input, watch.config, **kwargs))

    def stream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        watch = self._watch(input, config)
        with (
            watch,
            closing(cast("Any", self.bound.stream(input, watch.config, **kwargs))) as chunks,
        ):
            yield from watch.passing(chunks)

    async def astream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        watch = self._watch(input, config)
        collected = Collected()
        async with watch:
            chunks = cast("Any", self.bound.astream(input, watch.config, **kwargs))
            async with aclosing(chunks):
                async for chunk in chunks:
                    collected.add(chunk)
                    yield chunk
            watch.returned(collected.value)

    def transform(
        self,
        input: Iterator[Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        watch = self._watch(None, config)
        with (
            watch,
            closing(cast("Any", self.bound.transform(input, watch.config, **kwargs))) as chunks,
        ):
            yield from watch.passing(chunks)

    async def atransform(
        self,
        input: AsyncIterator[Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        watch = self._watch(None, config)
        collected = Collected()
        async with watch:
            chunks = cast("Any", self.bound.atransform(input, watch.config, **kwargs))
            async with aclosing(chunks):
                async for chunk in chunks:
                    collected.add(chunk)
                    yield chunk
            watch.returned(collected.value)

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        watches = self._watches(inputs, config)
        try:
            for watch in watches:
                watch.begin_sync()
            configs = [watch.config for watch in watches]
            outputs = self.bound.batch(
                inputs, configs, return_exceptions=return_exceptions, **kwargs
            )
        except BaseException as exc:
            for watch in watches:
                watch.end(None, exc)
            raise
        for watch, output in zip(watches, outputs, strict=True):
            watch.end(output, cast("Any", output) if isinstance(output, Exception) else None)
        return outputs

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        watches = self._watches(inputs, config)
        try:
            for watch in watches:
                watch.begin_async()
            configs = [watch.config for watch in watches]
            outputs = await self.bound.abatch(
                inputs, configs, return_exceptions=return_exceptions, **kwargs
            )
        except BaseException as exc:
            for watch in watches:
                watch.end(None, exc)
            await asyncio.gather(*(watch.drained() for watch in watches))
            raise
        for watch, output in zip(watches, outputs, strict=True):
            watch.end(output, cast("Any", output) if isinstance(output, Exception) else None)
        await asyncio.gather(*(watch.drained() for watch in watches))
        return outputs

    def _watches(self, inputs: Sequence[Any], config: Any) -> list[_Watch]:
        configs = get_config_list(config, len(inputs))
        return [self._watch(one, each) for one, each in zip(inputs, configs, strict=True)]

    def _watch(self, value: Any, config: RunnableConfig | None) -> _Watch:
        plan = plan_run(
            self.bound,
            value,
            config,
            thread_id=None,
            user=None,
            context=None,
            call=None,
            options=self._options,
            check_graph=False,
        )
        return _Watch(plan, self._sinks, self._on_end)

    # ---- what it is --------------------------------------------------------------------------

    @property
    def InputType(self) -> Any:  # noqa: N802 -- LangChain's name
        return self.bound.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802 -- LangChain's name
        return self.bound.OutputType

    def get_input_schema(self, config: RunnableConfig | None = None) -> Any:
        return self.bound.get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> Any:
        return self.bound.get_output_schema(config)

    @property
    def config_specs(self) -> list[Any]:
        return self.bound.config_specs

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        return self.bound.get_name(suffix, name=name)

    def get_graph(self, config: RunnableConfig | None = None) -> Any:
        return self.bound.get_graph(config)

    def __repr__(self) -> str:
        return f"with_sinks({self.bound!r}, {', '.join(type(s).__name__ for s in self._sinks)})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle ask before there is a `bound`
            raise AttributeError(name)
        value = getattr(self.bound, name)
        if not callable(value) or isinstance(value, type | Runnable):
            return value

        @functools.wraps(value)
        def rewrapped(*args: Any, **kwargs: Any) -> Any:
            # bind_tools, with_structured_output … give another runnable: it is watched as well.
            result = value(*args, **kwargs)
            if isinstance(result, Runnable):
                return WatchedRunnable(result, self._sinks, self._options, self._on_end)
            return result

        return rewrapped


class _Watch:
    """One call of a watched runnable: its run, its handler, the config to call with."""

    def __init__(self, plan: Plan, sinks: Sequence[Sink], on_end: OnEnd | None) -> None:
        self._plan = plan
        self._outlets = Outlets(sinks, self._sink_failed)
        self._run = AttachedRun(
            plan.run_id,
            self._outlets,
            plan.options,
            on_end,
            graph=plan.is_graph,
            thread_id=plan.thread_id,
        )
        self._tail: asyncio.Future[Any] | None = None
        self.push_token: Callable[[Token], None] = self._run.sequencer.push
        handler = handler_base(streaming=plan.options.streaming)(self)
        config = plan.config_for(handler)
        self.config = watch_graph(
            config, self._run.tap, is_graph=plan.is_graph, output_deltas=False
        )
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
        self.begin_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(self._output, error)
        await self.drained()

    def begin_sync(self) -> None:
        """Begin a run in plain code. Raises StreamUsageError for async sinks."""
        self._outlets.refuse_async()
        self._begin()

    def begin_async(self) -> None:
        """Begin a run in the running loop."""
        self._outlets.start(asyncio.get_running_loop())
        self._begin()

    def _begin(self) -> None:
        self._run.begin(self._plan.name, dict(self._plan.config.get("metadata") or {}))

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

    def end(self, output: Any, error: BaseException | None) -> None:
        """End the run as the call ended, unless its own callbacks have ended it."""
        self._note_end(self._run.conclude(output, error))
        self._outlets.close()

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
        return self._run.tap

    def tap_of_start(
        self, run_id: UUID, parent_id: UUID | None, name: str, metadata: dict[str, Any] | None
    ) -> RunTap | None:
        return self._run.tap

    def run_ended(self, run_id: UUID) -> None:
        """The call itself tells how the run ended, with the result it returns."""

    def report(self, where: str, error: Exception) -> None:
        self._run.sequencer.report(where, error)
