from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool

from langchain_streamkit.testing import (
    Malformed,
    Reasoning,
    ScriptedModel,
    ScriptError,
    ScriptExhausted,
    ToolCall,
    Turn,
    rate_limited,
)

RICH = Turn(
    "It is sunny in Rome.",
    reasoning="Let me think.",
    tool_calls=[ToolCall("weather", {"city": "Rome"}, id="c1"), ToolCall("time", {"tz": 1}, "c2")],
    usage={"input_tokens": 7, "output_tokens": 12, "output_token_details": {"reasoning": 3}},
)


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def essence(message: AIMessage) -> dict[str, Any]:
    return {
        "content": message.content,
        "reasoning": message.additional_kwargs.get("reasoning_content"),
        "tool_calls": message.tool_calls,
        "invalid": message.invalid_tool_calls,
        "usage": message.usage_metadata,
        "metadata": message.response_metadata,
    }


async def test_all_four_ways_to_call_give_the_same_message() -> None:
    model = ScriptedModel([RICH], cycle=True)
    invoked = essence(model.invoke("hi"))
    assert invoked == essence(await model.ainvoke("hi"))
    assert invoked == essence(joined(list(model.stream("hi"))))
    assert invoked == essence(joined([chunk async for chunk in model.astream("hi")]))
    assert invoked["content"] == "It is sunny in Rome."
    assert invoked["reasoning"] == "Let me think."
    assert [(call["name"], call["args"]) for call in invoked["tool_calls"]] == [
        ("weather", {"city": "Rome"}),
        ("time", {"tz": 1}),
    ]
    assert invoked["usage"]["total_tokens"] == 19
    assert invoked["metadata"] == {
        "finish_reason": "tool_calls",
        "model_name": "scripted",
        "model_provider": "scripted",
    }


def test_stream_gives_one_chunk_for_each_piece_and_a_closing_one() -> None:
    contents = [chunk.content for chunk in ScriptedModel(["Hello you there"]).stream("hi")]
    assert contents == ["Hello", " you", " there", ""]


def test_finish_reason_is_stop_without_tool_calls_and_what_the_turn_says_otherwise() -> None:
    model = ScriptedModel(["a", Turn("b", finish_reason="length")])
    reasons = [model.invoke("hi").response_metadata["finish_reason"] for _ in range(2)]
    assert reasons == ["stop", "length"]


def test_list_of_pieces_is_played_exactly_as_written() -> None:
    chunk = AIMessageChunk(content=[{"type": "text", "text": "x", "index": 0}], id="m1")
    model = ScriptedModel([[chunk, "y", {"id": "c", "name": "f", "args": "{}"}, Reasoning("z")]])
    first, second, third, fourth, *rest = model.stream("hi")
    assert (first.content, first.id) == (chunk.content, "m1")
    assert second.content == "y"
    assert third.tool_call_chunks == [
        {"type": "tool_call_chunk", "id": "c", "name": "f", "args": "{}", "index": None}
    ]
    assert fourth.additional_kwargs == {"reasoning_content": "z"}
    # LangChain's own last chunk, nothing of ours.
    assert [(extra.content, extra.response_metadata) for extra in rest] == [("", {})]


def test_message_chunks_of_the_script_are_never_changed() -> None:
    chunk = AIMessageChunk(content="x")
    model = ScriptedModel([[chunk]], cycle=True)
    ids = {next(iter(model.stream("hi"))).id for _ in range(3)}
    assert chunk == AIMessageChunk(content="x")
    assert len(ids) == 3


def test_usage_is_on_the_last_chunk_only() -> None:
    chunks = list(ScriptedModel([RICH]).stream("hi"))
    assert [chunk.usage_metadata is not None for chunk in chunks[:-1]] == [False] * (
        len(chunks) - 1
    )
    assert chunks[-1].usage_metadata is not None


def test_usage_on_every_chunk_is_cumulative_and_only_in_streams() -> None:
    turn = Turn(["a", "b", "c", "d"], usage={"input_tokens": 10, "output_tokens": 4})
    model = ScriptedModel([turn], cycle=True, usage_on="every_chunk")
    usages = [chunk.usage_metadata for chunk in model.stream("hi")]
    assert [usage and usage["output_tokens"] for usage in usages] == [1, 2, 3, 4, 4]
    assert [usage and usage["total_tokens"] for usage in usages] == [11, 12, 13, 14, 14]
    invoked = model.invoke("hi").usage_metadata
    assert invoked is not None
    assert invoked["input_tokens"] == 10


def test_no_usage_is_reported_unless_the_turn_has_some() -> None:
    assert ScriptedModel(["a"]).invoke("hi").usage_metadata is None


def test_chunk_ids_are_one_provider_id_for_each_call() -> None:
    model = ScriptedModel(["a b", "c d"], chunk_ids=True)
    first, second = ({chunk.id for chunk in model.stream("hi")} for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second
    assert all(str(one).startswith("msg_") for one in first | second)


def test_without_chunk_ids_langchain_gives_the_run_id() -> None:
    ids = {chunk.id for chunk in ScriptedModel(["a b"]).stream("hi")}
    assert len(ids) == 1
    assert str(ids.pop()).startswith("lc_run--")


async def test_async_stream_gives_control_away_before_each_token() -> None:
    model = ScriptedModel([[str(n) for n in range(20)]])
    turns_of_the_other = 0

    async def other() -> None:
        nonlocal turns_of_the_other
        while True:
            turns_of_the_other += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen = [turns_of_the_other async for _ in model.astream("hi")][:20]
    task.cancel()
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))


