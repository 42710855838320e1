from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from langchain_streamkit import ReaderOverflow, StreamUsageError, astream, stream
from langchain_streamkit.testing import ScriptedModel, Turn, assert_legal
from tests.runs.scenes import QUESTION, Boom, answering, held, one_node, raising
from tests.runs.watching import WAIT_S, aeventually, the_end

PROMPT = ChatPromptTemplate.from_messages([("human", "{question}")])


def chatty(n: int, gate: threading.Event | None = None) -> ScriptedModel:
    """A model whose events do not merge: blocks take turns. It waits for the ``gate`` first."""
    pieces: list[Any] = [] if gate is None else [gate]
    pieces += [{"index": i, "id": f"c{i}", "name": "work", "args": "{}"} for i in range(n)]
    return ScriptedModel([Turn(chunks=pieces, finish_reason="tool_calls")], cycle=True)


async def test_nothing_starts_before_a_run_is_read() -> None:
    model = answering()
    run = astream(model, "hi")
    await asyncio.sleep(0)
    assert model.calls == ()
    assert run.outcome == "pending"
    assert "not started" in repr(run)


def test_nothing_starts_before_a_sync_run_is_read() -> None:
    model = answering()
    run = stream(model, "hi")
    assert model.calls == ()
    assert run.outcome == "pending"
    assert "not started" in repr(run)


async def test_a_run_that_was_never_read_closes_unstarted() -> None:
    model = answering()
    run = astream(model, "hi")
    await run.aclose()
    assert run.outcome == "pending"
    assert model.calls == ()


async def test_repr_says_how_the_run_stands() -> None:
    gate = threading.Event()
    run = astream(held(gate), "hi")
    events = aiter(run)
    await anext(events)
    assert repr(run).endswith("running>")
    gate.set()
    _ = [event async for event in events]
    assert repr(run).endswith("finished>")


async def test_outcome_and_snapshot_at_each_phase() -> None:
    gate = threading.Event()
    run = astream(one_node(held(gate)), QUESTION)
    assert (run.outcome, run.snapshot.text, run.usage) == ("pending", "", None)
    events = aiter(run)
    async for event in events:
        if event.type == "text.delta":
            break
    assert run.outcome == "running"
    gate.set()
    read = [event async for event in events]
    assert run.outcome == "finished"
    assert run.snapshot.text == "one two three four"
    assert run.usage == read[-1].usage  # type: ignore[union-attr]


async def test_awaiting_a_run_says_what_to_write() -> None:
    run: Any = astream(answering(), "hi")
    with pytest.raises(StreamUsageError, match=r"async for event in run"):
        await run


def test_iterating_an_async_run_in_plain_code_says_what_to_write() -> None:
    run: Any = astream(answering(), "hi")
    with pytest.raises(StreamUsageError, match=r"stream\(\)"):
        iter(run)


def test_async_iteration_of_a_sync_run_says_what_to_write() -> None:
    run: Any = stream(answering(), "hi")
    with pytest.raises(StreamUsageError, match=r"astream\(\)"):
        aiter(run)


async def test_async_with_over_a_sync_run_says_what_to_write() -> None:
    run: Any = stream(answering(), "hi")
    with pytest.raises((StreamUsageError, TypeError)):
        async with run:
            pass


def test_with_over_an_async_run_says_what_to_write() -> None:
    run: Any = astream(answering(), "hi")
    with pytest.raises((StreamUsageError, TypeError)), run:
        pass


def test_async_iteration_without_a_loop_says_what_to_write() -> None:
    with pytest.raises(StreamUsageError, match=r"no event loop"):
        aiter(astream(answering(), "hi"))


async def test_a_second_iteration_is_refused() -> None:
    run = astream(answering(), "hi")
    _ = [event async for event in run]
    with pytest.raises(StreamUsageError, match="consumed once"):
        aiter(run)


