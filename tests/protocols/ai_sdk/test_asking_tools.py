"""Tools that ask while they run: the answer is sent on by itself, and their part goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from langchain_streamkit.testing import ToolCall
from tests.protocols.ai_sdk.apps import served
from tests.protocols.ai_sdk.test_interrupts import (
    KNOWS_APPROVALS,
    confirm,
    confirming,
    interrupts,
    texts,
    tools,
)
from tests.scenarios.told import add, calls, graph, multiply, node_of, says

if TYPE_CHECKING:
    from tests.protocols.ai_sdk.apps import Server
    from tests.protocols.ai_sdk.clients import Chat, Client

ALL = ["approvals", "outputs"]


@tool
def confirm_twice(a: int) -> str:
    """Ask the user, and ask again."""
    first = interrupt("one?")
    return f"answers {first}, {interrupt('two?')}"


@tool
def confirm_or_fail(a: int) -> str:
    """Ask the user, and fail."""
    raise ValueError(interrupt("sure?"))


def agent(*wanted: ToolCall, by: Any, **options: Any) -> Any:
    model = says(calls(*wanted, text="Let me see"), "Done")
    return create_agent(model, by, checkpointer=InMemorySaver(), **options)


def wants(name: str, number: int = 1, **args: Any) -> ToolCall:
    return ToolCall(name, args or {"a": number}, id=f"c{number}")


def questions(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in tools(message) if part["type"] == "tool-interrupt"]


def own(message: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The parts of the graph's own tools, each with what came of it."""
    return [
        (part["toolCallId"], part["state"], part.get("output", part.get("errorText")))
        for part in tools(message)
        if part["type"] == "dynamic-tool"
    ]


def asked(client: Client, server: Server) -> Chat:
    """A chat up to its first question; nothing is sent on before that is answered."""
    chat = client.chat(server.url, automatically=ALL)
    assert len(chat.requests) == 1
    return chat


def answered(client: Client, server: Server, before: Chat, *answers: Any) -> Chat:
    """The chat after these answers to its last questions; they are sent on once."""
    open_ones = [part for part in questions(before.answer) if part["state"] == "input-available"]
    steps = [
        {"output": {"tool": "interrupt", "toolCallId": part["toolCallId"], "output": answer}}
        for part, answer in zip(open_ones, answers, strict=True)
    ]
    chat = client.chat(server.url, *steps, messages=before.messages, automatically=ALL)
    assert len(chat.requests) == 1
    return chat


def test_answer_to_a_tool_that_asks_is_sent_on_by_itself(client: Client) -> None:
    with served(confirming()) as server:
        first = asked(client, server)
        assert own(first.answer) == [("c1", "input-available", None)]
        chat = answered(client, server, first, "yes")
        assert own(chat.answer) == [("c1", "output-available", "answer yes")]
        assert [part["output"] for part in questions(chat.answer)] == ["yes"]
        assert texts(chat.answer) == ["Done"]
        assert chat.answer["metadata"]["outcome"] == "finished"


def test_all_tools_that_ask_beside_each_other_get_their_output(client: Client) -> None:
    wanted = [wants("confirm"), wants("add", 2, a=1, b=2), wants("confirm", 3)]
    with served(agent(*wanted, by=[confirm, add])) as server:
        first = asked(client, server)
        assert own(first.answer) == [
            ("c1", "input-available", None),
            ("c2", "output-available", "3"),
            ("c3", "input-available", None),
        ]
        chat = answered(client, server, first, "A", "B")
        assert own(chat.answer) == [
            ("c1", "output-available", "answer A"),
            ("c2", "output-available", "3"),
            ("c3", "output-available", "answer B"),
        ]
        assert texts(chat.answer) == ["Let me see", "Done"]


def test_tool_that_asks_twice_has_one_part_and_two_questions(client: Client) -> None:
    with served(agent(wants("confirm_twice"), by=[confirm_twice])) as server:
        second = answered(client, server, asked(client, server), "A")
        assert [part["input"] for part in questions(second.answer)] == ["one?", "two?"]
        assert own(second.answer) == [("c1", "input-available", None)]
        chat = answered(client, server, second, "B")
        assert [part["output"] for part in questions(chat.answer)] == ["A", "B"]
        assert own(chat.answer) == [("c1", "output-available", "answers A, B")]
        assert texts(chat.answer) == ["Let me see", "Done"]
        assert len(server.requests) == 3


def test_tools_that_run_again_beside_one_that_asked_have_one_part(client: Client) -> None:
    """A ``ToolNode`` is one task: its other tools run again with the one that asked."""
    wanted = calls(wants("add", 1, a=1, b=2), wants("confirm", 2))
    nodes = {"one": node_of(says(wanted)), "tools": ToolNode([add, confirm])}
    nodes["two"] = node_of(says("Done"))
    with served(graph(**nodes).compile(checkpointer=InMemorySaver())) as server:
        chat = answered(client, server, asked(client, server), "yes")
        assert own(chat.answer) == [
            ("c1", "output-available", "3"),
            ("c2", "output-available", "answer yes"),
        ]
        assert texts(chat.answer) == ["Done"]


