from __future__ import annotations

import pytest

from langchain_streamkit.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    Timing,
    Usage,
)
from langchain_streamkit.testing import assert_legal


def legal() -> list[Event]:
    usage = Usage(call_id="r", input_tokens=0, output_tokens=0, total_tokens=0, source="none")
    steps: list[Event] = []
    for n in range(8):
        seq = 2 + 2 * n
        step = f"s{n}"
        steps += [
            StepStarted(seq=seq, run_id="r", ts=1, step_id=step, kind="node", name=step),
            StepFinished(seq=seq + 1, run_id="r", ts=1, step_id=step, outcome="ok"),
        ]
    return [
        RunStarted(seq=1, run_id="r", ts=1, name="n"),
        *steps,
        RunFinished(seq=18, run_id="r", ts=1, usage=usage, timing=Timing(duration_ms=0)),
    ]


def test_legal_stream_passes() -> None:
    assert_legal(legal())
    assert_legal(iter(legal()))


def test_every_breach_is_listed_and_the_first_one_shown_in_its_place() -> None:
    events = legal()
    del events[9]  # a step.started, so its end and a number are wrong
    del events[-1]
    with pytest.raises(AssertionError) as caught:
        assert_legal(events)
    text = str(caught.value)
    title, *rest = text.splitlines()
    listed = [line for line in rest if line.startswith("  rule ")]
    shown = [line for line in rest if not line.startswith("  rule ")]
    assert title == f"not a legal stream (16 events), breaches: {len(listed)}"
    assert len(listed) >= 2
    assert [line.split("]")[0] for line in shown] == [
        "  [5",
        "  [6",
        "  [7",
        "  [8",
        "> [9",
        "  [10",
        "  [11",
        "  [12",
        "  [13",
    ]
    assert "s4" in shown[4]


def test_missing_end_is_shown_at_the_end() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_legal(legal()[:-1])
    assert str(caught.value).splitlines()[-1] == "> [17] the end"


def test_view_may_skip_numbers_and_a_whole_stream_not() -> None:
    view = [event for event in legal() if not event.type.startswith("step.")]
    assert_legal(view, view=True)
    with pytest.raises(AssertionError, match="rule 2"):
        assert_legal(view)
