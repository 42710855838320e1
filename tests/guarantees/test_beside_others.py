"""Beside LangChain's own streams, LangSmith's tracer and a second handler of ours: each thing is
told once, and nobody else hears less for our being there.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool

from langchain_streamkit import StreamCallbackHandler, astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ToolCall, Turn
from tests.guarantees.pains import all_of, asked_in_a_node, legal, of, on_screen
from tests.scenarios.kinds import KINDS
from tests.scenarios.story import story
from tests.scenarios.test_no_observer_effect import StreamingOn, by_run
from tests.scenarios.test_no_observer_effect_more import traced
from tests.scenarios.told import HI, USAGE, calls, graph, lines, node_of, says, told_by_handler

AGENT = KINDS["agent_in_a_tool"]


def namespace(parts: tuple[str, ...]) -> list[str]:
    return [part.partition(":")[0] for part in parts]


async def langgraphs_own_stream(*handlers: Any) -> list[str]:
    """What ``graph.astream`` gives in three modes, without ids."""
    told: list[str] = []
    modes: Any = ["messages", "updates", "custom"]
    source = AGENT.make().astream(
        AGENT.input, {"callbacks": list(handlers)}, stream_mode=modes, subgraphs=True
    )
    async for where, mode, data in source:
        what = data[0].content if mode == "messages" else sorted(data)
        told.append(f"{namespace(where)} {mode} {what}")
    return told


async def test_langgraphs_own_modes_beside_a_handler_give_all_they_gave_alone() -> None:
    handler = StreamCallbackHandler()
    assert await langgraphs_own_stream(handler) == await langgraphs_own_stream()
    assert story(handler) == await told_by_handler(AGENT.make(), AGENT.input)


async def test_astream_events_beside_a_handler_leaves_its_story_as_it_is() -> None:
    handler = StreamCallbackHandler()
    source = AGENT.make().astream_events(AGENT.input, {"callbacks": [handler]}, version="v2")
    assert [event async for event in source]
    assert story(handler) == await told_by_handler(AGENT.make(), AGENT.input)


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
async def test_astream_events_v3_beside_a_handler_costs_it_tokens_and_no_message() -> None:
    async def methods(*handlers: Any) -> list[str]:
        source: Any = asked_in_a_node(says("Hello you")).astream_events(
            HI, {"callbacks": list(handlers)}, version="v3"
        )
        async with await source as protocol:
            return [event["method"] async for event in protocol]

    handler = StreamCallbackHandler()
    assert await methods(handler) == await methods()
    events = legal(list(handler))
    assert on_screen(events) == ["Hello you"]
    (found,) = of(ev.Diagnostic, events)
    assert found.code == "no_tokens"
    assert "a handler beside this one (astream_events v3)" in found.message


async def test_all_at_once_each_tells_what_it_tells_alone() -> None:
    alone = await told_by_handler(two_models(), HI)
    one, other = StreamCallbackHandler(), StreamCallbackHandler()
    client, tracer = traced()
    callbacks = [one, tracer, other]
    source = two_models(callbacks=[one]).astream_events(HI, {"callbacks": callbacks}, version="v2")
    beside = [event["event"] async for event in source]
    assert story(one) == story(other) == alone
    assert beside == [event["event"] async for event in two_models().astream_events(HI)]
    bare, tracer = traced()
    await two_models().ainvoke(HI, {"callbacks": [tracer, StreamingOn()]})
    assert by_run(starts(client.rows)) == by_run(starts(bare.rows))


def two_models(**options: Any) -> Any:
    """Two nodes; ``options`` are those of the first one's model."""
    first = says("Hello you", **options)
    return graph(one=node_of(first), two=node_of(says("Second text"))).compile()


def starts(rows: list[str]) -> list[str]:
    return [row for row in rows if row.startswith("('start'")]


# ---- two handlers of ours ------------------------------------------------------------------------


