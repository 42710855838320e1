"""``StreamCallbackHandler``: the event stream of code that calls its runnables itself.

Attach it like any callback, to a model, a chain or a config; every root run that passes through it
becomes one legal stream, told apart by ``run_id``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.inbox import Inbox
from langchain_streamkit.runs.options import (
    WATCHING,
    Options,
    checked_on_end,
    checked_user,
    refuse_unknown,
)
from langchain_streamkit.runs.outlets import Outlets
from langchain_streamkit.runs.roots import Roots
from langchain_streamkit.sinks.base import apart, as_sinks
from langchain_streamkit.sources.callbacks import TapHandler
from langchain_streamkit.sources.langgraph import handler_base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.runs.timeout import Timeout
    from langchain_streamkit.sinks.base import Sink, SinkLike
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.tokens.meter import Limit
    from langchain_streamkit.tokens.prices import PriceTable

_Handler = TypeVar("_Handler", bound="StreamCallbackHandler")


class StreamCallbackHandler(TapHandler):
    """Watches every root run it is attached to, and gives their events to its sinks.

    Without sinks the handler is itself iterable, ``for`` or ``async for``: iteration waits for the
    first run, ends when all runs seen so far have ended, and may be begun again for later ones. (A
    handler that was attached to nothing waits until it is closed.) Data of
    ``get_stream_writer()`` does not pass through callbacks: use ``astream`` or ``with_sinks`` for
    it. ``on_end`` is called with the ``RunSnapshot`` of each root.

    Nothing of it breaks or stops the run it watches, but for a ``budget`` and a ``timeout``: what
    exceeds them raises ``BudgetExceeded`` or ``RunTimeout`` out of the call, at the next callback.
    A call that does not notice a clock within 1 s goes on, and its stream ends without it. Each
    root has budget and clocks for itself (clocks take a thread each); ``user`` is whose they all
    are, for a ``Quota``. ``close`` (``aclose`` with async sinks, which
    it drains) ends the attachment: sinks are closed, later events dropped.
    """

    def __new__(cls, *_: Any, streaming: bool = True, **__: Any) -> Self:
        """Make an instance that LangGraph, if it is loaded, takes for one of its own."""
        return super().__new__(_variant(cls, handler_base(streaming=streaming)))

    def __init__(
        self,
        *sinks: SinkLike,
        user: str | None = None,
        on_end: OnEnd | None = None,
        include: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        capture: Collection[str] = (),
        steps: str = "graph",
        streaming: bool = True,
        show_subagents: bool = False,
        max_unread: int = 10_000,
        expose_errors: bool = False,
        tokens: Counting = "exact",
        prices: PriceTable | None = None,
        budget: Limit | Iterable[Limit] | None = None,
        timeout: Timeout | float | None = None,
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
            tokens=tokens,
            prices=prices,
            budget=budget,
            timeout=timeout,
        )
        refuse_unknown("StreamCallbackHandler", unknown, (*WATCHING, "user", "max_unread"))
        options = options.checked()
        checked_on_end(on_end)
        self._inbox = Inbox(max_unread)
        self._has_sinks = bool(sinks)
        given: list[Sink] = as_sinks(sinks) if sinks else [self._inbox]
        ledgers, given = apart(given)
        outlets = Outlets(given, self._sink_failed, self)
        self._router = Roots(outlets, options, ledgers, on_end, self._inbox, checked_user(user))
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
