"""What clients send that nobody meant them to, at the router and at one route of one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict
from websockets.sync.client import connect

from langchain_streamkit import LogUnavailable, RunManager
from tests.protocols.mounted.test_one_route import answering
from tests.scenarios.told import says
from tests.serve.servers import WAIT_S
from tests.serving.apps import served

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

USER = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
CHAT: dict[str, Any] = {"id": "chat", "messages": [USER]}
OPENAI: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
AG_UI: dict[str, Any] = {
    "threadId": "t",
    "runId": "r",
    "state": {},
    "messages": [{"id": "u1", "role": "user", "content": "hi"}],
    "tools": [],
    "context": [],
    "forwardedProps": {},
}
STATELESS: dict[str, Any] = {"assistant_id": "agent", "input": OPENAI}


def agent() -> Any:
    return create_agent(says("Hello you", cycle=True), [], checkpointer=InMemorySaver())


def texts_of(made: Any, thread_id: str) -> list[str]:
    state = made.get_state({"configurable": {"thread_id": thread_id}})
    return [message.text for message in state.values.get("messages", [])]


def test_input_of_our_own_clients_does_not_get_into_threads_of_others() -> None:
    made = agent()
    body = {"input": "hi", "thread_id": "t"}
    with answering(made, protocol="native", user="ann") as server:
        assert server.post("/", json=body).status_code == 200
    with answering(made, protocol="native", user="bob") as server:
        assert server.post("/", json={**body, "input": "mine"}).status_code == 404
    assert texts_of(made, "t") == ["hi", "Hello you"]


# ---- metadata that is the server's ---------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        {"streamkit_record": "thread"},
        {"streamkit_record": "thread", "streamkit_thread": "no JSON"},
        {"streamkit_thread": "x"},
    ],
    ids="+".join,
)
def test_run_does_not_pass_for_the_record_of_a_thread(metadata: dict[str, Any]) -> None:
    with served(agent()) as server:
        assert server.post("/threads", json={"thread_id": "made"}).status_code == 200
        run = {"input": "hi", "thread_id": "t", "metadata": metadata}
        assert server.post("/runs", json=run).status_code == 200
        assert server.post("/v1/responses", json={"input": "hi", "metadata": metadata}).is_success
        found = server.post("/threads/search", json={})
        assert [one["thread_id"] for one in found.json()] == ["made"]
        assert server.get("/threads/t").json()["metadata"] == {}
        assert len(server.post("/threads/t/history", json={}).json()) == 3


def test_modes_that_a_client_made_up_are_none() -> None:
    with served(agent()) as server:
        run = {"input": "hi", "thread_id": "t", "metadata": {"streamkit_stream_modes": "a,b"}}
        run_id = server.post("/runs", json=run).headers["x-run-id"]
        told = server.get(f"/threads/t/runs/{run_id}/stream").text
    assert "event: values" in told


# ---- what hooks give and raise -------------------------------------------------------------------


def test_thread_that_the_server_names_is_that_of_the_run() -> None:
    made = agent()
    with served(
        made, config_for=lambda request: {"configurable": {"thread_id": "named"}}
    ) as server:
        assert server.post("/runs", json={"input": "hi"}).status_code == 200
    assert texts_of(made, "named") == ["hi", "Hello you"]


@pytest.mark.parametrize("key", ["configurable", "metadata"])
def test_part_of_a_config_that_is_none_is_empty(key: Any) -> None:
    with served(agent(), config_for=lambda request: {key: None}) as server:
        assert server.post("/api/chat", json=CHAT).status_code == 200
        assert server.post("/runs/wait", json=STATELESS).json()["messages"]


POSTS: list[tuple[str, dict[str, Any], Callable[[httpx.Response], Any]]] = [
    ("/api/chat", CHAT, lambda told: told.text),
    ("/ag-ui", {}, lambda told: told.json()["error"]["message"]),
    ("/v1/responses", {}, lambda told: told.json()["error"]["message"]),
    ("/runs/wait", {}, lambda told: told.json()["detail"]),
    ("/threads/t/commands", {}, lambda told: told.json()["message"]),
]


@pytest.mark.parametrize(("path", "body", "said"), POSTS, ids=[path for path, _, _ in POSTS])
def test_detail_of_an_http_exception_that_is_no_text_is_told_as_json(
    path: str, body: dict[str, Any], said: Callable[[httpx.Response], Any]
) -> None:
    def authenticate(request: Any) -> str:
        raise HTTPException(403, detail={"why": "closed"})  # type: ignore[arg-type]

    with served(agent(), authenticate=authenticate) as server:
        told = server.post(path, json=body)
    assert (told.status_code, said(told)) == (403, '{"why":"closed"}')


def test_stream_that_cannot_be_given_is_refused_in_the_protocols_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def attend(_: RunManager, run_id: str) -> None:
        raise LogUnavailable(f"the log of {run_id} is away")

    bodies: dict[str, tuple[dict[str, Any], Callable[[httpx.Response], Any]]] = {
        "/runs": (
            {"input": OPENAI, "thread_id": "n"},
            lambda told: told.json()["error"]["message"],
        ),
        "/api/chat": (CHAT, lambda told: told.text),
        "/ag-ui": (AG_UI, lambda told: told.json()["error"]["message"]),
        "/v1/chat/completions": (
            {"model": "agent", "stream": True, **OPENAI},
            lambda told: told.json()["error"]["message"],
        ),
        "/runs/wait": (STATELESS, lambda told: told.json()["detail"]),
    }
    monkeypatch.setattr(RunManager, "attend", attend)
    with served(agent()) as server:
        for path, (body, said) in bodies.items():
            told = server.post(path, json=body)
            assert told.status_code == 503, path
            assert said(told) == "this server cannot take it now; try again shortly", path
            assert told.headers["retry-after"] == "2", path


def test_refusal_is_told_though_what_is_served_cannot_be_made_again() -> None:
    made: list[int] = []

    def make(request: Any) -> Any:
        made.append(1)
        if len(made) > 1:
            raise ValueError("secret")
        return agent()

    def parse_input(asked: Any) -> Any:
        raise HTTPException(418, "no tea")

    with served(make, parse_input=parse_input) as server:
        told = server.post("/runs/wait", json=STATELESS)
    assert (told.status_code, told.json()["detail"]) == (418, "no tea")


# ---- numbers, names, kinds -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/threads/t/runs?limit=", "/threads/t/runs?offset=", "/assistants/agent/graph?xray="]
)
def test_number_of_thousands_of_digits_is_refused(path: str) -> None:
    with served(agent()) as server:
        assert server.post("/threads", json={"thread_id": "t"}).status_code == 200
        told = server.get(path + "9" * 5000)
    assert (told.status_code, told.json()["code"]) == (422, "invalid_request")


def test_chat_whose_id_has_a_slash_is_come_back_to() -> None:
    with served(agent()) as server:
        assert server.post("/api/chat", json={**CHAT, "id": "ann/1"}).status_code == 200
        assert server.get("/api/chat/ann%2F1/stream").status_code == 204


class Plain(TypedDict):
    messages: list[Any]


def test_messages_that_are_none_of_langchains_are_no_hindrance_to_the_next() -> None:
    def answer(state: Any) -> dict[str, Any]:
        return {"messages": [{"role": "assistant", "content": "Hello"}]}

    @entrypoint(checkpointer=InMemorySaver())
    def flow(given: Any) -> dict[str, Any]:
        return {"messages": ["Hello"]}

    builder = StateGraph(Plain).add_node("answer", answer).add_edge(START, "answer")
    for made in (builder.compile(checkpointer=InMemorySaver()), flow):
        with served(made) as server:
            for _ in range(2):
                assert server.post("/api/chat", json=CHAT).status_code == 200


def test_socket_is_told_the_detail_as_text() -> None:
    def parse_input(asked: Any) -> Any:
        raise HTTPException(418, detail={"why": "no tea"})  # type: ignore[arg-type]

    with served(agent(), parse_input=parse_input) as server:
        url = str(server.base_url).replace("http:", "ws:").rstrip("/") + "/api/chat"
        with connect(url, open_timeout=WAIT_S) as socket:
            socket.send(json.dumps({"type": "send", "requestId": "1", **CHAT}))
            assert json.loads(socket.recv(WAIT_S))["errorText"] == '{"why":"no tea"}'


def test_thread_goes_on_after_an_input_that_its_graph_does_not_take() -> None:
    made = agent()
    bad = {"messages": [{"role": "banana", "content": "x"}]}
    with served(made) as server:
        assert server.post("/threads", json={"thread_id": "t"}).status_code == 200
        for message in ({"messages": [["user", "hi"]]}, bad):
            assert server.post("/runs", json={"input": message, "thread_id": "t"}).is_success
        state = server.get("/threads/t/state").json()
        assert [message["content"] for message in state["values"]["messages"]] == [
            "hi",
            "Hello you",
        ]
        assert [one["thread_id"] for one in server.post("/threads/search", json={}).json()] == ["t"]
        assert len(server.get("/threads/t/messages").json()["messages"]) == 2
        again = {**CHAT, "id": "t"}
        assert server.post("/api/chat", json=again).status_code == 200
    assert texts_of(made, "t") == ["hi", "Hello you", "hi", "Hello you"]


def test_thread_of_others_stays_theirs_after_such_an_input() -> None:
    bad = {"messages": [{"role": "banana", "content": "x"}]}
    body = {"input": bad, "thread_id": "t"}
    made = agent()
    with answering(made, protocol="native", user="ann") as server:
        assert server.post("/", json=body).status_code == 200
    with answering(made, protocol="native", user="bob") as server:
        assert server.post("/", json={**body, "input": "mine"}).status_code == 404
