"""A run that is left closes its connection to the provider: by the provider's own view.

The real OpenAI client talks to a real HTTP server. The provider is silent in the middle of its
answer where the stop has to reach a client that waits, and talks on where it may notice itself.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from starlette.applications import Starlette
from starlette.routing import Route

from langchain_streamkit import SSEResponse, astream, sse_bytes, stream
from langchain_streamkit.testing import RecordingSink, ToolCall, Turn, scripted_provider
from tests.runs.scenes import ENDLESS, QUESTION, graph, one_node, side_by_side, speaking
from tests.runs.watching import WAIT_S, aeventually, eventually, run_threads, the_end
from tests.serve.servers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

    from starlette.requests import Request

    from langchain_streamkit import AsyncRun
    from langchain_streamkit.testing import ScriptedProvider

SEEN_WITHIN_S = 1.0
"""The promise for an async stop is 0.1 s; a machine that is busy with other tests gets more, and
nothing else here takes a second."""
SYNC_SEEN_WITHIN_S = 2.0


@pytest.fixture(autouse=True)
def _no_keepalive_options(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else langchain-openai warns where the environment names a proxy.
    monkeypatch.setenv("LANGCHAIN_OPENAI_TCP_KEEPALIVE", "0")


class Work(NamedTuple):
    runnable: Any
    input: Any
    answers: int = 1
    """How many answers the provider is in the middle of when the run is left."""


class Asked(TypedDict):
    question: str


def look_up(thing: str) -> str:
    """Look a thing up."""
    return f"{thing} is green"


def agent(model: ChatOpenAI) -> Any:
    return create_agent(model, [look_up])


WORKS: dict[str, Callable[[ChatOpenAI], Work]] = {
    "model": lambda model: Work(model, "hi"),
    "chain": lambda model: Work(
        ChatPromptTemplate.from_messages([("human", "{question}")]) | model | StrOutputParser(),
        Asked(question="hi"),
    ),
    "graph": lambda model: Work(one_node(model), QUESTION),
    "agent": lambda model: Work(agent(model), QUESTION),
    "subgraph": lambda model: Work(graph(("inner", one_node(model))), QUESTION),
    "branches": lambda model: Work(side_by_side(speaking(model), ("a", "b")), QUESTION, answers=2),
}


def turn(body: Mapping[str, Any], answer: Turn) -> Turn:
    """An agent's model first asks for the tool."""
    if body.get("tools") and body["messages"][-1]["role"] == "user":
        return Turn(tool_calls=[ToolCall("look_up", {"thing": "tea"})])
    return answer


def silent(gate: threading.Event) -> Turn:
    return Turn("one two three four", hold={2: gate})


def talking() -> Turn:
    return Turn(["word "] * ENDLESS, delay=0.002)


def model_of(provider: ScriptedProvider) -> ChatOpenAI:
    return ChatOpenAI(model="scripted", base_url=provider.base_url, api_key="none", max_retries=0)  # type: ignore[arg-type]  # a plain str, as users write


