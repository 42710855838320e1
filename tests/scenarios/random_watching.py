"""One built description run by each of our routes, or without us: what was seen, how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage

from langchain_streamkit import StreamCallbackHandler, astream, stream, with_sinks
from langchain_streamkit.testing import RecordingSink
from tests.scenarios.random_building import Built, is_graph
from tests.scenarios.random_graphs import Graph

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_streamkit.events import Event
    from tests.scenarios.random_graphs import Root

AsyncRoute: TypeAlias = Literal["events", "batches", "async_sink", "handler", "with_sinks"]
SyncRoute: TypeAlias = Literal["events", "batches", "handler", "with_sinks"]
Leaving: TypeAlias = Literal["cancel", "aclose", "context"]
Cancelled: TypeAlias = Literal["astream", "handler", "with_sinks"]


@dataclass
class Seen:
    """A run from outside."""

    events: Sequence[Event]
    """What the sink got, and the reader if it stayed to the end."""
    outcome: Outcome
    stopped: bool = False
    """A stop was asked for before the end was seen."""

    @property
    def end(self) -> Any:
        return self.events[-1]


Outcome: TypeAlias = tuple[str, Any]
"""``("result", value)`` or the name of the exception and its arguments; all ids left out."""


def plain(value: Any) -> Any:
    """A value without its ids, comparable."""
    if isinstance(value, BaseMessage):
        return type(value).__name__, plain({**value.model_dump(), "id": None})
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if type(value).__name__ == "Interrupt":
        return plain(value.value)
    return value


def result(value: Any) -> Outcome:
    return "result", plain(value)


def raised(error: BaseException) -> Outcome:
    return type(error).__qualname__, plain(error.args)


def input_of(root: Root) -> Any:
    return {"messages": [("user", "hi")]} if is_graph(root) else "hi"


def config_of(root: Root, *handlers: Any) -> Any:
    config: dict[str, Any] = {"callbacks": list(handlers)} if handlers else {}
    if isinstance(root, Graph) and root.checkpointed:
        config["configurable"] = {"thread_id": "t"}
    return config


class StreamingOn(BaseCallbackHandler):
    """A streaming handler that does nothing: models stream under ``invoke`` because of it."""

    run_inline = True

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        return output


async def unwatched(root: Root) -> Outcome:
    """How ``ainvoke`` ends without us."""
    call = Built(root, plain_only=False).runnable.ainvoke
    return await _outcome(call(input_of(root), config_of(root, StreamingOn())))


def unwatched_sync(root: Root) -> Outcome:
    """How ``invoke`` ends without us."""
    call = Built(root, plain_only=True).runnable.invoke
    return _outcome_sync(lambda: call(input_of(root), config_of(root, StreamingOn())))


async def watched(root: Root, built: Built, route: AsyncRoute) -> Seen:
    """The whole run by ``route``; what the reader got is what the sink got."""
    value, config = input_of(root), config_of(root)
    sink = RecordingSink(async_=route in ("async_sink", "with_sinks"))
    if route == "handler":
        config = config_of(root, StreamCallbackHandler(sink))
        outcome = await _outcome(built.runnable.ainvoke(value, config))
        return Seen(sink.events, outcome)
    if route == "with_sinks":
        outcome = await _outcome(with_sinks(built.runnable, sink).ainvoke(value, config))
        return Seen(sink.events, outcome)
    run = astream(built.runnable, value, config, sinks=[sink])
    if route == "batches":
        read = [event async for batch in run.batches() for event in batch]
    else:
        read = [event async for event in run]
    assert sink.events == tuple(read)
    assert run.snapshot.outcome == OUTCOMES[read[-1].type]
    return Seen(read, await _outcome(run.result()))


def watched_sync(root: Root, built: Built, route: SyncRoute) -> Seen:
    """The same in plain code."""
    value, config = input_of(root), config_of(root)
    if route == "handler":
        handler = StreamCallbackHandler()
        config = config_of(root, handler)
        outcome = _outcome_sync(lambda: built.runnable.invoke(value, config))
        return Seen(list(handler), outcome)
    sink = RecordingSink()
    if route == "with_sinks":
        watching = with_sinks(built.runnable, sink)
        outcome = _outcome_sync(lambda: watching.invoke(value, config))
        return Seen(sink.events, outcome)
    run = stream(built.runnable, value, config, sinks=[sink])
    if route == "batches":
        read = [event for batch in run.batches() for event in batch]
    else:
        read = list(run)
    assert sink.events == tuple(read)
    assert run.snapshot.outcome == OUTCOMES[read[-1].type]
    return Seen(read, _outcome_sync(run.result))


async def left(root: Root, built: Built, leaving: Leaving, after: int) -> Seen:
    """A run whose reader leaves after so many events, if it has as many."""
    sink = RecordingSink()
    run = astream(built.runnable, input_of(root), config_of(root), sinks=[sink])
    read: list[Event] = []
    async with run:
        events = aiter(run)
        async for event in events:
            read.append(event)
            if len(read) < after:
                continue
            if leaving == "context":
                break
            await (run.cancel() if leaving == "cancel" else events.aclose())  # type: ignore[attr-defined]
    assert sink.events[: len(read)] == tuple(read)
    if leaving == "cancel":
        assert len(sink.events) == len(read)
    assert run.snapshot.outcome == OUTCOMES[sink.events[-1].type]
    return Seen(sink.events, await _outcome(run.result()), stopped=len(read) >= after)


async def cancelled_outside(root: Root, built: Built, route: Cancelled, after: int) -> Seen:
    """A run whose task is cancelled from outside after so many events, if it has as many."""
    seen: list[Event] = []

    def send(event: Event) -> None:
        seen.append(event)
        if len(seen) == after:
            task.cancel()

    value, config = input_of(root), config_of(root)
    run = astream(built.runnable, value, config, sinks=[send])
    if route == "astream":
        call = run.result()
    elif route == "handler":
        call = built.runnable.ainvoke(value, config_of(root, StreamCallbackHandler(send)))
    else:
        call = with_sinks(built.runnable, send).ainvoke(value, config)
    outcomes: list[Outcome] = []

    async def called() -> None:
        outcomes.append(await _outcome(call))

    task = asyncio.ensure_future(called())
    await asyncio.wait([task])  # not `await task`: a cancel after its last await loses its result
    if route == "astream":
        await run.cancel()  # the end of the run, not only of the one who waited for it
        outcomes = [await _outcome(run.result())]
    return Seen(seen, outcomes[0], stopped=len(seen) >= after)


def left_sync(root: Root, built: Built, leaving: Leaving, after: int) -> Seen:
    """The same in plain code."""
    sink = RecordingSink()
    run = stream(built.runnable, input_of(root), config_of(root), sinks=[sink])
    read: list[Event] = []
    with run:
        for event in run:
            read.append(event)
            if len(read) == after:
                if leaving == "context":
                    break
                run.cancel()
    assert sink.events[: len(read)] == tuple(read)
    assert run.snapshot.outcome == OUTCOMES[sink.events[-1].type]
    return Seen(sink.events, _outcome_sync(run.result), stopped=len(read) >= after)


OUTCOMES = {
    "run.finished": "finished",
    "run.interrupted": "interrupted",
    "run.failed": "failed",
    "run.cancelled": "cancelled",
}


async def _outcome(call: Awaitable[Any]) -> Outcome:
    try:
        return result(await call)
    except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 -- the outcome is the error
        return raised(exc)


def _outcome_sync(call: Callable[[], Any]) -> Outcome:
    try:
        return result(call())
    except Exception as exc:  # noqa: BLE001 -- the outcome is the error
        return raised(exc)
