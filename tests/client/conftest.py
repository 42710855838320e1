"""Where the client runs: in Node.js, and in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.client.node import Node
from tests.client.scripted import WAIT_S
from tests.demo.conftest import browser

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

__all__ = ["browser"]


@pytest.fixture(scope="session")
def node() -> Node:
    return Node()


@pytest_asyncio.fixture(loop_scope="module")
async def browser_page(browser: Browser) -> AsyncIterator[Page]:
    """A page that fails the test for any error of its own; that a connection is cut is none."""
    page = await browser.new_page()
    page.set_default_timeout(WAIT_S * 1000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    await page.close()
    assert not wrong
