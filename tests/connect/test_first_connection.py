"""A server that is not there: an error soon, which names it; one that comes is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import ServerUnreachable, connect
from langchain_streamkit.client import backoff
from tests.manager.managers import SAID, Talking, speaker
from tests.serve.servers import WAIT_S
from tests.serving.apps import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from langchain_streamkit import RemoteRun

SLOW_S = 2.0
"""What a busy machine takes besides."""


@pytest.fixture(autouse=True)
def _waits_as_they_are(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as chance lets them be, at most."""
    monkeypatch.setattr(backoff, "uniform", lambda _low, high: high)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens, and nobody can meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


async def failing(asks: Callable[[], Awaitable[object]]) -> tuple[str, float]:
    """What it says, and after how many seconds."""
    begun = time.monotonic()
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(ServerUnreachable) as failed:
            await asks()
    return str(failed.value), time.monotonic() - begun


async def test_server_that_is_not_there_is_an_error_after_five_seconds_that_names_it(
    nobody: str,
) -> None:
    said, took = await failing(connect(nobody, input="hi").result)
    assert said.startswith(f"{nobody} could not be reached within 5 s")
    assert "connect_s=" in said
    assert 4 <= took < 5 + SLOW_S


@pytest.mark.parametrize("connect_s", [0, 0.5])
@pytest.mark.parametrize("ask", ["start", "read", "cancel"])
async def test_how_long_it_is_waited_for_can_be_said(
    nobody: str, ask: str, connect_s: float
) -> None:
    runs: dict[str, RemoteRun] = {
        "start": connect(nobody, input="hi", connect_s=connect_s),
        "read": connect(nobody, "some-run", connect_s=connect_s),
    }
    asks = runs["read"].cancel if ask == "cancel" else runs[ask].result
    said, took = await failing(asks)
    assert said.startswith(f"{nobody} could not be reached within {connect_s} s")
    assert connect_s <= took < connect_s + SLOW_S


async def test_server_that_does_not_even_refuse_is_an_error_as_soon() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        host, port = full.getsockname()
        with contextlib.ExitStack() as held:
            for _ in range(4):  # who is beyond the backlog is not answered
                link = held.enter_context(socket.socket())
                link.settimeout(0)
                link.connect_ex((host, port))
            run = connect(f"http://{host}:{port}", input="hi", connect_s=0.5)
            said, took = await failing(run.result)
    assert f"http://{host}:{port} could not be reached within 0.5 s" in said
    assert took < 0.5 + SLOW_S


async def test_server_that_comes_meanwhile_is_read() -> None:
    with served(speaker()) as server:
        port = free_port()
        reading = asyncio.create_task(text_at(port))
        await asyncio.sleep(0.5)
        async with passing(port, server.base_url.port):
            assert await reading == SAID


async def test_server_that_was_there_is_waited_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "uniform", lambda _low, _high: 0.3)
    talking, port = Talking(), free_port()
    with served(talking.model) as server:
        async with passing(port, server.base_url.port):
            run = connect(f"http://127.0.0.1:{port}", input="hi", connect_s=0)
            events = aiter(run)
            while (await anext(events)).type != "text.delta":
                pass
        rest = asyncio.create_task(run.result())
        await asyncio.sleep(0.5)
        talking.gate.set()
        async with passing(port, server.base_url.port), asyncio.timeout(WAIT_S):
            await rest
    assert run.snapshot.text == "first second"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


async def text_at(port: int) -> str | None:
    run = connect(f"http://127.0.0.1:{port}", input="hi")
    async with asyncio.timeout(WAIT_S):
        await run.result()
    return run.snapshot.text


@contextlib.asynccontextmanager
async def passing(port: int, target: int | None) -> AsyncIterator[None]:
    """A server at ``port`` that is in truth the one at ``target``; its connections end with it."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        writers.extend((writer, back))
        tasks.update(asyncio.create_task(copy(*both)) for both in ((reader, back), (there, writer)))

    listener = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks)
