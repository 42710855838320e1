"""``useStream`` of ``@langchain/react``, in a page of a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from langchain_streamkit.testing import ToolCall
from scripts.npm import LANGGRAPH_REACT
from tests.demo.conftest import browser
from tests.protocols.bundles import bundled
from tests.protocols.langgraph_v3.apps import Server, served
from tests.protocols.langgraph_v3.test_py_client import asking_twice_at_once, state_of
from tests.scenarios.told import add, calls, graph, half, node_of, says
from tests.serve.servers import WAIT_S

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

__all__ = ["browser"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCE = Path(__file__).parent / "page.jsx"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bundled(LANGGRAPH_REACT, SOURCE, tmp_path_factory.mktemp("page"))


class Chat:
    """A page with a chat of one thread."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def act(self, code: str, given: Any = None) -> Any:
        return await self.page.evaluate(f"async (given) => {{ {code} }}", given)

    async def say(self, text: str) -> None:
        """Send a message as a person does, and wait for the end of the answer."""
        message = {"type": "human", "content": text}
        await self.act("await window.stream.submit({ messages: [given] })", message)
        await self.idle()

    async def idle(self) -> None:
        await self.page.locator("main[data-status=idle]").wait_for(state="attached")

    async def shown(self) -> dict[str, Any]:
        await self.idle()
        found: dict[str, Any] = await self.page.evaluate("window.shown()")
        return found

    async def until(self, condition: str) -> None:
        await self.page.wait_for_function(f"() => {condition}")


@asynccontextmanager
async def chat(
    browser: Browser, server: Server, transport: str = "sse", thread: str | None = None
) -> AsyncIterator[Chat]:
    page = await browser.new_page()
    page.set_default_timeout(WAIT_S * 1000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    origin = server.url.removesuffix("/api")
    query = f"api={server.url}&transport={transport}" + (f"&thread={thread}" if thread else "")
    await page.goto(f"{origin}/page?{query}")
    try:
        opened = Chat(page)
        await opened.idle()
        yield opened
    finally:
        await page.close()
    assert not wrong


def agent() -> Any:
    wanted = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    model = says(calls(wanted), "It is 3", "And again")
    return create_agent(model, [add], checkpointer=InMemorySaver())


def texts(shown: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["type"], one["text"]) for one in shown["messages"]]


async def test_page_shows_the_thread_as_the_graph_keeps_it(
    browser: Browser, script: bytes, transport: str
) -> None:
    with served(agent(), script=script) as server:
        async with chat(browser, server, transport) as page:
            await page.say("hi")
            shown = await page.shown()
            state = state_of(server, shown["threadId"]).values["messages"]
    assert [one["id"] for one in shown["messages"]] == [one.id for one in state]
    assert texts(shown) == [("human", "hi"), ("ai", ""), ("tool", "3"), ("ai", "It is 3")]
    (tool,) = shown["tools"]
    assert (tool["name"], tool["input"], tool["status"]) == ("add", {"a": 1, "b": 2}, "finished")
    assert shown["error"] is None


async def test_second_message_goes_on_with_the_thread(
    browser: Browser, script: bytes, transport: str
) -> None:
    with served(agent(), script=script) as server:
        async with chat(browser, server, transport) as page:
            await page.say("hi")
            await page.say("more?")
            shown = await page.shown()
    assert texts(shown)[-3:] == [("ai", "It is 3"), ("human", "more?"), ("ai", "And again")]
    assert len(shown["messages"]) == 6


async def test_page_that_comes_back_shows_the_same(browser: Browser, script: bytes) -> None:
    with served(agent(), script=script) as server:
        async with chat(browser, server) as page:
            await page.say("hi")
            first = await page.shown()
        async with chat(browser, server, thread=first["threadId"]) as again:
            assert texts(await again.shown()) == texts(first)


async def test_all_interrupts_are_shown_and_answered(
    browser: Browser, script: bytes, transport: str
) -> None:
    with served(asking_twice_at_once(), script=script) as server:
        async with chat(browser, server, transport) as page:
            await page.say("hi")
            await page.until("window.stream.interrupts.length === 2")
            asked = (await page.shown())["interrupts"]
            answers = {one["id"]: f"to {one['value']}" for one in asked}
            await page.act("await window.stream.respondAll(given)", answers)
            await page.until("window.stream.messages.length === 3")
            shown = await page.shown()
        assert server.after(2).outcome == "finished"
    assert shown["interrupts"] == []


async def test_failure_is_shown_without_the_text_of_the_exception(
    browser: Browser, script: bytes
) -> None:
    runnable = graph(one=node_of(says(half()))).compile(checkpointer=InMemorySaver())
    with served(runnable, script=script) as server:
        async with chat(browser, server) as page:
            await page.say("hi")
            await page.until("window.stream.error != null")
            shown = await page.shown()
        error = server.after(1).error
    assert error
    assert error.message in shown["error"]
    assert texts(shown) == [("human", "hi"), ("ai", "Half")]


async def test_stop_cancels_the_run(browser: Browser, script: bytes) -> None:
    async def wait(state: Any) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    runnable = graph(one=node_of(says("Hello you")), wait=wait).compile(
        checkpointer=InMemorySaver()
    )
    with served(runnable, script=script) as server:
        async with chat(browser, server) as page:
            message = {"type": "human", "content": "hi"}
            await page.act("void window.stream.submit({ messages: [given] })", message)
            await page.until("window.stream.messages.length === 2")
            await page.act("await window.stream.stop()")
            shown = await page.shown()
        assert server.after(1).outcome == "cancelled"
    assert texts(shown) == [("human", "hi"), ("ai", "Hello you")]
