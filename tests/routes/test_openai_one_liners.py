"""What people write by hand over an OpenAI stream is one line each."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_streamkit import adapt, sse_bytes
from langchain_streamkit.testing import ToolCall, Turn, scripted_provider
from langchain_streamkit.testing.waiting import await_until
from tests.routes.openai_parts import (
    ASKED,
    COUNTED,
    async_sdk,
    sdk,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import openai

    from langchain_streamkit.testing import ScriptedProvider

APIS: dict[str, Callable[[openai.OpenAI], Any]] = {
    "chat": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "responses": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
}
ASYNC_APIS: dict[str, Callable[[openai.AsyncOpenAI], Any]] = {
    "chat": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "responses": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
}
ADD = [ToolCall("add", {"a": 1, "b": 2}, id="c1"), ToolCall("add", {"a": 3, "b": 4}, id="c2")]


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.contextmanager
def asked(api: str, *turns: Any) -> Iterator[tuple[Any, ScriptedProvider]]:
    """A stream of the client, and who sends it."""
    with scripted_provider(turns) as provider, sdk(provider) as client:
        yield APIS[api](client), provider


def test_print_while_it_streams(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    with asked(api, "Hello you there") as (stream, _):
        for one in adapt(stream):
            if one.type == "text.delta":
                print(one.text, end="", flush=True)  # noqa: T201 -- that is the recipe
    assert capsys.readouterr().out == "Hello you there"


def test_show_it_live(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    with asked(api, "Hello you there") as (stream, _):
        assert adapt(stream).show().text == "Hello you there"
    assert "Hello you there" in capsys.readouterr().out


def test_collect_the_text(api: str) -> None:
    with asked(api, "Hello you there") as (stream, _):
        assert adapt(stream).result().text == "Hello you there"


def test_collect_the_tool_calls(api: str) -> None:
    with asked(api, Turn("Adding", tool_calls=ADD, interleave=True)) as (stream, _):
        calls = adapt(stream).result().tool_calls
    assert [(call["id"], call["args"]) for call in calls] == [
        ("c1", {"a": 1, "b": 2}),
        ("c2", {"a": 3, "b": 4}),
    ]


def test_collect_the_usage(api: str) -> None:
    turn = Turn("Hello", usage={"input_tokens": 10, "output_tokens": 5})
    with asked(api, turn) as (stream, _):
        usage = adapt(stream).result().usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (10, 5, 15)


def test_write_it_to_a_file(api: str, tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    with asked(api, "Hello you") as (stream, _):
        adapt(stream, sinks=log).result()
    assert '"Hello you"' in log.read_text()


async def test_serve_it_as_server_sent_events(api: str) -> None:
    async with scripted_provider(["Hello you"]) as provider, async_sdk(provider) as client:
        body = b"".join([part async for part in sse_bytes(adapt(ASYNC_APIS[api](client)))])
    assert b"Hello" in body
    assert b"run.finished" in body


async def test_collect_the_text_in_async_code(api: str) -> None:
    async with scripted_provider(["Hello you"]) as provider, async_sdk(provider) as client:
        assert (await adapt(ASYNC_APIS[api](client)).result()).text == "Hello you"


async def test_several_streams_at_once_are_a_run_each(api: str) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    turns = [Turn(f"answer {n}", hold={1: gate}) for n, gate in enumerate(gates)]
    async with scripted_provider(turns) as provider, async_sdk(provider) as client:
        runs = [adapt(ASYNC_APIS[api](client)) for _ in turns]
        results = [asyncio.ensure_future(run.result()) for run in runs]
        await provider.await_request(3)  # all are being answered at the same time
        for gate in gates:
            gate.set()
        found = await asyncio.gather(*results)
    assert sorted(message.text for message in found) == ["answer 0", "answer 1", "answer 2"]
    assert len({run.run_id for run in runs}) == 3
    assert all(run.snapshot.text == message.text for run, message in zip(runs, found, strict=True))


async def test_the_others_go_on_when_one_of_several_is_cancelled(api: str) -> None:
    gate = asyncio.Event()
    turns = [Turn("a b", hold={1: gate}), Turn("a b", hold={1: gate})]
    async with scripted_provider(turns) as provider, async_sdk(provider) as client:
        first, second = (adapt(ASYNC_APIS[api](client)) for _ in turns)
        async with first, second:
            await asyncio.gather(first.started(), second.started())
            await provider.await_request(2)
            await first.cancel()
            both = provider.requests
            left = [request.disconnected.is_set for request in both]
            await await_until(lambda: any(is_set() for is_set in left), 5, lambda: repr(both))
            gate.set()
            assert (await second.result()).text == "a b"
    assert (first.outcome, second.outcome) == ("cancelled", "finished")
    assert sum(is_set() for is_set in left) == 1


def test_the_message_goes_into_the_next_call_as_it_is(api: str) -> None:
    with asked(api, Turn("Adding", reasoning="hm", tool_calls=ADD[:1]), "It is 3") as (stream, p):
        message: AIMessage = adapt(stream).result()
        model = ChatOpenAI(
            model="scripted",
            base_url=p.base_url,
            api_key=SecretStr("none"),
            use_responses_api=api == "responses",
        )
        history = [HumanMessage("hi"), message, ToolMessage("3", tool_call_id="c1")]
        assert model.invoke(history).text == "It is 3"
        sent = str(p.requests[1].body)
    assert "Adding" in sent
    assert "c1" in sent
