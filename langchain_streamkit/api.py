"""``astream`` and ``stream``: any runnable in, one event stream out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.runs.async_run import AsyncRun
from langchain_streamkit.runs.options import Options, checked_on_end, refuse_unknown
from langchain_streamkit.runs.plan import plan_run
from langchain_streamkit.runs.sync_run import Run
from langchain_streamkit.sinks.base import as_sinks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.timeout import Timeout
    from langchain_streamkit.sinks.base import SinkLike
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.tokens.meter import Limit
    from langchain_streamkit.tokens.prices import PriceTable

_RUN_OPTIONS = ("thread_id", "user", "context", "call", "sinks", "on_end")


def astream(
    runnable: Runnable[Any, Any],
    input: Any,
    config: RunnableConfig | None = None,
    *,
    thread_id: str | None = None,
    user: str | None = None,
    context: Any = None,
    call: Mapping[str, Any] | None = None,
    sinks: Iterable[SinkLike] | SinkLike = (),
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    capture: Collection[str] = (),
    steps: str = "graph",
    streaming: bool = True,
    output_deltas: bool = False,
    show_subagents: bool = False,
    on_sink_error: str = "continue",
    max_unread: int = 10_000,
    expose_errors: bool = False,
    on_cancel: str = "drop",
    tokens: Counting = "exact",
    prices: PriceTable | None = None,
    budget: Limit | Iterable[Limit] | None = None,
    timeout: Timeout | float | None = None,
    **unknown: Any,
) -> AsyncRun[Any]:
    """Run ``runnable`` as ``ainvoke`` does and give its events while it runs.

    The run is lazy: it starts when it is first read (``async for``, ``async with``,
    ``await run.started()``, ``await run.result()``, any of its views: ``run.text``,
    ``run.messages``, ``run.tool_calls``, ``run.values``, ``run.partial(Model)``).

    Args:
        runnable: any Runnable: model, chain, retriever, tool, agent, compiled graph.
        input: what ``runnable.ainvoke`` takes.
        config: LangChain's config; its callbacks, tags and metadata are kept.
        thread_id: short for ``config["configurable"]["thread_id"]``.
        user: whose run it is; told in ``run.started``, the runnable does not see it.
        context: a graph's static context.
        call: further keyword arguments for the runnable itself (``stop``, ``durability``, …).
        sinks: where events go besides the reader: sinks, functions, queues, paths.
        on_end: called once with the ``RunSnapshot`` after every ending; plain or async.
        include: types, families (``"text"``) or event classes to give; default all.
        exclude: types, families or event classes to leave out. ``run.*`` always passes.
        capture: any of ``inputs``, ``outputs`` (of steps), ``state``, ``checkpoints``, ``usage``
            (``usage.updated`` while models speak, at most every 16 tokens).
        steps: ``"graph"`` shows graphs, nodes and retrievers as steps, ``"all"`` chains too.
        streaming: False never changes how models are called; then messages come whole.
        output_deltas: also give the root's own output chunks; means LangChain's ``astream``.
        show_subagents: whether agents inside tools speak to the user.
        on_sink_error: ``"continue"`` without the sink, or ``"raise"``: the run fails.
        max_unread: events that cannot merge and may wait for the reader; beyond it the run fails.
        expose_errors: let ``error.message`` be the exception's own text, in events that may go to
            clients: for development, and it warns.
        on_cancel: ``"keep_partial"`` writes what a cancelled graph run was saying to the user to
            its checkpoint, marked by ``additional_kwargs["partial"]``; needs a checkpointer and a
            thread. ``"drop"`` leaves the thread as its last checkpoint has it.
        tokens: how the tokens of answers are counted while they stream: ``"exact"`` with the
            model's own encoding where it is known, else an estimate that is marked as one;
            ``"estimate"`` by characters, without loading a vocabulary; ``"off"`` not at all.
        prices: US dollars per million tokens by model name, ``{"my-model": {"input": 0.5, "output":
            1.5}}``, before those of the extra ``cost``.
        budget: a ``Budget``, a ``Quota``, or several: what exceeds one ends the run as
            ``run.cancelled(reason="budget")``; then ``result()`` raises ``BudgetExceeded``.
        timeout: a ``Timeout``, or the seconds that the run may take: a clock that runs out ends it
            as ``run.failed`` with the code ``timeout.*``; then ``result()`` raises ``RunTimeout``.
        unknown: nothing; other names are refused with the nearest one.

    Raises:
        StreamUsageError: for anything that cannot work as written, before anything starts.
    """
    options = Options(
        include,
        exclude,
        capture,
        steps,
        streaming,
        output_deltas,
        show_subagents,
        on_sink_error,
        max_unread,
        expose_errors,
        on_cancel,
        tokens,
        prices,
        budget,
        timeout,
    )
    refuse_unknown("astream", unknown, (*_RUN_OPTIONS, *Options._fields))
    plan = _plan(runnable, input, config, thread_id, user, context, call, options)
    return AsyncRun(plan, as_sinks(sinks), checked_on_end(on_end))


def stream(
    runnable: Runnable[Any, Any],
    input: Any,
    config: RunnableConfig | None = None,
    *,
    thread_id: str | None = None,
    user: str | None = None,
    context: Any = None,
    call: Mapping[str, Any] | None = None,
    sinks: Iterable[SinkLike] | SinkLike = (),
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    capture: Collection[str] = (),
    steps: str = "graph",
    streaming: bool = True,
    output_deltas: bool = False,
    show_subagents: bool = False,
    on_sink_error: str = "continue",
    max_unread: int = 10_000,
    expose_errors: bool = False,
    on_cancel: str = "drop",
    tokens: Counting = "exact",
    prices: PriceTable | None = None,
    budget: Limit | Iterable[Limit] | None = None,
    timeout: Timeout | float | None = None,
    **unknown: Any,
) -> Run[Any]:
    """Run ``runnable`` as ``invoke`` does and give its events while it runs; see ``astream``.

    The call is made in a worker thread with the caller's context copied.
    """
    options = Options(
        include,
        exclude,
        capture,
        steps,
        streaming,
        output_deltas,
        show_subagents,
        on_sink_error,
        max_unread,
        expose_errors,
        on_cancel,
        tokens,
        prices,
        budget,
        timeout,
    )
    refuse_unknown("stream", unknown, (*_RUN_OPTIONS, *Options._fields))
    plan = _plan(runnable, input, config, thread_id, user, context, call, options)
    return Run(plan, as_sinks(sinks), checked_on_end(on_end))


def _plan(
    runnable: Any,
    value: Any,
    config: Any,
    thread_id: str | None,
    user: str | None,
    context: Any,
    call: Any,
    options: Options,
) -> Plan:
    return plan_run(
        runnable,
        value,
        config,
        thread_id=thread_id,
        user=user,
        context=context,
        call=call,
        options=options,
    )
