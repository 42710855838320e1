"""The demo's agent: a chat model and two tools in a loop, with a memory of each conversation.

Plain LangGraph, which this package needs anyway: ``langchain.agents.create_agent`` builds the same
graph, but would make ``langchain`` a requirement of the demo alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage, ToolMessage

from langchain_streamkit.serve.demo_tools import CalculationError, calculate, get_weather

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable

SYSTEM = (
    "You are the assistant of a small demo. You can tell the weather and calculate: use your tools "
    "for both, several at once where the question asks for several things. Answer in a few "
    "sentences, in Markdown where it helps."
)


def demo_agent(model: BaseChatModel) -> Runnable[Any, Any]:
    """The compiled graph; its state is ``{"messages": [...]}``, kept in memory by ``thread_id``."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import (  # pyright: ignore[reportMissingTypeStubs]
        START,
        MessagesState,
        StateGraph,
    )
    from langgraph.prebuilt import ToolNode, tools_condition

    tools = [get_weather, calculate]
    with_tools = model.bind_tools(tools)

    async def ask(state: MessagesState) -> dict[str, list[AnyMessage]]:
        messages = [SystemMessage(SYSTEM), *answered(state["messages"])]
        return {"messages": [cast("AnyMessage", await with_tools.ainvoke(messages))]}

    builder = cast("Any", StateGraph(MessagesState))
    builder.add_node("model", ask)
    builder.add_node("tools", ToolNode(tools, handle_tool_errors=_told))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph: Runnable[Any, Any] = builder.compile(checkpointer=InMemorySaver(), name="assistant")
    return graph


def answered(messages: list[AnyMessage]) -> list[AnyMessage]:
    """The messages, with an answer to every tool call.

    A run that was stopped while its tools ran leaves calls without one in the conversation, and
    OpenAI refuses such a history.
    """
    have = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    complete: list[AnyMessage] = []
    for message in messages:
        complete.append(message)
        if isinstance(message, AIMessage):
            complete += [
                ToolMessage("stopped by the user", tool_call_id=call["id"], name=call["name"])
                for call in message.tool_calls
                if call["id"] is not None and call["id"] not in have
            ]
    return complete


def _told(error: CalculationError) -> str:
    """What the model is told of a failed tool; other errors fail the run."""
    return f"Error: {error}"
