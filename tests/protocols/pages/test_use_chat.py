"""``useChat`` of ``@ai-sdk/react``, in a page of a real browser, against the router."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from langchain_streamkit import RunManager
from langchain_streamkit.serve.router import streamkit_router
from langchain_streamkit.testing import ToolCall, Turn
from scripts.npm import AI_SDK_REACT
from tests.demo.conftest import browser
from tests.protocols.bundles import add_page, bundled
from tests.scenarios.told import add, calls, graph, half, node_of, says
from tests.serve.servers import WAIT_S, serving

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

__all__ = ["browser"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCE = Path(__file__).parent / "use_chat.jsx"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bundled(AI_SDK_REACT, SOURCE, tmp_path_factory.mktemp("page"))


@contextmanager
def served(runnable: Any, script: bytes, **options: Any) -> Iterator[str]:
    """Serve a runnable with a page beside it; gives the page's address."""
    manager = RunManager()
    app = FastAPI(lifespan=manager.lifespan)

    add_page(app, script)
    app.include_router(streamkit_router(runnable, manager=manager, **options))
    with serving(app, lifespan="on") as where:
        yield f"http://{where}/page"


class Chat:
    """A page with a chat, and what a person does there."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        """The methods of what it asked of the chat's address."""
        page.on("request", self._requested)

    def _requested(self, request: Any) -> None:
        if "/api/chat" in request.url:
            self.requests.append(request.method)

    async def say(self, text: str) -> None:
        await self.page.locator("input").fill(text)
        await self.page.get_by_role("button", name="Send").click()

    async def click(self, name: str) -> None:
        await self.page.get_by_role("button", name=name).click()

    async def is_now(self, status: str) -> None:
        await self.page.locator(f"main[data-status={status}]").wait_for()

    async def tools(self, state: str, *, count: int = 1) -> Locator:
        """The tools in this state, as soon as there are so many."""
        found = self.page.locator(f".tool[data-state={state}]")
        await found.nth(count - 1).wait_for()
        return found

    async def answer(self) -> str:
        """The last text of the last answer, when nothing more comes."""
        await self.is_now("ready")
        return await self.page.locator(".assistant").last.locator(".text").last.inner_text()

    async def texts(self) -> list[str]:
        return await self.page.locator(".text").all_inner_texts()


@asynccontextmanager
async def chat(browser: Browser, url: str) -> AsyncIterator[Chat]:
    page = await browser.new_page()
    page.set_default_timeout(WAIT_S * 1000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    opened = Chat(page)
    await page.goto(url)
    try:
        await opened.is_now("ready")
        yield opened
    finally:
        await page.close()
    assert not wrong


@tool
def confirm(a: int) -> str:
    """Ask the user."""
    return f"the user said {interrupt({'ask': f'Really {a}?'})}"


def confirming() -> Any:
    """An agent that calls a tool that asks, beside one that does not."""
    wanted = [ToolCall("confirm", {"a": 7}, id="c1"), ToolCall("add", {"a": 1, "b": 2}, id="c2")]
    model = says(calls(*wanted, text="Let me ask."), "All is done.")
    return create_agent(model, [confirm, add], checkpointer=InMemorySaver())


async def test_text_comes_into_the_page_token_by_token(browser: Browser, script: bytes) -> None:
    held = {number: threading.Event() for number in (1, 2)}
    model = says(Turn("One two three", hold=held))
    with served(graph(one=node_of(model)).compile(), script) as url:
        async with chat(browser, url) as page:
            await page.say("count")
            for number, said in ((1, "One"), (2, "One two")):
                await page.page.get_by_text(said, exact=True).wait_for()
                await page.is_now("streaming")
                held[number].set()
            assert await page.answer() == "One two three"
            assert await page.texts() == ["count", "One two three"]


async def test_tool_is_shown_with_its_input_and_output(browser: Browser, script: bytes) -> None:
    model = says(calls(ToolCall("add", {"a": 1, "b": 2}, id="c1")), "It is 3")
    with served(create_agent(model, [add]), script) as url:
        async with chat(browser, url) as page:
            await page.say("1 + 2?")
            assert await page.answer() == "It is 3"
            shown = (await page.tools("output-available")).locator("b, code, output")
            assert await shown.all_inner_texts() == ["add", '{"a":1,"b":2}', '"3"']
            assert page.requests == ["POST"]


async def test_tool_that_asks_is_answered_by_a_click(browser: Browser, script: bytes) -> None:
    with served(confirming(), script) as url:
        async with chat(browser, url) as page:
            await page.say("do it")
            await page.click("Yes")
            assert await page.answer() == "All is done."
            ran = await page.tools("output-available", count=3)
            assert await ran.locator("b").all_inner_texts() == ["confirm", "add", "interrupt"]
            said = await ran.locator("output").all_inner_texts()
            assert await page.page.locator(".tool").count() == 3
            assert await page.texts() == ["do it", "Let me ask.", "All is done."]
            assert page.requests == ["POST", "POST"]
    assert said == ["\"the user said {'yes': True}\"", '"3"', '{"yes":true}']


@pytest.mark.parametrize("name", ["Yes", "No"])
async def test_tool_that_asks_is_approved_by_a_click(
    browser: Browser, script: bytes, name: str
) -> None:
    with served(confirming(), script, sdk_version=7) as url:
        async with chat(browser, url) as page:
            await page.say("do it")
            await page.click(name)
            assert await page.answer() == "All is done."
            ran = await page.tools("output-available", count=2)
            assert await ran.locator("b").all_inner_texts() == ["confirm", "add"]
            said = await ran.locator("output").first.inner_text()
            assert page.requests == ["POST", "POST"]
    assert said == f'"the user said {name == "Yes"}"'


async def test_page_that_is_opened_again_shows_the_run_that_goes_on(
    browser: Browser, script: bytes
) -> None:
    held = threading.Event()
    model = says(Turn("Hello you", hold={1: held}))
    runnable = create_agent(model, [], checkpointer=InMemorySaver())
    with served(runnable, script) as url:
        async with chat(browser, url) as page:
            await page.say("hi")
            await page.page.get_by_text("Hello", exact=True).wait_for()
            await page.page.goto(f"{url}?resume")
            await page.page.get_by_text("Hello", exact=True).wait_for()
            held.set()
            assert await page.answer() == "Hello you"
            assert page.requests == ["POST", "GET"]


async def test_failure_is_shown_without_the_text_of_the_exception(
    browser: Browser, script: bytes
) -> None:
    with served(graph(one=node_of(says(half()))).compile(), script) as url:
        async with chat(browser, url) as page:
            await page.say("hi")
            await page.is_now("error")
            shown = await page.page.get_by_role("alert").inner_text()
            assert await page.texts() == ["hi", "Half"]
    assert shown == "The model call failed."
