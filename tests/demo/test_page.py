"""The demo's page in a real browser, on a real server, with a provider held at gates."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit.events import Event, MessageStarted, TextDelta, TextStarted
from langchain_streamkit.serve.demo_script import answer
from langchain_streamkit.testing import DroppedConnection, ProviderError, ToolCall, Turn
from tests.demo.demos import demo
from tests.demo.pages import Started, ask, canned, has_text, opened, sse, status, text_of

if TYPE_CHECKING:
    from playwright.async_api import Page


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_text_is_seen_growing_before_the_run_has_ended(page: Page) -> None:
    gates = {1: threading.Event(), 2: threading.Event()}
    with demo([Turn(["One ", "two ", "three"], hold=gates)]) as served:
        await ask(page, served, "hi")
        await has_text(text_of(page), "One ")
        await status(page, "running")
        gates[1].set()
        await has_text(text_of(page), "One two ")
        await status(page, "running")
        gates[2].set()
        await has_text(text_of(page), "One two three")
        await status(page, "done")


async def test_tool_calls_are_shown_with_growing_arguments_and_their_results(page: Page) -> None:
    typing, closing = threading.Event(), threading.Event()
    call = ToolCall("get_weather", ['{"city": "Lis', 'bon"}'])
    turns = [
        Turn(tool_calls=[call], hold={2: typing}),
        Turn("It rains.", hold={0: closing}),
    ]
    with demo(turns) as served:
        await ask(page, served, "weather in Lisbon?")
        card = page.locator(".tool")
        await has_text(card.locator(".name"), "get_weather")
        await has_text(card.locator(".args"), '{"city": "Lis')
        typing.set()
        await has_text(card.locator(".args"), 'city="Lisbon"')
        await page.locator('.tool[data-state="running"]').wait_for()
        await has_text(card.locator(".result"), "heavy rain, 13 °C, wind 20 km/h")
        await page.locator('.tool[data-state="ok"]').wait_for()
        await status(page, "running")
        closing.set()
        await has_text(text_of(page), "It rains.")
        await status(page, "done")


async def test_question_for_both_tools_is_answered_and_looks_well(
    page: Page, tmp_path: Path
) -> None:
    with demo(answer) as served:
        await ask(page, served, "What is the weather in Lisbon, and what is 12 * 34?")
        await status(page, "done")
        assert await page.locator('.tool[data-state="ok"]').count() == 2
        assert "12 * 34 makes 408." in await text_of(page).inner_text()
        await page.screenshot(path=tmp_path / "page.png")
        for size in ({"width": 390, "height": 800}, {"width": 1280, "height": 800}):
            await page.set_viewport_size(size)  # type: ignore[arg-type]
            overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.evaluate(overflow) == 0
    assert (tmp_path / "page.png").stat().st_size > 10_000


async def test_events_are_listed_with_type_path_seq_and_summary(page: Page) -> None:
    with demo(["Hello"]) as served:
        await ask(page, served, "hi")
        await status(page, "done")
        rows = page.locator("#events li")
        types = await rows.locator(".type").all_inner_texts()
        seqs = [int(text) for text in await rows.locator(".seq").all_inner_texts()]
        delta = page.locator('#events li[data-type="text.delta"]')
        assert types[0] == "run.started"
        assert types[-1] == "run.finished"
        assert seqs == list(range(1, len(seqs) + 1))
        assert await page.locator("#count").inner_text() == str(len(seqs))
        await has_text(delta.locator(".path"), "model")
        await has_text(delta.locator(".said"), '"Hello"')
        await delta.locator("summary").click()
        assert '"text": "Hello"' in await delta.locator("pre").inner_text()


async def test_first_token_tokens_and_duration_are_shown(page: Page) -> None:
    usage = {"input_tokens": 7, "output_tokens": 5}
    gate = threading.Event()
    with demo([Turn("One two", usage=usage, hold={1: gate})]) as served:
        await ask(page, served, "hi")
        first = page.locator("#first-token", has_text="s")
        await first.wait_for()
        await status(page, "running")
        gate.set()
        await status(page, "done")
        assert (await first.inner_text()).endswith("s")
        await has_text(page.locator("#tokens"), "7 + 5")
        assert (await page.locator("#duration").inner_text()).endswith("s")
        footer = await page.locator(".assistant .facts").inner_text()
        assert "first token" in footer
        assert "7 in + 5 out tokens" in footer


@pytest.mark.parametrize("how", ["button", "Escape"])
async def test_stop_ends_the_providers_answer_and_is_shown(page: Page, how: str) -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()})]) as served:
        await ask(page, served, "hi")
        await has_text(text_of(page), "One ")
        if how == "button":
            await page.locator("#stop").click()
        else:
            await page.keyboard.press(how)
        await served.provider.requests[0].await_disconnected()
        await status(page, "stopped")
        await has_text(page.locator(".assistant .note"), "stopped")
        await has_text(text_of(page), "One ")
        assert not served.provider.requests[0].completed.is_set()
        assert (await page.locator("#events .type").all_inner_texts())[-1] == "run.cancelled"


async def test_conversation_goes_on_in_its_thread_and_a_new_one_begins_afresh(page: Page) -> None:
    with demo(["Hello Ada", "You are Ada", "Who knows?"]) as served:
        await ask(page, served, "I am Ada")
        await status(page, "done")
        await ask(page, served, "Who am I?")
        await has_text(text_of(page), "You are Ada")
        await status(page, "done")
        await page.locator("#fresh").click()
        assert await page.locator(".turn").count() == 0
        await ask(page, served, "Who am I?")
        await has_text(text_of(page), "Who knows?")
        seen = [len(request.body["messages"]) for request in served.provider.requests]
    assert seen == [2, 4, 2]


async def test_new_conversation_stops_the_run_that_was_going_on(page: Page) -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()}), "Fresh"]) as served:
        await ask(page, served, "hi")
        await has_text(text_of(page), "One ")
        await page.locator("#fresh").click()
        await served.provider.requests[0].await_disconnected()
        await status(page, "idle")
        await ask(page, served, "again")
        await has_text(text_of(page), "Fresh")
        await status(page, "done")


@pytest.mark.parametrize(
    "error", [ProviderError("secret"), DroppedConnection()], ids=["error", "dropped"]
)
async def test_failure_in_mid_answer_is_shown_without_its_text(
    page: Page, error: Exception
) -> None:
    with demo([Turn("One two", error=error), "Better"]) as served:
        await ask(page, served, "hi")
        await status(page, "failed")
        note = await page.locator(".assistant .note").inner_text()
        assert note.startswith("failed: ")
        assert "secret" not in note
        await ask(page, served, "again")
        await has_text(text_of(page), "Better")
        await status(page, "done")


async def test_server_that_goes_away_is_told_apart_from_an_end(page: Page) -> None:
    with demo([]) as served:
        await opened(page, served)
        # What a killed server leaves: a stream without its last frames.
        await canned(page, sse([Started(seq=1)], end=False))
        await ask(page, served, "hi")
        await status(page, "failed")
        note = await page.locator(".assistant .note").inner_text()
    assert "closed before the run had ended" in note


async def test_markup_from_user_model_and_tool_stays_text(page: Page) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    turns = [
        Turn(evil, tool_calls=[ToolCall("calculate", {"expression": evil})]),
        Turn(f"Done {evil}"),
    ]
    with demo(turns) as served:
        await ask(page, served, evil)
        await status(page, "done")
        await has_text(page.locator(".user .text"), evil)
        await has_text(text_of(page), f"Done {evil}")
        await page.locator('#events li[data-type="text.finished"] summary').last.click()
        assert await page.locator("main img, main script").count() == 0


async def test_long_run_keeps_the_list_short_and_counts_all(page: Page) -> None:
    block: dict[str, Any] = {"step_id": "s", "message_id": "m"}
    words = [f"{n} " for n in range(20_000)]
    events: list[Event] = [
        Started(seq=1),
        MessageStarted(seq=2, run_id="r", ts=1, role="assistant", **block),
        TextStarted(seq=3, run_id="r", ts=1, index=0, **block),
    ]
    for word in words:
        seq = len(events) + 1
        events.append(TextDelta(seq=seq, run_id="r", ts=seq, index=0, text=word, **block))
    with demo([]) as served:
        await opened(page, served)
        await canned(page, sse(events))
        await ask(page, served, "count")
        await has_text(page.locator("#count"), str(len(events)))
        await has_text(text_of(page), "".join(words))
        assert await page.locator("#events li").count() <= 400
        assert await page.locator("#events .seq").last.inner_text() == str(len(events))
        await page.locator("#deltas").uncheck()
        assert not await page.locator("#events li.delta").first.is_visible()


async def test_list_drops_its_oldest_rows_while_a_run_goes_on(page: Page) -> None:
    with demo([Turn([f"{n} " for n in range(500)])]) as served:
        await ask(page, served, "count")
        await status(page, "done")
        first = int(await page.locator("#events .seq").first.inner_text())
        last = int(await page.locator("#events .seq").last.inner_text())
        assert last > 500
        assert last - first == 399
