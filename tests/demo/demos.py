"""The demo as it is served, in a thread, with a provider that says what the test wants."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from langchain_streamkit import ConsoleSink, Event, decode_event
from langchain_streamkit.serve.app import create_app
from langchain_streamkit.serve.demo import EXAMPLE_PRICES, PRICES_SHOWN, stopping_runs
from langchain_streamkit.serve.demo_agent import demo_agent
from langchain_streamkit.serve.live_runs import LiveRuns
from langchain_streamkit.testing import RecordingSink, ScriptedProvider, scripted_provider

if TYPE_CHECKING:
    import httpx

WAIT_S = 10
"""No wait in these tests should come near this; it turns a hang into a failure."""


@dataclass
class Demo:
    """A running demo, and what the test can see of its inside."""

    address: str
    provider: ScriptedProvider
    live: LiveRuns
    terminal: io.StringIO
    told: RecordingSink
    server: Any = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@contextmanager
def demo(script: Any) -> Iterator[Demo]:
    """Serve the demo's agent on a free port; ``script`` is for ``scripted_provider``."""
    terminal, told = io.StringIO(), RecordingSink()
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    with scripted_provider(script) as provider, listener:
        client = DefaultAsyncHttpxClient()
        options: dict[str, Any] = {
            "model": "scripted",
            "base_url": provider.base_url,
            "api_key": "none",
            "max_retries": 0,
            "stream_usage": True,
            "http_client": DefaultHttpxClient(),
            "http_async_client": client,
        }
        model = ChatOpenAI(**options)
        live = LiveRuns(demo_agent(model), [ConsoleSink(terminal), told], prices=EXAMPLE_PRICES)
        app = create_app(
            live, about={"provider": "scripted", "model": "scripted", "prices": PRICES_SHOWN}
        )
        config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=2)
        server: uvicorn.Server = stopping_runs(live)(config)

        async def serve() -> None:
            async with client:
                await server.serve(sockets=[listener])

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            yield Demo(address, provider, live, terminal, told, server)
        finally:
            server.should_exit = True
            thread.join(WAIT_S)
            assert not thread.is_alive()


class Watched:
    """A run over SSE: its events as they come, and whether the end was told."""

    def __init__(self, response: httpx.Response) -> None:
        self.events: list[Event] = []
        self.ended = False
        self._frames = self._read(response)

    async def _read(self, response: httpx.Response) -> AsyncIterator[Event]:
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == "end":
                self.ended = True
            elif line.startswith("data: "):
                event = decode_event(line.removeprefix("data: "))
                self.events.append(event)
                yield event

    async def until(self, kind: str) -> Any:
        """The next event of this type."""
        async with asyncio.timeout(WAIT_S):
            async for event in self._frames:
                if event.type == kind:
                    return event
        raise AssertionError(f"no {kind} in {self.types}")

    async def all(self) -> list[Event]:
        """All events, after the last."""
        async with asyncio.timeout(WAIT_S):
            async for _ in self._frames:
                pass
        return self.events

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if event.type == "text.delta")


def said(request: Any) -> list[tuple[str, str]]:
    """The messages of a request to the provider: (role, text)."""
    return [(message["role"], message.get("content") or "") for message in request.body["messages"]]
