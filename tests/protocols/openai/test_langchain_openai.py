"""``ChatOpenAI`` of langchain-openai talks to a run as to a model, by both protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from langchain_streamkit import astream
from langchain_streamkit.testing import ToolCall, Turn
from tests.protocols.openai.apps import served
from tests.scenarios.told import USAGE, add, calls, half, says

if TYPE_CHECKING:
    from tests.protocols.openai.apps import Served

PROTOCOLS = pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])


class City(BaseModel):
    """A city."""

    name: str
    people: int


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def model_of(server: Served, *, responses: bool) -> ChatOpenAI:
    return ChatOpenAI(
        model="agent",
        base_url=server.base_url,
        api_key="k",  # type: ignore[arg-type]  # pydantic makes a secret of it
        max_retries=0,
        use_responses_api=responses,
        stream_usage=True,
    )


@PROTOCOLS
async def test_streamed_and_whole_answers_are_equal_with_the_usage(*, responses: bool) -> None:
    with served(says(Turn("Hello you there", usage=USAGE), cycle=True)) as (server, _):
        model = model_of(server, responses=responses)
        whole = await model.ainvoke("hi")
        chunks = [chunk async for chunk in model.astream("hi")]
    assert whole.text == "".join(chunk.text for chunk in chunks) == "Hello you there"
    assert sum(1 for chunk in chunks if chunk.text) > 1
    usages = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert len(usages) == 1
    for usage in (usages[0], whole.usage_metadata):
        assert usage is not None
        assert (usage["input_tokens"], usage["output_tokens"]) == (10, 5)


@PROTOCOLS
async def test_messages_arrive_as_they_were_written(*, responses: bool) -> None:
    written: list[Any] = [
        SystemMessage("Be brief."),
        HumanMessage(
            [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
            ]
        ),
    ]
    with served(says("A cat")) as (server, _):
        await model_of(server, responses=responses).ainvoke(written)
        system, user = server.asked[0].messages
    assert (system.type, system.text) == ("system", "Be brief.")
    assert user.content == written[1].content


@PROTOCOLS
async def test_agent_of_the_client_runs_the_tools_that_are_handed_to_it(*, responses: bool) -> None:
    wanted = calls(ToolCall("weather", {"city": "Rome"}, id="c1"), text="Let me look.")
    script = says(wanted, "Sunny!")
    with served(create_agent(script, [])) as (server, _):
        agent: Any = create_agent(model_of(server, responses=responses), [weather])
        done = await agent.ainvoke({"messages": [("user", "How is Rome?")]})
    types = [message.type for message in done["messages"]]
    assert types == ["human", "ai", "tool", "ai"]
    assert done["messages"][-1].text == "Sunny!"
    assert server.asked[0].tools[0]["function"]["name"] == "weather"
    _, said, answer = server.asked[1].messages
    assert (said.text, answer.text) == ("Let me look.", "sunny in Rome")
    assert [call["args"] for call in said.tool_calls] == [{"city": "Rome"}]  # type: ignore[attr-defined]


@PROTOCOLS
async def test_agent_of_the_client_never_sees_the_tools_of_the_server(*, responses: bool) -> None:
    wanted = calls(ToolCall("add", {"a": 1, "b": 2}, id="c1"))
    with served(create_agent(says(wanted, "It is 3"), [add])) as (server, _):
        agent: Any = create_agent(model_of(server, responses=responses), [weather])
        done = await agent.ainvoke({"messages": [("user", "1 + 2?")]})
    assert [message.type for message in done["messages"]] == ["human", "ai"]
    assert done["messages"][-1].text == "It is 3"


@PROTOCOLS
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_structured_output(method: Any, *, responses: bool) -> None:
    city = {"name": "Rome", "people": 3}
    answer = '{"name": "Rome", "people": 3}'
    turns = {"json_schema": Turn(answer), "function_calling": calls(ToolCall("City", city))}
    with served(says(turns[method])) as (server, _):
        model = model_of(server, responses=responses).with_structured_output(City, method=method)
        found = await model.ainvoke("Rome?")
    assert found == City(name="Rome", people=3)
    if method == "json_schema":
        assert server.asked[0].options["response_format"]["json_schema"]["name"] == "City"
    else:
        choice = server.asked[0].options["tool_choice"]
        assert choice == {"type": "function", "function": {"name": "City"}}


@PROTOCOLS
async def test_failure_in_mid_stream_is_raised(*, responses: bool) -> None:
    with served(says(half())) as (server, _):
        model = model_of(server, responses=responses)
        with pytest.raises(Exception, match="The model call failed"):
            async for _chunk in model.astream("hi"):
                pass


@PROTOCOLS
async def test_run_over_a_run_tells_the_same_events(*, responses: bool) -> None:
    turn = Turn("Hello you", reasoning="I think", usage=USAGE)
    with served(says(turn)) as (server, _):
        run = astream(model_of(server, responses=responses), "hi")
        async with run:
            async for _event in run:
                pass
        theirs = server.snapshot
    assert run.snapshot.text == theirs.text == "Hello you"
    assert run.snapshot.usage is not None
    assert run.snapshot.usage.input_tokens == 10
    if responses:
        assert run.snapshot.messages[0].reasoning == "I think"
