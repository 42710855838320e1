from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnableParallel

from langchain_streamkit import (
    AsyncRun,
    RunCancelled,
    StreamCallbackHandler,
    StreamUsageError,
    astream,
    with_sinks,
)
from langchain_streamkit.testing import RecordingSink, ScriptedModel, ToolCall, Turn, assert_legal
from tests.runs.scenes import (
    QUESTION,
    Boom,
    answering,
    endless,
    graph,
    held,
    one_node,
    side_by_side,
    speaking,
)
from tests.runs.watching import WAIT_S, aeventually, the_end

if TYPE_CHECKING:
    from langchain_streamkit.events import Event


def in_agent() -> Any:
    def work(thing: str) -> str:
        """Do the work."""
        return "done"

    words = Turn(["word "] * 10_000, delay=0.001)
    return create_agent(
        ScriptedModel([Turn(tool_calls=[ToolCall("work", {"thing": "a"})]), words]), [work]
    )


ENDLESS: dict[str, Any] = {
    "model": lambda: (endless(), "hi"),
    "chain": lambda: (endless() | StrOutputParser(), "hi"),
    "parallel": lambda: (RunnableParallel(a=endless(), b=endless()), "hi"),
    "graph": lambda: (one_node(endless()), QUESTION),
    "subgraph": lambda: (graph(("inner", one_node(endless()))), QUESTION),
    "branches": lambda: (side_by_side(speaking(endless())), QUESTION),
    "agent": lambda: (in_agent(), QUESTION),
}


@pytest.fixture(params=ENDLESS)
def work(request: pytest.FixtureRequest) -> Any:
    return ENDLESS[request.param]()


@pytest.fixture(params=["plain_sink", "async_sink", "no_sink"])
def sink(request: pytest.FixtureRequest) -> RecordingSink | None:
    if request.param == "no_sink":
        return None
    return RecordingSink(async_=request.param == "async_sink")


def started(work: Any, sink: RecordingSink | None, **options: Any) -> AsyncRun[Any]:
    return astream(*work, sinks=() if sink is None else [sink], **options)


async def until_text(events: AsyncIterator[Event], read: list[Event]) -> None:
    """Read to the first token."""
    async for event in events:
        read.append(event)
        if event.type == "text.delta":
            return


async def ended(run: AsyncRun[Any]) -> None:
    """Wait until the run has ended by itself, without a wait that would stop it."""
    await aeventually(lambda: run.outcome not in ("pending", "running"), f"the end of {run!r}")


async def rest(sink: RecordingSink | None) -> None:
    """Wait until an async sink has got everything."""
    if sink is not None:
        await aeventually(lambda: sink.closed, f"the close of {sink!r}")


async def test_cancel_ends_the_run_as_cancelled(work: Any, sink: RecordingSink | None) -> None:
    run = started(work, sink)
    events = aiter(run)
    read: list[Event] = []
    await until_text(events, read)
    await asyncio.wait_for(run.cancel(), WAIT_S)
    read += [event async for event in events]
    end = the_end(read)
    assert (end.type, end.reason, end.pending) == ("run.cancelled", "user", ())
    if sink is not None:
        assert tuple(read) == sink.events


async def test_cancel_gives_the_reason_it_was_called_with() -> None:
    run = astream(endless(), "hi")
    events = aiter(run)
    read: list[Event] = []
    await until_text(events, read)
    await run.cancel("shutdown")
    read += [event async for event in events]
    assert the_end(read).reason == "shutdown"


async def test_cancel_closes_every_open_message_and_step(work: Any) -> None:
    run = started(work, None)
    events = aiter(run)
    read: list[Event] = []
    await until_text(events, read)
    await run.cancel()
    read += [event async for event in events]
    assert_legal(read)
    assert {e.reason for e in read if e.type == "message.aborted"} == {"cancelled"}


async def test_cancel_returns_when_the_run_has_ended(work: Any) -> None:
    sink = RecordingSink()
    run = started(work, sink)
    await run.started()
    await run.cancel()
    assert the_end(sink.events).type == "run.cancelled"
    assert run.outcome == "cancelled"


async def test_cancel_after_the_end_changes_nothing() -> None:
    run = astream(answering(), "hi")
    read = [event async for event in run]
    await run.cancel()
    assert the_end(read).type == "run.finished"
    assert (await run.result()).content == "Hello you there"


async def test_cancel_twice_at_once_gives_one_end() -> None:
    sink = RecordingSink()
    run = astream(one_node(endless()), QUESTION, sinks=[sink])
    await run.started()
    await asyncio.gather(run.cancel("user"), run.cancel("shutdown"))
    assert the_end(sink.events).reason == "user"


