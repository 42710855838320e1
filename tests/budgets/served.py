"""Budgets, held against a real provider: what it was asked, what it sent, when it saw the stop.

A provider says an answer a token at a time and, once the budget is exceeded, falls silent: only a
stop that closes the connection ends that.
"""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import BaseMessage  # noqa: TC002 -- LangGraph reads it
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from langchain_streamkit import (
    Budget,
    BudgetExceeded,
    StreamCallbackHandler,
    adapt,
    astream,
    decode_event,
    sse_bytes,
    stream,
    with_sinks,
)
from langchain_streamkit.testing import RecordingSink, ToolCall, Turn, assert_legal
from tests.runs.scenes import QUESTION, graph, one_node, speaking
from tests.runs.watching import WAIT_S, aeventually, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.testing import ScriptedProvider

ALLOWED = 6
"""Tokens of output that the budget of these tests lets through."""
SEEN_WITHIN_S = 0.1
"""The promise: from the token that is too much to the closed connection."""
BUDGET = Budget(output_tokens=ALLOWED)
AGAIN = "again"
"""What is said to a model after it was stopped."""


class Moment:
    """A gate that never opens, and knows when the provider first came to it."""

    def __init__(self) -> None:
        self.reached: float | None = None

    def is_set(self) -> bool:
        if self.reached is None:
            self.reached = time.monotonic()
        return False


def words(count: int) -> list[str]:
    """A text of as many tokens, one in each chunk."""
    return ["word", *[" word"] * (count - 1)]


class Silent:
    """Answers with one token more than is allowed, after a ``pause``, and is silent then."""

    def __init__(self, pause: float = 0.0) -> None:
        self.moments: list[Moment] = []
        self._pause = pause

    def __call__(self, body: Mapping[str, Any]) -> Turn:
        if body.get("tools") and body["messages"][-1]["role"] != "tool" and _asks(body):
            return Turn(tool_calls=[ToolCall("ask", {"a": "b"}, id="c1")])
        moment = Moment()
        self.moments.append(moment)
        said = words(ALLOWED + 1)
        return Turn(chunks=[*said[:-1], self._pause, said[-1], moment, *said])


def _asks(body: Mapping[str, Any]) -> bool:
    return any(one["function"]["name"] == "ask" for one in body["tools"])


def talking(_: Mapping[str, Any]) -> Turn:
    """An answer that goes on and on, slowly enough to see who listens."""
    return Turn(words(200), delay=SEEN_WITHIN_S)


class Together:
    """Answers that go on and on, and begin when all of them were asked for."""

    def __init__(self, answers: int = 2) -> None:
        self._answers = answers
        self._asked = 0

    def __call__(self, body: Mapping[str, Any]) -> Turn:
        self._asked += 1
        return Turn(chunks=[self, *words(200)], delay=SEEN_WITHIN_S)

    def is_set(self) -> bool:
        return self._asked >= self._answers


def model_of(provider: ScriptedProvider, **options: Any) -> ChatOpenAI:
    given: dict[str, Any] = {"max_retries": 0, **options}
    return ChatOpenAI(model="scripted", base_url=provider.base_url, api_key="none", **given)  # type: ignore[arg-type]  # a plain str, as users write


class Work(NamedTuple):
    runnable: Any
    input: Any
    answers: int = 1
    """How many answers go on at the same time."""


class Fan(TypedDict):
    messages: Annotated[list[BaseMessage], operator.add]


def _functional(model: Any) -> Any:
    @task
    def ask(text: str) -> str:
        return str(model.invoke(text).text)

    @entrypoint()
    def work(text: str) -> str:
        return ask(text).result()

    return work


def _afunctional(model: Any) -> Any:
    @task
    async def ask(text: str) -> str:
        return str((await model.ainvoke(text)).text)

    @entrypoint()
    async def work(text: str) -> str:
        return await ask(text)

    return work


def _plain_node(model: Any) -> Any:
    """A graph with a plain node, which asynchronous runs call in a thread."""

    def speak(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    return graph(("speak", speak))


def _fan(model: Any) -> Any:
    """Two of a node at the same time, sent there."""

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Fan)
    builder.add_node("speak", speaking(model))
    builder.add_conditional_edges(
        START, lambda state: [Send("speak", state), Send("speak", state)], ["speak"]
    )
    builder.add_edge("speak", END)
    return builder.compile()


