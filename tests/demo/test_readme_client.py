"""README's client for the browser reads what README's server sends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from langchain_streamkit import SSEResponse, astream
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.serve.servers import serving

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SCRIPT, *_ = re.findall(r"^```js\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
ANSWER = "It works: ünïcödé, 日本語, and a line\n\nafter another."


async def test_the_fetch_loop_of_readme_shows_the_whole_text(browser: Browser) -> None:
    app = FastAPI()

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse("<body style='white-space: pre'></body>")

    @app.post("/chat")
    async def chat(question: str) -> SSEResponse:
        return SSEResponse(astream(ScriptedModel([Turn(ANSWER, delay=0.005)]), question))

    with serving(app) as host:
        page = await browser.new_page()
        await page.goto(f"http://{host}/")
        await page.evaluate(f"(async () => {{ {SCRIPT} }})()")
        assert await page.evaluate("document.body.textContent") == ANSWER
        await page.close()
