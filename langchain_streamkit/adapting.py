"""``adapt``: a stream that somebody else made, as a run of ours."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, overload

from langchain_core.runnables import Runnable
from langchain_core.utils.uuid import uuid7

from langchain_streamkit.errors import AdaptError, StreamUsageError
from langchain_streamkit.runs.async_run import AsyncRun
from langchain_streamkit.runs.opening import check_unread
from langchain_streamkit.runs.options import (
    Options,
    checked_on_end,
    checked_user,
    name_of,
    refuse_unknown,
)
from langchain_streamkit.runs.source_plan import SourcePlan
from langchain_streamkit.runs.sync_run import Run
from langchain_streamkit.runs.views.view import AsyncView, View
from langchain_streamkit.sinks.base import as_sinks
from langchain_streamkit.sources.adapters.belonging import V1_TEXT
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Collection, Iterable

    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.timeout import Timeout
    from langchain_streamkit.sinks.base import SinkLike
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.tokens.meter import Limit
    from langchain_streamkit.tokens.prices import PriceTable

_MODES = ("values", "updates", "messages", "custom", "debug", "tasks", "checkpoints", "tools")


@overload
def adapt(
    source: AsyncIterable[Any] | Awaitable[Any],
    *,
    mode: str | None = None,
    user: str | None = None,
    sinks: Iterable[SinkLike] | SinkLike = (),
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    capture: Collection[str] = (),
    steps: str = "graph",
    output_deltas: bool = False,
    show_subagents: bool = False,
    on_sink_error: str = "continue",
    max_unread: int = 10_000,
    expose_errors: bool = False,
    tokens: Counting = "exact",
    prices: PriceTable | None = None,
    budget: Limit | Iterable[Limit] | None = None,
    timeout: Timeout | float | None = None,
    **unknown: Any,
) -> AsyncRun[Any]: ...


@overload
def adapt(
    source: Iterable[Any],
    *,
    mode: str | None = None,
    user: str | None = None,
    sinks: Iterable[SinkLike] | SinkLike = (),
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    capture: Collection[str] = (),
    steps: str = "graph",
    output_deltas: bool = False,
    show_subagents: bool = False,
    on_sink_error: str = "continue",
    max_unread: int = 10_000,
    expose_errors: bool = False,
    tokens: Counting = "exact",
    prices: PriceTable | None = None,
    budget: Limit | Iterable[Limit] | None = None,
    timeout: Timeout | float | None = None,
    **unknown: Any,
) -> Run[Any]: ...


def adapt(
    source: Any,
    *further: Any,
    mode: str | None = None,
    user: str | None = None,
    sinks: Iterable[SinkLike] | SinkLike = (),
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    capture: Collection[str] = (),
    steps: str = "graph",
    output_deltas: bool = False,
    show_subagents: bool = False,
    on_sink_error: str = "continue",
    max_unread: int = 10_000,
    expose_errors: bool = False,
    tokens: Counting = "exact",
    prices: PriceTable | None = None,
    budget: Limit | Iterable[Limit] | None = None,
    timeout: Timeout | float | None = None,
    **unknown: Any,
) -> AsyncRun[Any] | Run[Any]:
    """Read ``source``, a stream that somebody else made, as a run with the events of ours.

    ``source`` is recognised by its first item, live or recorded: ``astream_events`` (version
    ``"v2"`` or ``"v3"``), ``graph.astream`` or ``stream`` in any mode or list of modes, the same of
    a ``RemoteGraph``, chat-completion and Responses streams of the OpenAI SDK. Asynchronous ones
    (or what has to be awaited to get one) give an ``AsyncRun``, plain ones a ``Run``. What a route
    cannot tell is missing; docs/routes.md says what that is.

    The run is lazy as every run is. Cancelling it, or leaving it, closes the source. An exception
    of the source is the run's. The run has an id of its own.

    Args:
        source: the stream. Not a list of strings, not one item of it.
        mode: the stream mode of a graph's items, for the one case in which they do not tell it:
            a single mode given as a string. ``"messages"`` and ``"debug"`` are always recognised.
        user: this and all further options are those of ``astream``.
        sinks: where events go besides the reader.
        on_end: called once with the ``RunSnapshot`` after every ending.
        include: types, families or event classes to give.
        exclude: types, families or event classes to leave out.
        capture: any of ``inputs``, ``outputs``, ``state``, ``checkpoints``, as far as told.
        steps: ``"graph"`` or ``"all"``.
        output_deltas: also give the root's own output chunks, where the route has them.
        show_subagents: whether agents inside tools speak to the user.
        on_sink_error: ``"continue"`` or ``"raise"``.
        max_unread: events that cannot merge and may wait for the reader.
        expose_errors: let ``error.message`` be the exception's own text.
        tokens: ``"exact"``, ``"estimate"`` or ``"off"``.
        prices: US dollars per million tokens by model name.
        budget: a ``Budget``, a ``Quota``, or several; the source is closed by what exceeds one.
        timeout: a ``Timeout``, or seconds for all; the source is closed by a clock that runs out.
        further: nothing; options have names, and a runnable's input goes to ``astream``.
        unknown: nothing; other names are refused with the nearest one.

    Raises:
        StreamUsageError: at once, for what is no stream.
        AdaptError: at once, for a generator that was read before; when it is read, for a stream
            whose items nobody knows, or that another run is reading.
    """
    options = Options(
        include,
        exclude,
        capture,
        steps,
        True,  # noqa: FBT003 -- streaming: somebody else has decided it
        output_deltas,
        show_subagents,
        on_sink_error,
        max_unread,
        expose_errors,
        tokens=tokens,
        prices=prices,
        budget=budget,
        timeout=timeout,
    )
    known = [name for name in Options._fields if name not in ("streaming", "on_cancel")]
    refuse_unknown("adapt", unknown, ("mode", "user", "sinks", "on_end", *known))
    if mode is not None and mode not in _MODES:
        raise StreamUsageError(f"mode={mode!r} is no stream mode; write one of {', '.join(_MODES)}")
    is_async = _is_async(source)
    if further:
        raise StreamUsageError(
            f"adapt() takes one stream and options by name, such as mode='values'; what is"
            f" {short_repr(further[0])} for?"
        )
    check_unread(source)
    if _is_events_v1(source):
        raise AdaptError(V1_TEXT)
    plan = SourcePlan(source, uuid7(), checked_user(user), options.checked(), mode)
    if is_async:
        return AsyncRun(plan, as_sinks(sinks), checked_on_end(on_end))
    return Run(plan, as_sinks(sinks), checked_on_end(on_end))


def _is_events_v1(source: Any) -> bool:
    """Whether this is what ``astream_events(version="v1")`` returned, before it has begun."""
    frame = source.ag_frame if inspect.isasyncgen(source) else None
    if frame is None or "astream_events" not in frame.f_code.co_name:
        return False
    given = frame.f_locals
    handed_on: dict[str, Any] = given.get("kwargs") or {}
    return "v1" in (given.get("version"), handed_on.get("version"))


def _is_async(source: Any) -> bool:
    """Whether the stream has to be read in a loop. Raises StreamUsageError if it is no stream."""
    given: Any = source
    shown = name_of(given)
    if isinstance(source, Runnable):
        raise StreamUsageError(
            f"{shown} is a runnable, not a stream; write astream(runnable, input), or"
            " adapt(runnable.astream(input)) for what it streams by itself"
        )
    if isinstance(source, AsyncRun | Run | AsyncView | View):
        what = "run" if isinstance(source, AsyncRun | Run) else "view of a run"
        raise StreamUsageError(f"{shown} is a {what} already: read it as it is")
    if hasattr(source, "__aiter__") or inspect.isawaitable(source):
        return True
    if not (isinstance(given, str | bytes | dict) or hasattr(given, "model_dump")):  # one item
        if hasattr(given, "__iter__"):
            return False
        if hasattr(given, "__aenter__"):
            return True
        if hasattr(given, "__enter__"):
            return False
    routine: Any = source
    if inspect.isroutine(routine):
        called = getattr(routine, "__name__", shown)
        raise StreamUsageError(f"{called} is a function, not a stream; write adapt({called}(...))")
    raise StreamUsageError(
        f"adapt() takes a stream, not {shown}; pass what astream_events(...),"
        " graph.astream(...) or an OpenAI client with stream=True returns"
    )