def _agent_as_tool(model: Any) -> Any:
    inner: Any = create_agent(model, [])

    def call(a: str) -> str:
        """Ask."""
        return str(inner.invoke(QUESTION)["messages"][-1].text)

    async def acall(a: str) -> str:
        """Ask."""
        return str((await inner.ainvoke(QUESTION))["messages"][-1].text)

    from langchain_core.tools import StructuredTool

    ask = StructuredTool.from_function(call, acall, name="ask")
    return create_agent(model, [ask])


@tool
def nothing(thing: str) -> str:
    """Do nothing."""
    return thing


WORKS: dict[str, Callable[[ChatOpenAI], Work]] = {
    "model": lambda model: Work(model, "hi"),
    "chain": lambda model: Work(
        ChatPromptTemplate.from_messages([("human", "{question}")]) | model | StrOutputParser(),
        {"question": "hi"},
    ),
    "graph": lambda model: Work(one_node(model), QUESTION),
    "agent": lambda model: Work(create_agent(model, [nothing]), QUESTION),
    "subgraph": lambda model: Work(graph(("inner", one_node(model))), QUESTION),
    "agent as tool": lambda model: Work(_agent_as_tool(model), QUESTION),
    "fan": lambda model: Work(_fan(model), QUESTION, answers=2),
}
"""Called with either kind of code."""
ASYNC_WORKS: dict[str, Callable[[ChatOpenAI], Work]] = {
    **WORKS,
    "functional": lambda model: Work(_afunctional(model), "hi"),
    "plain node": lambda model: Work(_plain_node(model), QUESTION),
}
SYNC_WORKS: dict[str, Callable[[ChatOpenAI], Work]] = {
    **WORKS,
    "functional": lambda model: Work(_functional(model), "hi"),
}


# ---- the ways to make a call that has a budget ---------------------------------------------------


class Seen(NamedTuple):
    """What a run that was stopped told."""

    events: Sequence[Event]
    error: BaseException | None


async def by_reader(work: Work, sink: RecordingSink, **how: Any) -> Any:
    run = astream(work.runnable, work.input, sinks=[sink], **how)
    assert tuple([event async for event in run]) == sink.events
    return await run.result()


async def by_reader_alone(work: Work, sink: RecordingSink, **how: Any) -> Any:
    run = astream(work.runnable, work.input, **how)
    async for event in run:
        sink.send([event])
    return await run.result()


async def by_result(work: Work, sink: RecordingSink, **how: Any) -> Any:
    return await astream(work.runnable, work.input, sinks=[sink], **how).result()


async def by_async_sink(work: Work, sink: RecordingSink, **how: Any) -> Any:
    other = RecordingSink(async_=True)
    try:
        return await astream(work.runnable, work.input, sinks=[other], **how).result()
    finally:
        assert other.closes == 1
        sink.send(list(other.events))


async def by_sse_bytes(work: Work, sink: RecordingSink, **how: Any) -> Any:
    run = astream(work.runnable, work.input, **how)
    async for frame in sse_bytes(run, view="all"):
        for line in frame.split(b"\n"):
            if line.startswith(b"data: {") and line != b"data: {}":
                sink.send([decode_event(line.removeprefix(b"data: "))])
    return await run.result()


async def by_view(work: Work, sink: RecordingSink, **how: Any) -> Any:
    run = astream(work.runnable, work.input, sinks=[sink], **how)
    text = "".join([piece async for piece in run.text])
    assert len(text.split()) <= 2 * (ALLOWED + 1)
    return await run.result()


async def by_adapt(work: Work, sink: RecordingSink, **how: Any) -> Any:
    run = adapt(work.runnable.astream_events(work.input, version="v2"), sinks=[sink], **how)
    return await run.result()


async def by_with_sinks_ainvoke(work: Work, sink: RecordingSink, **how: Any) -> Any:
    return await with_sinks(work.runnable, sink, **how).ainvoke(work.input)


async def by_with_sinks_astream(work: Work, sink: RecordingSink, **how: Any) -> Any:
    watched = with_sinks(work.runnable, sink, **how)
    return [chunk async for chunk in watched.astream(work.input)]


async def by_with_sinks_abatch(work: Work, sink: RecordingSink, **how: Any) -> Any:
    return await with_sinks(work.runnable, sink, **how).abatch([work.input])


async def by_handler_ainvoke(work: Work, sink: RecordingSink, **how: Any) -> Any:
    handler = StreamCallbackHandler(sink, **how)
    return await work.runnable.ainvoke(work.input, {"callbacks": [handler]})


