"""Asynchronous code: the provider sees each answer left at the token that is too much."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables import RunnableLambda, RunnableParallel
from openai import AsyncOpenAI

from langchain_streamkit import BudgetExceeded, adapt, astream, sse_bytes
from langchain_streamkit.testing import RecordingSink, Turn, scripted_provider
from tests.budgets.served import (
    ALLOWED,
    ASYNC_ROUTES,
    ASYNC_WORKS,
    BUDGET,
    SEEN_WITHIN_S,
    Silent,
    Together,
    Work,
    assert_stopped,
    assert_told,
    by_route,
    model_of,
)
from tests.runs.watching import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ALONE = [name for name in ASYNC_WORKS if name not in ("fan", "plain node")]
EVERY_WORK = ("reader", "adapt", "with_sinks_ainvoke", "handler_ainvoke")
TWO_WORKS = ("model", "graph")


def cases() -> Iterator[tuple[str, str]]:
    yield from itertools.product(EVERY_WORK, ALONE)
    yield from itertools.product(ASYNC_ROUTES.keys() - set(EVERY_WORK), TWO_WORKS)


@pytest.mark.parametrize(("route", "work"), sorted(cases()))
async def test_a_stop_closes_the_connection_at_the_token_that_is_too_much(
    route: str, work: str
) -> None:
    silent = Silent()
    async with scripted_provider(silent) as provider:
        seen = await by_route(ASYNC_ROUTES[route], ASYNC_WORKS[work](model_of(provider)))
        assert_stopped(provider, silent, seen)


@pytest.mark.parametrize("route", ["reader", "result", "with_sinks_ainvoke", "handler_ainvoke"])
async def test_a_plain_node_in_a_thread_is_stopped_too(route: str) -> None:
    silent = Silent()
    async with scripted_provider(silent) as provider:
        seen = await by_route(ASYNC_ROUTES[route], ASYNC_WORKS["plain node"](model_of(provider)))
        assert_stopped(provider, silent, seen)


@pytest.mark.parametrize("work", ["model", "chain", "graph", "plain node"])
@pytest.mark.parametrize("route", ["reader", "sse_bytes", "handler_ainvoke"])
async def test_the_connection_is_closed_within_100_ms(route: str, work: str) -> None:
    took: list[float] = []
    for _ in range(3):  # a machine that is busy elsewhere is not what is measured
        silent = Silent(pause=0.03)
        async with scripted_provider(silent) as provider:
            await by_route(ASYNC_ROUTES[route], ASYNC_WORKS[work](model_of(provider)))
            left = await provider.requests[-1].await_disconnected()
        took.append(left - (silent.moments[-1].reached or 0.0))
        if took[-1] < SEEN_WITHIN_S:
            return
    pytest.fail(f"seconds: {took}")


@pytest.mark.parametrize(
    "route", ["reader", "sse_bytes", "adapt", "with_sinks_astream", "handler_abatch"]
)
async def test_parallel_answers_get_at_most_one_chunk_more_each(route: str) -> None:
    async with scripted_provider(Together()) as provider:
        seen = await by_route(ASYNC_ROUTES[route], ASYNC_WORKS["fan"](model_of(provider)))
        assert len(provider.requests) == 2
        for request in provider.requests:
            await request.await_disconnected()
        assert sum(request.chunks_sent for request in provider.requests) <= ALLOWED + 2
        assert_told(seen)


@pytest.mark.parametrize("route", ["reader", "sse_bytes"])
async def test_a_silent_branch_is_left_when_another_one_exceeds(route: str) -> None:
    """``RunnableParallel`` itself would wait for it."""
    silent = Silent()

    def answer(body: Any) -> Turn:
        if body["messages"][-1]["content"] == "quiet":
            return Turn("nothing more", hold={0: asyncio.Event()})
        return silent(body)

    async with scripted_provider(answer) as provider:
        model = model_of(provider)
        both = RunnableParallel(loud=model, quiet=(lambda _: "quiet") | model)
        seen = await by_route(ASYNC_ROUTES[route], Work(both, "hi"))
        assert_told(seen)
        for request in provider.requests:
            await request.await_disconnected()


async def test_an_adapted_stream_of_the_sdk_is_closed() -> None:
    silent = Silent()
    async with scripted_provider(silent) as provider:
        client = AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0)

        async def call(_: Work, sink: RecordingSink, **how: Any) -> Any:
            source = client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            return await adapt(source, sinks=[sink], **how).result()

        seen = await by_route(call, Work(None, None))
        assert_stopped(provider, silent, seen)
        await client.close()


async def test_a_view_beside_the_frames_sees_the_stop_too() -> None:
    silent = Silent()
    async with scripted_provider(silent) as provider:
        ends: list[Any] = []

        async def call(work: Work, **how: Any) -> Any:
            run = astream(work.runnable, work.input, on_end=ends.append, **how)

            async def read_text() -> str:
                return "".join([piece async for piece in run.text])

            reading = asyncio.create_task(read_text())
            async for _ in sse_bytes(run):
                pass
            assert len((await reading).split()) <= ALLOWED + 1
            return await run.result()

        async with asyncio.timeout(WAIT_S):
            with pytest.raises(BudgetExceeded):
                await call(Work(model_of(provider), "hi"), budget=BUDGET)
        assert [end.outcome for end in ends] == ["cancelled"]
        await provider.requests[0].await_disconnected()


class SlowTracer(AsyncCallbackHandler):
    """Someone else's callbacks, which take a moment for what they are told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        await asyncio.sleep(0.001)
        self.told.append(type(error).__name__)


async def test_what_cleans_up_after_the_stop_is_not_broken_off() -> None:
    tracer = SlowTracer()
    async with scripted_provider(Silent()) as provider:
        run = astream(model_of(provider), "hi", {"callbacks": [tracer]}, budget=BUDGET)
        async for _event in run:
            pass
    assert run.outcome == "cancelled"
    assert len(tracer.told) == 1


async def test_code_that_swallows_the_stop_and_waits_for_ever_does_not_hold_the_run() -> None:
    release = asyncio.Event()

    async def ask(text: str) -> str:
        try:
            return str((await model.ainvoke(text)).text)
        except BaseException:  # noqa: BLE001 -- what users write
            await release.wait()
            return "I go on"

    async with scripted_provider(Silent()) as provider:
        model = model_of(provider)
        run = astream(RunnableLambda(ask), "hi", budget=BUDGET)
        events = [event async for event in run]
        await provider.requests[0].await_disconnected()
        release.set()
    end: Any = events[-1]
    assert (end.type, end.reason) == ("run.cancelled", "budget")
    assert end.pending


async def test_sinks_and_on_end_are_told_once_when_a_budget_stops() -> None:
    sink = RecordingSink(async_=True)
    ends: list[Any] = []

    async def on_end(snapshot: Any) -> None:
        await asyncio.sleep(0.03)  # longer than until the cancel
        ends.append(snapshot.outcome)

    async with scripted_provider(Silent()) as provider:
        model = model_of(provider)
        run = astream(model, "hi", sinks=[sink], on_end=on_end, budget=BUDGET)
        read = [event async for event in run]
    assert ends == ["cancelled"]
    assert sink.closes == 1
    assert tuple(read) == sink.events
