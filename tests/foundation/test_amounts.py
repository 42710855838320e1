"""Tokens and costs in words, and where a snapshot shows them."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_streamkit import events as ev
from langchain_streamkit.amounts import usage_facts
from langchain_streamkit.snapshot import RunSnapshot
from tests.foundation.samples import TIMING, Script


def usage(tokens_in: int = 12, tokens_out: int = 34, **fields: Any) -> ev.Usage:
    fields = {"call_id": "c", "source": "provider"} | fields
    total = tokens_in + tokens_out
    return ev.Usage(input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=total, **fields)


@pytest.mark.parametrize(
    ("used", "facts"),
    [
        (usage(), ["12 in + 34 out tokens"]),
        (usage(1200, 3, cost="0.0012345"), ["1,200 in + 3 out tokens", "$0.0012"]),
        (usage(cost="0.0000012"), ["12 in + 34 out tokens", "$0.0000012"]),
        (usage(cost="0"), ["12 in + 34 out tokens", "$0.0000"]),
        (usage(source="counted", cost="2"), ["~12 in + 34 out tokens", "~$2.0000"]),
        (usage(source="estimated", cost="2"), ["~12 in + ~34 out tokens", "~$2.0000"]),
        (usage(0, 34, source="estimated"), ["~34 out tokens"]),
        (usage(0, 0, source="none"), []),
        (usage(0, 0, source="none", cost="0"), []),
        (usage(0, 0, source="cache", cost="0"), ["$0.0000"]),
    ],
)
def test_usage_is_told_as_far_as_it_is_known(used: ev.Usage, facts: list[str]) -> None:
    assert usage_facts(used) == facts


def told(script: Script) -> RunSnapshot:
    return RunSnapshot.from_events(script.events)


def speaking(script: Script, *tokens: int | None) -> Script:
    block = {"message_id": "m1", "index": 0}
    script(ev.TextStarted, **block)
    for count in tokens:
        script(ev.TextDelta, text="piece ", tokens=count, **block)
    return script


@pytest.mark.parametrize(("counting", "shown"), [("exact", "1,234"), ("estimate", "~1,234")])
def test_card_of_a_message_that_streams_shows_its_tokens_so_far(counting: str, shown: str) -> None:
    script = speaking(Script().start().message(counting=counting), 5, 1234, None)
    snapshot = told(script)

    assert snapshot.messages[0].tokens == 1234
    assert f">{shown} tokens so far</div>" in snapshot._repr_html_()


def test_card_of_a_message_that_streams_shows_its_cost_when_that_is_told() -> None:
    script = speaking(Script().start().message(counting="exact"), 16)
    script(ev.UsageUpdated, message_id="m1", usage=usage(12, 16, source="counted", cost="0.25"))
    speaking(script, 20)

    assert ">20 tokens so far · ~$0.2500</div>" in told(script)._repr_html_()


def test_tokens_of_all_blocks_of_a_message_are_those_of_its_newest_piece() -> None:
    script = speaking(Script().start().message(), 3)
    block = {"message_id": "m1", "index": 1, "tool_call_id": "c"}
    script(ev.ToolCallStarted, name="search", **block)
    script(ev.ToolCallDelta, args="{", tokens=4, **block)

    assert told(script).messages[0].tokens == 4


def test_card_shows_what_each_message_and_the_run_took() -> None:
    script = speaking(Script().start().message(counting="estimate"), 30)
    script.end_message(usage=usage(cost="0.5"))
    script.finish(usage=usage(cost="0.5"), timing=TIMING)
    snapshot = told(script)
    card = snapshot._repr_html_()

    assert snapshot.messages[0].tokens == 34
    assert ">12 in + 34 out tokens · $0.5000</div>" in card
    assert "12 in + 34 out tokens, $0.5000</span>" in card
    assert "so far" not in card


def test_message_of_which_nobody_told_tokens_has_none() -> None:
    script = speaking(Script().start().message(), None).end_message(
        usage=usage(0, 0, source="none")
    )

    assert told(script).messages[0].tokens is None
    assert "tokens" not in told(script)._repr_html_()


def test_run_that_a_budget_stopped_says_so_with_what_it_took() -> None:
    script = Script().start()
    used = usage(source="estimated", cost="0.5")
    script(ev.RunCancelled, reason="budget", usage=used, timing=ev.Timing(duration_ms=1500))

    assert str(told(script)).endswith(
        "stopped by the budget, 1.50 s, ~12 in + ~34 out tokens, ~$0.5000"
    )


@pytest.mark.parametrize("reason", ["cancelled", "budget"])
def test_card_keeps_readable_what_was_said_until_it_was_stopped(reason: str) -> None:
    script = speaking(Script().start().message(), 1)
    script(ev.TextFinished, message_id="m1", index=0, text="Half an")
    script(ev.MessageAborted, message_id="m1", reason=reason)

    assert "assistant (aborted)</i>: Half an</div>" in told(script)._repr_html_()