async def test_a_second_reader_beside_the_first_is_refused_and_the_first_goes_on() -> None:
    run = astream(answering(), "hi")
    events = aiter(run)
    read = [await anext(events)]
    with pytest.raises(StreamUsageError, match="consumed once"):
        aiter(run)
    read += [event async for event in events]
    assert the_end(read).type == "run.finished"


def test_a_second_iteration_of_a_sync_run_is_refused() -> None:
    run = stream(answering(), "hi")
    list(run)
    with pytest.raises(StreamUsageError, match="consumed once"):
        iter(run)


async def test_iteration_never_raises_the_runs_own_error() -> None:
    run = astream(RunnableLambda(raising(Boom())), 1)
    assert the_end([event async for event in run]).type == "run.failed"


async def test_result_without_iteration() -> None:
    assert (await astream(answering(), "hi").result()).content == "Hello you there"
    assert (await astream(one_node(answering()), QUESTION).result())["messages"]


def test_result_without_iteration_of_a_sync_run() -> None:
    assert stream(answering(), "hi").result().content == "Hello you there"


async def test_result_may_be_asked_again_and_again() -> None:
    run = astream(answering(), "hi")
    assert await run.result() is await run.result()


async def test_result_without_iteration_of_more_events_than_may_be_unread() -> None:
    run = astream(chatty(200), "hi", max_unread=50)
    assert len((await run.result()).tool_calls) == 200
    assert run.outcome == "finished"


def test_result_without_iteration_of_a_sync_run_with_many_events() -> None:
    run = stream(chatty(200), "hi", max_unread=50)
    assert len(run.result().tool_calls) == 200


async def test_events_can_be_read_after_the_result() -> None:
    run = astream(answering(), "hi")
    await run.result()
    read = [event async for event in run]
    assert the_end(read).type == "run.finished"


def test_events_of_a_sync_run_can_be_read_after_the_result() -> None:
    run = stream(answering(), "hi")
    run.result()
    assert the_end(list(run)).type == "run.finished"


async def test_events_that_were_too_many_to_keep_are_refused_after_the_result() -> None:
    run = astream(chatty(200), "hi", max_unread=50)
    await run.result()
    with pytest.raises(StreamUsageError, match="iterate first"):
        aiter(run)


async def test_a_sleeping_reader_with_too_many_events_fails_the_run() -> None:
    run = astream(chatty(200), "hi", max_unread=50)
    events = aiter(run)
    read = [await anext(events)]
    await aeventually(lambda: run.outcome != "running", "the run ends")
    read += [event async for event in events]
    end = the_end(read)
    assert (end.type, end.error.code) == ("run.failed", "reader_overflow")
    with pytest.raises(ReaderOverflow, match="max_unread"):
        await run.result()


def test_a_sleeping_reader_of_a_sync_run_with_too_many_events_fails_the_run() -> None:
    asleep = threading.Event()
    run = stream(chatty(200, asleep), "hi", max_unread=50)
    events = iter(run)
    read = [next(events)]
    asleep.set()
    with pytest.raises(ReaderOverflow, match="max_unread"):
        run.result()
    read += list(events)
    assert the_end(read).error.code == "reader_overflow"


@pytest.mark.parametrize(
    "make",
    [
        lambda: (PROMPT | answering(), {"wrong": 1}, KeyError),
        lambda: (ScriptedModel([Turn("a", fail_after=0, error=Boom())]), "hi", Boom),
        lambda: (PROMPT | ScriptedModel([Boom()]) | StrOutputParser(), {"question": 1}, Boom),
    ],
    ids=["prompt", "model", "chain"],
)
async def test_started_raises_what_fails_before_the_first_event(make: Any) -> None:
    runnable, value, error = make()
    run = astream(runnable, value)
    with pytest.raises(error):
        await asyncio.wait_for(run.started(), WAIT_S)
    sync = stream(*make()[:2])
    with pytest.raises(error):
        await asyncio.to_thread(sync.started)


