"""What is said to those who ask a view, or a handle, for what it cannot give."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from pydantic import BaseModel

from langchain_streamkit import InvalidOutput, StreamUsageError, adapt, astream, stream
from langchain_streamkit.testing import ScriptedModel
from tests.routes.played import v2_items
from tests.runs.scenes import QUESTION, State, answering, graph, raising, speaking
from tests.views.reading import agent, aread


class Recipe(BaseModel):
    title: str
    minutes: int


def nested() -> Any:
    inner = graph(("writer", speaking(answering("inner "), "writer")))
    return graph(("research", inner), ("teller", speaking(answering("outer "), "teller")))


# ---- filters that match nothing ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (
            lambda run: run.text(node="writr"),
            "node='writr', which never ran; did you mean 'writer'",
        ),
        (
            lambda run: run.text(node="writr", settled=True),
            "node='writr', which never ran; did you mean 'writer'",
        ),
        (lambda run: run.messages(node="tellr"), "did you mean 'teller'"),
        (lambda run: run.tool_calls(node="xyz"), "ran: 'research', 'teller', 'writer'"),
        (
            lambda run: run.text(path="research/writr"),
            "path='research/writr', which never ran; did you mean 'writer'",
        ),
        (lambda run: run.values(path="reserch"), "did you mean 'research'"),
    ],
)
async def test_a_filter_that_names_what_never_ran_is_said_in_the_log_with_the_nearest(
    view: Callable[[Any], Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = astream(nested(), QUESTION)
    assert await aread(view(run)) == []
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "langchain_streamkit")
    assert run.run_id in record.message
    assert said in record.message
    assert list(view(stream(nested(), QUESTION))) == []
    assert said in caplog.records[-1].message


async def test_a_partial_object_of_a_node_that_never_ran_is_said_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(InvalidOutput):
        await aread(astream(nested(), QUESTION).partial(Recipe, node="writr"))
    assert "did you mean 'writer'" in caplog.text


@pytest.mark.parametrize(
    "view",
    [
        lambda run: run.text,
        lambda run: run.text(audience="internal"),
        lambda run: run.text(node="writer", audience="internal"),
        lambda run: run.text(path="research/writer"),
        lambda run: run.messages(node="research"),
        lambda run: run.tool_calls(node="teller"),
        lambda run: run.values(path="research"),
        lambda run: run.values(node="research"),
    ],
)
async def test_a_filter_that_names_what_ran_says_nothing(
    view: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    await aread(view(astream(nested(), QUESTION)))
    assert caplog.text == ""


async def test_a_node_of_the_graph_that_had_no_turn_this_time_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def spare(state: State) -> dict[str, Any]:
        return {}

    inner = StateGraph(State).add_node("writer", speaking(answering("in "), "writer"))
    inner.add_node("never_in_there", spare).add_edge(START, "writer")
    whole = StateGraph(State).add_node("research", inner.compile())
    whole.add_node("never", spare).add_edge(START, "research")
    run = astream(whole.compile(), QUESTION)
    for view in (
        run.text(node="never"),
        run.text(path="never"),
        run.text(path="research/never_in_there"),
        run.text(node="never_in_there"),
    ):
        assert await aread(view) == []
    assert caplog.text == ""


async def test_a_run_that_did_not_finish_says_nothing_of_what_did_not_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = astream(graph(("one", raising(ValueError("no")))), QUESTION)
    assert await aread(run.text(node="writr")) == []
    assert "never ran" not in caplog.text


async def test_an_adapted_run_and_a_bare_model_say_what_never_ran(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert list(adapt(await v2_items()).text(node="on")) == []
    assert "node='on', which never ran; did you mean 'one'" in caplog.text
    assert await aread(astream(answering("hi"), "hi").text(node="model")) == []
    assert "node='model', which never ran; (no node did)" in caplog.text


# ---- states of what is no graph ------------------------------------------------------------------


async def test_the_states_of_a_bare_model_are_refused_when_they_are_opened() -> None:
    model = answering("hi")
    for runnable in (model, model.bind(stop=["x"])):
        with pytest.raises(StreamUsageError, match=r"states of a graph.*ScriptedModel.*run\.text"):
            await aread(astream(runnable, "hi").values)
        with pytest.raises(StreamUsageError, match="states of a graph"):
            list(stream(runnable, "hi").values)


async def test_a_chain_has_the_states_of_the_graph_in_it_or_the_log_says_that_there_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first: Any = RunnableLambda(lambda value: value)
    assert len(await aread(astream(first | nested(), QUESTION).values)) == 3
    assert caplog.text == ""
    assert await aread(astream(first | answering("hi"), "hi").values) == []
    assert "states of a graph" in caplog.text
    assert "no graph ran" in caplog.text


# ---- called as people try ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "advice"),
    [
        (lambda run: run.text("model"), r"run\.text\(node='model'\)"),
        (lambda run: run.messages("model"), r"run\.messages\(node='model'\)"),
        (lambda run: run.tool_calls("model"), r"run\.tool_calls\(node='model'\)"),
        (lambda run: run.values("model"), r"run\.values\(node='model'\)"),
        (lambda run: run.partial(Recipe, "model"), r"run\.partial\(Recipe, node='model'\)"),
    ],
)
def test_a_filter_without_its_name_is_answered_with_what_to_write(
    ask: Callable[[Any], Any], advice: str
) -> None:
    for call in (astream, stream):
        with pytest.raises(StreamUsageError, match=advice):
            ask(call(agent(), QUESTION))


async def awaited(what: Any) -> Any:
    return await what


async def test_handles_of_an_async_run_say_how_they_are_read() -> None:
    run = astream(agent(), QUESTION)
    called: list[Any] = []
    async for message in run.messages:
        with pytest.raises(StreamUsageError, match=r"`async for piece in message`"):
            list(message)
        with pytest.raises(StreamUsageError, match=r"`await message\.text`.*message\.result\(\)"):
            await awaited(message)
        async for call in message.tool_calls:
            called.append(call)
            with pytest.raises(StreamUsageError, match=r"`await call\.result\(\)`"):
                await awaited(call)
    assert called


async def test_handles_of_a_plain_run_say_how_they_are_read() -> None:
    run = stream(agent(), QUESTION)
    called: list[Any] = []
    for message in run.messages:
        with pytest.raises(StreamUsageError, match="`for piece in message`"):
            aiter(message)
        with pytest.raises(StreamUsageError, match=r"`message\.text\.get\(\)`"):
            await awaited(message)
        with pytest.raises(StreamUsageError, match=r"`message\.text\.get\(\)`"):
            await awaited(message.text)
        for call in message.tool_calls:
            called.append(call)
            with pytest.raises(StreamUsageError, match=r"`call\.result\(\)`"):
                await awaited(call)
    assert called


async def test_an_awaited_text_is_answered_with_the_two_ways_to_have_it_whole() -> None:
    with pytest.raises(StreamUsageError, match=r"async for.*run\.result\(\)"):
        await awaited(astream(answering("hi"), "hi").text)


async def test_a_run_that_is_read_twice_says_what_to_make_anew() -> None:
    run = astream(answering("hi"), "hi")
    await aread(run)
    with pytest.raises(StreamUsageError, match=r"call astream\(\) again"):
        aiter(run)
    plain = stream(answering("hi"), "hi")
    list(plain)
    with pytest.raises(StreamUsageError, match=r"call stream\(\) again"):
        iter(plain)
    adapted = adapt(await v2_items())
    list(adapted)
    with pytest.raises(StreamUsageError, match=r"adapt\(\) a new stream") as caught:
        iter(adapted)
    assert "stream()" not in str(caught.value)


# ---- objects that were never written -------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Well, I do not know.", "holds no JSON object: 'Well, I do not know.'"),
        ("Use {braces}, {they} said.", "holds no JSON object: 'Use {braces}, {they} said.'"),
        ("Well, " * 50, "holds no JSON object: 'Well, Well, "),
        ('Sure: {"title": "So', """the JSON '{"title": "So' is no Recipe: Unterminated string"""),
        ('{"title": "Soup"}', "minutes"),
    ],
)
async def test_an_answer_without_the_object_is_shown_from_its_beginning(
    said: str, shown: str
) -> None:
    with pytest.raises(InvalidOutput) as caught:
        await aread(astream(ScriptedModel([said]), "hi").partial(Recipe))
    assert shown in str(caught.value)
    assert "Recipe" in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.text in said
    assert caught.value.text[:5] in str(caught.value)