async def test_cancel_before_the_start_ends_at_once_with_nothing_pending(work: Any) -> None:
    sink = RecordingSink()
    run = started(work, sink)
    await asyncio.wait_for(run.cancel(), 0.5)
    end = the_end(sink.events)
    assert (end.type, end.pending) == ("run.cancelled", ())


async def test_cancel_before_the_start_never_calls_the_runnable() -> None:
    called: list[int] = []
    run = astream(RunnableLambda(called.append), 1)
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()
    assert called == []


async def test_cancel_right_after_the_start_ends_at_once(work: Any) -> None:
    sink = RecordingSink()
    async with asyncio.timeout(0.5):
        async with started(work, sink):
            pass
    end = the_end(sink.events)
    assert (end.type, end.pending) == ("run.cancelled", ())


async def test_async_with_left_early_cancels_the_run(work: Any, sink: RecordingSink | None) -> None:
    async with started(work, sink) as run:
        events = aiter(run)
        read: list[Event] = []
        await until_text(events, read)
    assert run.outcome == "cancelled"
    read += [event async for event in events]
    assert the_end(read).reason == "user"
    if sink is not None:
        assert tuple(read) == sink.events


async def test_async_with_left_by_an_exception_cancels_the_run(work: Any) -> None:
    sink = RecordingSink()
    with pytest.raises(Boom):  # noqa: PT012 -- how a loop is left
        async with started(work, sink) as run:
            await run.started()
            raise Boom
    assert the_end(sink.events).type == "run.cancelled"


async def test_break_without_closing_cancels_the_run(work: Any, sink: RecordingSink | None) -> None:
    run = started(work, sink)
    async for event in run:
        if event.type == "text.delta":
            break
    await ended(run)
    await rest(sink)
    assert run.outcome == "cancelled"
    if sink is not None:
        assert the_end(sink.events).reason == "user"


async def test_break_out_of_an_unnamed_run_cancels_it(work: Any) -> None:
    sink = RecordingSink()
    async for event in started(work, sink):
        if event.type == "text.delta":
            break
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_an_exception_in_the_loop_body_cancels_the_run(work: Any) -> None:
    sink = RecordingSink()
    with pytest.raises(Boom):  # noqa: PT012 -- how a loop is left
        async for event in started(work, sink):
            if event.type == "text.delta":
                raise Boom
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_aclose_of_the_iterator_cancels_the_run(
    work: Any, sink: RecordingSink | None
) -> None:
    run = started(work, sink)
    events: Any = aiter(run)
    read: list[Event] = []
    await until_text(events, read)
    await events.aclose()
    assert run.outcome == "cancelled"
    if sink is not None:
        assert the_end(sink.events).type == "run.cancelled"


async def test_aclose_of_a_generator_around_the_run_cancels_it(work: Any) -> None:
    sink = RecordingSink()

    async def texts() -> AsyncIterator[str]:
        async for event in started(work, sink):
            if event.type == "text.delta":
                yield event.text

    async with contextlib.aclosing(texts()) as reader:  # type: ignore[type-var]
        await anext(reader)
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_a_run_is_cancelled_with_the_task_that_reads_it(
    work: Any, sink: RecordingSink | None
) -> None:
    run = started(work, sink)
    reached = asyncio.Event()

    async def reader() -> None:
        async for event in run:
            if event.type == "text.delta":
                reached.set()

    task = asyncio.create_task(reader())
    await asyncio.wait_for(reached.wait(), WAIT_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended(run)
    await rest(sink)
    assert run.outcome == "cancelled"
    if sink is not None:
        assert the_end(sink.events).reason == "user"


async def test_a_run_is_cancelled_with_the_task_that_sleeps_in_its_loop() -> None:
    sink = RecordingSink()
    reached = asyncio.Event()

    async def reader() -> None:
        async for event in astream(one_node(endless()), QUESTION, sinks=[sink]):
            if event.type == "text.delta":
                reached.set()
                await asyncio.sleep(WAIT_S)

    task = asyncio.create_task(reader())
    await asyncio.wait_for(reached.wait(), WAIT_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_a_timeout_around_the_loop_cancels_the_run(work: Any) -> None:
    sink = RecordingSink()
    with pytest.raises(TimeoutError):  # noqa: PT012 -- how a loop is left
        async with asyncio.timeout(0.2):
            async for _ in started(work, sink):
                pass
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_a_timeout_of_one_step_does_not_end_the_run() -> None:
    gate = threading.Event()
    for work in ((held(gate), "hi"), (one_node(held(gate)), QUESTION)):
        gate.clear()
        run = astream(*work)
        events = aiter(run)
        read: list[Event] = []
        while not [e for e in read if e.type == "text.delta"]:
            read.append(await anext(events))
        for _ in range(3):
            with pytest.raises(TimeoutError):  # noqa: PT012 -- how a loop is left
                while True:
                    read.append(await asyncio.wait_for(anext(events), 0.02))
        gate.set()
        read += [event async for event in events]
        assert the_end(read).type == "run.finished"
        assert run.snapshot.text == "one two three four"


async def test_a_timeout_of_result_cancels_a_run_that_nobody_reads() -> None:
    sink = RecordingSink()
    run = astream(one_node(endless()), QUESTION, sinks=[sink])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run.result(), 0.1)
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"
    with pytest.raises(RunCancelled):
        await run.result()


async def test_a_timeout_of_result_does_not_end_a_run_that_is_read() -> None:
    gate = threading.Event()
    run = astream(held(gate), "hi")
    events = aiter(run)
    read: list[Event] = []
    await until_text(events, read)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run.result(), 0.05)
    gate.set()
    read += [event async for event in events]
    assert the_end(read).type == "run.finished"


