"""Runnables that the run tests stream: each works in plain and in asynchronous code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt

from langchain_streamkit.testing import ScriptedModel, Turn

QUESTION: dict[str, Any] = {"messages": [HumanMessage("hi")]}
ENDLESS = 10_000
"""Words that take at least ten seconds, one ms each."""


class State(TypedDict):
    messages: Annotated[list[BaseMessage], add_messages]


class Boom(Exception):
    """What user code raises in these tests."""


def answering(text: str = "Hello you there") -> ScriptedModel:
    """A model that gives this answer to every call."""
    return ScriptedModel([text], cycle=True)


def endless(delay: float = 0.001) -> ScriptedModel:
    """A model that goes on until it is stopped; each call notices a stop at its next token."""
    return ScriptedModel([Turn(["word "] * ENDLESS, delay=delay)], cycle=True)


def held(gate: threading.Event, text: str = "one two three four") -> ScriptedModel:
    """A model that says two words, then waits for the gate."""
    return ScriptedModel([Turn(text, hold={2: gate})], cycle=True)


def speaking(model: Runnable[Any, Any], name: str = "speak") -> Runnable[Any, Any]:
    """A node that asks the model."""

    def speak(state: State) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def aspeak(state: State) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return RunnableLambda(speak, aspeak, name=name)


def graph(*nodes: tuple[str, Any], checkpointer: Any = None, **options: Any) -> Any:
    """The nodes, one after the other."""
    builder: StateGraph[State] = StateGraph(State)
    names = [name for name, _ in nodes]
    for name, node in nodes:
        builder.add_node(name, node)
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    return builder.compile(checkpointer=checkpointer, **options)


def one_node(model: Runnable[Any, Any], **options: Any) -> Any:
    """A graph whose only node asks the model."""
    return graph(("speak", speaking(model)), **options)


def side_by_side(node: Any, names: Sequence[str] = ("a", "b", "c", "d")) -> Any:
    """The node several times at once."""
    builder: StateGraph[State] = StateGraph(State)
    for name in names:
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile()


def asking(question: str = "sure?") -> Callable[[State], dict[str, Any]]:
    """A node that asks a human, and says what was answered."""

    def ask(state: State) -> dict[str, Any]:
        answer = interrupt(question)
        return {"messages": [("assistant", f"answered {answer}")]}

    return ask


def pausing(**options: Any) -> Any:
    """A graph that pauses for a human in its only node."""
    return graph(("ask", asking()), checkpointer=InMemorySaver(), **options)


def raising(error: BaseException) -> Callable[[Any], Any]:
    """A function of one argument that raises."""

    def fail(value: Any) -> Any:
        raise error

    return fail
