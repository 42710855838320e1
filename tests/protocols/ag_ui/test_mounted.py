"""AG-UI's client at the router, and at a route of one's own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.graph import START, StateGraph, add_messages
from langgraph.types import interrupt
from starlette.applications import Starlette
from starlette.routing import Route

from langchain_streamkit import SSEResponse, astream, respond
from langchain_streamkit.testing import Turn
from tests.scenarios.told import HI, add, graph, node_of, says
from tests.serve.servers import WAIT_S, serving
from tests.serving.apps import served

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

    from langchain_streamkit import RunSnapshot
    from tests.protocols.ag_ui.clients import Client

TOOL = {"name": "look", "description": "looks", "parameters": {"type": "object", "properties": {}}}


class Counted(TypedDict, total=False):
    messages: Annotated[list[Any], add_messages]
    count: int


def url_of(server: httpx.Client) -> str:
    return str(server.base_url).rstrip("/") + "/ag-ui"


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [one["content"] for one in messages if one["role"] in {"user", "assistant"}]


def test_conversation_goes_on_in_a_thread_that_is_kept(client: Client) -> None:
    model = says("One", "Two")
    agent = create_agent(model, [add], checkpointer=InMemorySaver())
    with served(agent) as server:
        _, second = client.runs(url_of(server), {"say": "a"}, {"say": "b"}, threadId="t1")
    assert texts(second.messages) == ["a", "One", "b", "Two"]
    assert [[m.text for m in call.messages] for call in model.calls] == [["a"], ["a", "One", "b"]]


def test_state_of_the_client_reaches_the_graph_and_comes_back(client: Client) -> None:
    def count(state: Counted) -> Any:
        return {"count": state.get("count", 0) + 1, "messages": [AIMessage("counted")]}

    builder = StateGraph(Counted)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    with served(builder.compile()) as server:
        first, second = client.runs(
            url_of(server), {"say": "a"}, {"say": "b"}, state={"count": 4, "other": 1}
        )
    assert (first.state["count"], second.state["count"]) == (5, 6)


def test_tools_and_context_of_the_client_are_in_configurable(client: Client) -> None:
    seen: list[Any] = []

    def look(state: Any) -> Any:
        seen.append(get_config().get("configurable"))
        return {"messages": [AIMessage("ok")]}

    asked = {
        "say": "hi",
        "tools": [TOOL],
        "context": [{"description": "page", "value": "home"}],
        "forwardedProps": {"a": 1},
    }
    with served(graph(one=look).compile()) as server:
        client.runs(url_of(server), asked)
    assert [tool["function"]["name"] for tool in seen[0]["client_tools"]] == ["look"]
    assert seen[0]["client_context"] == [{"description": "page", "value": "home"}]
    assert seen[0]["client_props"] == {"a": 1}


def test_interrupts_are_answered_by_id(client: Client) -> None:
    def ask(state: Any) -> Any:
        return {"messages": [AIMessage(f"You said {interrupt('sure?')}")]}

    agent = graph(one=ask).compile(checkpointer=InMemorySaver())
    with served(agent) as server:
        (first,) = client.runs(url_of(server), {"say": "hi"}, threadId="t1")
        assert first.outcome == "interrupt"
        (pending,) = first.interrupts
        answer = {"interruptId": pending["id"], "status": "resolved", "payload": "yes"}
        (second,) = client.runs(
            url_of(server), {"resume": [answer]}, threadId="t1", messages=first.messages
        )
    assert texts(second.messages) == ["hi", "You said yes"]
    assert second.outcome == "success"


def test_refusal_is_raised_by_the_client(client: Client) -> None:
    with served(says("x"), authenticate=lambda request: None) as server:
        (ran,) = client.runs(url_of(server))
    assert "401" in str(ran.failed)
    assert "say who you are" in str(ran.failed)


def test_client_that_leaves_ends_the_run() -> None:
    over = threading.Event()
    ended: list[RunSnapshot] = []

    def on_end(snapshot: RunSnapshot) -> None:
        ended.append(snapshot)
        over.set()

    model = says(Turn("Hello you", hold={1: threading.Event()}))
    body: dict[str, Any] = {"threadId": "t", "runId": "r", "tools": [], "context": [], "state": {}}
    body |= {"messages": [{"id": "u", "role": "user", "content": "hi"}], "forwardedProps": {}}
    with served(graph(one=node_of(model)).compile(), on_end=on_end) as server:
        with server.stream("POST", "/ag-ui", json=body) as response:
            next(line for line in response.iter_lines() if "Hello" in line)
        assert over.wait(WAIT_S)
    assert (ended[0].outcome, ended[0].cancel_reason) == ("cancelled", "disconnect")


def test_one_route_answers_the_client(client: Client) -> None:
    async def answer(request: Request) -> Response:
        return await respond(request, graph(one=node_of(says("Hello"))).compile(), protocol="ag-ui")

    async def stream(request: Request) -> Response:
        runnable = graph(one=node_of(says("Hello"))).compile()
        return SSEResponse(astream(runnable, HI), protocol="ag-ui")

    routes = [Route("/a", answer, methods=["POST"]), Route("/b", stream, methods=["POST"])]
    with serving(Starlette(routes=routes)) as where:
        (asked,) = client.runs(f"http://{where}/a")
        (told,) = client.runs(f"http://{where}/b", threadId="t")
    assert texts(asked.messages) == ["hi", "Hello"]
    assert (told.outcome, texts(told.messages)) == ("success", ["Hello"])
