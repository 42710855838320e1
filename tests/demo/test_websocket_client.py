"""The browser's client of docs/websocket.md shows the whole text, even if its socket is cut."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from langchain_streamkit.serve.router import streamkit_router
from tests.manager.managers import Talking
from tests.serve.servers import serving

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = (Path(__file__).parents[2] / "docs" / "websocket.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"^```js\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
KEPT = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(url) { super(url); sockets.push(this); }
};
"""


async def test_a_socket_that_is_cut_in_mid_answer_is_replaced_and_the_text_is_whole(
    browser: Browser,
) -> None:
    talking = Talking()
    app = FastAPI()
    app.include_router(streamkit_router(talking.model))

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse("<body style='white-space: pre'></body>")

    with serving(app, lifespan="on") as host:
        page = await browser.new_page()
        await page.goto(f"http://{host}/")
        await page.evaluate(KEPT + SCRIPT)
        await page.wait_for_function("document.body.textContent === 'first '")
        await page.evaluate("sockets[0].close()")
        await page.wait_for_function("sockets.length === 2")
        talking.gate.set()
        await page.wait_for_function("document.body.textContent === 'first second'")
        await page.wait_for_function("sockets[1].readyState === WebSocket.CLOSED")
        assert await page.evaluate("sockets.length") == 2
        await page.close()
