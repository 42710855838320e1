"""Clients for the demo: over HTTP, and a real browser."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from tests.conftest import require
from tests.demo.demos import WAIT_S, Demo, Watched

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Ask = Callable[..., AbstractAsyncContextManager[Watched]]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=WAIT_S) as made:
        yield made


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Ask:
    @asynccontextmanager
    async def ask(demo: Demo, text: str, **more: Any) -> AsyncIterator[Watched]:
        body = {"input": text, **more}
        async with client.stream("POST", f"{demo.url}/runs", json=body) as response:
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/event-stream"
            yield Watched(response)

    return ask


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    require(importlib.util.find_spec("playwright"), "Playwright", "pip install playwright")
    chromium = require(
        shutil.which("chromium"),
        "Chromium",
        "sudo apt-get install --no-install-recommends chromium",
    )
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@asynccontextmanager
async def _faultless(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(WAIT_S * 1000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(f"a dialog: {dialog.message}"))
    yield page
    await page.close()
    assert not wrong


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that fails the test when anything went wrong in it."""
    async with _faultless(browser) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_page(browser: Browser) -> AsyncIterator[Page]:
    """One page for all tests of a module, each of which begins by going somewhere."""
    async with _faultless(browser) as made:
        yield made
