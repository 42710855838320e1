"""What a run asks, and how a chat of the AI SDK answers: approvals, and outputs of a tool."""

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
from tests.protocols.ai_sdk.apps import served
from tests.scenarios.told import add, calls, graph, node_of, says

if TYPE_CHECKING:
    from tests.protocols.ai_sdk.clients import Client

KNOWS_APPROVALS = pytest.mark.parametrize(
    "client", [6, 7], indirect=True, ids=["ai6", "ai7"], scope="session"
)
HELLO = {"send": {"text": "hi"}}


async def ask(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You said {interrupt({'ask': 'sure?'})!r}")]}


async def ask_again(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You told {interrupt('really?')!r}")]}


@tool
def confirm(a: int) -> str:
    """Ask the user."""
    return f"answer {interrupt(f'ok {a}?')}"


def asking() -> Any:
    return graph(first=node_of(says("Hello")), ask=ask).compile(checkpointer=InMemorySaver())


def asking_twice_at_once() -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    for name, node in {"one": ask, "two": ask_again}.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile(checkpointer=InMemorySaver())


def guarded() -> Any:
    """Two calls of a tool that a human has to approve."""
    wanted = [ToolCall("add", {"a": 1, "b": number}, id=f"c{number}") for number in (2, 3)]
    return create_agent(
        says(calls(*wanted), "Done"),
        [add],
        middleware=[HumanInTheLoopMiddleware({"add": True})],
        checkpointer=InMemorySaver(),
    )


def confirming() -> Any:
    wanted = ToolCall("confirm", {"a": 1}, id="c1")
    return create_agent(says(calls(wanted), "Done"), [confirm], checkpointer=InMemorySaver())


def texts(message: dict[str, Any]) -> list[str]:
    return [part["text"] for part in message["parts"] if part["type"] == "text"]


def tools(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in message["parts"] if "toolCallId" in part]


def interrupts(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part["data"] for part in message["parts"] if part["type"] == "data-interrupt"]


def test_interrupt_is_told_with_its_payload_and_id(client: Client) -> None:
    with served(asking()) as server:
        chat = client.chat(server.url)
        (pending,) = server.runs[0].interrupts
        assert interrupts(chat.answer) == [
            {"interruptId": pending.interrupt_id, "payload": {"ask": "sure?"}}
        ]
        assert chat.answer["metadata"]["outcome"] == "interrupted"
        assert chat.status == "ready"


def test_any_answer_is_the_output_of_the_tool_interrupt(client: Client) -> None:
    """For every version: the encoder was not told which."""
    with served(asking()) as server:
        first = client.chat(server.url, HELLO)
        (question,) = tools(first.answer)
        assert question["type"] == "tool-interrupt"
        assert question["input"] == {"ask": "sure?"}
        output = {"tool": "interrupt", "toolCallId": question["toolCallId"], "output": ["a", 1]}
        chat = client.chat(
            server.url,
            {"output": output},
            messages=first.messages,
            automatically=["outputs"],
        )
        assert server.requests[1].resume == {question["toolCallId"]: ["a", 1]}
        assert texts(chat.answer) == ["Hello", "You said ['a', 1]"]
        assert [message["role"] for message in chat.messages] == ["user", "assistant"]
        assert len(chat.requests) == 1


def test_two_interrupts_at_once_are_answered_by_id(client: Client) -> None:
    with served(asking_twice_at_once()) as server:
        first = client.chat(server.url)
        answers = [
            {"tool": "interrupt", "toolCallId": one["toolCallId"], "output": answer}
            for one, answer in zip(tools(first.answer), ["A", "B"], strict=True)
        ]
        chat = client.chat(
            server.url,
            *({"output": answer} for answer in answers),
            messages=first.messages,
            automatically=["outputs"],
        )
        assert sorted(texts(chat.answer)) == ["You said 'A'", "You told 'B'"]
        assert len(chat.requests) == 1


def test_answers_can_be_sent_in_the_body(client: Client) -> None:
    with served(asking()) as server:
        first = client.chat(server.url)
        interrupt_id = interrupts(first.answer)[0]["interruptId"]
        options = {"body": {"resume": {interrupt_id: "by hand"}}}
        chat = client.chat(server.url, {"send": None, "options": options}, messages=first.messages)
        assert texts(chat.answer) == ["Hello", "You said 'by hand'"]


def test_question_that_was_left_open_is_asked_again_under_its_id(client: Client) -> None:
    """So that an answer to either part is the answer."""
    with served(asking_twice_at_once()) as server:
        first = client.chat(server.url)
        one, two = (part["toolCallId"] for part in tools(first.answer))
        options = {"body": {"resume": {one: "by hand"}}}
        chat = client.chat(
            server.url,
            {"send": None, "options": options},
            {"output": {"tool": "interrupt", "toolCallId": two, "output": "B"}},
            messages=first.messages,
            automatically=["outputs"],
        )
        assert sorted(texts(chat.answer)) == ["You said 'by hand'", "You told 'B'"]
        assert len(chat.requests) == 2


@KNOWS_APPROVALS
@pytest.mark.parametrize("approved", [True, False])
def test_interrupt_is_approved_or_denied(client: Client, *, approved: bool) -> None:
    with served(asking(), version=client.version) as server:
        first = client.chat(server.url)
        (question,) = tools(first.answer)
        assert question["state"] == "approval-requested"
        answer = {"id": question["approval"]["id"], "approved": approved}
        chat = client.chat(
            server.url,
            {"approve": answer},
            messages=first.messages,
            automatically=["approvals", "outputs"],
        )
        assert texts(chat.answer) == ["Hello", f"You said {approved}"]
        assert len(chat.requests) == 1


@KNOWS_APPROVALS
def test_tool_that_asks_is_the_one_to_approve(client: Client) -> None:
    with served(confirming(), version=client.version) as server:
        first = client.chat(server.url)
        (asked,) = tools(first.answer)
        assert (asked["toolCallId"], asked["state"]) == ("c1", "approval-requested")
        chat = client.chat(
            server.url,
            {"approve": {"id": asked["approval"]["id"], "approved": True}},
            messages=first.messages,
            automatically=["approvals", "outputs"],
        )
        (done,) = tools(chat.answer)
        assert (done["state"], done["output"], done["input"]) == (
            "output-available",
            "answer True",
            {"a": 1},
        )
        assert texts(chat.answer) == ["Done"]
        assert len(chat.requests) == 1


@KNOWS_APPROVALS
def test_calls_that_the_middleware_asks_about_are_approved_one_by_one(client: Client) -> None:
    with served(guarded(), version=client.version) as server:
        first = client.chat(server.url)
        one, two = tools(first.answer)
        chat = client.chat(
            server.url,
            {"approve": {"id": one["approval"]["id"], "approved": True}},
            {"approve": {"id": two["approval"]["id"], "approved": False, "reason": "no"}},
            messages=first.messages,
            automatically=["approvals", "outputs"],
        )
        (resume,) = (request.resume for request in server.requests[1:])
        assert resume
        assert list(resume.values()) == [
            {"decisions": [{"type": "approve"}, {"type": "reject", "message": "no"}]}
        ]
        assert [(part["state"], part["input"]["b"]) for part in tools(chat.answer)] == [
            ("output-available", 2),
            ("output-error", 3),
        ]
        assert texts(chat.answer) == ["Done"]
        assert len(chat.requests) == 1


@pytest.mark.parametrize("approves", [False, True], ids=["output", "approval"])
def test_answer_that_nothing_is_said_to_is_sent_once(client: Client, *, approves: bool) -> None:
    async def heed(state: Any) -> dict[str, Any]:
        interrupt("sure?")
        return {}

    approves = approves and client.version > 5
    with served(
        graph(heed=heed).compile(checkpointer=InMemorySaver()),
        version=client.version if approves else None,
    ) as server:
        first = client.chat(server.url)
        (question,) = tools(first.answer)
        name = question["toolCallId"]
        answer: dict[str, Any] = {"output": {"tool": "interrupt", "toolCallId": name, "output": 1}}
        if approves:
            answer = {"approve": {"id": name, "approved": True}}
        chat = client.chat(
            server.url, answer, messages=first.messages, automatically=["approvals", "outputs"]
        )
        assert len(chat.requests) == 1
        assert chat.answer["metadata"]["outcome"] == "finished"