async def test_a_reader_given_to_another_task_outlives_the_task_that_made_it() -> None:
    gate = threading.Event()
    run = astream(held(gate), "hi")

    async def make() -> AsyncIterator[Event]:
        return aiter(run)

    events = await asyncio.create_task(make())
    await asyncio.sleep(0)
    gate.set()
    read = [event async for event in events]
    assert the_end(read).type == "run.finished"


async def test_an_abandoned_reader_cancels_the_run_when_it_is_collected() -> None:
    sink = RecordingSink()
    events = aiter(astream(one_node(endless()), QUESTION, sinks=[sink]))
    await anext(events)
    cycle: list[Any] = [events]
    cycle.append(cycle)
    del events, cycle
    gc.collect()
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_an_abandoned_run_that_was_started_is_cancelled_when_it_is_collected() -> None:
    sink = RecordingSink()
    run = astream(one_node(endless()), QUESTION, sinks=[sink])
    await run.started()
    del run
    gc.collect()
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_a_run_collected_in_another_thread_is_cancelled() -> None:
    sink = RecordingSink()
    box = [aiter(astream(one_node(endless()), QUESTION, sinks=[sink]))]
    await anext(box[0])
    await asyncio.to_thread(box.clear)
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


def test_asyncio_run_left_by_an_exception_ends_the_open_run() -> None:
    for async_ in (False, True):
        sink = RecordingSink(async_=async_)
        snapshots: list[Any] = []

        async def main(sink: RecordingSink = sink, snapshots: list[Any] = snapshots) -> None:
            run = astream(one_node(endless()), QUESTION, sinks=[sink], on_end=snapshots.append)
            async for event in run:
                if event.type == "text.delta":
                    raise Boom

        with pytest.raises(Boom):
            asyncio.run(main())
        assert the_end(sink.events).type == "run.cancelled"
        assert sink.closes == 1
        assert [one.outcome for one in snapshots] == ["cancelled"]


def test_asyncio_run_left_while_a_started_run_is_held_ends_it() -> None:
    for async_ in (False, True):
        sink = RecordingSink(async_=async_)
        kept: list[Any] = []
        snapshots: list[Any] = []

        async def main(
            sink: RecordingSink = sink, kept: list[Any] = kept, ended: list[Any] = snapshots
        ) -> None:
            kept.append(astream(one_node(endless()), QUESTION, sinks=[sink], on_end=ended.append))
            await kept[0].started()

        asyncio.run(main())
        assert the_end(sink.events).type == "run.cancelled"
        assert sink.closes == 1
        assert [one.outcome for one in snapshots] == ["cancelled"]


def test_keyboard_interrupt_in_the_call_leaves_a_legal_stream() -> None:
    sink = RecordingSink()

    async def main() -> None:
        async def node(value: int) -> int:
            raise KeyboardInterrupt

        async for _ in astream(RunnableLambda(node), 1, sinks=[sink]):
            pass

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert the_end(sink.events).type == "run.cancelled"


async def test_code_that_swallows_the_stop_and_returns_is_cancelled_all_the_same() -> None:
    begun = asyncio.Event()

    async def stubborn(value: int) -> int:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(WAIT_S)
        return value

    sink = RecordingSink()
    run = astream(RunnableLambda(stubborn), 1, sinks=[sink])
    async with run:
        await asyncio.wait_for(begun.wait(), WAIT_S)
        await run.cancel()
    assert the_end(sink.events).type == "run.cancelled"
    with pytest.raises(RunCancelled):
        await run.result()


