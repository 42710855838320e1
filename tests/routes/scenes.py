"""The scripted scenarios that every route has to tell alike; each is made anew for each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel

from langchain_streamkit.testing import ToolCall, Turn
from tests.scenarios.test_scenarios_progress import dig
from tests.scenarios.told import HI, USAGE, add, broken, calls, graph, half, node_of, says

if TYPE_CHECKING:
    from collections.abc import Callable


THROWN_AWAY = "not json"
"""An answer that a retry within its node throws away."""
DISPATCHED = {"dispatched": 2}
WRITTEN = {"written": 1}
UNHEARD = "Not for you"
HANDED_ON = "Over to you"


class Scene(NamedTuple):
    """A graph to run, and what differs from most."""

    make: Callable[[], Any]
    value: Any = HI
    answers: Any = None
    """What an interrupted run is resumed with; the scene is then both runs."""
    any_order: bool = False
    """Parallel work: messages and tools may come in any order."""
    fails: bool = False


SCENES: dict[str, Scene] = {}


def scene(**options: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def register(make: Callable[[], Any]) -> Callable[[], Any]:
        SCENES[make.__name__] = Scene(make, **options)
        return make

    return register


# ---- one model -----------------------------------------------------------------------------------


@scene()
def plain_answer() -> Any:
    return graph(one=node_of(says(Turn("Hello you there", usage=USAGE)))).compile()


@scene()
def reasoning() -> Any:
    turn = Turn("Hello you", reasoning="I think of it", usage=USAGE)
    return graph(one=node_of(says(turn))).compile()


@scene()
def cached_answer() -> Any:
    model = says(Turn("Cached text", usage=USAGE), cache=InMemoryCache())

    async def ask(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke("the same question")
        return {"messages": [answer.model_copy(update={"id": None})]}

    return graph(one=ask, two=ask).compile()


@scene()
def rewrapped_message() -> Any:
    model = says("Hello you")

    async def again(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        return {"messages": [AIMessage(answer.content)]}

    return graph(one=again).compile()


@scene()
def messages_of_no_model() -> Any:
    async def made(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage("canned"), HumanMessage("and you?")]}

    return graph(made=made, one=node_of(says("Hello"))).compile()


@scene(fails=True)
def failing_model() -> Any:
    return graph(one=node_of(says(half()))).compile()


# ---- attempts ------------------------------------------------------------------------------------


@scene()
def fallback_after_three_tokens() -> Any:
    model = says(Turn("a0 a1 a2 a3 a4", fail_after=3)).with_fallbacks([says("b0 b1 b2 b3")])
    return graph(one=node_of(model)).compile()


@scene()
def retry_after_a_parser_failure() -> Any:
    chain = (says(THROWN_AWAY, '{"a": 1}') | JsonOutputParser()).with_retry(
        stop_after_attempt=2, wait_exponential_jitter=False
    )

    async def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(str(await chain.ainvoke("?")))]}

    return graph(one=ask).compile()


@scene()
def retry_of_a_node() -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=Exception, max_attempts=2)
    builder.add_node("one", node_of(says(half(), "Full answer")), retry_policy=policy)
    builder.add_edge(START, "one")
    return builder.compile()


# ---- tools ---------------------------------------------------------------------------------------


@scene(any_order=True)
def two_interleaved_tool_calls() -> Any:
    wanted = [ToolCall("add", {"a": n, "b": 2}, id=f"c{n}") for n in (1, 2)]
    turn = Turn("Let me add", tool_calls=wanted, interleave=True)
    return create_agent(says(turn, "3 and 4"), [add])


@scene()
def tool_error() -> Any:
    async def tools(state: Any) -> dict[str, Any]:
        call = state["messages"][-1].tool_calls[0]
        try:
            answer = await broken.ainvoke(call)
        except ValueError as error:
            text = f"Error: {error}"
            answer = ToolMessage(text, tool_call_id=call["id"], name="broken", status="error")
        return {"messages": [answer]}

    asks = node_of(says(calls(ToolCall("broken", {"a": 1}, id="c1"))))
    return graph(model=asks, tools=tools, last=node_of(says("Sorry"))).compile()


@scene()
def unknown_tool() -> Any:
    return create_agent(says(calls(ToolCall("nope", {}, id="c1")), "Sorry"), [add])


@scene(any_order=True)
def sub_agent_twice_in_parallel() -> Any:
    inner: Any = create_agent(says("Inner answer", cycle=True), [], name="researcher")

    @tool
    async def research(question: str) -> str:
        """Ask the inner agent."""
        answer = await inner.ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    wanted = [ToolCall("research", {"question": q}, id=f"c{q}") for q in ("1", "2")]
    return create_agent(says(calls(*wanted), "Both say so"), [research])


@scene()
def structured_output() -> Any:
    class Answer(BaseModel):
        city: str

    model = says(calls(ToolCall("Answer", {"city": "Bern"}, id="c1")))
    return create_agent(model, [], response_format=Answer)


# ---- graphs --------------------------------------------------------------------------------------


@scene(any_order=True)
def send_fan_out() -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("worker", node_of(says("Work done here", cycle=True)))
    targets = [Send("worker", HI), Send("worker", HI)]
    builder.add_conditional_edges(START, lambda _: targets, ["worker"])
    return builder.compile()


@scene()
def nested_graph() -> Any:
    inner = graph(leaf=node_of(says("Leaf text"))).compile()
    return graph(first=inner, last=node_of(says("Last text"))).compile()


@scene(answers="yes")
def interrupt_and_resume() -> Any:
    async def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You said {interrupt('sure?')}")]}

    return graph(one=node_of(says("Hello you")), ask=ask).compile(checkpointer=InMemorySaver())


@scene()
def custom_events() -> Any:
    async def report(state: Any) -> dict[str, Any]:
        get_stream_writer()(WRITTEN)
        await adispatch_custom_event("progress", DISPATCHED)
        return {}

    return graph(report=report, one=node_of(says("Hello"))).compile()


@scene()
def hand_off_of_a_supervisor() -> Any:
    @tool
    def go_to_writer(call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Hand off to the writer."""
        done = ToolMessage("handed off", tool_call_id=call_id, name="go_to_writer")
        return Command(goto="writer", update={"messages": [done]}, graph=Command.PARENT)

    supervisor: Any = create_agent(
        says(calls(ToolCall("go_to_writer", {}, id="c1"))), [go_to_writer], name="supervisor"
    )
    writer: Any = create_agent(says("The text"), [], name="writer")
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("supervisor", supervisor, destinations=("writer",))
    builder.add_node("writer", writer)
    builder.add_edge(START, "supervisor")
    return builder.compile()