@pytest.mark.parametrize(
    "make", [lambda: (answering(), "hi"), lambda: (one_node(answering()), QUESTION)]
)
async def test_started_returns_while_the_run_goes_on_and_nothing_is_lost(make: Any) -> None:
    run = astream(*make())
    await asyncio.wait_for(run.started(), WAIT_S)
    read = [event async for event in run]
    assert the_end(read).type == "run.finished"
    assert read[0].seq == 1


async def test_started_returns_before_the_run_has_ended() -> None:
    gate = threading.Event()
    run = astream(held(gate), "hi")
    await asyncio.wait_for(run.started(), WAIT_S)
    assert run.outcome == "running"
    gate.set()
    assert (await run.result()).content == "one two three four"


async def test_stream_works_inside_a_running_loop() -> None:
    for work in ((answering(), "hi"), (one_node(answering()), QUESTION)):
        read = list(stream(*work))
        assert the_end(read).type == "run.finished"
        assert [e for e in read if e.type == "text.delta"]


async def test_the_callers_context_variables_are_seen_by_the_run() -> None:
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable")
    variable.set("mine")
    seen: list[str] = []
    await astream(RunnableLambda(lambda _: seen.append(variable.get())), 1).result()
    stream(RunnableLambda(lambda _: seen.append(variable.get())), 1).result()
    assert seen == ["mine", "mine"]


async def test_batches_are_the_same_events() -> None:
    run = astream(answering(), "hi")
    batches = [batch async for batch in run.batches()]
    assert all(batches)
    assert_legal([event for batch in batches for event in batch])


# ---- tasks, loops and what is left ---------------------------------------------------------------


async def test_a_second_task_that_waits_for_the_next_event_is_refused() -> None:
    gate = threading.Event()
    run = astream(held(gate), "hi")
    events = aiter(run)

    async def read() -> None:
        async for _ in events:
            pass

    first, second = asyncio.create_task(read()), asyncio.create_task(read())
    done, _ = await asyncio.wait(
        {first, second}, timeout=WAIT_S, return_when=asyncio.FIRST_EXCEPTION
    )
    (refused,) = done
    assert isinstance(refused.exception(), StreamUsageError)
    gate.set()
    (other,) = {first, second} - {refused}
    await asyncio.wait_for(other, WAIT_S)
    assert run.outcome == "finished"


async def test_the_iterator_in_another_loop_is_refused_and_the_run_goes_on() -> None:
    gate = threading.Event()
    run = astream(held(gate), "hi")
    events = aiter(run)
    await anext(events)

    async def read() -> None:
        async for _ in events:
            pass

    with pytest.raises(StreamUsageError, match="another event loop"):
        await asyncio.to_thread(asyncio.run, read())
    gate.set()
    await asyncio.wait_for(read(), WAIT_S)
    assert run.outcome == "finished"


async def test_a_timeout_around_one_step_loses_nothing_whoever_made_the_iterator() -> None:
    run = astream(ScriptedModel([Turn("one two three", delay=0.05)]), "hi")

    async def make() -> Any:
        return aiter(run)

    events = await asyncio.create_task(make())
    types: list[str] = []
    while True:
        try:
            types.append((await asyncio.wait_for(anext(events), 0.01)).type)
        except TimeoutError:
            continue
        except StopAsyncIteration:
            break
    assert types[-1] == "run.finished"
    assert run.snapshot.text == "one two three"


async def test_a_run_that_was_read_is_freed_while_its_reader_lives_on() -> None:
    runs: list[weakref.ref[Any]] = []

    async def read() -> None:
        run = astream(answering(), "hi")
        runs.append(weakref.ref(run.snapshot))
        async for _ in run:
            pass

    for _ in range(3):
        await read()
    await asyncio.sleep(0)
    gc.collect()
    assert [one() for one in runs] == [None, None, None]
