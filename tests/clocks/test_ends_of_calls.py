"""What a clock that runs out does, by every way to make a call; the provider sees the end."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from openai import AsyncOpenAI, OpenAI

from langchain_streamkit import RunTimeout, Timeout, adapt
from langchain_streamkit.testing import RecordingSink, Turn, assert_legal, scripted_provider
from tests.budgets.served import (
    ASYNC_ROUTES,
    ASYNC_WORKS,
    SYNC_ROUTES,
    SYNC_WORKS,
    Seen,
    Silent,
    Work,
    model_of,
)
from tests.runs.watching import WAIT_S, aeventually, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clocks.turning import Hands

TOTAL = Timeout(total=60)
IDLE = Timeout(idle=10)
REACHED = [
    "reader",
    "reader_alone",
    "result",
    "sse_bytes",
    "view",
    "adapt",
    "with_sinks_ainvoke",
    "with_sinks_astream",
]
"""Where the call is ours to cancel; the others end at the next thing that a callback tells."""
SILENT = ["model", "chain", "graph", "agent as tool"]


def assert_timed_out(seen: Seen, kind: str) -> None:
    """The run failed by this clock, and its caller has the error that says so."""
    end: Any = seen.events[-1]
    assert (end.type, end.error.code) == ("run.failed", f"timeout.{kind}")
    assert end.error.retryable
    aborted: Any = [event for event in seen.events if event.type == "message.aborted"]
    assert {event.reason for event in aborted} == {"timeout"}
    assert not [event for event in seen.events if event.type in ("step.failed", "tool.failed")]
    error = seen.error
    assert isinstance(error, RunTimeout)
    assert isinstance(error, TimeoutError)
    assert (error.kind, error.run_id) == (kind, end.run_id)


def spoken(sink: RecordingSink) -> bool:
    """Whether the provider has begun to answer."""
    return any(event.type == "text.delta" for event in sink.events)


async def called(route: Any, work: Work, hands: Hands, clocks: Timeout) -> Seen:
    """Make the call, and turn the clock once the model speaks."""
    sink = RecordingSink()
    error = None
    async with asyncio.timeout(WAIT_S):
        call = asyncio.create_task(route(work, sink, timeout=clocks))
        await aeventually(lambda: spoken(sink), "the model speaks")
        for _ in range(20):  # a chain of LangChain's loses a cancel in the turn that has a chunk
            await asyncio.sleep(0)
        hands.turn(61)
        try:
            await call
        except Exception as exc:  # noqa: BLE001 -- told to the test
            error = exc
        await aeventually(lambda: len(asyncio.all_tasks()) == 1, "no task is left")
    assert hands.running == 0
    assert_legal(sink.events)
    return Seen(sink.events, error)


def called_sync(route: Any, work: Work, hands: Hands, clocks: Timeout) -> Seen:
    """The same in plain code: the clock is turned in another thread."""
    before = set(threading.enumerate())
    sink = RecordingSink()
    error = None

    def turn() -> None:
        eventually(lambda: spoken(sink), "the model speaks")
        hands.turn(61)

    turning = threading.Thread(target=turn)
    turning.start()
    try:
        route(work, sink, timeout=clocks)
    except Exception as exc:  # noqa: BLE001 -- told to the test
        error = exc
    turning.join()
    eventually(lambda: set(threading.enumerate()) <= before, "no thread is left")
    assert hands.running == 0
    assert_legal(sink.events)
    return Seen(sink.events, error)


def asking_once(then: Turn) -> Any:
    """An agent's model that asks for its tool, if it has one, and answers ``then``."""
    silent = Silent()

    def answer(body: Any) -> Turn:
        turn = silent(body)
        return turn if turn.tool_calls else then

    return answer


QUIET = Turn("one two", hold={1: threading.Event()})
TALKING = Turn(["word", *[" word"] * 500], delay=0.02)


@pytest.mark.parametrize(("route", "work"), list(itertools.product(REACHED, SILENT)))
async def test_a_silent_provider_is_left(hands: Hands, route: str, work: str) -> None:
    async with scripted_provider(asking_once(QUIET)) as provider:
        made = ASYNC_WORKS[work](model_of(provider))
        seen = await called(ASYNC_ROUTES[route], made, hands, IDLE)
        await provider.requests[-1].await_disconnected()
    assert_timed_out(seen, "idle")


def cases() -> Iterator[tuple[str, str]]:
    routes = ASYNC_ROUTES.keys() - {"async_sink", "view"}
    yield from itertools.product(["reader", "handler_ainvoke"], ASYNC_WORKS)
    yield from itertools.product(routes - {"reader", "handler_ainvoke"}, ["graph"])


@pytest.mark.parametrize(("route", "work"), sorted(cases()))
async def test_a_call_that_takes_too_long_is_ended(hands: Hands, route: str, work: str) -> None:
    async with scripted_provider(asking_once(TALKING)) as provider:
        made = ASYNC_WORKS[work](model_of(provider))
        seen = await called(ASYNC_ROUTES[route], made, hands, TOTAL)
        for request in provider.requests:
            if not request.completed.is_set():
                await request.await_disconnected()
    assert_timed_out(seen, "total")


def sync_cases() -> Iterator[tuple[str, str]]:
    yield from itertools.product(["stream", "handler_invoke"], SYNC_WORKS)
    yield from itertools.product(SYNC_ROUTES.keys() - {"stream", "handler_invoke"}, ["graph"])


@pytest.mark.parametrize(("route", "work"), sorted(sync_cases()))
def test_plain_code_is_ended_at_its_next_token(hands: Hands, route: str, work: str) -> None:
    with scripted_provider(asking_once(TALKING)) as provider:
        made = SYNC_WORKS[work](model_of(provider))
        seen = called_sync(SYNC_ROUTES[route], made, hands, TOTAL)
        for request in provider.requests:
            if not request.completed.is_set():
                request.wait_disconnected()
    assert_timed_out(seen, "total")


async def test_an_adapted_stream_of_the_sdk_is_closed(hands: Hands) -> None:
    async with scripted_provider([QUIET]) as provider:
        client = AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0)

        async def call(_: Work, sink: RecordingSink, **how: Any) -> Any:
            source = client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            return await adapt(source, sinks=[sink], **how).result()

        seen = await called(call, Work(None, None), hands, IDLE)
        await provider.requests[-1].await_disconnected()
        await client.close()
    assert_timed_out(seen, "idle")


def test_a_plain_adapted_stream_of_the_sdk_is_closed_while_it_is_silent(hands: Hands) -> None:
    with scripted_provider([QUIET]) as provider:
        client = OpenAI(base_url=provider.base_url, api_key="none", max_retries=0)

        def call(_: Work, sink: RecordingSink, **how: Any) -> Any:
            source = client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            return adapt(source, sinks=[sink], **how).result()

        seen = called_sync(call, Work(None, None), hands, IDLE)
        provider.requests[-1].wait_disconnected()
        client.close()
    assert_timed_out(seen, "idle")