@scene()
def sub_graph_in_a_sub_graph() -> Any:
    leaf = graph(leaf=node_of(says("Leaf text"))).compile()
    middle = graph(inner=leaf, after=node_of(says("Middle text"))).compile()
    return graph(outer=middle, last=node_of(says("Last text"))).compile()


@scene(value="hi")
def functional_api() -> Any:
    model = says("Task text")

    @task
    async def ask(question: str) -> Any:
        return await model.ainvoke(question)

    @entrypoint()
    async def main(question: str) -> str:
        return str((await ask(question)).text)

    return main


@scene()
def retriever_in_a_node() -> Any:
    class Library(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document(f"about {query}")]

    async def look(state: Any) -> dict[str, Any]:
        found = await Library().ainvoke("birds")
        return {"messages": [AIMessage(found[0].page_content)]}

    return graph(look=look, one=node_of(says("Hello"))).compile()


@scene(any_order=True)
def interrupts_in_two_parallel_nodes_of_a_sub_graph() -> Any:
    async def first(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You said {interrupt('first?')}")]}

    async def second(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You said {interrupt({'second': 2})}")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    for name, node in (("first", first), ("second", second)):
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return graph(inner=builder.compile()).compile(checkpointer=InMemorySaver())


@scene()
def nostream_call() -> Any:
    hidden = says(UNHEARD).with_config(tags=["nostream"])

    async def think(state: Any) -> dict[str, Any]:
        await hidden.ainvoke("?")
        return {}

    return graph(think=think, one=node_of(says("Hello"))).compile()


@scene()
def retry_by_middleware() -> Any:
    again = ModelRetryMiddleware(max_retries=1, initial_delay=0.001, jitter=False)
    return create_agent(says(half(), "Full answer"), [], middleware=[again])


@scene()
def message_handed_to_the_parent() -> Any:
    async def leaf(state: Any) -> Any:
        update = {"messages": [AIMessage(HANDED_ON)]}
        return Command(goto="other", graph=Command.PARENT, update=update)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", graph(leaf=leaf).compile(), destinations=("other",))
    builder.add_node("other", node_of(says("Thank you")))
    builder.add_edge(START, "inner")
    return builder.compile()


@scene()
def progress_and_pictures() -> Any:
    picture = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    shown = Turn(chunks=[AIMessageChunk(content=[picture]), "Deep enough"], usage=USAGE)
    asks = says(calls(ToolCall("dig", {"depth": 2}, id="c1")), shown)
    return create_agent(asks, [dig])


@scene()
def calls_left_to_the_caller() -> Any:
    return graph(ask=node_of(says(calls(ToolCall("confirm", {"a": 1}, id="c1"))))).compile()
