"""``on_cancel="keep_partial"``: what a cancelled run was saying is in its thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from langchain_streamkit import RunCancelled, StreamUsageError, adapt, astream, stream
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn
from tests.runs.scenes import QUESTION, State, answering, graph, one_node, speaking
from tests.runs.watching import WAIT_S, aeventually, eventually

KEEP: Any = {"thread_id": "t", "on_cancel": "keep_partial"}
CONFIG: Any = {"configurable": {"thread_id": "t"}}


def stuck(*before: Any) -> ScriptedModel:
    """A model that says something and stops; asked again, it repeats what it was told."""

    def told(messages: list[BaseMessage]) -> str:
        return " | ".join(str(message.text) for message in messages)

    return ScriptedModel([[*(before or ("Once upon ", "a time")), threading.Event()], told, told])


async def cancelled(runnable: Any, text: str, **options: Any) -> Any:
    run = astream(runnable, QUESTION, **{**KEEP, **options})
    reader = asyncio.ensure_future(_read(run))
    await aeventually(lambda: text in run.snapshot.live_text, text)
    async with asyncio.timeout(WAIT_S):
        await run.cancel()
        await reader
    return run


async def _read(run: Any) -> list[Any]:
    return [event async for event in run]


def history(graph: Any) -> list[tuple[str, str]]:
    messages = graph.get_state(CONFIG).values["messages"]
    return [(message.type, str(message.text)) for message in messages]


async def test_the_text_so_far_is_in_the_thread_when_cancel_returns_marked_as_partial() -> None:
    app = one_node(stuck(), checkpointer=InMemorySaver())
    run = await cancelled(app, "a time")
    assert history(app) == [("human", "hi"), ("ai", "Once upon a time")]
    last = app.get_state(CONFIG).values["messages"][-1]
    assert last.additional_kwargs == {"partial": True}
    assert last.id == run.snapshot.messages[-1].message_id
    with pytest.raises(RunCancelled):
        await run.result()


async def test_the_next_message_of_the_user_sees_the_partial_answer() -> None:
    app = one_node(stuck(), checkpointer=InMemorySaver())
    await cancelled(app, "a time")
    assert app.get_state(CONFIG).next == ()
    run = astream(app, {"messages": [("user", "go on")]}, thread_id="t")
    result = await run.result()
    assert result["messages"][-1].text == "hi | Once upon a time | go on"
    assert [message.type for message in result["messages"]] == ["human", "ai", "human", "ai"]


async def test_an_agent_goes_on_after_it() -> None:
    app: Any = create_agent(stuck(), [], checkpointer=InMemorySaver())
    await cancelled(app, "a time")
    assert history(app) == [("human", "hi"), ("ai", "Once upon a time")]
    result = await app.ainvoke({"messages": [("user", "go on")]}, CONFIG)
    assert result["messages"][-1].text == "hi | Once upon a time | go on"


async def test_a_call_cut_in_half_is_left_out() -> None:
    model = stuck("Let me ", "look.", {"index": 0, "id": "1", "name": "search", "args": '{"q'})
    app = one_node(model, checkpointer=InMemorySaver())
    await cancelled(app, "Let me look.")
    last = app.get_state(CONFIG).values["messages"][-1]
    assert (last.text, last.tool_calls, last.invalid_tool_calls) == ("Let me look.", [], [])


async def test_only_the_node_that_was_cut_is_kept_and_what_was_done_stays() -> None:
    app = graph(
        ("first", speaking(answering("done"), "first")),
        ("second", speaking(stuck(), "second")),
        checkpointer=InMemorySaver(),
    )
    await cancelled(app, "a time")
    assert history(app) == [("human", "hi"), ("ai", "done"), ("ai", "Once upon a time")]


async def test_what_a_graph_used_as_a_node_was_saying_is_kept_in_the_outer_thread() -> None:
    inner = graph(("say", speaking(stuck(), "say")))
    app = graph(("team", inner), checkpointer=InMemorySaver())
    await cancelled(app, "a time")
    assert history(app) == [("human", "hi"), ("ai", "Once upon a time")]
    assert app.get_state(CONFIG).next == ()


async def test_an_answer_that_was_whole_but_not_stored_yet_is_kept() -> None:
    async def node(state: Any) -> Any:
        answer = await answering("all said").ainvoke(state["messages"])
        await asyncio.Event().wait()
        return {"messages": [answer]}

    app = graph(("node", node), checkpointer=InMemorySaver())
    await cancelled(app, "all said")
    assert history(app) == [("human", "hi"), ("ai", "all said")]


async def test_an_attempt_that_died_before_the_cancel_is_not_kept() -> None:
    model = ScriptedModel([Turn("wrong", fail_after=1), ["right", threading.Event()]])
    retried = model.with_retry(wait_exponential_jitter=False)
    app = one_node(retried, checkpointer=InMemorySaver())
    await cancelled(app, "right")
    assert history(app) == [("human", "hi"), ("ai", "right")]


async def test_text_that_is_not_for_the_user_is_not_kept() -> None:
    hidden = stuck().with_config(tags=["nostream"])
    app = one_node(hidden, checkpointer=InMemorySaver())
    run = astream(app, QUESTION, **KEEP)
    await run.started()
    await aeventually(lambda: any("time" in m.text for m in run.snapshot.messages), "text")
    await run.cancel()
    assert history(app) == [("human", "hi")]


async def test_on_end_finds_it_written() -> None:
    app = one_node(stuck(), checkpointer=InMemorySaver())
    found: list[Any] = []
    await cancelled(app, "a time", on_end=lambda _: found.extend(history(app)))
    assert found[-1] == ("ai", "Once upon a time")


async def test_without_it_the_thread_stays_as_it_was() -> None:
    app = one_node(stuck(), checkpointer=InMemorySaver())
    await cancelled(app, "a time", on_cancel="drop")
    assert history(app) == [("human", "hi")]


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_it_is_kept_with_every_durability_that_has_stored_the_question(
    durability: str,
) -> None:
    app = one_node(stuck(), checkpointer=InMemorySaver())
    await cancelled(app, "a time", call={"durability": durability})
    assert history(app) == [("human", "hi"), ("ai", "Once upon a time")]


async def test_a_run_that_ends_well_writes_nothing() -> None:
    app = one_node(answering("fine"), checkpointer=InMemorySaver())
    await astream(app, QUESTION, **KEEP).result()
    assert history(app) == [("human", "hi"), ("ai", "fine")]


async def test_leaving_the_last_reader_keeps_it_too() -> None:
    app = one_node(stuck(), checkpointer=InMemorySaver())
    text = aiter(astream(app, QUESTION, **KEEP).text)
    assert await anext(text) == "Once upon "
    await text.aclose()
    assert history(app)[-1][1].startswith("Once upon")


async def test_a_failing_write_is_a_line_in_the_log_and_hides_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = one_node(stuck(), checkpointer=InMemorySaver())

    async def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(app, "abulk_update_state", broken)
    with caplog.at_level(logging.ERROR, "langchain_streamkit"):
        run = await cancelled(app, "a time")
    assert run.outcome == "cancelled"
    assert "could not be kept" in caplog.text


def test_a_plain_run_keeps_it_too() -> None:
    app = one_node(
        ScriptedModel([Turn(["word "] * 5000, delay=0.001)]), checkpointer=InMemorySaver()
    )
    run = stream(app, QUESTION, **KEEP)
    run.started()
    eventually(lambda: "word word" in run.snapshot.live_text, "two words")
    run.cancel()
    ((_, _), (kind, text)) = history(app)
    assert kind == "ai"
    assert text == run.snapshot.messages[-1].text
    assert isinstance(app.get_state(CONFIG).values["messages"][-1], AIMessage)


# ---- where it cannot work ------------------------------------------------------------------------


class Wordless(TypedDict):
    count: int


def wordless() -> Any:
    builder: StateGraph[Wordless] = StateGraph(Wordless)
    builder.add_node("n", lambda state: state)
    builder.add_edge(START, "n")
    return builder.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize(
    ("runnable", "options", "says"),
    [
        (answering, {}, "is for graphs with a checkpointer, ScriptedModel is none"),
        (lambda: one_node(answering()), {}, "needs a checkpointer"),
        (lambda: one_node(answering(), checkpointer=True), {}, "needs a checkpointer"),
        (wordless, {}, "needs a state with messages"),
        (
            lambda: one_node(answering(), checkpointer=InMemorySaver()),
            {"on_cancel": "keep"},
            "on_cancel='keep_partial'",
        ),
    ],
)
def test_where_nothing_can_be_kept_it_is_refused(
    runnable: Callable[[], Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(StreamUsageError, match=says):
        astream(runnable(), QUESTION, **{**KEEP, **options})


def test_an_adapted_stream_has_no_such_option() -> None:
    with pytest.raises(StreamUsageError, match="on_cancel"):
        adapt([], on_cancel="keep_partial")


async def test_a_tool_that_runs_when_the_run_is_cancelled_keeps_nothing_new() -> None:
    running = asyncio.Event()

    async def tools(state: Any) -> Any:
        running.set()
        await asyncio.Event().wait()

    model = ScriptedModel([Turn("Let me look.", tool_calls=[ToolCall("t", {}, id="1")])])
    app = graph(("ask", speaking(model, "ask")), ("tools", tools), checkpointer=InMemorySaver())
    run = astream(app, QUESTION, **KEEP)
    reader = asyncio.ensure_future(_read(run))
    async with asyncio.timeout(WAIT_S):
        await running.wait()
        await run.cancel()
        await reader
    assert [kind for kind, _ in history(app)] == ["human", "ai"]
    assert not app.get_state(CONFIG).values["messages"][-1].additional_kwargs


async def test_what_a_sibling_had_finished_is_kept_with_it() -> None:
    builder: StateGraph[State] = StateGraph(State)
    for name, model in (("done", answering("finished")), ("cut", stuck())):
        builder.add_node(name, speaking(model, name))
        builder.add_edge(START, name)
    app: Any = builder.compile(checkpointer=InMemorySaver())
    run = astream(app, QUESTION, **KEEP)
    reader = asyncio.ensure_future(_read(run))

    def both() -> bool:
        said = {m.path: (m.status, m.text) for m in run.snapshot.messages}
        ended = [step.path for step in run.snapshot.steps if step.outcome == "ok"]
        return ("done",) in ended and said.get(("cut",)) == ("open", "Once upon a time")

    await aeventually(both, "one node that has ended and one that speaks")
    await run.cancel()
    await reader
    assert sorted(history(app)) == [
        ("ai", "Once upon a time"),
        ("ai", "finished"),
        ("human", "hi"),
    ]