class Middle:
    """Tells when the reader has two words of every answer: all that a silent provider says."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._texts: defaultdict[str, str] = defaultdict(str)

    def reached(self, events: Iterable[Any]) -> bool:
        for event in events:
            if event["type"] == "text.delta":
                self._texts[event["message_id"]] += event["text"]
        halves = [text for text in self._texts.values() if len(text.split()) >= 2]
        return len(halves) == self._answers

    def reached_in(self, frames: bytes) -> bool:
        lines = [line for line in frames.split(b"\n") if line.startswith(b"data:")]
        values = [json.loads(line.removeprefix(b"data:")) for line in lines]
        return self.reached([value for value in values if "type" in value])


# ---- the ways to leave an async run: each gives the moment in which it was left ------------------


async def by_cancel(run: AsyncRun[Any], middle: Middle) -> float:
    events = aiter(run)
    async for event in events:
        if middle.reached([event.to_dict()]):
            break
    asked = time.monotonic()
    await run.cancel()
    return asked


async def by_break(run: AsyncRun[Any], middle: Middle) -> float:
    asked = 0.0
    async for event in run:
        if middle.reached([event.to_dict()]):
            asked = time.monotonic()
            break
    return asked


async def by_async_with(run: AsyncRun[Any], middle: Middle) -> float:
    async with run:
        events = aiter(run)
        async for event in events:
            if middle.reached([event.to_dict()]):
                break
        return time.monotonic()


async def by_closing_sse_bytes(run: AsyncRun[Any], middle: Middle) -> float:
    frames: Any = sse_bytes(run)
    async for frame in frames:
        if middle.reached_in(frame):
            break
    asked = time.monotonic()
    await frames.aclose()
    return asked


async def by_cancelling_the_task(run: AsyncRun[Any], middle: Middle) -> float:
    reached = asyncio.Event()

    async def read() -> None:
        async for event in run:
            if middle.reached([event.to_dict()]):
                reached.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(reached.wait(), WAIT_S)
    asked = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return asked


LEAVING: dict[str, Callable[[AsyncRun[Any], Middle], Awaitable[float]]] = {
    way.__name__.removeprefix("by_"): way
    for way in (
        by_cancel,
        by_break,
        by_async_with,
        by_closing_sse_bytes,
        by_cancelling_the_task,
    )
}


@pytest.fixture(params=WORKS)
def make(request: pytest.FixtureRequest) -> Callable[[ChatOpenAI], Work]:
    return WORKS[request.param]


@pytest.fixture
async def quiet() -> AsyncIterator[ScriptedProvider]:
    """A provider that stops in the middle of each answer and never goes on."""
    answer = silent(threading.Event())
    async with scripted_provider(lambda body: turn(body, answer)) as provider:
        yield provider


@pytest.fixture
async def talker() -> AsyncIterator[ScriptedProvider]:
    """A provider that goes on until it is left."""
    async with scripted_provider(lambda body: turn(body, talking())) as provider:
        yield provider


async def assert_seen(provider: ScriptedProvider, asked: float, answers: int) -> None:
    """The provider saw the client leave every answer that was not whole, in time."""
    cut = [request for request in provider.requests if not request.completed.is_set()]
    assert len(cut) == answers
    for request in cut:
        seen = await request.await_disconnected()
        assert seen - asked < SEEN_WITHIN_S
        assert not request.completed.is_set()


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
async def test_a_silent_provider_sees_the_end_of_a_run_that_is_left(
    quiet: ScriptedProvider, make: Any, leave: Any
) -> None:
    work: Work = make(model_of(quiet))
    sink = RecordingSink()
    run = astream(work.runnable, work.input, sinks=[sink])
    asked = await leave(run, Middle(work.answers))
    await assert_seen(quiet, asked, work.answers)
    await aeventually(lambda: run.outcome == "cancelled", "the run ends")
    reason = "disconnect" if leave is by_closing_sse_bytes else "user"
    assert the_end(sink.events).reason == reason
    assert the_end(sink.events).pending == ()


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
async def test_a_talking_provider_sees_the_end_of_a_run_that_is_left(
    talker: ScriptedProvider, leave: Any
) -> None:
    work = WORKS["branches"](model_of(talker))
    run = astream(work.runnable, work.input)
    asked = await leave(run, Middle(work.answers))
    await assert_seen(talker, asked, work.answers)


async def test_a_silent_provider_sees_the_end_of_a_result_nobody_waits_for(
    quiet: ScriptedProvider, make: Any
) -> None:
    work: Work = make(model_of(quiet))
    run = astream(work.runnable, work.input)
    task = asyncio.create_task(run.result())
    await quiet.await_request(work.answers)
    await aeventually(lambda: half_there(quiet) == work.answers, "the answers are half there")
    asked = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_seen(quiet, asked, work.answers)


def half_there(provider: ScriptedProvider) -> int:
    """How many answers the provider is in the middle of."""
    return sum(r.chunks_sent == 2 and not r.completed.is_set() for r in provider.requests)


async def test_a_silent_provider_sees_that_the_sse_client_is_gone(
    quiet: ScriptedProvider, make: Any
) -> None:
    work: Work = make(model_of(quiet))
    ends: list[Any] = []

    async def answer(request: Request) -> SSEResponse:
        return SSEResponse(astream(work.runnable, work.input, on_end=ends.append))

    with serving(Starlette(routes=[Route("/", answer)])) as host:
        middle = Middle(work.answers)
        async with (
            httpx.AsyncClient(timeout=WAIT_S) as client,
            client.stream("GET", f"http://{host}/") as response,
        ):
            async for line in response.aiter_lines():
                if middle.reached_in(line.encode()):
                    break
            asked = time.monotonic()
        await assert_seen(quiet, asked, work.answers)
        await aeventually(lambda: bool(ends), "the run ends")
    assert [snapshot.outcome for snapshot in ends] == ["cancelled"]


async def test_an_answer_that_is_read_to_its_end_is_whole_for_the_provider(make: Any) -> None:
    answer = Turn("one two three four")
    async with scripted_provider(lambda body: turn(body, answer)) as provider:
        work: Work = make(model_of(provider))
        read = [event async for event in astream(work.runnable, work.input)]
        assert the_end(read).type == "run.finished"
        for request in provider.requests:  # the client may have the last byte before it knows
            assert await asyncio.to_thread(request.completed.wait, WAIT_S)
        assert not any(request.disconnected.is_set() for request in provider.requests)


# ---- plain code ----------------------------------------------------------------------------------


def cancel(run: Any, middle: Middle) -> float:
    events = iter(run)
    next(event for event in events if middle.reached([event.to_dict()]))
    asked = time.monotonic()
    run.cancel()
    return asked


def leave_the_loop(run: Any, middle: Middle) -> float:
    asked = 0.0
    for event in run:
        if middle.reached([event.to_dict()]):
            asked = time.monotonic()
            break
    return asked


@pytest.fixture
def plain_talker() -> Iterator[ScriptedProvider]:
    with scripted_provider(lambda body: turn(body, talking())) as provider:
        yield provider


@pytest.mark.parametrize("leave", [cancel, leave_the_loop])
def test_a_provider_sees_the_end_of_a_sync_run_that_is_left(
    plain_talker: ScriptedProvider, make: Any, leave: Any
) -> None:
    before = set(threading.enumerate())
    work: Work = make(model_of(plain_talker))
    sink = RecordingSink()
    asked = leave(stream(work.runnable, work.input, sinks=[sink]), Middle(work.answers))
    cut = [request for request in plain_talker.requests if not request.completed.is_set()]
    assert len(cut) == work.answers
    for request in cut:
        assert request.wait_disconnected() - asked < SYNC_SEEN_WITHIN_S
    assert (the_end(sink.events).type, the_end(sink.events).pending) == ("run.cancelled", ())
    eventually(lambda: set(threading.enumerate()) <= before, f"threads end: {run_threads()}")


def test_a_sync_run_that_waits_for_a_silent_provider_is_pending_and_ends_with_its_next_token() -> (
    None
):
    gate = threading.Event()
    answer = Turn(["word "] * ENDLESS, hold={0: gate}, delay=0.002)
    with scripted_provider([answer]) as provider:
        before = set(threading.enumerate())
        sink = RecordingSink()
        run = stream(one_node(model_of(provider)), QUESTION, sinks=[sink])
        run.started()
        request = provider.wait_request()
        run.cancel()
        assert the_end(sink.events).pending
        assert run_threads()
        gate.set()
        request.wait_disconnected(SYNC_SEEN_WITHIN_S)
        eventually(lambda: set(threading.enumerate()) <= before, f"threads end: {run_threads()}")


async def test_a_second_model_is_not_asked_after_the_stop(quiet: ScriptedProvider) -> None:
    model = model_of(quiet)

    async def ask_twice(value: str) -> Any:
        try:
            return await model.ainvoke(value)
        except asyncio.CancelledError:
            return await model.ainvoke("again")

    run = astream(RunnableLambda(ask_twice), "hi")
    asked = await by_cancel(run, Middle(1))
    await assert_seen(quiet, asked, 1)
    await aeventually(lambda: run.outcome == "cancelled", "the run ends")
    assert len(quiet.requests) == 1