async def test_no_model_is_called_after_a_swallowed_stop() -> None:
    begun = asyncio.Event()
    model = answering()

    async def stubborn(state: Any) -> dict[str, Any]:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(WAIT_S)
        return {}

    sink = RecordingSink()
    run = astream(graph(("a", stubborn), ("b", speaking(model))), QUESTION, sinks=[sink])
    async with run:
        await asyncio.wait_for(begun.wait(), WAIT_S)
        await run.cancel()
    assert the_end(sink.events).type == "run.cancelled"
    assert model.calls == ()


async def test_fallbacks_and_retries_do_not_go_on_after_a_stop() -> None:
    begun = asyncio.Event()
    spare = answering()

    async def stubborn(value: Any) -> Any:
        begun.set()
        try:
            await asyncio.sleep(WAIT_S)
        except asyncio.CancelledError:
            raise Boom from None

    target = RunnableLambda(stubborn).with_retry(stop_after_attempt=3).with_fallbacks([spare])
    sink = RecordingSink()
    run = astream(target, "hi", sinks=[sink])
    async with run:
        await asyncio.wait_for(begun.wait(), WAIT_S)
        await asyncio.wait_for(run.cancel(), 3)
    assert the_end(sink.events).type == "run.cancelled"
    assert spare.calls == ()


async def test_code_that_goes_on_after_the_stop_is_named_as_pending_after_the_grace() -> None:
    begun, release, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def deaf(state: Any) -> dict[str, Any]:
        begun.set()
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        left.set()
        return {}

    sink = RecordingSink(async_=True)
    run = astream(graph(("deaf", deaf)), QUESTION, sinks=[sink])
    async with asyncio.timeout(WAIT_S):
        async with run:
            await begun.wait()
            await run.cancel()
        end = the_end(sink.events)
        assert end.type == "run.cancelled"
        assert "deaf" in " ".join(end.pending)
        release.set()
        await left.wait()
        await asyncio.sleep(0.02)
        assert the_end(sink.events) is end


async def test_a_blocked_sync_node_is_named_as_pending() -> None:
    begun, release = threading.Event(), threading.Event()

    def blocked(state: Any) -> dict[str, Any]:
        begun.set()
        release.wait(WAIT_S)
        return {}

    sink = RecordingSink()
    run = astream(graph(("blocked", blocked)), QUESTION, sinks=[sink])
    try:
        async with run:
            await aeventually(begun.is_set, "the node began")
            await run.cancel()
        end = the_end(sink.events)
        assert end.type == "run.cancelled"
        assert "blocked" in " ".join(end.pending)
    finally:
        release.set()


async def test_a_child_that_outlives_the_root_changes_nothing() -> None:
    gate = threading.Event()
    model = held(gate)
    children: list[asyncio.Task[Any]] = []
    begun = asyncio.Event()

    async def node(state: Any) -> dict[str, Any]:
        async def child() -> None:
            async for _ in model.astream("hi"):
                begun.set()

        children.append(asyncio.create_task(child()))
        await begun.wait()
        return {"messages": [("assistant", "done")]}

    sink = RecordingSink()
    run = astream(graph(("node", node)), QUESTION, sinks=[sink])
    async with asyncio.timeout(WAIT_S):
        read = [event async for event in run]
        before = sink.events
        gate.set()
        await children[0]
    assert the_end(read).type == "run.finished"
    assert sink.events == before == tuple(read)


async def test_a_child_that_outlives_the_root_changes_nothing_under_a_handler() -> None:
    gate, later = threading.Event(), asyncio.Event()
    model = held(gate)
    children: list[asyncio.Task[Any]] = []
    begun = asyncio.Event()

    async def node(state: Any) -> dict[str, Any]:
        async def child() -> None:
            async for _ in model.astream("hi"):
                begun.set()
            await later.wait()
            await model.ainvoke("again")  # begins after the root has ended

        children.append(asyncio.create_task(child()))
        await begun.wait()
        return {"messages": [("assistant", "done")]}

    sink = RecordingSink()
    handler = StreamCallbackHandler(sink)
    async with asyncio.timeout(WAIT_S):
        await graph(("node", node)).ainvoke(QUESTION, {"callbacks": [handler]})
        before = sink.events
        gate.set()
        later.set()
        await children[0]
    assert the_end(before).type == "run.finished"
    assert sink.events == before


