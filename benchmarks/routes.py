"""The ways to watch a run, each read to its end; what it gives is thrown away."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import UUID

from langchain_core._api import LangChainBetaWarning
from langchain_core.callbacks import BaseCallbackHandler

from benchmarks.workloads import Workload
from langchain_streamkit import astream, sse_bytes

if TYPE_CHECKING:
    from langchain_streamkit.tokens.message_meter import Counting
    from langchain_streamkit.wire.views import View

Route: TypeAlias = Callable[[Workload], Coroutine[Any, Any, None]]
_T = TypeVar("_T")


class SilentHandler(BaseCallbackHandler):
    """Makes models stream under ``ainvoke``, and does nothing."""

    run_inline = True

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[_T]) -> AsyncIterator[_T]:
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[_T]) -> Iterator[_T]:
        return output


async def floor(work: Workload) -> None:
    """What people write without us: its own ``astream``, of a graph the messages of all levels."""
    modes: dict[str, Any] = {"stream_mode": "messages", "subgraphs": True} if work.is_graph else {}
    async for _ in work.runnable.astream(work.input, **modes):
        pass


async def limit(work: Workload) -> None:
    """Streaming forced and nothing delivered: no watcher through callbacks can cost less."""
    await work.runnable.ainvoke(work.input, {"callbacks": [SilentHandler()]})


async def events_v2(work: Workload) -> None:
    async for _ in work.runnable.astream_events(work.input, version="v2"):
        pass


async def events_v3(work: Workload) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        async for _ in await work.runnable.astream_events(work.input, version="v3"):
            pass


def to_sse(view: View, tokens: Counting = "off") -> Route:
    """Ours: events to the bytes of a server-sent event stream."""

    async def route(work: Workload) -> None:
        async for _ in sse_bytes(astream(work.runnable, work.input, tokens=tokens), view=view):
            pass

    return route


FLOOR, LIMIT, V2, V3 = "floor", "limit", "v2", "v3"
OURS, OURS_COUNTED, OURS_ALL = "ours", "ours_counted", "ours_all"

ROUTES: dict[str, Route] = {
    FLOOR: floor,
    LIMIT: limit,
    V2: events_v2,
    V3: events_v3,
    OURS: to_sse("chat"),
    OURS_COUNTED: to_sse("chat", "exact"),
    OURS_ALL: to_sse("all"),
}


def routes_for(name: str) -> list[str]:
    """The routes a workload can take: a chain has no events v3."""
    return [route for route in ROUTES if not (route == V3 and name == "W2")]
