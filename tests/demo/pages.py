"""What a person does on the demo's page, and runs that nobody runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_streamkit.events import Event, RunStarted
from tests.demo.demos import WAIT_S, Demo

if TYPE_CHECKING:
    from playwright.async_api import Page

Started = partial(RunStarted, run_id="r", ts=1, name="assistant")


async def opened(page: Page, served: Demo) -> None:
    """Open the page, up to the last of what it asks the server for by itself."""
    await page.goto(served.url)
    await page.locator("#provider").wait_for()


async def ask(page: Page, served: Demo, text: str) -> None:
    """Open the page if need be, and type a question as a person does."""
    if page.url == "about:blank":
        await opened(page, served)
    await page.locator("#input").press_sequentially(text)
    await page.keyboard.press("Enter")


async def status(page: Page, expected: str) -> None:
    await page.locator(f'#status[data-status="{expected}"]').wait_for()


def text_of(page: Page) -> Any:
    return page.locator(".assistant .text").last


async def has_text(locator: Any, text: str) -> None:
    from playwright.async_api import expect

    await expect(locator).to_have_text(text, timeout=WAIT_S * 1000)


def sse(events: Iterable[Event], *, end: bool = True) -> bytes:
    """The bytes of a run that nobody runs."""
    frames = b"".join(b"id: %d\ndata: %b\n\n" % (one.seq, one.to_json()) for one in events)
    return frames + (b"event: end\ndata: {}\n\n" if end else b"")


async def canned(page: Page, body: bytes) -> None:
    """Answer the page's next runs with these bytes."""
    await page.route(
        "**/runs", lambda route: route.fulfill(content_type="text/event-stream", body=body)
    )
