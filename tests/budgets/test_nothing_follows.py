"""After a stop no request is made, whatever swallows the stop: the provider counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import RetryPolicy

from langchain_streamkit.testing import scripted_provider
from tests.budgets.served import (
    AGAIN,
    ASYNC_ROUTES,
    SYNC_ROUTES,
    Silent,
    Work,
    assert_stopped,
    by_route,
    by_route_sync,
    model_of,
)
from tests.runs.scenes import QUESTION, graph, speaking

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_openai import ChatOpenAI


def with_retry(model: ChatOpenAI) -> Work:
    return Work(model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False), "hi")


def with_fallbacks(model: ChatOpenAI) -> Work:
    return Work(model.with_fallbacks([model, model]), "hi")


def fallbacks_in_a_node(model: ChatOpenAI) -> Work:
    return Work(graph(("speak", speaking(model.with_fallbacks([model])))), QUESTION)


def retry_policy(model: ChatOpenAI) -> Work:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.0, jitter=False, retry_on=Exception)
    builder.add_node("speak", speaking(model), retry_policy=policy)
    builder.add_edge(START, "speak")
    builder.add_edge("speak", END)
    return Work(builder.compile(), QUESTION)


def retry_middleware(model: ChatOpenAI) -> Work:
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0)
    return Work(create_agent(model, [], middleware=[retry]), QUESTION)


def fallback_middleware(model: ChatOpenAI) -> Work:
    return Work(create_agent(model, [], middleware=[ModelFallbackMiddleware(model)]), QUESTION)


def asking_again(model: ChatOpenAI, caught: type[BaseException]) -> Any:
    """Asks twice, whatever became of the first time."""

    def ask(a: Any) -> str:
        try:
            return str(model.invoke("hi").text)
        except caught:
            return str(model.invoke(AGAIN).text)

    async def aask(a: Any) -> str:
        try:
            return str((await model.ainvoke("hi")).text)
        except caught:
            return str((await model.ainvoke(AGAIN)).text)

    return ask, aask


def user_code(model: ChatOpenAI) -> Work:
    return Work(RunnableLambda(*asking_again(model, Exception)), "hi")


def ruthless_user_code(model: ChatOpenAI) -> Work:
    return Work(RunnableLambda(*asking_again(model, BaseException)), "hi")


def node_that_catches(model: ChatOpenAI) -> Work:
    ask, aask = asking_again(model, Exception)

    def speak(state: Any) -> Any:
        return {"messages": [("assistant", ask(""))]}

    async def aspeak(state: Any) -> Any:
        return {"messages": [("assistant", await aask(""))]}

    return Work(graph(("speak", RunnableLambda(speak, aspeak, name="speak"))), QUESTION)


def _tool_of(model: ChatOpenAI, caught: type[BaseException]) -> StructuredTool:
    def use(a: str) -> str:
        """Ask."""
        return str(asking_again(model, caught)[0](a))

    async def ause(a: str) -> str:
        """Ask."""
        return str(await asking_again(model, caught)[1](a))

    return StructuredTool.from_function(use, ause, name="ask")


def tool_that_catches(model: ChatOpenAI) -> Work:
    return Work(create_agent(model, [_tool_of(model, Exception)]), QUESTION)


def ruthless_tool(model: ChatOpenAI) -> Work:
    return Work(create_agent(model, [_tool_of(model, BaseException)]), QUESTION)


def handled_tool_errors(model: ChatOpenAI) -> Work:
    """The tool's error is told to the model, which would be asked again."""

    def use(a: str) -> str:
        """Ask."""
        return str(model.invoke("hi").text)

    async def ause(a: str) -> str:
        """Ask."""
        return str((await model.ainvoke("hi")).text)

    tool = StructuredTool.from_function(use, ause, name="ask")
    bound = model.bind_tools([tool])
    return Work(
        graph(
            ("model", speaking(bound)),
            ("tools", ToolNode([tool], handle_tool_errors=True)),
            ("after", speaking(bound)),
        ),
        QUESTION,
    )


SWALLOWING: dict[str, Callable[[ChatOpenAI], Work]] = {
    make.__name__: make
    for make in (
        with_retry,
        with_fallbacks,
        fallbacks_in_a_node,
        retry_policy,
        retry_middleware,
        fallback_middleware,
        user_code,
        ruthless_user_code,
        node_that_catches,
        tool_that_catches,
        ruthless_tool,
        handled_tool_errors,
    )
}
ROUTES = ("reader", "with_sinks_ainvoke", "handler_ainvoke")
PLAIN_ROUTES = ("stream", "with_sinks_invoke", "handler_invoke")


@pytest.mark.parametrize("make", SWALLOWING.values(), ids=SWALLOWING)
@pytest.mark.parametrize("route", ROUTES)
async def test_no_request_follows_a_stop(route: str, make: Any) -> None:
    silent = Silent()
    async with scripted_provider(silent) as provider:
        seen = await by_route(ASYNC_ROUTES[route], make(model_of(provider)))
        assert_stopped(provider, silent, seen)


@pytest.mark.parametrize("make", SWALLOWING.values(), ids=SWALLOWING)
@pytest.mark.parametrize("route", PLAIN_ROUTES)
def test_no_request_follows_a_stop_in_plain_code(route: str, make: Any) -> None:
    silent = Silent()
    with scripted_provider(silent) as provider:
        seen = by_route_sync(SYNC_ROUTES[route], make(model_of(provider)))
        assert_stopped(provider, silent, seen)
