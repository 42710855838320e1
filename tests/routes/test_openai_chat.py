"""``adapt`` of chat completions: the SDK's streams and its helper."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_streamkit import AdaptError, adapt, astream
from langchain_streamkit.errors import ProducerLost
from langchain_streamkit.testing import (
    CutShort,
    DroppedConnection,
    Malformed,
    ProviderError,
    Reasoning,
    ToolCall,
    Turn,
    assert_legal,
    invalid_api_key,
    rate_limited,
    scripted_provider,
)
from tests.routes.openai_parts import ASKED, COUNTED, async_sdk, notes, of_type, plainly, read, sdk

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.messages import AIMessage

    from langchain_streamkit import AsyncRun, Run
    from langchain_streamkit.events import Event

FULL = Turn(
    "Hello you",
    reasoning="I think",
    tool_calls=[ToolCall("add", {"a": 1}, id="c1"), ToolCall("add", {"a": 2}, id="c2")],
    interleave=True,
    usage={
        "input_tokens": 10,
        "output_tokens": 5,
        "input_token_details": {"cache_read": 4, "audio": 1},
        "output_token_details": {"reasoning": 3, "audio": 1},
    },
)

# ---- what the client gives -----------------------------------------------------------------------

SYNC: dict[str, Callable[[openai.OpenAI], Any]] = {
    "create": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "helper": lambda c: c.chat.completions.stream(**ASKED, **COUNTED),
}
ASYNC: dict[str, Callable[[openai.AsyncOpenAI], Any]] = {
    "create": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "helper": lambda c: c.chat.completions.stream(**ASKED, **COUNTED),
}


def check_full(run: Run[Any] | AsyncRun[Any], message: AIMessage, events: list[Event]) -> None:
    (started,) = of_type(events, "message.started")
    assert (started.provider, started.model, started.role) == ("openai", "scripted", "assistant")
    (finished,) = of_type(events, "message.finished")
    assert (finished.finish_reason, finished.raw_finish_reason) == ("tool_calls", "tool_calls")
    usage = finished.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10, 5, 15)
    assert (usage.source, usage.model) == ("provider", "scripted")
    details = usage.details
    assert (details.cache_read, details.reasoning, details.audio) == (4, 3, 2)
    assert (run.snapshot.text, run.snapshot.messages[0].reasoning) == ("Hello you", "I think")
    called = [(c.tool_call_id, c.name, c.args) for c in of_type(events, "tool_call.finished")]
    assert called == [("c1", "add", {"a": 1}), ("c2", "add", {"a": 2})]
    assert message.text == message.content == "Hello you"
    assert message.additional_kwargs == {"reasoning_content": "I think"}
    assert [(c["id"], c["name"], c["args"]) for c in message.tool_calls] == called
    counted: Any = message.usage_metadata
    assert (counted["input_tokens"], counted["total_tokens"]) == (10, 15)
    assert counted["input_token_details"] == {"cache_read": 4, "audio": 1}
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.id == started.message_id
    assert notes(events) == []


@pytest.mark.parametrize("way", SYNC)
def test_a_stream_of_the_client_is_one_whole_message(way: str) -> None:
    with scripted_provider([FULL]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        events = list(run)
        assert_legal(events)
        check_full(run, run.result(), events)


@pytest.mark.parametrize("way", ASYNC)
async def test_an_async_stream_need_not_be_awaited_first(way: str) -> None:
    async with scripted_provider([FULL]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC[way](client))
        events = await read(run)
        check_full(run, await run.result(), events)


async def test_an_awaited_async_stream_is_the_same() -> None:
    async with scripted_provider([FULL]) as provider, async_sdk(provider) as client:
        run = adapt(await ASYNC["create"](client))
        events = await read(run)
        check_full(run, await run.result(), events)


def test_a_helper_that_was_entered_is_read_as_well() -> None:
    with scripted_provider([FULL]) as provider, sdk(provider) as client:
        with client.chat.completions.stream(**ASKED, **COUNTED) as stream:
            run = adapt(stream)
            events = list(run)
        check_full(run, run.result(), events)


async def test_the_same_answer_through_langchain_gives_the_same_events() -> None:
    turn = Turn([*"Hello you"], tool_calls=[ToolCall("add", {"a": 1}, id="c1")], usage=FULL.usage)
    async with scripted_provider([turn], cycle=True) as provider, async_sdk(provider) as client:
        ours = await read(adapt(ASYNC["create"](client)))
        model = ChatOpenAI(
            model="scripted",
            base_url=provider.base_url,
            api_key=SecretStr("none"),
            stream_usage=True,
        )
        theirs = await read(astream(model, "hi"))

    def comparable(events: list[Event]) -> list[dict[str, Any]]:
        drop = {"message_id", "metadata", "name"}
        return [
            {k: v for k, v in one.items() if k not in drop}
            for one in plainly(events)
            if not one["type"].startswith("run.finished")
        ]

    assert comparable(ours) == comparable(theirs)
    ends = [of_type(events, "message.finished")[0].usage for events in (ours, theirs)]
    assert [(u.input_tokens, u.output_tokens, u.details) for u in ends[:1]] == [
        (u.input_tokens, u.output_tokens, u.details) for u in ends[1:]
    ]


def test_reasoning_pieces_of_the_provider_arrive_live() -> None:
    turn = Turn(chunks=[Reasoning("a"), Reasoning("b"), "c"])
    with scripted_provider([turn]) as provider, sdk(provider) as client:
        assert adapt(SYNC["create"](client)).result().additional_kwargs == {
            "reasoning_content": "ab"
        }


# ---- endings -------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Any, str, bool, type[Exception]]] = {
    "error object": (ProviderError("no"), "model_error", True, openai.APIError),
    "error of a kind nobody knows": (
        ProviderError("no", type="odd"),
        "model_error",
        False,
        openai.APIError,
    ),
    "rate limit": (rate_limited(), "rate_limited", True, openai.APIError),
    "not json": (Malformed(), "model_error", False, ValueError),
    "connection dropped": (DroppedConnection(), "model_error", True, openai.APIConnectionError),
    "answer cut short": (CutShort(), "producer_lost", True, ProducerLost),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_answer_that_breaks_off_fails_the_run_and_aborts_the_message(name: str) -> None:
    fault, code, retryable, error = FAILURES[name]
    turn = Turn(chunks=["Half ", "an ", fault])
    with scripted_provider([turn]) as provider, sdk(provider) as client:
        run = adapt(SYNC["create"](client))
        events = list(run)
        assert_legal(events)
        (aborted,) = of_type(events, "message.aborted")
        assert (aborted.reason, aborted.usage.status) == ("error", "failed")
        last: Any = events[-1]
        assert (last.type, last.error.code, last.error.retryable) == ("run.failed", code, retryable)
        with pytest.raises(error):
            run.result()
        assert run.snapshot.text == ""


@pytest.mark.parametrize("name", FAILURES)
async def test_an_async_answer_that_breaks_off_fails_the_run_alike(name: str) -> None:
    fault, code, retryable, error = FAILURES[name]
    turn = Turn(chunks=["Half ", "an ", fault])
    async with scripted_provider([turn]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC["helper"](client))
        events = await read(run)
        assert of_type(events, "message.aborted")
        last: Any = events[-1]
        assert (last.type, last.error.code, last.error.retryable) == ("run.failed", code, retryable)
        with pytest.raises(error):
            await run.result()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (invalid_api_key(), "auth"),
        (rate_limited(), "rate_limited"),
        (ProviderError("no", status_code=400, type="invalid_request_error"), "model_error"),
    ],
)
async def test_a_refused_request_has_the_code_of_its_refusal(
    fault: ProviderError, code: str
) -> None:
    async with scripted_provider([fault]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC["create"](client))
        events = await read(run)
        assert [event.type for event in events] == ["run.started", "run.failed"]
        last: Any = events[-1]
        assert last.error.code == code
        with pytest.raises(openai.APIStatusError):
            await run.result()


async def test_an_answer_that_is_no_stream_is_refused_with_what_to_write() -> None:
    async with scripted_provider(["Hello"]) as provider, async_sdk(provider) as client:
        run = adapt(client.chat.completions.create(**ASKED))  # stream=True is missing
        with pytest.raises(AdaptError, match=r"ChatCompletion; .*stream=True"):
            await run.result()


# ---- stopping ------------------------------------------------------------------------------------


def waiting(gate: asyncio.Event) -> Turn:
    return Turn("a b c", hold={2: gate})


@pytest.mark.parametrize("way", SYNC)
def test_cancelling_hangs_up_on_a_provider_that_is_silent(way: str) -> None:
    gate = asyncio.Event()
    with scripted_provider([waiting(gate)]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        with run:
            run.started()
            provider.wait_request().wait_chunks(2)
            run.cancel()
            provider.wait_request().wait_disconnected()
        assert (run.outcome, run.snapshot.error) == ("cancelled", None)
        last: Any = list(run)[-1]
        assert (last.type, last.pending) == ("run.cancelled", ())


@pytest.mark.parametrize("way", SYNC)
def test_leaving_the_loop_hangs_up(way: str) -> None:
    gate = asyncio.Event()
    with scripted_provider([waiting(gate)]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        for event in run:
            if event.type == "text.delta":
                break
        provider.wait_request().wait_disconnected()
        run.cancel()
        assert run.outcome == "cancelled"


@pytest.mark.parametrize("way", ASYNC)
async def test_cancelling_an_async_run_closes_the_connection(way: str) -> None:
    gate = asyncio.Event()
    async with scripted_provider([waiting(gate)]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC[way](client))
        async with run:
            await run.started()
            request = await provider.await_request()
            await request.await_chunks(2)
            await run.cancel()
            await request.await_disconnected()
        assert run.outcome == "cancelled"
        assert of_type(await read(run), "message.aborted")[0].reason == "cancelled"


@pytest.mark.parametrize("way", ASYNC)
async def test_leaving_an_async_loop_closes_the_connection(way: str) -> None:
    gate = asyncio.Event()
    async with scripted_provider([waiting(gate)]) as provider, async_sdk(provider) as client:
        async with adapt(ASYNC[way](client)) as run:
            async for event in run:
                if event.type == "text.delta":
                    break
        await (await provider.await_request()).await_disconnected()
        assert run.outcome == "cancelled"


def test_a_client_can_be_used_again_after_a_run_was_cancelled() -> None:
    gate = asyncio.Event()
    with scripted_provider([waiting(gate), "Hello you"]) as provider, sdk(provider) as client:
        with adapt(SYNC["create"](client)) as run:
            run.started()
        assert adapt(SYNC["create"](client)).result().text == "Hello you"
