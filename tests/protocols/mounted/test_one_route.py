"""Front ends at one route of an application of one's own: ``respond`` and ``SSEResponse``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from starlette.applications import Starlette
from starlette.routing import Route

from langchain_streamkit import SSEResponse, StreamUsageError, astream, respond
from langchain_streamkit.serve.protocols.ai_sdk import AiSdk
from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder
from tests.scenarios.told import graph, node_of, says
from tests.serve.servers import serving
from tests.serving.apps import client_of, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

    from langchain_streamkit.wire.encoders import EncodedProtocol
    from tests.protocols.ai_sdk.clients import Client

HELLO: Any = [{"role": "user", "content": "hi"}]
USER = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}


@contextmanager
def answering(runnable: Any, **options: Any) -> Iterator[httpx.Client]:
    async def answer(request: Request) -> Response:
        return await respond(request, runnable, **options)

    route = Route("/{path:path}", answer, methods=["POST"])
    with serving(Starlette(routes=[route])) as where, client_of(f"http://{where}") as client:
        yield client


def hello() -> Any:
    return graph(one=node_of(says("Hello you", "Hello again"))).compile()


def test_respond_answers_use_chat(client: Client) -> None:
    with answering(hello(), protocol=AiSdk(sdk_version=client.version)) as server:  # type: ignore[arg-type]
        chat = client.chat(str(server.base_url))
    assert [part["text"] for part in chat.answer["parts"] if part["type"] == "text"] == [
        "Hello you"
    ]


def test_respond_answers_openais_clients() -> None:
    with answering(hello(), protocol="openai-chat") as server:
        sdk = openai.OpenAI(base_url=str(server.base_url), api_key="k", max_retries=0)
        stream = sdk.chat.completions.create(model="agent", messages=HELLO, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello you"
        whole = sdk.chat.completions.create(model="agent", messages=HELLO)
    assert whole.choices[0].message.content == "Hello again"


def test_respond_answers_our_own_clients() -> None:
    with answering(hello(), protocol="native") as server:
        with started(server) as stream:
            assert stream.until("run.finished").type == "run.finished"
            assert stream.text == "Hello you"
        both = server.post("/", json={"input": 1, "resume": {"a": 1}})
    assert (both.status_code, both.json()["error"]["code"]) == (422, "invalid_request")


def test_respond_answers_responses() -> None:
    with answering(hello(), protocol="openai-responses") as server:
        sdk = openai.OpenAI(base_url=str(server.base_url), api_key="k", max_retries=0)
        assert sdk.responses.create(model="agent", input="hi").output_text == "Hello you"


@pytest.mark.parametrize(
    ("protocol", "status"), [("ai-sdk", 422), ("openai-chat", 400), ("openai-responses", 400)]
)
def test_respond_refuses_in_the_protocols_form(protocol: EncodedProtocol, status: int) -> None:
    with answering(hello(), protocol=protocol) as server:
        wrong = server.post("/", json={"messages": 3, "input": 3})
        form = server.post("/", data={"a": "b"})
    assert (wrong.status_code, form.status_code) == (status, 415)
    is_json = wrong.headers["content-type"] == "application/json"
    assert is_json == protocol.startswith("openai")


def test_threads_of_others_are_not_found_by_respond() -> None:
    agent = create_agent(says("One", "Two"), [], checkpointer=InMemorySaver())
    body = {"id": "chat-1", "messages": [USER]}
    with answering(agent, protocol="ai-sdk", user="ann") as server:
        assert server.post("/", json=body).status_code == 200
    with answering(agent, protocol="ai-sdk", user="bob") as server:
        assert server.post("/", json=body).status_code == 404


async def test_what_the_developer_did_wrong_is_raised() -> None:
    request: Any = None
    with pytest.raises(StreamUsageError, match="protocol='ai' is not known; write one of 'native'"):
        await respond(request, hello(), protocol="ai")  # type: ignore[arg-type]


PROTOCOLS: list[tuple[Any, str]] = [
    ("native", '"text":"Hello'),
    ("ai-sdk", '"delta":"Hello'),
    ("openai-chat", '"content":"Hello'),
    ("openai-responses", '"delta":"Hello'),
    (AiSdkEncoder(sdk_version=7), '"delta":"Hello'),
]


@pytest.mark.parametrize(("protocol", "expected"), PROTOCOLS)
def test_sse_response_speaks_each_protocol(protocol: Any, expected: str) -> None:
    async def answer(request: Request) -> Response:
        return SSEResponse(astream(hello(), {"messages": HELLO}), protocol=protocol)

    app = Starlette(routes=[Route("/", answer)])
    with serving(app) as where, client_of(f"http://{where}") as client:
        told = client.get("/")
    assert expected in told.text
    assert told.headers["content-type"].startswith("text/event-stream")
    is_ai = "x-vercel-ai-ui-message-stream" in told.headers
    assert is_ai == (protocol == "ai-sdk" or not isinstance(protocol, str))


def test_unknown_protocol_is_refused_with_the_names() -> None:
    with pytest.raises(StreamUsageError, match="'native', 'ai-sdk', 'ag-ui'"):
        SSEResponse(astream(hello(), {}), protocol="ag")  # type: ignore[arg-type]


def test_view_is_for_our_own_frames() -> None:
    with pytest.raises(StreamUsageError, match="are for protocol='native'"):
        SSEResponse(astream(hello(), {}), protocol="ai-sdk", view="all")
