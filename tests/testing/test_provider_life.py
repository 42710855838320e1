from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from typing import Any

import openai
import pytest

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.testing import (
    ScriptError,
    Turn,
    WaitTimeout,
    scripted_provider,
)


async def cancelled(task: asyncio.Task[Any]) -> float:
    """Cancel the task and wait for it; returns when it was asked (monotonic seconds)."""
    asked = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return asked


# The readers say when they wait for the next chunk. Cancelled just as a chunk arrives, ChatOpenAI
# may read on: Python 3.11's asyncio.wait_for, which it uses, can lose that cancel.
@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("pause", [threading.Event(), 60.0], ids=["at a gate", "in a delay"])
async def test_server_sees_a_cancelled_chat_model_leave_within_100_ms(
    chat: Any, pause: Any, *, responses: bool
) -> None:
    async with scripted_provider([["a", "b", pause, "c"]]) as provider:
        waiting = asyncio.Event()

        async def read() -> None:
            async for chunk in chat(provider, use_responses_api=responses).astream("hi"):
                if chunk.text == "b":
                    waiting.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(waiting.wait(), 5)
        asked = await cancelled(task)
        request = provider.requests[0]
        assert await request.await_disconnected() - asked < 0.1
        assert request.chunks_sent == 2
        assert not request.completed.is_set()


async def test_server_sees_a_cancelled_client_leave_between_chunks_that_never_pause(
    async_sdk: Any,
) -> None:
    async with scripted_provider([Turn("x " * 100_000)]) as provider:
        client = async_sdk(provider)

        async def read() -> None:
            async for _ in await client.responses.create(model="m", input="hi", stream=True):
                pass

        task = asyncio.create_task(read())
        request = await provider.await_request()
        await request.await_chunks(100)
        asked = await cancelled(task)
        assert await request.await_disconnected() - asked < 0.1
        assert 100 <= request.chunks_sent < 100_000


async def test_server_sees_a_client_leave_before_the_first_byte(chat: Any) -> None:
    async with scripted_provider([[threading.Event(), "a"]]) as provider:
        task = asyncio.create_task(chat(provider).ainvoke("hi"))
        request = await provider.await_request()
        asked = await cancelled(task)
        assert await request.await_disconnected() - asked < 0.1
        assert request.status is None


def test_server_sees_a_sync_client_close_its_stream(sdk: Any) -> None:
    with scripted_provider([["a", threading.Event(), "b"]]) as provider:
        messages: Any = [{"role": "user", "content": "hi"}]
        stream = sdk(provider).chat.completions.create(model="m", messages=messages, stream=True)
        next(stream)
        stream.close()
        request = provider.wait_request()
        assert request.wait_disconnected() == request.disconnected_at


def test_chunks_arrive_one_by_one_as_their_gates_open(chat: Any) -> None:
    gates = {n: threading.Event() for n in (1, 2)}
    with scripted_provider([Turn(["a", "b", "c"], hold=gates)]) as provider:
        stream = (chunk.content for chunk in chat(provider).stream("hi") if chunk.content)
        assert next(stream) == "a"
        request = provider.wait_request()
        request.wait_chunks(1)
        assert request.chunks_sent == 1
        gates[1].set()
        assert next(stream) == "b"
        gates[2].set()
        assert list(stream) == ["c"]
        request.wait_completed()


def test_end_of_the_block_ends_answers_that_are_still_held(chat: Any) -> None:
    threads = threading.active_count()
    failures: list[BaseException] = []

    def call(model: Any) -> None:
        try:
            model.invoke("hi")
        except openai.APIConnectionError as exc:
            failures.append(exc)

    start = time.monotonic()
    with scripted_provider([["a", threading.Event()]]) as provider:
        client = threading.Thread(target=call, args=(chat(provider),))
        client.start()
        provider.wait_request()
    client.join(5)
    assert time.monotonic() - start < 3
    assert len(failures) == 1
    assert threading.active_count() == threads


def test_with_leaves_no_thread() -> None:
    threads = threading.active_count()
    with scripted_provider(["a"]):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads


async def test_async_with_leaves_no_thread() -> None:
    threads = threading.active_count()
    async with scripted_provider(["a"]):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads


def test_port_is_free_again_after_the_block() -> None:
    with scripted_provider(["a"]) as provider:
        port = int(provider.base_url.split(":")[2].split("/")[0])
    with scripted_provider(["a"], port=port) as provider:
        assert provider.base_url == f"http://127.0.0.1:{port}/v1"


def test_taken_port_is_reported_with_what_to_write() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StreamUsageError, match=f"port {port}.*leave port out"):
            scripted_provider(["a"], port=port).__enter__()


def test_provider_outside_its_block_says_how_to_use_it() -> None:
    provider = scripted_provider(["a"])
    with pytest.raises(StreamUsageError, match="with scripted_provider"):
        _ = provider.base_url
    with provider:
        pass
    with pytest.raises(StreamUsageError, match="runs once"):
        provider.__enter__()


def test_missing_uvicorn_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(StreamUsageError, match=r"langchain-streamkit\[serve\]"):
        scripted_provider(["a"]).__enter__()


def test_server_that_cannot_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    async def no_start(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(uvicorn.Server, "serve", no_start)
    with pytest.raises(Exception, match="did not start"):
        scripted_provider(["a"]).__enter__()


def test_waits_are_bounded_and_say_what_there_was(chat: Any) -> None:
    with scripted_provider(["a"]) as provider:
        with pytest.raises(WaitTimeout, match=r"request 1 .*has seen \[\]"):
            provider.wait_request(timeout=0.01)
        chat(provider).invoke("hi")
        request = provider.requests[0]
        request.wait_completed()
        with pytest.raises(WaitTimeout, match=r"no disconnect.*answered 200, 1 chunks sent"):
            request.wait_disconnected(timeout=0.01)
        with pytest.raises(TimeoutError, match="no chunk 2"):
            request.wait_chunks(2, timeout=0.01)


async def test_async_waits_are_bounded_too(chat: Any) -> None:
    async with scripted_provider([["a", threading.Event()]]) as provider:
        with pytest.raises(WaitTimeout):
            await provider.await_request(timeout=0.01)
        task = asyncio.create_task(chat(provider).ainvoke("hi"))
        request = await provider.await_request()
        assert "being answered" in repr(request)
        with pytest.raises(WaitTimeout):
            await request.await_completed(timeout=0.01)
        await cancelled(task)
        await request.await_disconnected()
        assert "client left" in repr(request)


async def test_many_clients_are_answered_at_the_same_time(chat: Any) -> None:
    gate = threading.Event()
    async with scripted_provider([[gate, "a"]], cycle=True) as provider:
        model = chat(provider)
        tasks = [asyncio.create_task(model.ainvoke("hi")) for _ in range(20)]
        await provider.await_request(20)
        gate.set()
        assert [message.content for message in await asyncio.gather(*tasks)] == ["a"] * 20


def test_logs_of_other_uvicorn_servers_pass(caplog: pytest.LogCaptureFixture) -> None:
    with scripted_provider(["a"]), caplog.at_level(logging.INFO, "uvicorn.error"):
        logging.getLogger("uvicorn.error").info("someone else's")
    assert [record.message for record in caplog.records] == ["someone else's"]


def test_message_chunks_are_refused_when_the_script_is_made() -> None:
    from langchain_core.messages import AIMessageChunk

    with pytest.raises(ScriptError, match="write its text as a str"):
        scripted_provider([[AIMessageChunk(content="x")]])
