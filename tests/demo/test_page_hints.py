"""What the demo's page says of failures, stops and waits, and how its list is read."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit.events import (
    Event,
    MessageStarted,
    RunCancelled,
    RunFinished,
    Timing,
    ToolCallFinished,
    ToolCallStarted,
    ToolFinished,
    ToolStarted,
    Usage,
)
from langchain_streamkit.serve.demo_script import answer
from langchain_streamkit.testing import Turn
from tests.demo.demos import demo
from tests.demo.pages import Started, ask, canned, has_text, opened, sse, status, text_of

if TYPE_CHECKING:
    from playwright.async_api import Page

USAGE = Usage(call_id="c", input_tokens=7, output_tokens=5, total_tokens=12, source="provider")
GONE = "() => { window.fetch = () => Promise.reject(new TypeError('Failed to fetch')); }"
TIMING = Timing(duration_ms=1500, first_token_ms=250)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def row(page: Page, kind: str) -> Any:
    return page.locator(f'#events li[data-type="{kind}"]').last


async def test_offered_question_shows_a_tool_that_fails_without_repeating_its_error(
    page: Page,
) -> None:
    with demo(answer) as served:
        await opened(page, served)
        await page.get_by_role("button", name="tool that fails").click()
        await status(page, "done")
        card = page.locator('.tool[data-state="failed"]')
        assert re.fullmatch(r"failed in [\d.]+ m?s", await card.locator(".took").inner_text())
        assert "A tool failed" not in await card.inner_text()
        assert "divides by zero" in await text_of(page).inner_text()


async def test_stopped_tool_says_so_on_its_card_and_in_its_row(page: Page) -> None:
    call: dict[str, Any] = {"run_id": "r", "step_id": "s", "tool_call_id": "c"}
    block: dict[str, Any] = {"message_id": "m", "index": 0, "name": "calculate", "ts": 1, **call}
    begun: dict[str, Any] = {
        "run_id": "r",
        "step_id": "s",
        "message_id": "m",
        "ts": 1,
        "role": "assistant",
    }
    events: list[Event] = [
        Started(seq=1),
        MessageStarted(seq=2, **begun),
        ToolCallStarted(seq=3, **block),
        ToolCallFinished(seq=4, args={"expression": "6 * 7"}, **block),
        ToolStarted(seq=5, ts=1000, name="calculate", **call),
        ToolFinished(seq=6, ts=3000, outcome="cancelled", **call),
        RunCancelled(seq=7, run_id="r", ts=3000, reason="user", usage=USAGE, timing=TIMING),
    ]
    with demo([]) as served:
        await opened(page, served)
        await canned(page, sse(events))
        await ask(page, served, "hi")
        await status(page, "stopped")
        card = page.locator('.tool[data-state="cancelled"]')
        await has_text(card.locator(".took"), "cancelled after 2.00 s")
        await has_text(row(page, "tool.finished").locator(".said"), "cancelled")
        await has_text(
            row(page, "run.cancelled").locator(".said"),
            "by user · 1.50 s · first token 250 ms · 7 in + 5 out tokens",
        )


async def test_last_row_has_the_figures_of_the_run(page: Page) -> None:
    with demo([]) as served:
        await opened(page, served)
        end = RunFinished(seq=2, run_id="r", ts=3, usage=USAGE, timing=TIMING)
        await canned(page, sse([Started(seq=1), end]))
        await ask(page, served, "hi")
        await status(page, "done")
        await has_text(
            row(page, "run.finished").locator(".said"),
            "1.50 s · first token 250 ms · 7 in + 5 out tokens",
        )


@pytest.mark.parametrize("how", ["click", "Enter"])
async def test_row_opens_to_the_whole_event_in_sight(page: Page, how: str) -> None:
    with demo(["Hello"]) as served:
        await ask(page, served, "hi")
        await status(page, "done")
        last = row(page, "run.finished")
        if how == "click":
            await last.locator("summary").click()
        else:
            await last.locator("summary").focus()
            await page.keyboard.press("Enter")
        shown = last.locator("pre")
        event = json.loads(await shown.inner_text())
        assert event["type"] == "run.finished"
        assert "\n  " in await shown.inner_text()
        inside = """(pre) => {
            const [a, b] = [pre, pre.closest("ol")].map((one) => one.getBoundingClientRect());
            return Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        }"""
        await page.wait_for_function(
            f"(pre) => ({inside})(pre) > 100", arg=await shown.element_handle()
        )


async def test_open_row_stays_in_its_place_while_events_come_and_old_ones_leave(page: Page) -> None:
    gates = {220: threading.Event(), 500: threading.Event()}
    with demo([Turn([f"{n} " for n in range(501)], hold=gates)]) as served:
        await ask(page, served, "count")
        await page.locator("#events li", has_text='"219 "').wait_for()
        opened = page.locator("#events li", has_text='"210 "')
        await opened.locator("summary").click()
        await opened.locator("pre").wait_for()
        top = "(row) => Math.round(row.getBoundingClientRect().top)"
        before = await opened.evaluate(top)
        gates[220].set()
        await page.locator("#events li", has_text='"499 "').wait_for(state="attached")
        assert await page.locator("#events li").count() == 400
        assert abs(await opened.evaluate(top) - before) <= 1
        gates[500].set()
        await status(page, "done")


async def test_server_that_is_gone_is_said_with_what_to_look_at(page: Page) -> None:
    with demo([]) as served:
        await opened(page, served)
        await page.get_by_role("button", name="Count to 300", exact=True).wait_for()
        # As the browser says it; a real refusal would be an error in its console besides.
        await page.evaluate(GONE)
        await ask(page, served, "hi")
        await status(page, "failed")
        note = await page.locator(".assistant .note").inner_text()
    assert note == "The server cannot be reached. Is `make demo` still running?"


async def test_enter_while_a_run_goes_on_says_what_to_do_and_keeps_the_text(page: Page) -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()})]) as served:
        await ask(page, served, "hi")
        await has_text(text_of(page), "One ")
        usual = "Enter sends"
        assert usual in await page.locator("#hint").inner_text()
        await ask(page, served, "more")
        assert "stop it first" in await page.locator("#hint").inner_text()
        assert await page.locator("#input").input_value() == "more"
        await page.keyboard.press("Escape")
        await status(page, "stopped")
        await page.locator("#send").wait_for()
        assert usual in await page.locator("#hint").inner_text()