async def test_a_child_that_outlives_the_root_changes_nothing_under_with_sinks() -> None:
    gate, later = threading.Event(), asyncio.Event()
    model = held(gate)
    children: list[asyncio.Task[Any]] = []
    begun = asyncio.Event()

    async def node(state: Any) -> dict[str, Any]:
        async def child() -> None:
            async for _ in model.astream("hi"):
                begun.set()
            await later.wait()
            await model.ainvoke("again")

        children.append(asyncio.create_task(child()))
        await begun.wait()
        return {"messages": [("assistant", "done")]}

    sink = RecordingSink()
    async with asyncio.timeout(WAIT_S):
        await with_sinks(graph(("node", node)), sink).ainvoke(QUESTION)
        before = sink.events
        gate.set()
        later.set()
        await children[0]
    assert the_end(before).type == "run.finished"
    assert sink.events == before


async def test_a_sink_that_awaits_cancel_does_not_hang() -> None:
    got: list[Event] = []
    box: list[AsyncRun[Any]] = []

    async def guard(event: Event) -> None:
        got.append(event)
        if event.type == "text.delta":
            await box[0].cancel()

    box.append(astream(one_node(endless()), QUESTION, sinks=[guard]))
    async with asyncio.timeout(WAIT_S):
        read = [event async for event in box[0]]
        await aeventually(lambda: got[-1].type == "run.cancelled", "the sink got the end")
    assert the_end(read).type == "run.cancelled"
    assert got == read


async def test_on_end_may_await_the_result() -> None:
    box: list[AsyncRun[Any]] = []
    results: list[Any] = []

    async def on_end(snapshot: Any) -> None:
        results.append(await box[0].result())

    box.append(astream(answering(), "hi", on_end=on_end))
    async with asyncio.timeout(2):
        assert (await box[0].result()).content == "Hello you there"
    assert [one.content for one in results] == ["Hello you there"]


async def test_a_cancelled_ainvoke_under_a_handler_ends_its_stream(work: Any) -> None:
    runnable, value = work
    sink = RecordingSink()
    handler = StreamCallbackHandler(sink)
    task = asyncio.create_task(runnable.ainvoke(value, {"callbacks": [handler]}))
    await sink.await_for("text.delta")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await handler.aclose()
    assert the_end(sink.events).type == "run.cancelled"


async def test_a_cancelled_ainvoke_under_with_sinks_ends_its_stream(work: Any) -> None:
    runnable, value = work
    sink = RecordingSink(async_=True)
    task = asyncio.create_task(with_sinks(runnable, sink).ainvoke(value))
    await sink.await_for("text.delta")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert the_end(sink.events).type == "run.cancelled"
    assert sink.closes == 1


async def test_leaving_astream_under_with_sinks_ends_its_stream(work: Any) -> None:
    runnable, value = work
    sink = RecordingSink(async_=True)

    async def reader() -> None:
        async for _ in with_sinks(runnable, sink).astream(value):
            pass

    task = asyncio.create_task(reader())
    await sink.await_for("text.delta")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_break_out_of_astream_under_with_sinks_ends_its_stream() -> None:
    sink = RecordingSink(async_=True)
    async for _ in with_sinks(endless(), sink).astream("hi"):
        break
    await rest(sink)
    assert the_end(sink.events).type == "run.cancelled"


async def test_the_readers_loop_ends_after_async_sinks_and_on_end() -> None:
    ended: list[str] = []
    got: list[str] = []

    async def slow(event: Event) -> None:
        await asyncio.sleep(0.01)
        got.append(event.type)

    run = astream(answering(), "hi", sinks=[slow], on_end=lambda one: ended.append(one.outcome))
    read = [event.type async for event in run]
    assert got == read
    assert ended == ["finished"]


async def test_closing_a_handler_ends_the_runs_that_are_open() -> None:
    gate = threading.Event()
    sink = RecordingSink()
    handler = StreamCallbackHandler(sink)
    task = asyncio.create_task(held(gate).ainvoke("hi", {"callbacks": [handler]}))
    await sink.await_for("text.delta")
    await handler.aclose()
    assert the_end(sink.events).type == "run.cancelled"
    gate.set()
    assert (await task).content == "one two three four"


async def test_a_run_of_another_loop_is_refused_with_advice() -> None:
    run = astream(one_node(endless()), QUESTION)
    await run.started()

    def elsewhere() -> None:
        async def read() -> None:
            async for _ in run:
                pass

        asyncio.run(read())

    with pytest.raises(StreamUsageError, match="another event loop"):
        await asyncio.to_thread(elsewhere)
    await run.cancel()