async def by_handler_abatch(work: Work, sink: RecordingSink, **how: Any) -> Any:
    handler = StreamCallbackHandler(sink, **how)
    return await work.runnable.abatch([work.input], {"callbacks": [handler]})


def by_stream(work: Work, sink: RecordingSink, **how: Any) -> Any:
    run = stream(work.runnable, work.input, sinks=[sink], **how)
    assert tuple(run) == sink.events
    return run.result()


def by_result_alone(work: Work, sink: RecordingSink, **how: Any) -> Any:
    return stream(work.runnable, work.input, sinks=[sink], **how).result()


def by_with_sinks_invoke(work: Work, sink: RecordingSink, **how: Any) -> Any:
    return with_sinks(work.runnable, sink, **how).invoke(work.input)


def by_with_sinks_stream(work: Work, sink: RecordingSink, **how: Any) -> Any:
    return list(with_sinks(work.runnable, sink, **how).stream(work.input))


def by_handler_invoke(work: Work, sink: RecordingSink, **how: Any) -> Any:
    handler = StreamCallbackHandler(sink, **how)
    return work.runnable.invoke(work.input, {"callbacks": [handler]})


def by_handler_batch(work: Work, sink: RecordingSink, **how: Any) -> Any:
    handler = StreamCallbackHandler(sink, **how)
    return work.runnable.batch([work.input], {"callbacks": [handler]})


def _named(*routes: Any) -> dict[str, Any]:
    return {route.__name__.removeprefix("by_"): route for route in routes}


ASYNC_ROUTES = _named(
    by_reader,
    by_reader_alone,
    by_result,
    by_async_sink,
    by_sse_bytes,
    by_view,
    by_adapt,
    by_with_sinks_ainvoke,
    by_with_sinks_astream,
    by_with_sinks_abatch,
    by_handler_ainvoke,
    by_handler_abatch,
)
SYNC_ROUTES = _named(
    by_stream,
    by_result_alone,
    by_with_sinks_invoke,
    by_with_sinks_stream,
    by_handler_invoke,
    by_handler_batch,
)


async def by_route(route: Any, work: Work, budget: Any = BUDGET, **how: Any) -> Seen:
    """Make the call; what it told and raised. Nothing of it is left in the loop."""
    sink = RecordingSink()
    error = None
    async with asyncio.timeout(WAIT_S):
        try:
            await route(work, sink, budget=budget, **how)
        except Exception as exc:  # noqa: BLE001 -- told to the test
            error = exc
        await aeventually(lambda: len(asyncio.all_tasks()) == 1, "no task is left")
    assert_legal(sink.events)
    return Seen(sink.events, error)


def by_route_sync(route: Any, work: Work, budget: Any = BUDGET, **how: Any) -> Seen:
    """The same in plain code: no thread is left."""
    before = set(threading.enumerate())
    sink = RecordingSink()
    error = None
    try:
        route(work, sink, budget=budget, **how)
    except Exception as exc:  # noqa: BLE001 -- told to the test
        error = exc
    eventually(lambda: set(threading.enumerate()) <= before, "no thread is left")
    assert_legal(sink.events)
    return Seen(sink.events, error)


def assert_stopped(provider: ScriptedProvider, silent: Silent, seen: Seen) -> None:
    """Each answer was left at the token that was too much, nothing was asked for after it, and the
    run and its caller were told.
    """
    cut = [request for request in provider.requests if not request.completed.is_set()]
    assert len(cut) == len(silent.moments) == 1
    assert cut[0] is provider.requests[-1], "something was asked for after the stop"
    cut[0].wait_disconnected()
    assert cut[0].chunks_sent <= ALLOWED + 1
    assert_told(seen)


def assert_told(seen: Seen) -> None:
    """The run was cancelled by its budget, and its caller has the error that says so."""
    end: Any = seen.events[-1]
    assert (end.type, end.reason) == ("run.cancelled", "budget")
    aborted: Any = [event for event in seen.events if event.type == "message.aborted"]
    assert {event.reason for event in aborted} == {"budget"}
    error = seen.error
    assert isinstance(error, BudgetExceeded)
    assert (error.reason, error.limit, error.allowed) == ("budget", "output_tokens", ALLOWED)
    assert ALLOWED < error.spent.output_tokens <= ALLOWED + 2