def test_call_of_the_next_answer_is_another_part_than_one_of_its_id(client: Client) -> None:
    model = says(calls(wants("confirm")), calls(wants("add", a=1, b=2)), "Done")
    runnable = create_agent(model, [confirm, add], checkpointer=InMemorySaver())
    with served(runnable) as server:
        chat = answered(client, server, asked(client, server), "yes")
        assert own(chat.answer) == [
            ("c1", "output-available", "answer yes"),
            ("c1#2", "output-available", "3"),
        ]


def test_calls_of_one_id_get_each_their_output(client: Client) -> None:
    wanted = [wants("confirm", 1, a=1), wants("confirm", 1, a=1)]
    nodes = {"one": node_of(says(calls(*wanted))), "tools": ToolNode([confirm])}
    with served(graph(**nodes).compile(checkpointer=InMemorySaver())) as server:
        chat = asked(client, server)
        while questions(chat.answer)[-1]["state"] == "input-available":
            open_now = [p for p in questions(chat.answer) if p["state"] == "input-available"]
            chat = answered(client, server, chat, *["yes"] * len(open_now))
        assert own(chat.answer) == [
            ("c1", "output-available", "answer yes"),
            ("c1#2", "output-available", "answer yes"),
        ]


def test_calls_that_wait_at_a_breakpoint_are_no_question(client: Client) -> None:
    """Nothing is asked, so they stay in the last step, where the client may answer them itself."""
    runnable = agent(wants("add", 1, a=1, b=2), by=[add], interrupt_before=["tools"])
    with served(runnable) as server:
        chat = asked(client, server)
        assert chat.answer["metadata"]["outcome"] == "interrupted"
        assert [part["type"] for part in chat.answer["parts"]][-1] == "dynamic-tool"


def test_only_what_is_open_is_given_up_with_a_tool_that_fails_after_the_answer(
    client: Client,
) -> None:
    wanted = [wants("confirm_or_fail"), wants("add", 2, a=1, b=2)]
    with served(agent(*wanted, by=[confirm_or_fail, add])) as server:
        chat = answered(client, server, asked(client, server), "secret")
        error = server.snapshot.error
        assert error
        assert own(chat.answer) == [
            ("c1", "output-error", error.message),
            ("c2", "output-available", "3"),
        ]
        assert chat.status == "error"


def test_answer_in_the_body_goes_on_with_the_part_too(client: Client) -> None:
    with served(confirming()) as server:
        first = asked(client, server)
        (told,) = interrupts(first.answer)
        options = {"body": {"resume": {told["interruptId"]: "by hand"}}}
        chat = client.chat(
            server.url,
            {"send": None, "options": options},
            messages=first.messages,
            automatically=ALL,
        )
        assert own(chat.answer) == [("c1", "output-available", "answer by hand")]
        assert len(chat.requests) == 1


def test_reader_who_comes_back_to_the_run_after_the_answer_is_told_of_the_tool(
    client: Client,
) -> None:
    """Clients begin the message anew then, so the stream has to say all of it."""
    with served(confirming()) as server:
        first = asked(client, server)
        answered(client, server, first, "yes")
        again = client.chat(server.url, {"resume": True}, messages=first.messages)
        assert again.status == "ready"
        assert own(again.answer) == [("c1", "output-available", "answer yes")]
        assert texts(again.answer) == ["Done"]


@KNOWS_APPROVALS
@pytest.mark.parametrize("approved", [True, False])
def test_approval_of_one_call_beside_one_that_waits_is_sent(
    client: Client, *, approved: bool
) -> None:
    """The other part is without an output, so what is asked about is in a step of its own."""
    wanted = [wants("add", 1, a=1, b=2), wants("multiply", 2, a=3, b=4)]
    guard = HumanInTheLoopMiddleware({"add": True})
    with served(
        agent(*wanted, by=[add, multiply], middleware=[guard]), version=client.version
    ) as server:
        first = asked(client, server)
        (question,) = questions(first.answer)
        assert question["input"]["args"] == {"a": 1, "b": 2}
        answer = {"id": question["approval"]["id"], "approved": approved}
        chat = client.chat(
            server.url, {"approve": answer}, messages=first.messages, automatically=ALL
        )
        assert len(chat.requests) == 1
        one, two = own(chat.answer)
        assert two == ("c2", "output-available", "12")
        assert one[:2] == ("c1", "output-available" if approved else "output-error")
        assert texts(chat.answer) == ["Let me see", "Done"]


@KNOWS_APPROVALS
def test_tool_that_asks_for_approval_twice_is_approved_twice(client: Client) -> None:
    with served(
        agent(wants("confirm_twice"), by=[confirm_twice]), version=client.version
    ) as server:
        chat = asked(client, server)
        for approved in (True, False):
            (part,) = (one for one in tools(chat.answer) if one["state"] == "approval-requested")
            answer = {"id": part["approval"]["id"], "approved": approved}
            chat = client.chat(
                server.url, {"approve": answer}, messages=chat.messages, automatically=ALL
            )
            assert len(chat.requests) == 1
        assert own(chat.answer) == [("c1", "output-available", "answers True, False")]
