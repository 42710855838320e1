"""``adapt`` of the Responses API: the SDK's streams and its helper."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_streamkit import adapt, astream
from langchain_streamkit.errors import ModelFailed, ProducerLost
from langchain_streamkit.testing import (
    CutShort,
    DroppedConnection,
    Malformed,
    ProviderError,
    ToolCall,
    Turn,
    assert_legal,
    rate_limited,
    scripted_provider,
)
from tests.routes.openai_parts import (
    FORMS,
    async_sdk,
    created,
    ended,
    event,
    notes,
    of_type,
    plainly,
    read,
    sdk,
    texts,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import Event

FULL = Turn(
    "Hello you",
    reasoning="I think",
    tool_calls=[ToolCall("add", {"a": 1}, id="c1"), ToolCall("add", {"a": 2}, id="c2")],
    interleave=True,
    usage={
        "input_tokens": 10,
        "output_tokens": 5,
        "input_token_details": {"cache_read": 4, "cache_creation": 1},
        "output_token_details": {"reasoning": 3},
    },
)
SYNC: dict[str, Callable[[openai.OpenAI], Any]] = {
    "create": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
    "helper": lambda c: c.responses.stream(model="scripted", input="hi"),
}
ASYNC: dict[str, Callable[[openai.AsyncOpenAI], Any]] = {
    "create": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
    "helper": lambda c: c.responses.stream(model="scripted", input="hi"),
}


def check_full(message: Any, events: list[Event]) -> None:
    (started,) = of_type(events, "message.started")
    assert (started.provider, started.model) == ("openai", "scripted")
    (finished,) = of_type(events, "message.finished")
    assert (finished.finish_reason, finished.raw_finish_reason) == ("tool_calls", "completed")
    usage = finished.usage
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (10, 5, "provider")
    details = usage.details
    assert (details.cache_read, details.cache_creation, details.reasoning) == (4, 1, 3)
    assert texts(events) == ["Hello you"]
    assert [one.text for one in of_type(events, "reasoning.finished")] == ["I think"]
    called = [(c.tool_call_id, c.name, c.args) for c in of_type(events, "tool_call.finished")]
    assert called == [("c1", "add", {"a": 1}), ("c2", "add", {"a": 2})]
    assert [(c["id"], c["name"], c["args"]) for c in message.tool_calls] == called
    kinds = [block["type"] for block in message.content_blocks]
    assert kinds == ["reasoning", "text", "tool_call", "tool_call"]
    assert (message.text, message.usage_metadata["total_tokens"]) == ("Hello you", 15)
    assert message.response_metadata["status"] == "completed"
    assert message.id == started.message_id
    assert notes(events) == []


# ---- what the client gives -----------------------------------------------------------------------


@pytest.mark.parametrize("way", SYNC)
def test_a_stream_of_the_client_is_one_whole_message(way: str) -> None:
    with scripted_provider([FULL]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        events = list(run)
        assert_legal(events)
        check_full(run.result(), events)


@pytest.mark.parametrize("way", ASYNC)
async def test_an_async_stream_need_not_be_awaited_first(way: str) -> None:
    async with scripted_provider([FULL]) as provider, async_sdk(provider) as client:
        run = adapt(ASYNC[way](client))
        events = await read(run)
        check_full(await run.result(), events)


async def test_the_same_answer_through_langchain_gives_the_same_events() -> None:
    # langchain-openai 1.7 gives every piece of interleaved calls an index of its own
    turn = dataclasses.replace(FULL, interleave=False)
    async with scripted_provider([turn], cycle=True) as provider, async_sdk(provider) as client:
        ours = await read(adapt(ASYNC["create"](client)))
        model = ChatOpenAI(
            model="scripted",
            base_url=provider.base_url,
            api_key=SecretStr("none"),
            use_responses_api=True,
        )
        theirs = await read(astream(model, "hi"))

    def comparable(events: list[Event]) -> list[dict[str, Any]]:
        drop = {"message_id", "metadata", "name", "extras"}  # ids, made up for each request
        found = [{k: v for k, v in one.items() if k not in drop} for one in plainly(events)]
        return [one for one in found if one["type"] != "run.finished"]

    def extras(events: list[Event]) -> list[list[str]]:
        return [[*(getattr(one, "extras", None) or {})] for one in events]

    assert comparable(ours) == comparable(theirs)
    assert [one for one in extras(ours) if one] == [one for one in extras(theirs) if one]


def test_events_of_the_helper_can_be_recorded_too() -> None:
    with scripted_provider(["Hello you"]) as provider, sdk(provider) as client:
        with client.responses.stream(model="scripted", input="hi") as stream:
            recorded = list(stream)
        assert told(recorded)[0].result().text == "Hello you"
        dumped = [one.model_dump(warnings=False) for one in recorded]
        assert told(dumped)[0].result().text == "Hello you"


# ---- endings -------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Any, str, bool, type[Exception]]] = {
    "error event": (ProviderError("no", code="server_error"), "model_error", True, ModelFailed),
    "rate limit": (rate_limited(), "rate_limited", True, ModelFailed),
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
        assert of_type(events, "message.aborted")[0].reason == "error"
        last: Any = events[-1]
        assert (last.type, last.error.code, last.error.retryable) == ("run.failed", code, retryable)
        with pytest.raises(error):
            run.result()


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"code": "server_error", "message": "broke"}, "model_error", True),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, "rate_limited", True),
        ({"code": "bio_policy", "message": "no"}, "content_policy", False),
        ({"code": "image_too_large", "message": "no"}, "model_error", False),
        (None, "model_error", False),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_failed_response_fails_the_run_with_its_code_and_usage(
    form: str, error: Any, code: str, *, retryable: bool
) -> None:
    items = [
        created(),
        event("output_text.delta", delta="Half"),
        ended(status="failed", error=error),
    ]
    run, events = told(FORMS[form](items))
    (aborted,) = of_type(events, "message.aborted")
    assert (aborted.reason, aborted.usage.output_tokens) == ("error", 7)
    last: Any = events[-1]
    assert (last.error.code, last.error.retryable) == (code, retryable)
    with pytest.raises(ModelFailed, match=error["message"] if error else r"response\.failed"):
        run.result()


def test_an_error_before_the_response_was_created_fails_the_run() -> None:
    error = {"type": "error", "code": "rate_limit_exceeded", "message": "no", "sequence_number": 0}
    run, events = told([error])
    last: Any = events[-1]
    assert last.error.code == "rate_limited"
    assert run.outcome == "failed"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), (None, "other")],
)
@pytest.mark.parametrize("form", FORMS)
def test_an_incomplete_response_is_a_message_that_says_why(
    form: str, reason: str | None, finish: str
) -> None:
    details = {"reason": reason} if reason else None
    items = [
        created(),
        event("output_text.delta", delta="Half"),
        ended(status="incomplete", incomplete_details=details),
    ]
    run, events = told(FORMS[form](items))
    (finished,) = of_type(events, "message.finished")
    raw = reason or "incomplete"
    assert (finished.finish_reason, finished.raw_finish_reason) == (finish, raw)
    assert run.result().text == "Half"


@pytest.mark.parametrize("left", [1, 2])
def test_a_recording_without_an_end_has_lost_its_producer(left: int) -> None:
    run, events = told([created(), event("output_text.delta", delta="Half")][:left])
    last: Any = events[-1]
    assert (last.error.code, last.error.retryable) == ("producer_lost", True)
    with pytest.raises(ProducerLost, match=r"response\.completed"):
        run.result()


def test_nothing_after_the_end_is_told() -> None:
    late = event("output_text.delta", delta="late")
    run, events = told(
        [created(), event("output_text.delta", delta="Hello"), ended(), late, created()]
    )
    assert (texts(events), run.result().text) == (["Hello"], "Hello")
    failed = ended(status="failed", error={"code": "server_error", "message": "no"})
    assert not texts(told([created(), failed, late])[1])


# ---- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", SYNC)
def test_cancelling_hangs_up_on_a_provider_that_is_silent(way: str) -> None:
    gate = asyncio.Event()
    turn = Turn("a b c", hold={2: gate})
    with scripted_provider([turn]) as provider, sdk(provider) as client:
        run = adapt(SYNC[way](client))
        with run:
            run.started()
            provider.wait_request().wait_chunks(2)
            run.cancel()
            provider.wait_request().wait_disconnected()
        last: Any = list(run)[-1]
        assert (last.type, last.pending) == ("run.cancelled", ())


@pytest.mark.parametrize("way", ASYNC)
async def test_leaving_an_async_loop_closes_the_connection(way: str) -> None:
    gate = asyncio.Event()
    turn = Turn("a b c", hold={2: gate})
    async with scripted_provider([turn]) as provider, async_sdk(provider) as client:
        async with adapt(ASYNC[way](client)) as run:
            async for one in run:
                if one.type == "text.delta":
                    break
        await (await provider.await_request()).await_disconnected()
        assert run.outcome == "cancelled"
