"""Chats of the AI SDK at the router, over HTTP and over its WebSocket."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from websockets.sync.client import connect

from langchain_streamkit.testing import ToolCall, Turn
from tests.protocols.ai_sdk.test_interrupts import confirm
from tests.scenarios.told import add, calls, graph, node_of, says
from tests.serve.servers import WAIT_S
from tests.serving.apps import served

if TYPE_CHECKING:
    import httpx

    from langchain_streamkit import RunSnapshot
    from tests.protocols.ai_sdk.clients import Client

USER = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}


def send(text: str) -> dict[str, Any]:
    return {"send": {"text": text}}


def url_of(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/") + "/api/chat"


def texts(message: dict[str, Any]) -> list[str]:
    return [part["text"] for part in message["parts"] if part["type"] == "text"]


@pytest.fixture(params=["http", "socket"])
def transport(request: pytest.FixtureRequest, client: Client) -> dict[str, Any]:
    """How a chat is had; the socket by the one version that knows it."""
    if request.param == "socket" and client.version != 7:
        return {}
    return {"socket": request.param == "socket"}


def test_agent_answers_a_chat(client: Client, transport: dict[str, Any]) -> None:
    model = says(calls(ToolCall("add", {"a": 1, "b": 2})), "It is 3")
    with served(create_agent(model, [add])) as server:
        chat = client.chat(url_of(server), **transport)
    tool, text = (part for part in chat.answer["parts"] if part["type"] != "step-start")
    assert (tool["type"], tool["state"], tool["output"]) == (
        "dynamic-tool",
        "output-available",
        "3",
    )
    assert text["text"] == "It is 3"


def test_thread_that_is_kept_gets_only_what_is_new(
    client: Client, transport: dict[str, Any]
) -> None:
    model = says("One", "Two")
    agent = create_agent(model, [], checkpointer=InMemorySaver())
    with served(agent) as server:
        chat = client.chat(url_of(server), send("a"), send("b"), **transport)
    assert [texts(message) for message in chat.messages] == [["a"], ["One"], ["b"], ["Two"]]
    assert [[m.text for m in call.messages] for call in model.calls] == [["a"], ["a", "One", "b"]]


def test_graph_that_keeps_nothing_gets_the_whole_history(client: Client) -> None:
    model = says("One", "Two")
    with served(graph(one=node_of(model)).compile()) as server:
        client.chat(url_of(server), send("a"), send("b"))
    assert [message.text for message in model.calls[1].messages] == ["a", "One", "b"]


def test_answer_that_is_wanted_again_takes_the_place_of_the_first(
    client: Client, transport: dict[str, Any]
) -> None:
    model = says("One", "Another", "Last")
    agent = create_agent(model, [], checkpointer=InMemorySaver())
    steps = [send("a"), {"regenerate": {}}, send("b")]
    with served(agent) as server:
        chat = client.chat(url_of(server), *steps, **transport)
    assert [texts(one) for one in chat.messages] == [["a"], ["Another"], ["b"], ["Last"]]
    asked = [[message.text for message in call.messages] for call in model.calls]
    assert asked == [["a"], ["a"], ["a", "Another", "b"]]


def test_interrupt_is_answered_in_the_chat(client: Client, transport: dict[str, Any]) -> None:
    async def ask(state: Any) -> Any:
        said = interrupt({"ask": "sure?"})
        return {"messages": [await says(f"You said {said}").ainvoke("x")]}

    agent = graph(one=ask).compile(checkpointer=InMemorySaver())
    with served(agent) as server:
        first = client.chat(url_of(server), **transport)
        (data,) = (p["data"] for p in first.answer["parts"] if p["type"] == "data-interrupt")
        answer = {"send": None, "options": {"body": {"resume": {data["interruptId"]: "yes"}}}}
        again = client.chat(url_of(server), answer, messages=first.messages, **transport)
    assert again.messages[0] == first.messages[0]
    assert [m["id"] for m in again.messages] == [m["id"] for m in first.messages]
    assert texts(again.answer) == ["You said yes"]


def test_tool_that_asks_gets_its_output_in_the_chat(
    client: Client, transport: dict[str, Any]
) -> None:
    model = says(calls(ToolCall("confirm", {"a": 1}, id="c1")), "Done")
    agent = create_agent(model, [confirm], checkpointer=InMemorySaver())
    with served(agent) as server:
        automatic = {"automatically": ["outputs", "approvals"], **transport}
        first = client.chat(url_of(server), **automatic)
        question = [part for part in first.answer["parts"] if "toolCallId" in part][-1]
        answer: dict[str, Any] = {"output": {"tool": "interrupt", "output": "yes"}}
        answer["output"]["toolCallId"] = question["toolCallId"]
        if question["state"] == "approval-requested":  # the socket's clients know approvals
            answer = {"approve": {"id": question["approval"]["id"], "approved": True}}
        chat = client.chat(url_of(server), answer, messages=first.messages, **automatic)
    (tool,) = (part for part in chat.answer["parts"] if part["type"] == "dynamic-tool")
    assert tool["output"] in ("answer yes", "answer True")
    assert texts(chat.answer) == ["Done"]


def test_reader_comes_back_to_a_run_after_an_answer(
    client: Client, transport: dict[str, Any]
) -> None:
    held = threading.Event()
    model = says(calls(ToolCall("confirm", {"a": 1}, id="c1")), Turn("Well done", hold={1: held}))
    agent = create_agent(model, [confirm], checkpointer=InMemorySaver())
    with served(agent) as server:
        first = client.chat(url_of(server), **transport)
        (data,) = (p["data"] for p in first.answer["parts"] if p["type"] == "data-interrupt")
        resume = {data["interruptId"]: "yes"}
        body = {"id": "chat-1", "messages": first.messages, "resume": resume}
        with server.stream("POST", "/api/chat", json=body) as response:
            next(line for line in response.iter_lines() if "Well" in line)
        threading.Timer(0.2, held.set).start()
        chat = client.chat(url_of(server), {"resume": True}, messages=first.messages, **transport)
    (tool,) = (part for part in chat.answer["parts"] if part["type"] == "dynamic-tool")
    assert (tool["output"], texts(chat.answer)) == ("answer yes", ["Well done"])
    assert chat.status == "ready"


def test_reader_comes_back_to_a_run_that_goes_on(client: Client, transport: dict[str, Any]) -> None:
    held = threading.Event()
    model = says(Turn("Hello you", hold={1: held}))
    with served(graph(one=node_of(model)).compile()) as server:
        body = {"id": "chat-1", "messages": [USER]}
        with server.stream("POST", "/api/chat", json=body) as response:
            next(line for line in response.iter_lines() if "Hello" in line)
        threading.Timer(0.2, held.set).start()
        chat = client.chat(url_of(server), {"resume": True}, messages=[USER], **transport)
    assert texts(chat.answer) == ["Hello you"]
    assert chat.status == "ready"


def test_chat_without_a_run_has_nothing_to_resume(
    client: Client, transport: dict[str, Any]
) -> None:
    with served(says("x")) as server:
        chat = client.chat(url_of(server), {"resume": True}, messages=[USER], **transport)
    assert (chat.messages, chat.status, chat.error) == ([USER], "ready", None)


def test_what_fails_has_no_word_of_the_exception(client: Client, transport: dict[str, Any]) -> None:
    def fail(state: Any) -> Any:
        raise ValueError("secret")

    with served(graph(one=fail).compile()) as server:
        chat = client.chat(url_of(server), **transport)
    assert chat.status == "error"
    assert chat.error
    assert "secret" not in chat.error


def test_abort_over_the_socket_stops_the_run(clients: dict[int, Client]) -> None:
    over = threading.Event()
    ended: list[RunSnapshot] = []

    def on_end(snapshot: RunSnapshot) -> None:
        ended.append(snapshot)
        over.set()

    model = says(Turn("Hello you", hold={1: threading.Event()}))
    with served(graph(one=node_of(model)).compile(), on_end=on_end) as server:
        stopped = {**send("hi"), "stopAt": "Hello"}
        chat = clients[7].chat(url_of(server), stopped, socket=True)
        assert over.wait(WAIT_S)
    assert (ended[0].outcome, ended[0].cancel_reason) == ("cancelled", "user")
    assert chat.status == "ready"


def test_wrong_body_is_refused_in_words() -> None:
    with served(says("x")) as server:
        told = server.post("/api/chat", json={"id": "c", "messages": [{"role": "user"}]})
    assert told.status_code == 422
    assert told.headers["content-type"].startswith("text/plain")
    assert "messages" in told.text


def test_refusal_is_the_error_of_the_chat(client: Client, transport: dict[str, Any]) -> None:
    held = threading.Event()
    model = says(Turn("Hello you", hold={1: held}))
    with served(graph(one=node_of(model)).compile()) as server:
        body = {"id": "chat-1", "messages": [USER]}
        with server.stream("POST", "/api/chat", json=body) as response:
            next(line for line in response.iter_lines() if "Hello" in line)
            chat = client.chat(url_of(server), **transport)
        held.set()
    assert chat.status == "error"
    assert "the thread has a run already" in str(chat.error)


def test_chats_of_others_are_not_found() -> None:
    def who(request: Any) -> str | None:
        found: str | None = request.headers.get("x-user")
        return found

    agent = create_agent(says("One", "Two"), [], checkpointer=InMemorySaver())
    body = {"id": "chat-1", "messages": [USER]}
    with served(agent, authenticate=who) as server:
        ann, bob = {"x-user": "ann"}, {"x-user": "bob"}
        assert server.post("/api/chat", json=body).status_code == 401
        assert server.post("/api/chat", json=body, headers=ann).status_code == 200
        assert server.post("/api/chat", json=body, headers=bob).status_code == 404


@pytest.mark.parametrize("frame", [b"\x00", "no json", "[]", '{"type":"what","requestId":"1"}'])
def test_frame_that_no_client_sends_closes_the_socket(frame: Any) -> None:
    with served(says("x")) as server, connect(url_of(server).replace("http", "ws")) as socket:
        socket.send(frame)
        with pytest.raises(Exception, match="4400"):
            socket.recv(timeout=WAIT_S)


def test_many_chats_share_a_socket() -> None:
    with (
        served(graph(one=node_of(says(*["Hello you"] * 5))).compile()) as server,
        connect(url_of(server).replace("http", "ws")) as socket,
    ):
        for number in range(5):
            frame: dict[str, Any] = {"type": "send", "requestId": str(number), "id": f"c{number}"}
            frame |= {"trigger": "submit-message", "messages": [USER], "headers": {}, "body": {}}
            socket.send(json.dumps(frame))
        told: dict[str, list[Any]] = {}
        while sum(frames[-1]["type"] == "end" for frames in told.values()) < 5:
            got = json.loads(socket.recv(timeout=WAIT_S))
            told.setdefault(got["requestId"], []).append(got)
    for frames in told.values():
        numbers = [frame["sequence"] for frame in frames if frame["type"] == "chunk"]
        assert numbers == list(range(len(numbers)))
        deltas = [f["chunk"].get("delta", "") for f in frames if f["type"] == "chunk"]
        assert "".join(deltas) == "Hello you"
