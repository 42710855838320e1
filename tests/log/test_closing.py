"""What closes the run of a lost producer: any beginning of any legal stream becomes a legal one."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from langchain_streamkit import RunSnapshot, StreamUsageError, check_stream
from langchain_streamkit import events as ev
from langchain_streamkit.log.closing import Closing
from tests.foundation.samples import USAGE, Script, whole_run
from tests.lengths import examples
from tests.scenarios.random_building import Built
from tests.scenarios.random_examples import roots
from tests.scenarios.random_watching import watched_sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_streamkit.events import Event

LATER = 10**15
"""Now, of a closing that comes after all events."""


def closed(events: Sequence[Event], *, ts: int = LATER) -> list[Any]:
    closing = Closing()
    for event in events:
        closing.feed(event)
    return [*events, *closing.close(seq=events[-1].seq + 1, ts=ts, error_id="e1")]


def assert_every_beginning_closes(events: Sequence[Event]) -> None:
    step = 1 + len(events) // 100
    for count in (*range(1, len(events), step), len(events)):
        whole = closed(events[:count])
        assert [str(breach) for breach in check_stream(whole)] == [], f"after {count} events"
        assert RunSnapshot.from_events(whole).outcome in ("failed", events[-1].type[4:])
        assert closed(whole) == whole


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the tracebacks of failures that were meant out of a report."""
    logger = logging.getLogger("langchain_streamkit")
    before, logger.level = logger.level, logging.CRITICAL
    try:
        yield
    finally:
        logger.setLevel(before)


# ---- any stream ----------------------------------------------------------------------------------


def test_every_beginning_of_a_run_with_everything_in_it_closes() -> None:
    assert_every_beginning_closes(whole_run())


@settings(
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(root=roots(fault=True))
def test_every_beginning_of_any_run_closes(root: Any) -> None:
    with quiet():
        seen = watched_sync(root, Built(root, plain_only=True), "events")
    assert_every_beginning_closes(seen.events)


# ---- what is said at the end ---------------------------------------------------------------------


def beginning() -> Script:
    script = Script().start()
    script(ev.StepStarted, step_id="g", kind="graph", name="agent")
    script(ev.ToolStarted, step_id="t", tool_call_id="c0", name="ask", path=("tools",))
    return script.message("m1", step_id="llm", path=("tools", "ask"))


def test_what_is_open_is_closed_as_cancelled_children_first() -> None:
    script = beginning()
    block = {"message_id": "m1", "index": 0, "step_id": "llm"}
    script(ev.TextStarted, **block)(ev.TextDelta, text="Hel", **block)
    script(ev.TextDelta, text="lo", **block)
    end = closed(script.events)[len(script.events) :]
    assert [event.type for event in end] == [
        "text.finished",
        "message.aborted",
        "tool.finished",
        "step.finished",
        "run.failed",
    ]
    assert end[0].text == "Hello"
    assert end[1].reason == "cancelled"
    assert end[2].outcome == end[3].outcome == "cancelled"
    assert [event.seq for event in end] == [8, 9, 10, 11, 12]
    assert end[2].path == ("tools",)


def test_run_failed_says_that_the_producer_was_lost() -> None:
    end = closed(Script().start().events, ts=5010)[-1]
    assert end.error.code == "producer_lost"
    assert end.error.retryable
    assert end.error.error_id == "e1"
    assert end.timing.duration_ms == 5010 - 1010
    assert end.ts == 5010


def test_time_never_goes_back() -> None:
    events = Script().start().events
    assert closed(events, ts=5)[-1].ts == events[-1].ts


def test_arguments_that_were_cut_off_are_invalid_and_whole_ones_are_not() -> None:
    for pieces, args, text in (
        ([], None, ""),
        (['{"q":'], None, '{"q":'),
        (['{"q":', "1}"], {"q": 1}, None),
    ):
        script = beginning()
        block = {"message_id": "m1", "index": 0, "tool_call_id": "c1", "step_id": "llm"}
        script(ev.ToolCallStarted, name="search", **block)
        for piece in pieces:
            script(ev.ToolCallDelta, args=piece, **block)
        end = closed(script.events)[len(script.events)]
        assert end.args == args
        assert (None if end.invalid is None else end.invalid.text) == text


def test_usage_is_the_sum_of_what_was_told_with_the_newest_of_open_messages() -> None:
    script = beginning().end_message("m1", step_id="llm", usage=USAGE)
    live = msgspec.structs.replace(USAGE, call_id="call-2", output_tokens=1, source="counted")
    script.message("m2", step_id="llm2")(ev.UsageUpdated, message_id="m2", usage=live)
    newer = msgspec.structs.replace(live, output_tokens=5)
    script(ev.UsageUpdated, message_id="m2", usage=newer)
    whole = closed(script.events)
    assert check_stream(whole) == []
    aborted = next(event for event in whole if event.type == "message.aborted")
    assert (aborted.usage.output_tokens, aborted.usage.status) == (5, "aborted")
    usage = whole[-1].usage
    assert usage.output_tokens == USAGE.output_tokens + 5
    assert (usage.source, usage.status) == ("counted", "aborted")


def test_attempt_that_was_overtaken_by_the_next_is_no_breach() -> None:
    script = Script().start().message("m1", path=("n",)).message("m2", path=("n",), attempt=2)
    assert check_stream(closed(script.events)) == []


def test_run_that_has_not_begun_cannot_be_closed() -> None:
    with pytest.raises(StreamUsageError, match="not begun"):
        Closing().close(seq=1, ts=0, error_id="e1")
