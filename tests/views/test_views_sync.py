"""Views of a plain run: one after the other, or in several threads at once."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import pytest

from langchain_streamkit import StreamUsageError, adapt, stream
from langchain_streamkit.testing import ScriptedModel, assert_legal
from tests.runs.scenes import QUESTION, answering, endless, graph, held, one_node, speaking
from tests.runs.watching import WAIT_S, eventually
from tests.views.reading import agent, read_in_threads, two_voices

NAMES = ("events", "text", "messages", "tool_calls", "values")


def readers(run: Any) -> dict[str, Any]:
    return {
        "events": run,
        "text": run.text,
        "messages": run.messages,
        "tool_calls": run.tool_calls,
        "values": run.values,
    }


def check(got: dict[str, list[Any]]) -> None:
    assert_legal(got["events"])
    assert "".join(got["text"]) == "Let me look.It is sunny."
    assert [message.node for message in got["messages"]] == ["ask", "tell"]
    assert [call.args for call in got["tool_calls"]] == [{"city": "Rome"}]
    assert len(got["values"][-1]["messages"]) == 4


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES))[::11])
def test_views_and_events_read_in_threads_at_once_lose_nothing(order: tuple[str, ...]) -> None:
    views = readers(stream(agent(), QUESTION))
    found = read_in_threads(*(views[name] for name in order))
    check(dict(zip(order, found, strict=True)))


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES))[::11])
def test_views_and_events_read_one_after_the_other_lose_nothing(order: tuple[str, ...]) -> None:
    views = readers(stream(agent(), QUESTION))
    check({name: list(views[name]) for name in order})


def test_two_threads_that_read_the_same_view_each_their_own_way_both_get_everything() -> None:
    run = stream(two_voices(), QUESTION)
    first, second = read_in_threads(run.text, run.text)
    assert "".join(first) == "".join(second) == "One two threeFour five"


def test_many_threads_read_many_tokens_and_none_misses_the_end() -> None:
    run = stream(answering("word " * 300), "hi")
    found = read_in_threads(run, *(run.text for _ in range(6)))
    assert {"".join(text) for text in found[1:]} == {"word " * 300}


def test_messages_can_be_read_inside_their_loop() -> None:
    run = stream(two_voices(), QUESTION)
    said = [(message.node, list(message), message.result().status) for message in run.messages]
    assert [(node, "".join(pieces), status) for node, pieces, status in said] == [
        ("first", "One two three", "finished"),
        ("second", "Four five", "finished"),
    ]


def test_text_reasoning_and_calls_of_a_message_can_be_read() -> None:
    message, _ = list(stream(agent(), QUESTION).messages)
    assert message.text.get() == "Let me look."
    assert message.reasoning.get() == "hm hm"
    assert [call.name for call in message.tool_calls] == ["look_up"]


def test_a_tool_call_gives_its_output() -> None:
    (call,) = list(stream(agent(), QUESTION).tool_calls)
    done = call.result()
    assert (call.status, done.content, call.error) == ("finished", "sunny in Rome", None)


def test_a_view_left_alone_cancels_the_run() -> None:
    run = stream(one_node(endless()), QUESTION)
    for _ in run.text:
        break
    eventually(lambda: run.outcome == "cancelled", "the end of the run")


def test_a_view_left_while_the_events_are_read_does_not_cancel() -> None:
    gate = threading.Event()
    run = stream(held(gate), "hi")
    events = iter(run)
    for _ in run.text:
        break
    gate.set()
    assert list(events)[-1].type == "run.finished"


def test_the_events_left_while_a_view_is_read_does_not_cancel() -> None:
    gate = threading.Event()
    run = stream(held(gate), "hi")
    text = iter(run.text)
    for _ in run:
        break
    gate.set()
    assert "".join(text) == "one two three four"
    assert run.outcome == "finished"


def test_the_last_reader_that_leaves_cancels() -> None:
    run = stream(one_node(endless()), QUESTION)
    first, second = iter(run.text), iter(run.messages)
    next(first)
    first.close()
    assert run.outcome == "running"
    second.close()
    assert run.outcome == "cancelled"


def test_a_plain_sink_that_reads_a_view_gets_what_is_there_and_is_told_not_to_wait() -> None:
    found: list[str] = []
    errors: list[BaseException] = []

    def sink(event: Any) -> None:
        if event.type == "text.finished" and not errors:
            try:
                found.extend(iter(run.text))
            except StreamUsageError as exc:
                errors.append(exc)
                raise

    run = stream(one_node(answering()), QUESTION, sinks=[sink])
    assert list(run)[-1].type == "run.finished"
    assert found == ["Hello you there"]
    assert "wait for itself" in str(errors[0])


def test_a_plain_on_end_that_reads_a_view_gets_everything() -> None:
    found: list[str] = []
    run = stream(two_voices(), QUESTION, on_end=lambda _: found.extend(run.text))
    list(run)
    assert "".join(found) == "One two threeFour five"


def test_a_node_that_would_wait_for_its_own_run_is_told_so() -> None:
    def greedy(state: Any) -> Any:
        return {"messages": list(run.text)}

    run = stream(graph(("say", speaking(answering())), ("greedy", greedy)), QUESTION)
    with pytest.raises(StreamUsageError, match="it would wait for itself"):
        run.result()


def test_a_node_that_leaves_a_view_early_does_not_cancel_its_run() -> None:
    def curious(state: Any) -> Any:
        return {"messages": [("assistant", next(iter(run.text)).upper())]}

    run = stream(graph(("say", speaking(answering("so far"))), ("curious", curious)), QUESTION)
    run.result()
    assert run.snapshot.text == "SO FAR"


def test_views_of_an_adapted_plain_stream_can_be_read() -> None:
    async def recorded() -> list[Any]:
        return [item async for item in agent().astream_events(QUESTION, version="v2")]

    run = adapt(asyncio.run(recorded()))
    assert "".join(run.text) == "Let me look.It is sunny."
    assert len(list(run.messages)) == 2


def test_values_asked_for_before_the_start_are_captured() -> None:
    run = stream(two_voices(), QUESTION)
    assert [len(value["messages"]) for value in run.values] == [1, 2, 3]


def test_values_asked_for_after_the_start_say_what_to_write() -> None:
    run = stream(two_voices(), QUESTION)
    list(run.text)
    with pytest.raises(StreamUsageError, match=r"capture=\{'state'\}"):
        _ = run.values


def test_a_waiting_view_is_stopped_by_cancel_from_another_thread() -> None:
    gate = threading.Event()
    run = stream(ScriptedModel([["one ", gate]]), "hi")
    found: list[list[str]] = []
    reader = threading.Thread(target=lambda: found.append(list(run.text)), daemon=True)
    reader.start()
    eventually(lambda: run.snapshot.live_text == "one ", "the first word")
    run.cancel()
    gate.set()
    reader.join(WAIT_S)
    assert found == [["one "]]


def test_views_of_a_plain_run_are_refused_to_async_for() -> None:
    with pytest.raises(StreamUsageError, match="write `for`"):
        aiter(stream(answering(), "hi").text)


async def test_views_of_a_plain_run_are_refused_to_await() -> None:
    run: Any = stream(ScriptedModel(["Hi"]), "hi")
    for view in (run.text, run.text(), run.messages):
        with pytest.raises(StreamUsageError, match="write `for`"):
            await view


def test_a_view_that_is_printed_says_how_it_is_read() -> None:
    run = stream(ScriptedModel(["Hi"]), "hi")
    assert repr(run.text) == f"<Text of run {run.run_id}: read it with `for`>"
