"""What views yield: text of which part of a run, messages, tool calls, states; and the filters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode, ToolRuntime
from langgraph.types import Send

from langchain_streamkit import StreamUsageError, astream
from langchain_streamkit.testing import Reasoning, ScriptedModel, ToolCall, Turn
from tests.runs.scenes import QUESTION, State, answering, graph, raising, side_by_side, speaking
from tests.runs.watching import WAIT_S
from tests.views.reading import agent, aread, two_voices


async def text(view: Any) -> str:
    return "".join(await aread(view))


# ---- filters -------------------------------------------------------------------------------------


def nested() -> Any:
    """A graph with one of its nodes a graph, whose inner node has the name of an outer one."""
    inner = graph(("writer", speaking(answering("inner "), "writer")))
    return graph(("research", inner), ("writer", speaking(answering("outer "), "writer")))


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({}, "inner outer "),
        ({"node": "writer"}, "inner outer "),
        ({"node": "research"}, "inner "),
        ({"path": "research"}, "inner "),
        ({"path": "research/writer"}, "inner "),
        ({"path": ("research", "writer")}, "inner "),
        ({"path": "writer"}, "outer "),
        ({"path": "writer", "node": "research"}, ""),
        ({"path": "/"}, "inner outer "),
        ({"node": "nobody"}, ""),
    ],
)
async def test_text_is_chosen_by_node_and_path(filters: dict[str, Any], said: str) -> None:
    live = astream(nested(), QUESTION)
    assert await text(live.text(**filters)) == said
    assert await text(live.text(**filters)) == said  # and late


async def test_filters_ignore_the_numbers_of_parallel_siblings() -> None:
    builder: StateGraph[State] = StateGraph(State)
    builder.add_node("say", speaking(answering("x ")))
    builder.add_conditional_edges(START, lambda state: [Send("say", state), Send("say", state)])
    run = astream(graph(("twice", builder.compile())), QUESTION)
    messages = await aread(run.messages)
    assert {message.path[-1] for message in messages} == {"say", "say#2"}
    assert [message.node for message in messages] == ["say", "say"]
    assert await text(run.text(path="twice/say")) == "x x "
    assert await text(run.text(node="say#2")) == "x x "


async def test_text_of_others_than_the_user_comes_only_when_asked_for() -> None:
    hidden = answering("thinking ").with_config(tags=["nostream"])
    run = astream(graph(("plan", speaking(hidden)), ("say", speaking(answering("hi")))), QUESTION)
    assert await text(run.text) == "hi"
    assert await text(run.text(audience="internal")) == "thinking "
    assert await text(run.text(audience="all")) == "thinking hi"
    assert [message.audience for message in await aread(run.messages(audience="all"))] == [
        "internal",
        "user",
    ]


async def test_text_of_parallel_branches_interleaves_and_filters_tell_it_apart() -> None:
    run = astream(side_by_side(speaking(answering("one two three"))), QUESTION)
    pieces = await asyncio.gather(
        text(run.text), *(text(run.text(node=name)) for name in ("a", "b", "c", "d"))
    )
    assert pieces[1:] == ["one two three"] * 4
    assert sorted(pieces[0]) == sorted("one two three" * 4)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"audience": "everyone"}, "'user', 'internal' or 'all'"),
        ({"node": 3}, "node='writer'"),
        ({"path": 3}, "'research/writer'"),
        ({"path": [1]}, "'research/writer'"),
    ],
)
def test_a_filter_that_means_nothing_is_refused_at_once(
    filters: dict[str, Any], message: str
) -> None:
    with pytest.raises(StreamUsageError, match=message):
        astream(nested(), QUESTION).text(**filters)


# ---- messages ------------------------------------------------------------------------------------


async def test_a_message_is_there_when_it_begins_and_its_text_is_read_live() -> None:
    gate = asyncio.Event()
    model = ScriptedModel([["one ", gate, "two"]], chunk_ids=True)
    run = astream(graph(("say", speaking(model, "say"))), QUESTION)
    seen: list[Any] = []
    async with asyncio.timeout(WAIT_S):
        async for message in run.messages:
            assert (message.role, message.node, message.path) == ("assistant", "say", ("say",))
            assert (message.attempt, message.audience, message.model) == (1, "user", "scripted")
            assert message.message_id.startswith("msg_")
            assert message.status == "open"
            async for piece in message:
                seen.append(piece)
                gate.set()
            result = await message.result()
            said = (result.text, result.status, result.finish_reason)
            assert said == ("one two", "finished", "stop")
    assert seen == ["one ", "two"]


async def test_text_and_thinking_and_calls_of_a_message_are_read_side_by_side_or_awaited() -> None:
    run = astream(agent(), QUESTION)
    messages = await aread(run.messages)
    first = messages[0]
    pieces, thoughts, calls = await asyncio.gather(
        aread(first.text), aread(first.reasoning), aread(first.tool_calls)
    )
    assert ("".join(pieces), "".join(thoughts)) == ("Let me look.", "hm hm")
    assert [(call.name, call.args) for call in calls] == [("look_up", {"city": "Rome"})]
    assert (await first.text, await first.reasoning) == ("Let me look.", "hm hm")
    assert "ask: finished" in repr(first)


async def test_thinking_is_read_live_beside_the_text() -> None:
    run = astream(ScriptedModel([[Reasoning("a "), Reasoning("b "), "c"]]), "hi")
    async with asyncio.timeout(WAIT_S):
        async for message in run.messages:
            thoughts, said = await asyncio.gather(aread(message.reasoning), aread(message))
            assert ("".join(thoughts), said) == ("a b ", ["c"])


async def test_a_message_left_unread_does_not_stop_the_next() -> None:
    run = astream(two_voices(), QUESTION)
    assert [message.node for message in await aread(run.messages)] == ["first", "second"]


async def test_result_of_an_aborted_message_shows_that_and_its_text_ends() -> None:
    model = ScriptedModel([Turn("one two", fail_after=2), "well then"])
    run = astream(
        graph(("say", speaking(model.with_retry(wait_exponential_jitter=False)))), QUESTION
    )
    first, second = await aread(run.messages)
    assert ((await first.result()).status, first.attempt) == ("aborted", 1)
    assert ((await second.result()).status, second.attempt) == ("finished", 2)
    assert (await first.text, await second.text) == ("", "well then")


async def test_messages_that_died_are_not_told_to_who_comes_late() -> None:
    model = ScriptedModel([Turn("one two", fail_after=2), "well then"])
    run = astream(model.with_retry(wait_exponential_jitter=False), "hi")
    await run.result()
    assert [await message.text for message in await aread(run.messages)] == ["well then"]
    assert await text(run.text) == "well then"


async def test_waiting_for_a_result_does_not_cancel_the_run_when_it_is_there() -> None:
    run = astream(two_voices(), QUESTION)
    messages = aiter(run.messages)
    first = await anext(messages)
    assert (await first.result()).text == "One two three"
    assert len(await aread(messages)) == 1
    assert run.outcome == "finished"


# ---- tool calls ----------------------------------------------------------------------------------


async def test_a_tool_call_gives_name_input_progress_and_output() -> None:
    @tool
    def count(to: int) -> int:
        """Count."""
        return to

    model = ScriptedModel([Turn(tool_calls=[ToolCall("count", {"to": 3}, id="call_1")]), "done"])
    run = astream(graph(("ask", speaking(model, "ask")), ("tools", ToolNode([count]))), QUESTION)
    async with asyncio.timeout(WAIT_S):
        async for call in run.tool_calls:
            assert (call.tool_call_id, call.name, call.args) == ("call_1", "count", {"to": 3})
            assert call.input == {"to": 3}
            result = await call.result()
            assert (result.status, result.content, call.output, call.error) == (
                "finished",
                "3",
                "3",
                None,
            )
            assert (call.node, call.path) == ("tools", ("tools", "count"))
            assert call.message_id == run.snapshot.messages[0].message_id


async def test_progress_of_a_tool_is_iterated_until_the_tool_ends() -> None:
    @tool
    def reporting(runtime: ToolRuntime) -> str:
        """Report twice."""
        runtime.emit_output_delta("half")
        runtime.emit_output_delta(None)
        return "whole"

    model = ScriptedModel([Turn(tool_calls=[ToolCall("reporting", {})]), "done"])
    run = astream(
        graph(("ask", speaking(model, "ask")), ("tools", ToolNode([reporting]))), QUESTION
    )
    async with asyncio.timeout(WAIT_S):
        async for call in run.tool_calls:
            assert await aread(call.progress) == ["half", None]
            assert await aread(call.progress) == ["half", None]
            assert call.status == "finished"


async def test_a_tool_that_fails_shows_its_error_and_raises_nothing_here() -> None:
    model = ScriptedModel([Turn(tool_calls=[ToolCall("breaks", {})])])
    run = astream(
        graph(
            ("ask", speaking(model, "ask")),
            ("tools", ToolNode([tool("breaks", description="-")(raising(ValueError("no")))])),
        ),
        QUESTION,
    )
    (call,) = await aread(run.tool_calls)
    result = await call.result()
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "tool_error"


async def test_a_call_that_nobody_runs_has_a_result_when_the_run_is_over() -> None:
    run = astream(ScriptedModel([Turn(tool_calls=[ToolCall("client_side", {"a": 1})])]), "hi")
    async with asyncio.timeout(WAIT_S):
        async for call in run.tool_calls:
            assert (await call.result()).status == "requested"


async def test_tool_calls_are_filtered_as_text_is() -> None:
    run = astream(agent(), QUESTION)
    assert len(await aread(run.tool_calls(node="tools"))) == 1
    assert len(await aread(run.tool_calls(path="ask"))) == 1
    assert len(await aread(run.tool_calls(path="nowhere"))) == 0
    assert len(await aread(run.tool_calls(audience="internal"))) == 0


# ---- values --------------------------------------------------------------------------------------


async def test_values_are_each_state_of_the_graph_as_plain_json() -> None:
    values = await aread(astream(two_voices(), QUESTION).values)
    assert [[m["type"] for m in value["messages"]] for value in values] == [
        ["human"],
        ["human", "ai"],
        ["human", "ai", "ai"],
    ]


async def test_values_of_a_subgraph_are_chosen_by_path_or_node() -> None:
    run = astream(nested(), QUESTION)
    root, by_path, by_node = await asyncio.gather(
        aread(run.values), aread(run.values(path="research")), aread(run.values(node="research"))
    )
    assert len(root) == 3
    assert [len(value["messages"]) for value in by_path] == [1, 2]
    assert by_node == by_path


async def test_values_read_late_begin_with_the_newest() -> None:
    run = astream(two_voices(), QUESTION)
    values = run.values
    await run.result()
    assert [len(value["messages"]) for value in await aread(values)] == [3]


async def test_values_asked_for_too_late_say_what_to_write() -> None:
    run = astream(two_voices(), QUESTION)
    await run.started()
    with pytest.raises(StreamUsageError, match=r"capture=\{'state'\}"):
        _ = run.values


async def test_values_asked_for_late_are_there_when_state_is_captured() -> None:
    run = astream(two_voices(), QUESTION, capture={"state"})
    await run.started()
    assert len((await aread(run.values))[-1]["messages"]) == 3
