"""OpenAI's own clients at the router."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config

from langchain_streamkit.testing import ToolCall, Turn
from tests.scenarios.told import add, calls, graph, node_of, says
from tests.serve.servers import WAIT_S
from tests.serving.apps import client_of, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit import RunSnapshot

HELLO: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}


@contextmanager
def clients(runnable: Any, **options: Any) -> Iterator[tuple[openai.OpenAI, httpx.Client]]:
    key = options.pop("api_key", "k")
    with served(runnable, **options) as client:
        base = f"{str(client.base_url).rstrip('/')}/v1"
        with openai.OpenAI(base_url=base, api_key=key, max_retries=0) as sdk:
            yield sdk, client


def said(sdk: openai.OpenAI, **asked: Any) -> str:
    stream = sdk.chat.completions.create(
        **{"model": "agent", "messages": HELLO, **asked}, stream=True
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def agent(**options: Any) -> Any:
    model = says(calls(ToolCall("add", {"a": 1, "b": 2})), "It is 3")
    return create_agent(model, [add], name="sums", **options)


def test_graph_is_a_model_streamed_and_whole() -> None:
    with clients(graph(one=node_of(says("Hello you", "Hello again"))).compile()) as (sdk, _):
        assert said(sdk) == "Hello you"
        whole = sdk.chat.completions.create(model="agent", messages=HELLO)
    assert whole.choices[0].message.content == "Hello again"
    assert whole.model == "agent"


def test_responses_are_streamed_and_whole() -> None:
    with clients(graph(one=node_of(says("Hello you", "Hello again"))).compile()) as (sdk, _):
        with sdk.responses.stream(model="agent", input="hi") as stream:
            stream.until_done()
            assert stream.get_final_response().output_text == "Hello you"
        assert sdk.responses.create(model="agent", input="hi").output_text == "Hello again"


def test_what_is_served_has_its_own_name_and_agent() -> None:
    with clients(agent()) as (sdk, _):
        assert [one.id for one in sdk.models.list()] == ["sums", "agent"]
        assert sdk.models.retrieve("sums").id == "sums"
        assert said(sdk, model="sums") == "It is 3"


def test_tools_of_the_graph_are_not_the_clients() -> None:
    with clients(agent()) as (sdk, _):
        whole = sdk.chat.completions.create(model="sums", messages=HELLO)
    assert whole.choices[0].message.tool_calls is None
    assert whole.choices[0].message.content == "It is 3"


def test_model_that_is_not_there_is_not_found() -> None:
    with clients(agent()) as (sdk, _):
        with pytest.raises(openai.NotFoundError, match="ask for one of: sums, agent") as caught:
            said(sdk, model="gpt-9")
        with pytest.raises(openai.NotFoundError):
            sdk.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


def test_graph_that_keeps_threads_gets_a_new_one_each_time() -> None:
    model = says("One", "Two")
    with clients(create_agent(model, [], checkpointer=InMemorySaver())) as (sdk, _):
        assert [said(sdk), said(sdk)] == ["One", "Two"]
    assert [len(call.messages) for call in model.calls] == [1, 1]


def test_whole_conversation_reaches_the_graph() -> None:
    model = says("Fine")
    asked = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "how are you?"},
    ]
    with clients(create_agent(model, [])) as (sdk, _):
        assert said(sdk, messages=asked) == "Fine"
    assert [message.type for message in model.calls[0].messages] == [
        *("system", "human", "ai", "human")
    ]


def test_clients_tools_are_bound_to_a_bare_model_and_their_calls_handed_back() -> None:
    model = says(calls(ToolCall("look", {}, id="c1")))
    with clients(model) as (sdk, _):
        whole = sdk.chat.completions.create(model="agent", messages=HELLO, tools=[TOOL])
    (call,) = whole.choices[0].message.tool_calls or []
    assert (call.id, call.type) == ("c1", "function")
    assert [one["function"]["name"] for one in model.calls[0].kwargs["tools"]] == ["look"]


def test_graph_finds_the_clients_tools_and_options_in_configurable() -> None:
    seen: list[Any] = []

    async def node(state: Any) -> Any:
        seen.append(get_config().get("configurable"))
        return {"messages": [await says("ok").ainvoke("hi")]}

    with clients(graph(one=node).compile()) as (sdk, _):
        assert said(sdk, tools=[TOOL], temperature=0.5) == "ok"
    assert [one["function"]["name"] for one in seen[0]["client_tools"]] == ["look"]
    assert seen[0]["client_options"] == {"temperature": 0.5}


def test_chat_openai_talks_to_a_graph() -> None:
    with clients(graph(one=node_of(says("Hello you"))).compile()) as (sdk, _):
        model = ChatOpenAI(model="agent", base_url=str(sdk.base_url), api_key="k")  # type: ignore[arg-type]
        assert "".join(chunk.text for chunk in model.stream("hi")) == "Hello you"


def test_what_fails_is_an_error_without_the_exceptions_text() -> None:
    def fail(state: Any) -> Any:
        raise ValueError("secret")

    with clients(graph(one=fail).compile()) as (sdk, _):
        with pytest.raises(openai.InternalServerError) as caught:
            sdk.chat.completions.create(model="agent", messages=HELLO)
        with pytest.raises(openai.APIError) as streamed:
            said(sdk)
    assert "secret" not in str(caught.value)
    assert "secret" not in str(streamed.value)


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_wrong_body_is_refused_in_openais_form(path: str) -> None:
    with clients(says("x")) as (_, client):
        told = client.post(f"/v1/{path}", json={"model": "agent", "messages": 3, "input": 3})
    assert told.status_code == 400
    assert set(told.json()["error"]) == {"message", "type", "param", "code"}
    assert told.json()["error"]["type"] == "invalid_request_error"


def test_api_key_is_what_authenticate_sees() -> None:
    def who(request: Any) -> str | None:
        return "ann" if request.headers.get("authorization") == "Bearer right" else None

    with (
        clients(says("Hello"), authenticate=who, api_key="wrong") as (sdk, client),
        pytest.raises(openai.AuthenticationError),
    ):
        said(sdk)
    with clients(says("Hello"), authenticate=who, api_key="right") as (sdk, client):
        assert said(sdk) == "Hello"
        assert client.get("/v1/models").status_code == 401


@pytest.mark.parametrize("stream", [True, False])
def test_client_that_leaves_ends_the_run(*, stream: bool) -> None:
    held, over = threading.Event(), threading.Event()
    asked = {"model": "agent", "messages": HELLO, "stream": stream}
    ended: list[RunSnapshot] = []

    def on_end(snapshot: RunSnapshot) -> None:
        ended.append(snapshot)
        over.set()

    model = says(Turn("Hello you", hold={1: held}))
    with served(model, on_end=on_end) as client:
        with client_of(str(client.base_url)) as leaving:
            if stream:
                with leaving.stream("POST", "/v1/chat/completions", json=asked) as response:
                    next(line for line in response.iter_lines() if "Hello" in line)
            else:
                with pytest.raises(httpx.ReadTimeout):
                    leaving.post("/v1/chat/completions", json=asked, timeout=0.3)
        assert over.wait(WAIT_S)
    assert (ended[0].outcome, ended[0].cancel_reason) == ("cancelled", "disconnect")


def test_parse_input_gets_the_conversation() -> None:

    def parse(asked: Any) -> str:
        return str(asked["messages"][-1].text)

    async def through(question: str, config: RunnableConfig) -> Any:
        return await says(f"You said {question}").ainvoke("x", config)

    with clients(RunnableLambda(through), parse_input=parse) as (sdk, _):
        assert said(sdk) == "You said hi"


def test_model_without_json_refuses_it() -> None:
    model = says("x")
    asked = {"type": "json_object"}
    with clients(model) as (sdk, _), pytest.raises(openai.BadRequestError, match="response_format"):
        said(sdk, response_format=asked)