def test_exception_is_raised_at_its_place_in_a_stream() -> None:
    boom = ValueError("boom")
    model = ScriptedModel([Turn("a b c", fail_after=2, error=boom)])
    got: list[Any] = []
    with pytest.raises(ValueError, match="boom") as caught:  # noqa: PT012
        for chunk in model.stream("hi"):
            got.append(chunk.content)  # noqa: PERF401 (what came before the error counts)
    assert caught.value is boom
    assert got == ["a", " b"]


async def test_exception_is_raised_without_streaming_too() -> None:
    limited = rate_limited()
    model = ScriptedModel([limited, limited])
    with pytest.raises(type(limited)) as caught:
        model.invoke("hi")
    assert caught.value is limited
    with pytest.raises(type(limited)):
        await model.ainvoke("hi")


async def test_gate_holds_an_async_stream_until_it_is_set() -> None:
    gate = asyncio.Event()
    stream = ScriptedModel([["a", gate, "b"]]).astream("hi")
    assert (await anext(stream)).content == "a"
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    gate.set()
    assert (await waiting).content == "b"


async def test_held_async_stream_can_be_cancelled_and_leaves_no_thread() -> None:
    threads = threading.active_count()
    task = asyncio.create_task(ScriptedModel([["a", threading.Event()]]).ainvoke("hi"))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threading.active_count() == threads


def test_gate_holds_a_sync_stream_until_another_thread_sets_it() -> None:
    gate, got_first = threading.Event(), threading.Event()
    got: list[Any] = []

    def read() -> None:
        for chunk in ScriptedModel([["a", gate, "b"]]).stream("hi"):
            got.append(chunk.content)
            got_first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert got_first.wait(5)
    assert got == ["a"]
    gate.set()
    reader.join(5)
    assert got[:2] == ["a", "b"]


async def test_delay_is_slept_in_both_worlds() -> None:
    model = ScriptedModel([["a", 0.05, "b"]], cycle=True)
    start = time.perf_counter()
    model.invoke("hi")
    assert time.perf_counter() - start >= 0.05
    start = time.perf_counter()
    await model.ainvoke("hi")
    assert time.perf_counter() - start >= 0.05


def test_bind_tools_records_the_tools_and_leaves_the_script_alone() -> None:
    model = ScriptedModel(["a"])
    assert model.bind_tools([weather], tool_choice="any").invoke("hi").content == "a"
    (call,) = model.calls
    assert call.kwargs["tools"][0]["function"]["name"] == "weather"
    assert call.kwargs["tool_choice"] == "any"


async def test_every_call_is_recorded_with_how_it_was_made() -> None:
    model = ScriptedModel(["a"], cycle=True)
    model.invoke([HumanMessage("one")], stop=["x"])
    await model.ainvoke("two", temperature=0.5)
    list(model.stream("three"))
    [_ async for _ in model.astream("four")]
    assert [call.messages[0].content for call in model.calls] == ["one", "two", "three", "four"]
    assert [call.streamed for call in model.calls] == [False, False, True, True]
    assert model.calls[0].stop == ("x",)
    assert model.calls[1].kwargs == {"temperature": 0.5}


def test_function_turn_answers_from_the_messages() -> None:
    def answer(messages: list[Any]) -> str:
        return f"The tool said: {messages[-1].content}"

    model = ScriptedModel([Turn(tool_calls=[ToolCall("weather", {"city": "Rome"})]), answer])
    asked = model.invoke("weather?")
    result = weather.invoke(asked.tool_calls[0])
    assert isinstance(result, ToolMessage)
    assert model.invoke(["weather?", asked, result]).content == "The tool said: sunny in Rome"


def test_one_function_is_a_script_for_ever() -> None:
    model = ScriptedModel(lambda messages: f"{len(messages)}")
    assert [model.invoke("hi").content for _ in range(3)] == ["1", "1", "1"]


def test_call_too_many_says_so() -> None:
    model = ScriptedModel(["a"])
    model.invoke("hi")
    with pytest.raises(ScriptExhausted, match="call 2 of ScriptedModel"):
        model.invoke("hi")


def test_malformed_is_refused_by_a_model() -> None:
    with pytest.raises(ScriptError, match="use scripted_provider"):
        ScriptedModel([[Malformed()]]).invoke("hi")


def test_tracing_parameters_name_the_model_and_the_provider() -> None:
    class Metadata(BaseCallbackHandler):
        seen: dict[str, Any] = {}  # noqa: RUF012

        def on_chat_model_start(self, *_: Any, metadata: Any = None, **__: Any) -> None:
            self.seen = metadata

    handler = Metadata()
    ScriptedModel(["a"], model_name="big").invoke("hi", {"callbacks": [handler]})
    assert handler.seen["ls_provider"] == "scripted"
    assert handler.seen["ls_model_name"] == "big"
    assert handler.seen["ls_model_type"] == "chat"


def test_is_a_chat_model_whose_repr_does_not_print_the_script() -> None:
    model = ScriptedModel(["secret"])
    assert isinstance(model, BaseChatModel)
    assert "secret" not in repr(model)


def test_copies_play_on_in_the_same_script() -> None:
    model = ScriptedModel(["a", "b"])
    assert model.model_copy().invoke("hi").content == "a"
    assert model.with_config({"tags": ["x"]}).invoke("hi").content == "b"
    assert len(model.calls) == 2


async def test_drives_an_agent_with_a_tool() -> None:
    from langchain.agents import create_agent

    model = ScriptedModel(
        [
            Turn("Let me look.", tool_calls=[ToolCall("weather", {"city": "Rome"})]),
            lambda messages: f"It is {messages[-1].content}.",
        ]
    )
    agent = create_agent(model, [weather])
    state = await agent.ainvoke({"messages": [HumanMessage("weather in Rome?")]})
    assert state["messages"][-1].content == "It is sunny in Rome."
