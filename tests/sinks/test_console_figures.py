"""Tokens and cost on a terminal: so far, below the text, and in the last line."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from langchain_streamkit import events as ev
from langchain_streamkit.sinks import ConsoleSink
from tests.sinks.screen import Screen
from tests.wire.story import TIMING, Story

WIDTH, HEIGHT = 40, 5
Shown = Callable[..., list[str]]


def usage(tokens_in: int, tokens_out: int, **fields: Any) -> ev.Usage:
    fields = {"call_id": "c", "source": "provider"} | fields
    return ev.Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=tokens_in + tokens_out,
        **fields,
    )


def printed(events: Any, **options: Any) -> str:
    file = io.StringIO()
    ConsoleSink(file, **options).send(list(events))
    return file.getvalue()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shown() -> Iterator[Shown]:
    """What is seen on a real terminal after these batches of events."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    screen = Screen(WIDTH, HEIGHT)
    file = open(slave, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- a descriptor
    sink: list[ConsoleSink] = []

    def look() -> list[str]:
        file.write("\x00")
        file.flush()
        given = b""
        while not given.endswith(b"\x00"):
            given += os.read(master, 65536)
        screen.put(given.removesuffix(b"\x00").decode().replace("\r\n", "\n"))
        return screen.rows

    def show(*batches: Any, close: bool = False, **options: Any) -> list[str]:
        if not sink:
            sink.append(ConsoleSink(file, **options))
        for batch in batches:
            sink[0].send(batch if isinstance(batch, list) else [batch])
            look()
        if close:
            sink[0].close()
        return look()

    yield show
    file.close()
    os.close(master)


def speaking(s: Story, **fields: Any) -> list[Any]:
    return [
        s.start(),
        s.message_start(**{"counting": "estimate"} | fields),
        s.make(ev.TextStarted, message_id="m1", index=0),
    ]


def test_tokens_so_far_stand_below_the_text_and_are_rewritten(shown: Shown) -> None:
    s = Story()

    assert shown(speaking(s), s.delta("Hello", tokens=1)) == ["▶ agent", "Hello", "~1 out tokens"]
    assert shown(s.delta(" you", tokens=12)) == ["▶ agent", "Hello you", "~12 out tokens"]


def test_tokens_of_the_models_own_encoding_are_no_estimate(shown: Shown) -> None:
    s = Story()

    assert shown(speaking(s, counting="exact"), s.delta("Hi", tokens=3))[-1] == "3 out tokens"


def test_cost_so_far_is_shown_when_it_is_told(shown: Shown) -> None:
    s = Story()
    used = usage(100, 16, source="estimated", cost="0.0006")
    told = s.make(ev.UsageUpdated, message_id="m1", usage=used)

    rows = shown(speaking(s), s.delta("Hi", tokens=16), told, s.delta(" you", tokens=17))
    assert rows[-1] == "~100 in + ~17 out tokens · ~$0.00060"


def test_prompt_that_nobody_told_is_an_estimate_beside_an_exact_answer(shown: Shown) -> None:
    s = Story()
    used = usage(100, 16, source="counted", cost="0.0006")
    told = s.make(ev.UsageUpdated, message_id="m1", usage=used)

    rows = shown(speaking(s, counting="exact"), s.delta("Hi", tokens=16), told)
    assert rows[-1] == "~100 in + 16 out tokens · ~$0.00060"


def test_calls_of_a_run_are_added_up(shown: Shown) -> None:
    s = Story()
    first = [s.start(), s.message_start("m0")]
    first.append(s.message_end("m0", usage=usage(100, 20, cost="0.25")))
    second = speaking(s, counting="exact")[1:]

    rows = shown(first, second, s.delta("Hi", tokens=3))
    assert rows[-1] == "100 in + 23 out tokens · $0.2500"


def test_nothing_is_left_of_the_live_line_when_the_model_has_ended(shown: Shown) -> None:
    s = Story()
    events = [*speaking(s), s.delta("Hello", tokens=1)]
    end = [s.make(ev.TextFinished, message_id="m1", index=0, text="Hello")]
    end.append(s.message_end(usage=usage(8, 1, source="estimated")))

    assert shown(events, end) == ["▶ agent", "Hello"]
    assert shown(s.tool("c", "search", "t", content="x"))[2:] == [
        "→ search(q=1)",
        "← search 0.1 s: x",
    ]


def test_text_is_whole_however_long_its_lines_and_wherever_the_screen_ends(shown: Shown) -> None:
    s = Story()
    words = "".join(f"{number} " for number in range(150)) + "\nnew line\n\nand another"
    pieces = [words[at : at + 3] for at in range(0, len(words), 3)]
    deltas = [s.delta(piece, tokens=at) for at, piece in enumerate(pieces, start=1)]
    lines = words.split("\n")
    wrapped = [lines[0][at : at + WIDTH].rstrip() for at in range(0, len(lines[0]), WIDTH)]

    *rows, live = shown(speaking(s), *deltas)
    assert live == f"~{len(pieces)} out tokens"
    assert rows == ["▶ agent", *wrapped, *lines[1:]]


def test_live_line_is_beside_the_cursor_on_a_fresh_line_and_makes_way_for_text(
    shown: Shown,
) -> None:
    s = Story()
    line = s.delta("Line\n", tokens=2)

    assert shown(speaking(s), line) == ["▶ agent", "Line", "~2 out tokens"]
    assert shown(s.delta("x", tokens=3)) == ["▶ agent", "Line", "x", "~3 out tokens"]


def test_tool_call_that_is_being_written_counts_before_anything_is_shown(shown: Shown) -> None:
    s = Story()
    block = {"message_id": "m1", "index": 0, "tool_call_id": "c"}
    call = [s.make(ev.ToolCallStarted, name="search", **block)]
    call.append(s.make(ev.ToolCallDelta, args='{"q"', tokens=7, **block))

    assert shown(speaking(s)[:2], call) == ["▶ agent", "~7 out tokens"]


def test_close_removes_the_live_line_of_a_run_without_an_end(shown: Shown) -> None:
    s = Story()

    assert shown(speaking(s), s.delta("Hi", tokens=1), close=True) == ["▶ agent", "Hi"]


def test_runs_at_once_each_have_their_figures(shown: Shown) -> None:
    a, b = Story("run-aaaaaa"), Story("run-bbbbbb")
    shown(speaking(a), speaking(b))
    shown(a.delta("A", tokens=1))
    rows = shown(b.delta("B", tokens=2))

    assert rows[-1] == "[run aaaaaa] ~1 out tokens [run bbbb..."


@pytest.mark.parametrize("show", [["text"], ["text", "timing"]])
def test_live_line_can_be_left_out(shown: Shown, show: Any) -> None:
    s = Story()

    assert shown(speaking(s), s.delta("Hi", tokens=1), show=show)[-1] == "Hi"


def test_live_line_is_on_terminals_alone(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    s = Story()
    events = [*speaking(s), s.delta("Hi", tokens=1)]

    assert printed(events) == "▶ agent\nHi"
    monkeypatch.setenv("TERM", "dumb")
    assert shown(events) == ["▶ agent", "Hi"]


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (usage(12, 34), "12 in + 34 out tokens"),
        (usage(12, 34, cost="0.0123"), "12 in + 34 out tokens · $0.0123"),
        (
            usage(12, 34, source="estimated", cost="0.0123"),
            "~12 in + ~34 out tokens · ~$0.0123",
        ),
        (usage(12, 34, source="counted", cost="0.0123"), "~12 in + 34 out tokens · ~$0.0123"),
        (usage(0, 0, source="cache", cost="0"), "$0.0000"),
    ],
)
def test_last_line_has_tokens_and_cost(used: ev.Usage, said: str) -> None:
    timing = ev.Timing(duration_ms=2000, tokens_per_second=17.4)
    end = Story().make(ev.RunFinished, usage=used, timing=timing)

    assert printed([end]) == f"✔ 2.0 s · {said} · 17/s\n"


def test_stop_by_a_budget_is_one_line_with_what_was_spent() -> None:
    s = Story()
    used = usage(12, 34, source="estimated", cost="0.0123", status="aborted")
    events = [*speaking(s), s.delta("Half an", tokens=34)]
    events += [
        s.make(ev.TextFinished, message_id="m1", index=0, text="Half an"),
        s.make(ev.MessageAborted, message_id="m1", reason="budget", usage=used),
        s.make(ev.RunCancelled, reason="budget", usage=used, timing=TIMING),
    ]

    assert printed(events).splitlines() == [
        "▶ agent",
        "Half an",
        "■ stopped by the budget · 1.5 s · first token 0.25 s · ~12 in + ~34 out tokens · ~$0.0123",
    ]
