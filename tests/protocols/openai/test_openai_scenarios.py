"""Runs of every kind: what OpenAI's SDK puts together is what the run's snapshot says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from pydantic import BaseModel

from langchain_streamkit import RunSnapshot, astream
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import ReasoningDelta, ReasoningFinished, ReasoningStarted
from langchain_streamkit.testing import ToolCall, Turn
from langchain_streamkit.wire.openai.chat import ChatEncoder, chat_reply
from langchain_streamkit.wire.openai.responses import ResponsesEncoder, responses_reply
from tests.foundation.samples import SAMPLES, Script, whole_run
from tests.lengths import examples
from tests.protocols.openai.heard import Ear, encoded, standing
from tests.scenarios.kinds import KINDS
from tests.scenarios.random_building import Built
from tests.scenarios.random_examples import roots
from tests.scenarios.random_watching import watched
from tests.scenarios.told import HI, add, calls, events_of, multiply, says

if TYPE_CHECKING:
    from langchain_streamkit.events import Event
    from tests.scenarios.random_graphs import Root

UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large]


class City(BaseModel):
    """A city."""

    name: str


async def parallel_tools() -> list[Event]:
    wanted = [ToolCall("add", {"a": 1, "b": 2}), ToolCall("multiply", {"a": 3, "b": 4})]
    turn = Turn("Both", tool_calls=wanted, interleave=True)
    return await events_of(create_agent(says(turn, "3 and 12"), [add, multiply]), HI)


async def client_tools() -> list[Event]:
    wanted = [ToolCall("a", {"x": "é🙂"}), ToolCall("b", {})]
    return await events_of(create_agent(says(calls(*wanted, text="Your turn")), []), HI)


async def structured_output() -> list[Event]:
    agent: Any = create_agent(
        says(calls(ToolCall("City", {"name": "Rome"}))), [], response_format=City
    )
    return await events_of(agent, HI)


async def cancelled() -> list[Event]:
    run = astream(says(Turn(["word "] * 500, delay=0.001)), "hi")
    events: list[Event] = []
    async for event in run:
        events.append(event)
        if event.type == "text.delta":
            await run.cancel()
    return events


async def other_model() -> list[Event]:
    return await events_of(FakeListChatModel(responses=["Not\r\nscripted \u2028"]))


SCENARIOS: dict[str, Callable[[], Awaitable[list[Event]]]] = {
    made.__name__: made
    for made in (parallel_tools, client_tools, structured_output, cancelled, other_model)
}


async def scenario(name: str) -> list[Event]:
    if name in SCENARIOS:
        return await SCENARIOS[name]()
    kind = KINDS[name]
    return await events_of(kind.make(), kind.input, thread_id=kind.thread_id)


@pytest.fixture(scope="module")
def ear() -> Iterator[Ear]:
    with contextlib.closing(Ear()) as found:
        yield found


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "langchain_streamkit")


def assert_heard(ear: Ear, events: list[Event]) -> None:
    """Both clients know what stands, and how the run ended."""
    snapshot = RunSnapshot.from_events(events)
    messages = standing(snapshot)
    texts = [message.text for message in messages if message.text]
    pending = [(c.tool_call_id, c.name, c.args) for c in snapshot.pending_tool_calls]
    chat, response = ear.chat(events), ear.responses(events)

    dropped = [m for m in snapshot.messages if not m.stands and m.audience == "user"]
    if not dropped:
        assert chat.text == "\n\n".join(texts)
    assert all(text in chat.text for text in texts)
    found = [item.content[0].text for item in response.output if item.type == "message"]
    assert "".join(found) == "".join(texts)
    thoughts = [item.summary[0].text for item in response.output if item.type == "reasoning"]
    assert "".join(thoughts) == "".join(message.reasoning for message in messages)

    called = [(c["id"], c["name"], json.loads(c["args"])) for c in chat.calls]
    assert called == pending
    assert [
        (item.call_id, item.name, json.loads(item.arguments))
        for item in response.output
        if item.type == "function_call"
    ] == pending

    match snapshot.outcome:
        case "finished" | "interrupted":
            assert chat.end == ("tool_calls" if pending else "stop")
            assert response.status == "completed"
            sent = encoded(ResponsesEncoder(), events).rpartition(b"data: ")[2]
            assert json.loads(responses_reply(events).body) == json.loads(sent)["response"]
            whole = json.loads(chat_reply(events).body)["choices"][0]
            assert whole["message"]["content"] == ("\n\n".join(texts) or None)
            assert whole["finish_reason"] == chat.end
            assert ear.chat(events, hold_back=True).text == snapshot.text
            assert ear.responses(events, hold_back=True).output_text == snapshot.text
        case "failed" | "cancelled":
            assert chat.end not in ("stop", "length", "tool_calls", None)
            assert response.status == snapshot.outcome
            assert chat_reply(events).status >= 400
            assert responses_reply(events) == chat_reply(events)
        case _:
            raise AssertionError(snapshot.outcome)


@pytest.mark.parametrize("name", [*KINDS, *SCENARIOS])
async def test_client_puts_together_what_the_snapshot_says(name: str, ear: Ear) -> None:
    assert_heard(ear, await scenario(name))


@pytest.mark.parametrize("name", ["model", "fallback", "branches", "client_tools", "cancelled"])
@pytest.mark.parametrize("encoder", [ChatEncoder, ResponsesEncoder])
async def test_encoding_again_gives_the_same_bytes(name: str, encoder: Any) -> None:
    events = await scenario(name)
    for options in ({}, {"tools": "all"}, {"hold_back": True}):
        assert encoded(encoder(**options), events) == encoded(encoder(**options), events)


@pytest.mark.parametrize("name", ["model", "other_model", "client_tools", "failing_model"])
async def test_any_cut_of_the_bytes_is_heard_the_same(name: str, ear: Ear) -> None:
    events = await scenario(name)
    chat, response = ear.chat(events), ear.responses(events)

    @settings(max_examples=10)
    @given(st.lists(st.integers(1, 60), min_size=1, max_size=5))
    def check(sizes: list[int]) -> None:
        ear.sizes = sizes
        assert ear.chat(events) == chat
        assert ear.responses(events) == response

    check()
    ear.sizes = (1 << 20,)


@pytest.mark.parametrize("fault", [False, True])
def test_random_runs_are_heard_as_they_were(ear: Ear, *, fault: bool) -> None:
    with asyncio.Runner() as runner:

        @settings(
            max_examples=examples(40),
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(roots(fault=fault))
        def check(root: Root) -> None:
            seen = runner.run(watched(root, Built(root, plain_only=False), "events"))
            assert_heard(ear, list(seen.events))
            for options in ({"tools": "all"}, {"tools": "all", "hold_back": True}):
                ear.chat(seen.events, **options)
                ear.responses(seen.events, **options)

        check()


def test_thoughts_of_one_message_stand_apart_and_empty_pieces_are_not_sent(ear: Ear) -> None:
    script = Script().start().message()
    for index, piece in enumerate(("First.", "", "Then.")):
        block = {"message_id": "m1", "index": index}
        script(ReasoningStarted, **block)(ReasoningDelta, text=piece, **block)
        script(ReasoningFinished, text=piece, **block)
    events = script.end_message().finish().events
    assert ear.chat(events).reasoning == "First.\n\nThen."
    assert [item.summary[0].text for item in ear.responses(events).output] == ["First.", "Then."]
    whole = json.loads(chat_reply(events).body)["choices"][0]["message"]
    assert whole["reasoning_content"] == "First.\n\nThen."


def test_half_a_character_in_a_name_is_mended(ear: Ear) -> None:
    events = Script("run\ud83d").start().finish().events
    assert ear.responses(events).id == "resp_run\ufffd"


def test_call_without_arguments_has_an_empty_object(ear: Ear) -> None:
    events = Script().start().message().call(args={}).end_message().finish().events
    assert [call["args"] for call in ear.chat(events, tools="all").calls] == ["{}"]
    assert [item.arguments for item in ear.responses(events, tools="all").output] == ["{}"]


def test_calls_that_repeat_an_id_are_told_by_two(ear: Ear) -> None:
    script = Script().start()
    for message_id in ("m1", "m2"):
        script.message(message_id).call("{}", args={}, message_id=message_id)
        script.end_message(message_id)
    events = script.finish().events
    whole = json.loads(chat_reply(events, tools="all").body)["choices"][0]["message"]
    assert [call["id"] for call in whole["tool_calls"]] == ["c1", "c1_2"]
    assert [call["id"] for call in ear.chat(events, tools="all").calls] == ["c1", "c1_2"]
    response = ear.responses(events, tools="all")
    assert [item.call_id for item in response.output] == ["c1", "c1_2"]


@given(st.lists(st.sampled_from([*whole_run(), *SAMPLES.values()]), max_size=60))
def test_no_events_in_any_order_make_an_encoder_raise(events: list[Event]) -> None:
    for tools in ("client", "all"):
        for hold_back in (False, True):
            encoded(ChatEncoder(tools=tools, hold_back=hold_back), events)
            encoded(ResponsesEncoder(tools=tools, hold_back=hold_back), events)


def test_events_that_cannot_be_had_any_further_are_an_error(ear: Ear) -> None:
    begun = whole_run()[:3]
    chat, responses = ChatEncoder(), ResponsesEncoder()
    said = encoded(chat, begun) + b"".join(chat.broken_off("gap", "Some is lost."))
    assert said.endswith(b"data: [DONE]\n\n")
    assert ear.raised(said, "chat") == ("gap", "Some is lost.")
    said = encoded(responses, begun) + b"".join(responses.broken_off("gap", "Some is lost."))
    assert ear.raised(said, "responses") == ("gap", "Some is lost.")


def test_half_of_a_run_has_no_answer() -> None:
    for reply in (chat_reply, responses_reply):
        with pytest.raises(StreamUsageError, match="do not end a run"):
            reply(whole_run()[:-1])


def test_unknown_choice_of_tools_is_refused() -> None:
    makers: list[Any] = [ChatEncoder, ResponsesEncoder]
    for make in makers:
        with pytest.raises(StreamUsageError, match="write 'client' or 'all'"):
            make(tools="none")
