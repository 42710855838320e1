"""One runnable of every kind, made anew for each call; what holds for all is tested on all.

Every kind answers both ``ainvoke`` and ``invoke``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from langchain.agents import create_agent
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

from langchain_streamkit.testing import ScriptedLLM, ToolCall, Turn
from tests.scenarios.told import (
    HI,
    USAGE,
    add,
    broken,
    calls,
    graph,
    half,
    says,
    sync_node_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(NamedTuple):
    make: Callable[[], Any]
    input: Any
    thread_id: str | None
    text_model: bool
    """Holds an old text-completion model, which streams under ``astream`` only."""


KINDS: dict[str, Kind] = {}


def kind(
    value: Any = "hi", *, thread_id: str | None = None, text_model: bool = False
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def register(make: Callable[[], Any]) -> Callable[[], Any]:
        KINDS[make.__name__] = Kind(make, value, thread_id, text_model)
        return make

    return register


PROMPT = ChatPromptTemplate.from_template("{question}")
QUESTION = {"question": "why?"}


# ---- models and chains ---------------------------------------------------------------------------


@kind()
def model() -> Any:
    wanted = ToolCall("search", {"q": "cats"}, id="c1")
    return says(Turn("Hello you", reasoning="I think", tool_calls=[wanted], usage=USAGE))


@kind()
def failing_model() -> Any:
    return says(half())


@kind()
def bound_model() -> Any:
    return says("Hello you").bind(stop=["x"]).with_config(tags=["bound"], run_name="speaker")


@kind(text_model=True)
def text_model() -> Any:
    return ScriptedLLM(["Hello you"])


@kind(QUESTION, text_model=True)
def text_chain() -> Any:
    return PROMPT | ScriptedLLM(["Hello you"]) | StrOutputParser()


@kind(QUESTION)
def chain() -> Any:
    return PROMPT | says("Hello you") | StrOutputParser()


@kind()
def failing_parser() -> Any:
    return says("not json") | JsonOutputParser()


@kind()
def parallel_models() -> Any:
    return RunnableParallel(a=says("Hello you"), b=says("Other text"))


@kind()
def retry() -> Any:
    return says(half(), "Full answer").with_retry(
        stop_after_attempt=2, wait_exponential_jitter=False
    )


@kind()
def fallback() -> Any:
    return RunnableLambda(_same) | says(half()).with_fallbacks([says("Full answer")])


@kind()
def function() -> Any:
    inner = says("Inner words")

    def shout(value: Any) -> Any:
        return inner.invoke(value).text.upper()

    return RunnableLambda(shout)


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(page_content=f"about {query}")]


@kind()
def retriever_chain() -> Any:
    return Shelf() | RunnableLambda(_first_text) | says("It says so")


@kind({"a": 1, "b": 2})
def direct_tool() -> Any:
    return add


@kind({"a": 1})
def failing_tool() -> Any:
    return broken


# ---- graphs --------------------------------------------------------------------------------------


@kind(HI)
def two_nodes() -> Any:
    return graph(
        one=sync_node_of(says("Hello you")), two=sync_node_of(says("Second text"))
    ).compile()


@kind(HI)
def fallback_in_a_node() -> Any:
    return graph(one=sync_node_of(says(half()).with_fallbacks([says("Full answer")]))).compile()


@kind(HI)
def fallback_as_a_node() -> Any:
    model = says(half()).with_fallbacks([says("Full answer")])
    return graph(one=RunnableLambda(_messages) | model | RunnableLambda(_as_update)).compile()


@kind(HI)
def nested_graphs() -> Any:
    inner = graph(leaf=sync_node_of(says("Leaf text"))).compile()
    return graph(first=inner, last=sync_node_of(says("Last text"))).compile()


@kind("hi")
def graph_in_a_chain() -> Any:
    inner = graph(one=sync_node_of(says("Hello you"))).compile()
    return RunnableLambda(_as_state) | inner | RunnableLambda(_last_text)


@kind(HI)
def branches() -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("one", sync_node_of(says("One text")))
    builder.add_node("two", sync_node_of(says("Two text")))
    builder.add_edge(START, "one")
    builder.add_edge(START, "two")
    return builder.compile()


@kind(HI)
def sends() -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("worker", sync_node_of(says("Work", cycle=True)))
    targets = [Send("worker", HI), Send("worker", HI)]
    builder.add_conditional_edges(START, lambda _: targets, ["worker"])
    return builder.compile()


@kind(HI)
def hand_off_to_the_parent() -> Any:
    speaker = says("To the parent")

    def leave(state: Any) -> Any:
        answer = speaker.invoke(state["messages"])
        return Command(goto="other", update={"messages": [answer]}, graph=Command.PARENT)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", graph(leave=leave).compile(), destinations=("other",))
    builder.add_node("other", sync_node_of(says("Other text")))
    builder.add_edge(START, "inner")
    return builder.compile()


@kind(HI)
def node_made_messages() -> Any:
    def made(state: Any) -> dict[str, Any]:
        return {
            "messages": [("ai", "tuple"), AIMessage("canned"), {"role": "user", "content": "d"}]
        }

    return graph(made=made).compile()


@kind(HI)
def custom_data() -> Any:
    def report(state: Any) -> dict[str, Any]:
        get_stream_writer()({"done": 1})
        dispatch_custom_event("progress", {"done": 2})
        return {}

    return graph(report=report).compile()


@kind(HI, thread_id="t")
def interrupted() -> Any:
    def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    return graph(one=sync_node_of(says("Hello you")), ask=ask).compile(checkpointer=InMemorySaver())


@kind(HI, thread_id="t")
def checkpointed() -> Any:
    inner = graph(leaf=sync_node_of(says("Leaf text"))).compile()
    return graph(first=inner, last=sync_node_of(says("Last text"))).compile(
        checkpointer=InMemorySaver()
    )


@kind("hi")
def functional() -> Any:
    speaker = says("Task text")

    @task
    def ask(question: str) -> str:
        return speaker.invoke(question).text

    @entrypoint()
    def flow(question: str) -> str:
        return ask(question).result().upper()

    return flow


# ---- agents --------------------------------------------------------------------------------------


@kind(HI)
def agent() -> Any:
    wanted = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    return create_agent(says(calls(wanted), "It is 3"), [add])


@kind(HI)
def agent_with_an_unknown_tool() -> Any:
    return create_agent(says(calls(ToolCall("nope", {}, id="c1")), "Sorry"), [add])


@kind(HI)
def agent_with_a_failing_tool() -> Any:
    return create_agent(says(calls(ToolCall("broken", {"a": 1}, id="c1")), "Sorry"), [broken])


@kind(HI)
def agent_in_a_tool() -> Any:
    inner: Any = create_agent(says("Inner answer"), [], name="researcher")

    @tool
    def research(question: str) -> str:
        """Ask the inner agent."""
        answer = inner.invoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    return create_agent(
        says(calls(ToolCall("research", {"question": "why?"}, id="c1")), "Done"), [research]
    )


def _same(value: Any) -> Any:
    return value


def _first_text(documents: Any) -> Any:
    return documents[0].page_content


def _messages(state: Any) -> Any:
    return state["messages"]


def _as_update(message: Any) -> Any:
    return {"messages": [message]}


def _as_state(text: Any) -> Any:
    return {"messages": [("user", text)]}


def _last_text(state: Any) -> Any:
    return state["messages"][-1].text
