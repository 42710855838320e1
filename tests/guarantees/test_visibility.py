"""What is not for the user is marked as internal, and is off the screen unless someone asks."""

from __future__ import annotations

import io
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_streamkit import ConsoleSink, StreamCallbackHandler, astream, decode_event, sse_bytes
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ToolCall
from tests.guarantees.pains import all_of, legal, of, on_screen
from tests.scenarios.told import HI, calls, graph, node_of, says

SECRET = "Secret words"
ANSWER = "The answer"


def then_answer(**hidden: Any) -> Any:
    return graph(**hidden, writer=node_of(says(ANSWER))).compile()


def tagged_nostream() -> Any:
    return then_answer(thinker=node_of(says(SECRET).with_config(tags=["nostream"])))


def a_node_tagged_nostream() -> Any:
    thinker = node_of(says(SECRET))

    async def outer(state: Any) -> dict[str, Any]:
        await RunnableLambda(thinker).ainvoke(state, {"tags": ["nostream"]})
        return {}

    return then_answer(thinker=outer)


def marked_by_middleware() -> Any:
    metadata = {"lc_source": "tool_selection"}
    return then_answer(thinker=node_of(says(SECRET).with_config(metadata=metadata)))


def a_summary() -> Any:
    summarise = SummarizationMiddleware(
        model=says(SECRET), trigger=("messages", 1), keep=("messages", 1)
    )
    seen = graph(
        agent=create_agent(says(ANSWER), [], middleware=[summarise]),
    )
    return seen.compile()


def a_sub_agent_in_a_tool() -> Any:
    inner: Any = create_agent(says(SECRET), [])

    @tool
    async def research(question: str) -> str:
        """Ask the inner agent."""
        await inner.ainvoke({"messages": [("user", question)]})
        return "found"

    wanted = ToolCall("research", {"question": "why?"}, id="c1")
    return create_agent(says(calls(wanted), ANSWER), [research])


HIDDEN = [
    tagged_nostream,
    a_node_tagged_nostream,
    marked_by_middleware,
    a_summary,
    a_sub_agent_in_a_tool,
]
ASKED: dict[str, Any] = {"messages": [("user", "one"), ("ai", "two"), ("user", "three")]}


@pytest.fixture(params=HIDDEN, ids=lambda make: make.__name__)
def hiding(request: pytest.FixtureRequest) -> Any:
    return request.param()


async def test_what_is_hidden_is_there_and_marked_as_internal(hiding: Any) -> None:
    events = await all_of(astream(hiding, ASKED))
    spoken = {event.message_id: event.text for event in of(ev.TextFinished, events)}
    audience = {event.message_id: event.audience for event in of(ev.MessageStarted, events)}
    assert {audience[key] for key, text in spoken.items() if text == SECRET} == {"internal"}
    assert {audience[key] for key, text in spoken.items() if text == ANSWER} == {"user"}
    assert on_screen(events) == [ANSWER]


async def test_the_text_of_a_run_is_without_what_is_hidden(hiding: Any) -> None:
    run = astream(hiding, ASKED)
    await all_of(run)
    assert run.snapshot.text == ANSWER


async def test_the_chat_view_on_a_wire_is_without_what_is_hidden(hiding: Any) -> None:
    frames = "".join([data.decode() async for data in sse_bytes(astream(hiding, ASKED))])
    assert SECRET.split(maxsplit=1)[0] not in frames
    sent = [decode_event(line[6:]) for line in frames.splitlines() if line.startswith('data: {"')]
    assert on_screen(sent) == [ANSWER]


@pytest.mark.parametrize(("show", "times"), [({}, 0), ({"show": ["text", "internal"]}, 1)])
async def test_the_console_is_without_what_is_hidden_unless_asked(
    hiding: Any, show: Any, times: int
) -> None:
    paper = io.StringIO()
    await all_of(astream(hiding, ASKED, sinks=[ConsoleSink(paper, **show)]))
    assert min(paper.getvalue().count(SECRET), 1) == times
    assert paper.getvalue().count(ANSWER) == 1


async def test_a_handler_marks_it_too(hiding: Any) -> None:
    handler = StreamCallbackHandler()
    await hiding.ainvoke(ASKED, {"callbacks": [handler]})
    assert on_screen(legal(list(handler))) == [ANSWER]


async def test_langgraphs_own_events_show_what_is_tagged_nostream() -> None:
    shown = [
        event["data"]["chunk"].text
        async for event in tagged_nostream().astream_events(ASKED, version="v2")
        if event["event"] == "on_chat_model_stream"
    ]
    assert SECRET in "".join(shown)


async def test_sub_agents_are_for_the_user_where_that_is_asked() -> None:
    events = await all_of(astream(a_sub_agent_in_a_tool(), HI, show_subagents=True))
    assert on_screen(events) == [SECRET, ANSWER]
