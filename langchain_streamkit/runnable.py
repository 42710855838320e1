"""``with_sinks``: a Runnable that is the one it wraps, and tells sinks what happens in it."""

from __future__ import annotations

import asyncio
import functools
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import get_config_list

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.options import (
    WATCHING,
    Options,
    checked_on_end,
    checked_user,
    refuse_unknown,
)
from langchain_streamkit.runs.plan import plan_run
from langchain_streamkit.runs.runnables import as_runnable
from langchain_streamkit.runs.watch import Watch
from langchain_streamkit.sinks.base import as_sinks

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Collection,
        Iterable,
        Iterator,
        Sequence,
    )

    from langchain_core.runnables import RunnableConfig

    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.timeout import Timeout
    from langchain_streamkit.sinks.base import Sink, SinkLike
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.tokens.meter import Limit
    from langchain_streamkit.tokens.prices import PriceTable


def with_sinks(
    runnable: Runnable[Any, Any],
    *sinks: SinkLike,
    user: str | None = None,
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    capture: Collection[str] = (),
    steps: str = "graph",
    streaming: bool = True,
    show_subagents: bool = False,
    expose_errors: bool = False,
    tokens: Counting = "exact",
    prices: PriceTable | None = None,
    budget: Limit | Iterable[Limit] | None = None,
    timeout: Timeout | float | None = None,
    **unknown: Any,
) -> Runnable[Any, Any]:
    """A Runnable with the input, output, schema, name, config and behaviour of ``runnable``.

    Each call of it is a run whose events go to ``sinks``; async sinks have got everything when
    ``ainvoke`` returns, and are refused by the sync methods. Composable with ``|``, in graphs and
    agents; attributes it does not have (``get_state``, ``bind_tools``, …) are those of
    ``runnable``. ``user`` is whose calls they are, for a ``Quota``; a call that exceeds its
    ``budget`` raises ``BudgetExceeded``, one that exceeds its ``timeout`` ``RunTimeout``. Then
    ``ainvoke`` and ``astream`` are cancelled, the others end at their next callback. See
    ``astream`` for the options.

    Raises StreamUsageError for what is no Runnable, no sink or an unknown option.
    """
    options = Options(
        include,
        exclude,
        capture,
        steps,
        streaming,
        show_subagents=show_subagents,
        expose_errors=expose_errors,
        tokens=tokens,
        prices=prices,
        budget=budget,
        timeout=timeout,
    )
    refuse_unknown("with_sinks", unknown, ("user", *WATCHING))
    if not sinks and on_end is None:
        raise StreamUsageError("with_sinks() without a sink watches nothing; pass one, or on_end=")
    target, on_end = as_runnable(runnable), checked_on_end(on_end)
    return WatchedRunnable(target, as_sinks(sinks), options.checked(), on_end, checked_user(user))


class WatchedRunnable(Runnable[Any, Any]):
    """What ``with_sinks`` returns."""

    def __init__(
        self,
        bound: Runnable[Any, Any],
        sinks: Sequence[Sink],
        options: Options,
        on_end: OnEnd | None,
        user: str | None = None,
    ) -> None:
        self._user = user
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
            return await watch.reached(self.bound.ainvoke(input, watch.config, **kwargs))

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
        stream: Any = self.bound.astream(input, watch.config, **kwargs)
        async with watch, aclosing(stream), aclosing(watch.apassing(stream)) as chunks:
            async for chunk in chunks:
                yield chunk

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
        stream: Any = self.bound.atransform(input, watch.config, **kwargs)
        async with watch, aclosing(stream), aclosing(watch.apassing(stream)) as chunks:
            async for chunk in chunks:
                yield chunk

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
                await watch.prepared()
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

    def _watches(self, inputs: Sequence[Any], config: Any) -> list[Watch]:
        configs = get_config_list(config, len(inputs))
        return [self._watch(one, each) for one, each in zip(inputs, configs, strict=True)]

    def _watch(self, value: Any, config: RunnableConfig | None) -> Watch:
        plan = plan_run(
            self.bound,
            value,
            config,
            thread_id=None,
            user=self._user,
            context=None,
            call=None,
            options=self._options,
            check_graph=False,
        )
        return Watch(plan, self._sinks, self._on_end)

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
        value: Any = getattr(self.bound, name)
        if _is_plain(value):
            return value

        @functools.wraps(value)
        def rewrapped(*args: Any, **kwargs: Any) -> Any:
            # bind_tools, with_structured_output … give another runnable: it is watched as well.
            result: Any = value(*args, **kwargs)
            if _is_runnable(result):
                return WatchedRunnable(result, self._sinks, self._options, self._on_end, self._user)
            return result

        return rewrapped


def _is_runnable(value: object) -> bool:
    return isinstance(value, Runnable)


def _is_plain(value: object) -> bool:
    """Whether an attribute is handed out as it is: anything but a method."""
    return not callable(value) or isinstance(value, type) or _is_runnable(value)
