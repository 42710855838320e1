"""SIGTERM of a real ``streamkit serve`` while LangGraph's clients read: they go on at another one.

The two have a Redis log in common, and one address, as behind a load balancer.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.log.conftest import shared_redis
from tests.protocols.langgraph_v3.clients import py_client
from tests.serve.servers import WAIT_S, eventually
from tests.serving.commands import START_S, Command, serving
from tests.serving.proxies import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.log.servers import RedisServer

__all__ = ["shared_redis"]

GRACE_S = 1.0
AFTER_S = 5.0
"""From the end of the grace to that of the process, at most: the farewell, and a busy machine."""
CHANNELS = ["messages", "lifecycle", "values"]
HI = {"messages": [{"role": "user", "content": "hi"}]}
WORDS = [f"word{number} " for number in range(60)]
TALK = f"""
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_streamkit.testing import ScriptedModel, Turn

model = ScriptedModel([Turn({WORDS!r}, delay=0.05)], cycle=True)


async def say(state):
    return {{"messages": [await model.ainvoke(state["messages"])]}}


builder = StateGraph(MessagesState)
builder.add_node("say", say)
builder.add_edge(START, "say")
graph = builder.compile(checkpointer=InMemorySaver())
"""


class Two(NamedTuple):
    leaving: Command
    staying: Command


@pytest.fixture
def two(tmp_path: Path, shared_redis: RedisServer) -> Iterator[Two]:
    (tmp_path / "talk.py").write_text(TALK)
    options = ("--log", shared_redis.url, "--grace", str(GRACE_S))
    with ExitStack() as held:
        yield Two(*(held.enter_context(serving(tmp_path, "talk:graph", *options)) for _ in "12"))


def is_end(event: Any) -> bool:
    about = event["params"]
    ended = about["data"].get("event") in {"completed", "failed"}
    return event["method"] == "lifecycle" and not about["namespace"] and ended


def text_of(events: list[Any]) -> str:
    data = [event["params"]["data"] for event in events if event["method"] == "messages"]
    return "".join(one["delta"]["text"] for one in data if one["event"] == "content-block-delta")


async def start(command: Command, thread_id: str) -> None:
    async with (
        py_client(command.url) as client,
        client.threads.stream(thread_id, assistant_id="agent") as stream,
    ):
        await stream.run.start(input=HI)


async def read(url: str, thread_id: str, transport: str, found: list[Any]) -> list[Any]:
    """Read a thread to the end of its first run."""
    async with (
        asyncio.timeout(WAIT_S),
        py_client(url) as client,
        client.threads.stream(thread_id, assistant_id="agent", transport=transport) as stream,
    ):
        async for event in stream.subscribe(CHANNELS):
            found.append(event)
            if is_end(event):
                return found
    raise AssertionError(f"the stream ended before the run, after {len(found)} events")


async def end(two: Two, proxy: Proxy) -> None:
    """Ask the one to end; who comes back gets the other."""
    proxy.upstream = two.staying.url
    two.leaving.process.terminate()
    asked = time.monotonic()
    _, errors = await asyncio.to_thread(two.leaving.process.communicate, timeout=START_S)
    assert (two.leaving.process.returncode, errors) == (0, "")
    assert time.monotonic() - asked < GRACE_S + AFTER_S


async def test_reader_of_a_run_made_elsewhere_gets_all_of_it_once(two: Two, transport: str) -> None:
    await start(two.staying, transport)
    async with proxied(two.leaving.url) as proxy:
        events: list[Any] = []
        reading = asyncio.create_task(read(proxy.url, transport, transport, events))
        await asyncio.to_thread(eventually, lambda: len(events) > 10)
        await end(two, proxy)
        await reading
    assert events == await read(two.staying.url, transport, transport, [])
    assert text_of(events) == "".join(WORDS)
    assert events[-1]["params"]["data"]["event"] == "completed"


async def test_reader_of_a_run_that_the_end_stops_is_told_so_once(two: Two, transport: str) -> None:
    thread_id = f"stopped-{transport}"
    async with proxied(two.leaving.url) as proxy:
        events: list[Any] = []
        await start(two.leaving, thread_id)
        reading = asyncio.create_task(read(proxy.url, thread_id, transport, events))
        await asyncio.to_thread(eventually, lambda: len(events) > 10)
        await end(two, proxy)
        await reading
    assert events == await read(two.staying.url, thread_id, transport, [])
    assert "".join(WORDS).startswith(text_of(events))
    assert events[-1]["params"]["data"]["error"] == "The run was stopped."