async def test_two_instances_on_model_and_config_tell_each_message_once() -> None:
    on_model, on_config = StreamCallbackHandler(), StreamCallbackHandler()
    model = says(Turn("Hello you", usage=USAGE), callbacks=[on_model])
    await asked_in_a_node(model).ainvoke(HI, {"callbacks": [on_config]})
    for handler in (on_model, on_config):
        events = legal(list(handler))
        assert on_screen(events) == ["Hello you"]
        assert [one.usage.input_tokens for one in of(ev.MessageFinished, events)] == [10]
        assert [end.usage.input_tokens for end in of(ev.RunFinished, events)] == [10]
    assert len(of(ev.TextDelta, events)) == 2


async def test_an_answer_whose_model_has_callbacks_of_its_own_comes_whole_with_the_reason() -> None:
    """``with_config(callbacks=...)`` takes the place of all callbacks around the call."""
    bound = StreamCallbackHandler()
    model = says(Turn("Hello you", usage=USAGE)).with_config(callbacks=[bound])
    events = await all_of(astream(asked_in_a_node(model), HI))
    assert on_screen(events) == on_screen(legal(list(bound))) == ["Hello you"]
    (found,) = of(ev.Diagnostic, events)
    assert found.code == "no_tokens"
    assert "callbacks of its own" in found.message
    assert [end.usage.input_tokens for end in of(ev.RunFinished, events)] == [10]


# ---- callbacks=[] inside a tool ------------------------------------------------------------------


def hiding_tool() -> Any:
    """An agent whose tool calls a model with ``callbacks=[]``, so that nobody can see it."""
    hidden = says("Hidden words")

    @tool
    async def think(question: str) -> str:
        """Ask a model behind everybody's back."""
        return (await hidden.ainvoke(question, {"callbacks": []})).text

    wanted = ToolCall("think", {"question": "why?"}, id="c1")
    return create_agent(says(calls(wanted), "Done"), [think])


async def test_a_call_without_callbacks_inside_a_tool_costs_the_others_nothing() -> None:
    expected = lines("""
        run.started
        graph.started / LangGraph
        node.started /model model
        message.started /model assistant
        tool_call /model c1 think {"question": "why?"}
        message.finished /model tool_calls unreported
        node.finished /model ok
        node.started /tools tools
        tool.started /tools/think think c1 {"question": "why?"}
        tool.finished /tools/think c1 ok 'Hidden words'
        node.finished /tools ok
        node.started /model model
        message.started /model assistant
        text /model 'Done'
        message.finished /model stop unreported
        node.finished /model ok
        graph.finished / ok
        run.finished
    """)
    client, tracer = traced()
    handler = StreamCallbackHandler()
    run = astream(hiding_tool(), HI, {"callbacks": [handler, tracer]})
    assert story(await all_of(run)) == expected
    assert story(handler) == expected
    bare, tracer = traced()
    await hiding_tool().ainvoke(HI, {"callbacks": [tracer, StreamingOn()]})
    assert by_run(starts(client.rows)) == by_run(starts(bare.rows))


async def test_a_graph_called_without_callbacks_inside_a_tool_is_told_once() -> None:
    inner = graph(leaf=node_of(says("Inner words"))).compile(name="helper")

    @tool
    async def think(question: str) -> str:
        """LangGraph adds the callbacks around it to those that are given."""
        await inner.ainvoke({"messages": [("user", question)]}, {"callbacks": []})
        return "thought"

    wanted = ToolCall("think", {"question": "why?"}, id="c1")
    run = astream(create_agent(says(calls(wanted), "Done"), [think]), HI)
    events = await all_of(run)
    assert [text.text for text in of(ev.TextFinished, events)] == ["Inner words", "Done"]
    (helper,) = [step for step in of(ev.StepStarted, events) if step.name == "helper"]
    assert helper.cause == "c1"
    assert on_screen(events) == ["Done"]
