"""Views and events of one run, read at the same time, in any order, late, often or not at all."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref
from typing import Any

import pytest

from langchain_streamkit import StreamUsageError, adapt, astream, sse_bytes
from langchain_streamkit.events import ToolCallStarted
from langchain_streamkit.runs.views.text_feed import TextFeed
from langchain_streamkit.testing import ScriptedModel, assert_legal
from tests.runs.scenes import QUESTION, answering, graph, one_node, raising, speaking
from tests.runs.watching import WAIT_S, aeventually
from tests.views.reading import agent, aread, two_voices, user_text

NAMES = ("events", "text", "messages", "tool_calls", "values")


def readers(run: Any) -> dict[str, Any]:
    return {
        "events": run,
        "text": run.text,
        "messages": run.messages,
        "tool_calls": run.tool_calls,
        "values": run.values,
    }


def check(run: Any, got: dict[str, list[Any]]) -> None:
    """Whatever was read is whole."""
    if "events" in got:
        assert_legal(got["events"])
    if "text" in got:
        assert "".join(got["text"]) == "Let me look.It is sunny."
    if "messages" in got:
        assert [message.node for message in got["messages"]] == ["ask", "tell"]
    if "tool_calls" in got:
        assert [call.args for call in got["tool_calls"]] == [{"city": "Rome"}]
    if "values" in got:
        assert len(got["values"][-1]["messages"]) == 4


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES))[::7])
async def test_all_views_and_the_events_read_at_once_lose_nothing_in_any_order(
    order: tuple[str, ...],
) -> None:
    run = astream(agent(), QUESTION)
    views = readers(run)
    found = await asyncio.gather(*(aread(views[name]) for name in order))
    check(run, dict(zip(order, found, strict=True)))


@pytest.mark.parametrize("count", range(1, 5))
async def test_views_that_are_read_lose_nothing_whichever_are_not(count: int) -> None:
    for chosen in itertools.combinations(NAMES, count):
        run = astream(agent(), QUESTION)
        views = readers(run)
        found = await asyncio.gather(*(aread(views[name]) for name in chosen))
        check(run, dict(zip(chosen, found, strict=True)))


async def test_views_read_one_after_the_other_after_the_end_lose_nothing() -> None:
    run = astream(agent(), QUESTION)
    views = readers(run)
    check(run, {name: await aread(views[name]) for name in NAMES})


async def test_a_view_opened_late_gets_the_text_so_far_as_one_piece_then_goes_on_live() -> None:
    gate = asyncio.Event()
    run = astream(ScriptedModel([["one ", "two ", gate, "three"]]), "hi")
    early = aiter(run.text)
    assert [await anext(early), await anext(early)] == ["one ", "two "]
    late = aiter(run.text)
    assert await anext(late) == "one two "
    gate.set()
    assert await anext(late) == "three"
    assert await aread(early) == ["three"]
    assert await aread(late) == []


async def test_a_reader_that_comes_back_late_gets_one_piece_for_each_message() -> None:
    run = astream(two_voices(), QUESTION)
    idle = aiter(run.text)
    await run.result()
    assert await aread(idle) == ["One two three", "Four five"]


async def test_two_iterations_of_one_view_both_get_everything() -> None:
    run = astream(two_voices(), QUESTION)
    text = run.text
    first, second = await asyncio.gather(aread(text), aread(text))
    assert "".join(first) == "".join(second) == "One two threeFour five"


async def test_one_view_read_by_two_tasks_in_turn_gives_each_piece_once() -> None:
    run = astream(answering("a b c d e f"), "hi")
    text = aiter(run.text)
    found = await asyncio.gather(aread(text), aread(text))
    assert sorted("".join([*found[0], *found[1]]).split()) == list("abcdef")


async def test_events_can_still_be_read_after_a_view() -> None:
    run = astream(two_voices(), QUESTION)
    await aread(run.text)
    assert_legal(await aread(run))


async def test_a_run_of_which_only_views_are_read_is_not_stopped_for_its_unread_events() -> None:
    run = astream(answering("word " * 50), "hi", max_unread=5)
    assert "".join(await aread(run.text)) == "word " * 50
    assert run.outcome == "finished"
    with pytest.raises(StreamUsageError, match="a view was read first"):
        aiter(run)


async def test_a_reader_that_came_after_a_view_still_overflows_rather_than_lose_events() -> None:
    gate = asyncio.Event()
    nodes = [(f"n{i}", speaking(answering(), f"n{i}")) for i in range(4)]
    gated = speaking(ScriptedModel([["one", gate]]), "first")
    run = astream(graph(("first", gated), *nodes), QUESTION, max_unread=20)
    text = aiter(run.text)
    assert await anext(text) == "one"
    events = aiter(run)
    await anext(events)
    gate.set()
    await aread(text)
    assert run.outcome == "failed"
    types = [event.type for event in await aread(events)]
    assert types[-1] == "run.failed"


async def test_a_view_that_nobody_opened_holds_nothing() -> None:
    run = astream(two_voices(), QUESTION)
    unopened = run.text, run.messages, run.tool_calls
    assert [event async for event in run]
    assert not run._core.sequencer.views
    del unopened


async def test_a_view_that_ended_holds_nothing() -> None:
    run = astream(two_voices(), QUESTION)
    await asyncio.gather(aread(run.text), aread(run.messages))
    assert not run._core.sequencer.views


async def test_an_idle_open_view_holds_text_not_tokens() -> None:
    run = astream(answering("word " * 500), "hi")
    idle = aiter(run.text)
    assert [event async for event in run]
    (feed,) = run._core.sequencer.views
    assert isinstance(feed, TextFeed)
    assert len(feed._unread) == 1
    assert await aread(idle) == ["word " * 500]


async def test_a_view_of_a_dropped_run_reads_on() -> None:
    text = astream(two_voices(), QUESTION).text
    gc.collect()
    assert "".join(await aread(text)) == "One two threeFour five"


async def test_a_finished_run_is_freed_although_its_views_were_read() -> None:
    run = astream(two_voices(), QUESTION)
    await asyncio.gather(aread(run.text), aread(run.messages))
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None


# ---- what views see ------------------------------------------------------------------------------


async def test_map_applies_to_views() -> None:
    def redact(event: Any) -> Any:
        if event.type == "text.delta":
            return type(event)(**{**_fields(event), "text": event.text.replace("you", "***")})
        return None if event.type.startswith("tool") else event

    run = astream(answering("hello you there"), "hi").map(redact)
    live, _ = await asyncio.gather(aread(run.text), aread(run))
    assert "".join(live) == "hello *** there"


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


@pytest.mark.parametrize("options", [{"include": ["run"]}, {"exclude": ["text", "message"]}])
async def test_include_and_exclude_do_not_starve_views(options: dict[str, Any]) -> None:
    run = astream(two_voices(), QUESTION, **options)
    events, text = await asyncio.gather(aread(run), aread(run.text))
    assert "".join(text) == "One two threeFour five"
    assert not any(event.type.startswith("text") for event in events)


async def test_views_end_without_raising_the_error_of_the_run() -> None:
    run = astream(
        graph(("say", speaking(answering())), ("fail", raising(ValueError("no")))), QUESTION
    )
    assert "".join(await aread(run.text)) == "Hello you there"
    assert run.outcome == "failed"
    with pytest.raises(ValueError, match="no"):
        await run.result()


async def test_views_of_an_adapted_run_are_those_of_the_run_itself() -> None:
    source = agent().astream_events(QUESTION, version="v2")
    run = adapt(source)
    got = await asyncio.gather(aread(run.text), aread(run.messages), aread(run))
    assert "".join(got[0]) == "Let me look.It is sunny."
    assert [message.node for message in got[1]] == ["ask", "tell"]
    assert_legal(got[2])


async def test_a_view_of_what_is_no_stream_says_so() -> None:
    async def nonsense() -> Any:
        yield object()

    run = adapt(nonsense())
    with pytest.raises(Exception, match="object"):
        await aread(run.text)


async def test_views_see_the_text_that_a_sink_sees_too() -> None:
    seen: list[Any] = []
    run = astream(agent(), QUESTION, sinks=[seen.append])
    assert "".join(await aread(run.text)) == "Let me look.It is sunny."
    assert user_text(run.snapshot) == "Let me look.It is sunny."


# ---- beside a response ---------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_a_view_opened_beside_a_response_gets_all_text_and_so_does_the_response(
    before: int,
) -> None:
    run = astream(answering("one two three four five six"), "hi")
    body = aiter(sse_bytes(run))
    first = b"".join([await anext(body) for _ in range(before)])
    text, rest = await asyncio.gather(aread(run.text), aread(body))
    assert "".join(text) == "one two three four five six"
    whole = (first + b"".join(rest)).decode()
    assert whole.count('"type":"text.delta"') + 0 >= 1
    assert whole.count("run.finished") >= 1


async def test_a_view_beside_a_response_that_nobody_reads_does_not_hang() -> None:
    run = astream(answering("one two three"), "hi")
    body = aiter(sse_bytes(run))
    await anext(body)
    assert "".join(await aread(run.text)) == "one two three"
    assert run.outcome == "finished"
    assert b"run.finished" in b"".join(await aread(body))


async def test_a_view_opened_while_a_response_waits_for_a_token_gets_all_text() -> None:
    gate = asyncio.Event()
    run = astream(ScriptedModel([["one ", "two ", gate, "three ", "four"]]), "hi")
    body = asyncio.ensure_future(aread(sse_bytes(run)))
    await aeventually(lambda: run.snapshot.live_text == "one two ", "two words")
    text = aiter(run.text)
    gate.set()
    assert "".join(await aread(text)) == "one two three four"
    assert b"run.finished" in b"".join(await body)


async def test_cancel_reaches_a_model_that_a_response_and_a_view_share() -> None:
    run = astream(ScriptedModel([["one ", asyncio.Event()]]), "hi")
    body = aiter(sse_bytes(run))
    await anext(body)
    text = aiter(run.text)
    async with asyncio.timeout(WAIT_S):
        assert await anext(text) == "one "
        await run.cancel()
    assert await aread(text) == []
    assert b"run.cancelled" in b"".join(await aread(body))


# ---- inside the run ------------------------------------------------------------------------------


async def test_a_view_read_in_an_async_sink_gets_everything() -> None:
    found: list[str] = []

    async def sink(event: Any) -> None:
        if event.type == "run.started":
            found.extend(await aread(run.text))

    run = astream(two_voices(), QUESTION, sinks=[sink])
    async with asyncio.timeout(WAIT_S):
        await run.result()
    assert "".join(found) == "One two threeFour five"


async def test_a_view_read_in_on_end_gets_everything() -> None:
    found: list[str] = []

    async def on_end(_: Any) -> None:
        found.extend(await aread(run.text))

    run = astream(two_voices(), QUESTION, on_end=on_end)
    async with asyncio.timeout(WAIT_S):
        await run.result()
    assert "".join(found) == "One two threeFour five"


async def test_a_node_that_would_wait_for_its_own_run_is_told_so() -> None:
    async def greedy(state: Any) -> Any:
        return {"messages": await aread(run.text)}

    run = astream(graph(("say", speaking(answering())), ("greedy", greedy)), QUESTION)
    with pytest.raises(StreamUsageError, match="it would wait for itself"):
        await asyncio.wait_for(run.result(), WAIT_S)


async def test_a_node_may_read_what_has_been_said_so_far() -> None:
    async def curious(state: Any) -> Any:
        return {"messages": [("assistant", (await anext(aiter(run.text))).upper())]}

    run = astream(graph(("say", speaking(answering("so far"))), ("curious", curious)), QUESTION)
    events = aiter(run)
    await aread(events)
    assert run.snapshot.text == "SO FAR"


async def test_a_view_opened_in_map_gets_everything_from_there() -> None:
    opened: list[Any] = []

    def peek(event: Any) -> Any:
        if isinstance(event, ToolCallStarted):
            opened.append(aiter(run.text))
        return event

    run = astream(agent(), QUESTION).map(peek)
    await aread(run)
    assert "".join(await aread(opened[0])) == "Let me look.It is sunny."


async def test_views_of_an_async_run_are_refused_to_plain_for() -> None:
    with pytest.raises(StreamUsageError, match="async for"):
        iter(astream(one_node(answering()), QUESTION).text)


def test_a_view_in_another_loop_is_refused() -> None:
    run = astream(answering(), "hi")
    asyncio.run(aread(run.text))
    with pytest.raises(StreamUsageError, match="another event loop"):
        asyncio.run(aread(run.text))


async def test_views_are_refused_to_await() -> None:
    run: Any = astream(ScriptedModel(["Hi"]), "hi")
    for view in (run.text, run.text(), run.messages, run.tool_calls):
        with pytest.raises(StreamUsageError, match="write `async for`"):
            await view


async def test_a_view_that_is_printed_says_how_it_is_read() -> None:
    run = astream(ScriptedModel(["Hi"]), "hi")
    assert repr(run.text) == f"<AsyncText of run {run.run_id}: read it with `async for`>"
