"""What a run asks, and how an AG-UI client answers: all of it, by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from langchain_streamkit.testing import ToolCall
from tests.protocols.ag_ui.apps import served
from tests.scenarios.told import add, calls, says

if TYPE_CHECKING:
    from tests.protocols.ag_ui.apps import Server
    from tests.protocols.ag_ui.clients import Client, Ran


def node(question: Any) -> Any:
    async def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You said {interrupt(question)!r}")]}

    return ask


def asking(*questions: Any) -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    for number, question in enumerate(questions):
        builder.add_node(f"ask{number}", node(question))
        builder.add_edge(START, f"ask{number}")
    return builder.compile(checkpointer=InMemorySaver())


def texts(ran: Ran) -> list[str]:
    return [
        one["content"] for one in ran.messages if one["role"] == "assistant" and "content" in one
    ]


def answered(client: Client, server: Server, **answers: Any) -> tuple[Ran, Ran]:
    """Ask, then answer each interrupt by the message that it has."""
    (first,) = client.runs(server.url, {"say": "hi"})
    resume = [
        {"interruptId": one["id"], "status": "resolved", "payload": answers[one["message"]]}
        for one in first.interrupts
    ]
    messages = first.messages
    (second,) = client.runs(server.url, {"resume": resume}, messages=messages)
    assert second.failed is None
    return first, second


def test_interrupt_is_an_outcome_with_what_the_graph_asks(client: Client) -> None:
    asked = {"reason": "approval", "message": "sure?", "more": [1]}
    with served(asking(asked)) as server:
        ran = client.run(server.url)
        (pending,) = server.runs[0].interrupts
    assert ran.outcome == "interrupt"
    assert ran.interrupts == [
        {
            "id": pending.interrupt_id,
            "reason": "approval",
            "message": "sure?",
            "metadata": {"streamkit": {"payload": asked}},
        }
    ]


def test_two_interrupts_at_once_are_answered_by_id(client: Client) -> None:
    with served(asking("one?", "two?")) as server:
        first, second = answered(client, server, **{"one?": {"a": 1}, "two?": None})
    assert len(first.interrupts) == 2
    assert sorted(texts(second)) == ["You said None", "You said {'a': 1}"]
    assert (second.outcome, second.interrupts) == ("success", [])


def test_declined_interrupt_is_told_to_the_graph(client: Client) -> None:
    with served(asking("sure?")) as server:
        (first,) = client.runs(server.url, {"say": "hi"})
        resume = [{"interruptId": first.interrupts[0]["id"], "status": "cancelled"}]
        (second,) = client.runs(server.url, {"resume": resume})
    assert texts(second) == ["You said {'status': 'cancelled'}"]


def test_client_goes_on_only_with_every_answer(client: Client) -> None:
    with served(asking("one?", "two?")) as server:
        first, second = client.runs(server.url, {"say": "hi"}, {"say": "again"})
    assert first.outcome == "interrupt"
    assert "2 pending interrupt(s)" in (second.failed or "")


@pytest.mark.parametrize("approved", [True, False])
def test_calls_that_the_middleware_asks_about_run_as_decided(
    client: Client, *, approved: bool
) -> None:
    wanted = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    agent = create_agent(
        says(calls(wanted), "Done"),
        [add],
        middleware=[HumanInTheLoopMiddleware({"add": True})],
        checkpointer=InMemorySaver(),
    )
    decision = {"type": "approve"} if approved else {"type": "reject", "message": "no"}
    with served(agent) as server:
        (first,) = client.runs(server.url, {"say": "hi"})
        (asked,) = first.interrupts
        assert "action_requests" in asked["metadata"]["streamkit"]["payload"]
        answer = {"interruptId": asked["id"], "status": "resolved"}
        (second,) = client.runs(
            server.url,
            {"resume": [{**answer, "payload": {"decisions": [decision]}}]},
            messages=first.messages,
        )
    (result,) = [one for one in second.messages if one["role"] == "tool"]
    assert result["toolCallId"] == "c1"
    assert (result["content"] == "3") == approved
    assert [one["role"] for one in second.messages] == ["user", "assistant", "tool", "assistant"]


def test_tool_that_asks_is_named_and_its_result_comes_with_the_answer(client: Client) -> None:
    @tool
    def confirm(a: int) -> str:
        """Ask the user."""
        return f"answer {interrupt(f'ok {a}?')}"

    wanted = ToolCall("confirm", {"a": 1}, id="c1")
    agent = create_agent(says(calls(wanted), "Done"), [confirm], checkpointer=InMemorySaver())
    with served(agent) as server:
        first, second = answered(client, server, **{"ok 1?": "yes"})
    assert first.interrupts[0]["toolCallId"] == "c1"
    assert [one["role"] for one in first.messages] == ["user", "assistant"]
    assert "TOOL_CALL_START" not in second.types
    assert [(one["toolCallId"], one["content"]) for one in second.of("TOOL_CALL_RESULT")] == [
        ("c1", "answer yes")
    ]
    assert [one["role"] for one in second.messages] == ["user", "assistant", "tool", "assistant"]


def test_subagent_that_asks_is_suspended_with_its_interrupt(client: Client) -> None:
    inner = asking("sure?")

    @tool
    async def delegate(a: int) -> str:
        """Ask the inner agent."""
        return str(await inner.ainvoke({"messages": [("user", "go")]}))

    wanted = ToolCall("delegate", {"a": 1}, id="c1")
    agent = create_agent(says(calls(wanted), "Done"), [delegate], checkpointer=InMemorySaver())
    with served(agent) as server:
        ran = client.run(server.url)
    (asked,) = ran.interrupts
    (ended,) = ran.of("SUBAGENT_FINISHED")
    assert asked["subagentRunId"] == ended["subagentRunId"]
    assert ended["outcome"] == {"type": "suspended", "interruptIds": [asked["id"]]}
