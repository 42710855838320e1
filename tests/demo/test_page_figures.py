"""Tokens and cost on the demo's page: those of the events, while a run goes on and after it."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import to_builtins

from langchain_streamkit.amounts import dollars, places_for, usage_facts
from langchain_streamkit.events import (
    Event,
    MessageFinished,
    MessageStarted,
    RunFinished,
    TextDelta,
    TextStarted,
    Timing,
    Usage,
    UsageUpdated,
)
from langchain_streamkit.serve.demo_script import answer
from langchain_streamkit.testing import Turn
from tests.demo.demos import Demo, demo
from tests.demo.pages import Started, ask, canned, has_text, opened, sse, status, text_of

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "\u2013"


def newest(served: Demo, kind: str) -> Any:
    """The last event of this type that a sink beside the page was given."""
    return [event for event in served.told.events if event.type == kind][-1]


def cost_of(usage: Usage) -> str:
    assert usage.cost is not None
    cost = Decimal(usage.cost)
    return dollars(cost, places_for([cost]))


async def test_tokens_are_counted_while_the_answer_streams(page: Page) -> None:
    gate = threading.Event()
    usage = {"input_tokens": 7, "output_tokens": 5}
    with demo([Turn(["One ", "two ", "three"], hold={2: gate}, usage=usage)]) as served:
        await ask(page, served, "hi")
        await has_text(text_of(page), "One two ")
        tokens = newest(served, "text.delta").tokens
        assert tokens > 0
        await has_text(page.locator("#tokens"), f"{UNKNOWN} + ~{tokens}")
        await has_text(page.locator(".used"), f"~{tokens} out tokens")
        await has_text(page.locator("#sum"), f"~{tokens} tokens")
        await status(page, "running")
        gate.set()
        await status(page, "done")
        await has_text(page.locator("#tokens"), "7 + 5")
        await has_text(page.locator("#sum"), "12 tokens · $0.000011")


async def test_cost_is_shown_while_the_answer_streams(page: Page) -> None:
    gate = threading.Event()
    pieces = [f"{n}, " for n in range(20)]
    with demo([Turn(pieces, hold={19: gate})]) as served:
        await ask(page, served, "hi")
        await has_text(text_of(page), "".join(pieces[:19]))
        await page.locator("#cost", has_text="~$").wait_for()
        usage = newest(served, "usage.updated").usage
        tokens = newest(served, "text.delta").tokens
        await has_text(page.locator("#cost"), f"~{cost_of(usage)}")
        await has_text(page.locator("#tokens"), f"~{usage.input_tokens} + ~{tokens}")
        gate.set()
        await status(page, "done")


async def test_figures_of_messages_run_and_conversation_are_those_of_the_events(
    page: Page,
) -> None:
    with demo(answer) as served:
        await ask(page, served, "What is the weather in Lisbon, and what is 12 * 34?")
        await status(page, "done")
        of_messages = [e.usage for e in served.told.events if isinstance(e, MessageFinished)]
        shown = await page.locator(".used").all_inner_texts()
        assert shown == [" · ".join(usage_facts(usage)) for usage in of_messages if usage]
        assert len(shown) == 2

        first = newest(served, "run.finished").usage
        footer = await page.locator(".assistant .facts").inner_text()
        assert all(fact in footer for fact in usage_facts(first))
        await has_text(page.locator("#tokens"), f"{first.input_tokens} + {first.output_tokens}")
        await has_text(page.locator("#cost"), cost_of(first))

        await ask(page, served, "Count to 3")
        await status(page, "done")
        second = newest(served, "run.finished").usage
        both = Decimal(first.cost) + Decimal(second.cost)
        tokens = first.total_tokens + second.total_tokens
        cost = dollars(both, places_for([both]))
        await has_text(page.locator("#sum"), f"{tokens:,} tokens · {cost}")
        await page.locator("#fresh").click()
        assert not await page.locator("#sum").is_visible()


@pytest.mark.parametrize("how", ["field", "idea"])
async def test_run_stopped_by_its_budget_is_no_error_and_tells_what_it_spent(
    page: Page, how: str
) -> None:
    with demo(answer) as served:
        await opened(page, served)
        if how == "idea":
            await page.locator("#ideas button", has_text="on a budget of 60 tokens").click()
        else:
            await page.locator("#budget").fill("60")
            await ask(page, served, "Count to 300")
        await status(page, "stopped")
        await has_text(page.locator(".assistant .note"), "stopped by the budget of 60 tokens")
        assert await page.locator(".message.dropped").count() == 0
        assert (await text_of(page).inner_text()).startswith("1, 2, 3")
        usage = newest(served, "run.cancelled").usage
        assert usage.output_tokens > 60
        footer = await page.locator(".assistant .facts").inner_text()
        assert all(fact in footer for fact in usage_facts(usage))
        about = f"~{usage.input_tokens} + ~{usage.output_tokens}"
        await has_text(page.locator("#tokens"), about)
        assert await page.locator('.assistant[data-status="failed"]').count() == 0


@pytest.mark.parametrize("wrong", ["0", "-5", "1.5"])
async def test_budget_that_is_none_is_refused_before_anything_is_sent(
    page: Page, wrong: str
) -> None:
    with demo([]) as served:
        await opened(page, served)
        await page.locator("#budget").fill(wrong)
        await ask(page, served, "hi")
        await page.locator("#hint.now", has_text="whole number of tokens").wait_for()
        assert await page.locator("#input").input_value() == "hi"
        assert not served.provider.requests


async def test_cost_that_nobody_knows_is_not_shown(page: Page) -> None:
    usage = Usage(
        call_id="c", input_tokens=1200, output_tokens=3, total_tokens=1203, source="provider"
    )
    block: dict[str, Any] = {"run_id": "r", "ts": 1, "step_id": "s", "message_id": "m"}
    events: list[Event] = [
        Started(seq=1),
        MessageStarted(seq=2, role="assistant", counting="exact", **block),
        TextStarted(seq=3, index=0, **block),
        TextDelta(seq=4, index=0, text="Hi", tokens=1, **block),
        UsageUpdated(seq=5, usage=usage, **block),
        MessageFinished(seq=6, finish_reason="stop", usage=usage, **block),
        RunFinished(seq=7, run_id="r", ts=1, usage=usage, timing=Timing(duration_ms=5)),
    ]
    with demo([]) as served:
        await opened(page, served)
        await canned(page, sse(events))
        await ask(page, served, "hi")
        await status(page, "done")
        await has_text(page.locator("#tokens"), "1,200 + 3")
        await has_text(page.locator("#cost"), UNKNOWN)
        await has_text(page.locator("#sum"), "1,203 tokens")


async def test_page_writes_dollars_as_the_library_does(page: Page) -> None:
    costs = ["0", "0.5", "0.0012345", "0.00096", "0.0000012", "1234.5", "0.00000000000001"]
    with demo([]) as served:
        await opened(page, served)
        written = await page.evaluate(
            """async (costs) => {
                const { dollars } = await import("/static/amounts.js");
                return costs.map((cost) => dollars(Number(cost)));
            }""",
            costs,
        )
    assert written == [dollars(Decimal(cost), places_for([Decimal(cost)])) for cost in costs]


async def test_page_says_that_prices_are_examples(page: Page) -> None:
    with demo([]) as served:
        await opened(page, served)
        await page.locator("#cost[title^='example prices']").wait_for()


async def test_prompt_and_cost_of_a_counted_answer_are_marked_as_estimates(page: Page) -> None:
    used = [
        Usage(
            call_id="c", input_tokens=7, output_tokens=5, total_tokens=12, source=source, cost="2"
        )
        for source in ("counted", "provider")
    ]
    with demo(["hi"]) as served:
        await opened(page, served)
        said = [
            await page.evaluate(
                "async (usage) => { const { amounts, facts } = await"
                " import('/static/amounts.js'); return facts(amounts(usage)); }",
                to_builtins(one),
            )
            for one in used
        ]
    assert said == [usage_facts(one) for one in used]
    assert said[0] == ["~7 in + 5 out tokens", "~$2.0000"]
