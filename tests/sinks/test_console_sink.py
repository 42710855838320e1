from __future__ import annotations

import io
import os
import pty
import sys
import threading
from typing import Any, cast

import pytest

from langchain_streamkit import events as ev
from langchain_streamkit.errors import SinkError, StreamUsageError
from langchain_streamkit.sinks import ConsoleSink
from tests.wire.story import TIMING, USAGE, Story, short_run

ERROR = ev.ErrorInfo(code="model_error", message="The model failed.", error_id="e5")


def printed(events: Any, **options: Any) -> str:
    file = io.StringIO()
    sink = ConsoleSink(file, **options)
    for event in events:
        sink.send([event])
    sink.close()
    return file.getvalue()


def reasoning(story: Any, *pieces: Any, **block: Any) -> Any:
    block = {"message_id": "m1", "index": 0} | block
    return [
        story.make(ev.ReasoningStarted, **block),
        *(story.make(ev.ReasoningDelta, text=piece, **block) for piece in pieces),
        story.make(ev.ReasoningFinished, text="".join(pieces), **block),
    ]


def test_a_run_is_its_name_its_text_and_its_times() -> None:
    assert printed(short_run("Hello", " world")) == (
        "▶ agent\nHello world\n✔ 1.5 s · first token 0.25 s\n"
    )


def test_text_appears_as_it_streams() -> None:
    file = io.StringIO()
    sink = ConsoleSink(file)
    sink.send(short_run("Hel", "lo")[:4])

    assert file.getvalue() == "▶ agent\nHel"


def test_tokens_and_speed_are_in_the_last_line() -> None:
    s = Story()
    usage = ev.Usage(
        call_id="c", input_tokens=12, output_tokens=34, total_tokens=46, source="provider"
    )
    timing = ev.Timing(duration_ms=2000, tokens_per_second=17.4)
    end = s.make(ev.RunFinished, usage=usage, timing=timing)

    assert printed([end]) == "✔ 2.0 s · 12 in + 34 out tokens · 17/s\n"


def test_a_tool_run_is_its_call_and_its_result_with_seconds() -> None:
    s = Story()
    events = [
        s.make(ev.ToolStarted, tool_call_id="c", name="search", input={"q": "a b", "n": 3}),
        s.make(ev.ToolProgress, tool_call_id="c", data={"done": 0.5}),
        s.make(ev.ToolFinished, tool_call_id="c", content="found\nit", output={"x": 1}),
    ]

    assert printed(events) == (
        '→ search(q="a b", n=3)\n· search: {"done":0.5}\n← search 0.2 s: found it\n'
    )


def test_a_failed_tool_and_arguments_that_are_no_json_are_shown() -> None:
    s = Story()
    events = [
        s.make(
            ev.ToolCallFinished,
            message_id="m",
            index=0,
            tool_call_id="c",
            name="search",
            invalid=ev.InvalidArgs(text='{"q":', error="cut off"),
        ),
        s.make(ev.ToolStarted, tool_call_id="c", name="search"),
        s.make(ev.ToolFailed, tool_call_id="c", error=ERROR),
    ]

    assert printed(events) == (
        '✘ search: cut off: {"q":\n→ search()\n✘ search 0.1 s: The model failed.\n'
    )


def test_reasoning_is_marked_apart_from_text() -> None:
    s = Story()

    assert printed([*reasoning(s, "Let me", " see."), *s.text("Yes.", index=1)]) == (
        "(thinking) Let me see.\nYes.\n"
    )


@pytest.mark.parametrize(
    ("kind", "fields", "line"),
    [
        (ev.RunFailed, {"error": ERROR}, "✘ model_error: The model failed. (error e5)"),
        (ev.RunCancelled, {"reason": "user"}, "■ cancelled by user"),
        (
            ev.RunCancelled,
            {"reason": "shutdown", "pending": ("tool search",)},
            "■ cancelled by shutdown, still running: tool search",
        ),
        (ev.RunInterrupted, {"interrupts": ()}, "⏸ paused"),
    ],
)
def test_every_ending_says_in_one_line_how_it_ended(kind: Any, fields: Any, line: Any) -> None:
    end = Story().make(kind, usage=USAGE, timing=TIMING, **fields)

    assert printed([end]) == f"{line} · 1.5 s · first token 0.25 s\n"
    assert printed([end], show=["text"]) == f"{line}\n"


@pytest.mark.parametrize(
    ("thread_id", "shown"),
    [
        ("t1", "t1"),
        ("customer-42", "customer-42"),
        ("971b5c6d7e8f90a1b2c3d4e5f6a7b8c9", "971b5c…a7b8c9"),
        ("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "0190a1…3f4a5b"),
    ],
)
def test_long_thread_id_is_shown_by_its_two_ends(thread_id: Any, shown: Any) -> None:
    assert printed([Story().start(thread_id=thread_id)]) == f"▶ agent (thread {shown})\n"


def test_interrupts_retries_custom_events_and_diagnostics_have_their_lines() -> None:
    s = Story()
    events = [
        s.make(ev.MessageAborted, message_id="m", reason="retry"),
        s.make(ev.InterruptRequested, interrupt_id="i", payload={"ask": "ok?"}),
        s.make(ev.Custom, name="progress", data=5),
        s.make(ev.Custom, data={"a": 1}),
        s.make(ev.Diagnostic, code="no_tokens", message="it does not stream"),
    ]

    assert printed(events).splitlines() == [
        "↺ the text above does not count (retry)",
        '⏸ waits for an answer: {"ask":"ok?"}',
        "· progress: 5",
        '· custom: {"a":1}',
        "! no_tokens: it does not stream",
    ]


def test_a_call_left_to_the_client_is_shown_at_the_end() -> None:
    call = ev.PendingToolCall(tool_call_id="c", name="pay", args={"eur": 5})

    assert "→ pay(eur=5) is yours to run\n" in printed([Story().finish(pending_tool_calls=(call,))])


def test_steps_and_internal_messages_are_shown_only_when_asked() -> None:
    s = Story()
    events = [
        s.make(ev.StepStarted, step_id="n", kind="node", name="writer"),
        *s.message("inner", audience="internal"),
        s.make(ev.StepFinished, step_id="n", outcome="ok"),
        s.make(ev.StepStarted, step_id="k", kind="node", name="editor"),
        s.make(ev.StepFailed, step_id="k", error=ERROR),
    ]

    assert printed(events) == ""
    assert printed(events, show=["text", "steps", "internal"]) == (
        "· writer started\ninner\n· writer ok 0.6 s\n· editor started\n"
        "✘ editor 0.1 s: The model failed.\n"
    )


@pytest.mark.parametrize("part", ["text", "reasoning", "tools", "custom", "timing"])
def test_each_part_can_be_shown_alone(part: Any) -> None:
    s = Story()
    events = [*s.text("T"), *reasoning(s, "R", index=1), *s.tool("c", "search", "t")]
    events += [s.make(ev.Custom, data=1), s.finish()]
    alone = {
        "text": "T\n",
        "reasoning": "(thinking) R\n",
        "tools": "→ search(q=1)\n← search 0.1 s: null\n",
        "custom": "· custom: 1\n",
        "timing": "✔ 1.5 s · first token 0.25 s\n",
    }

    assert printed(events, show=[part]) == alone[part]


# ---- branches ------------------------------------------------------------------------------------


def test_texts_that_interleave_are_shown_one_after_the_other_under_their_places() -> None:
    s = Story()
    a = s.text("one ", "two ", "three", message_id="a", path=("writer",))
    b = s.text("eins ", "zwei ", "drei", message_id="b", path=("writer#2",))
    mixed = [event for pair in zip(a, b, strict=True) for event in pair]

    assert printed(mixed) == "one two three\n[writer#2]\neins zwei drei\n"


def test_a_text_that_waited_goes_on_live_when_its_turn_comes() -> None:
    s = Story()
    first = s.text("a1", "a2", message_id="a")
    second = s.text("b1", "b2", message_id="b")
    file = io.StringIO()
    sink = ConsoleSink(file)
    sink.send([*first[:2], *second[:2]])
    assert file.getvalue() == "a1"
    sink.send(first[2:])
    assert file.getvalue() == "a1a2\nb1"
    sink.send(second[2:])
    assert file.getvalue() == "a1a2\nb1b2\n"


def test_lines_wait_for_the_open_text_and_keep_their_order() -> None:
    s = Story()
    text = s.text("a", "b", message_id="a")
    other = s.text("c", message_id="c")
    tool = s.tool("t", "search", "t1", content="found")
    note = s.make(ev.Custom, data=1)

    shown = printed([text[0], text[1], tool[0], other[0], other[1], tool[1], note, *text[2:]])
    assert shown == "ab\n→ search(q=1)\nc"

    shown = printed([*text[:2], tool[0], *other, tool[1], note, *text[2:]])
    assert shown.splitlines() == [
        "ab",
        "→ search(q=1)",
        "c",
        "← search 0.1 s: found",
        "· custom: 1",
    ]


@pytest.fixture
def switching() -> Any:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_two_runs_at_once_are_labelled() -> None:
    a, b = short_run("A", run_id="run-aaaaaa"), short_run("B", run_id="run-bbbbbb")
    mixed = [event for pair in zip(a, b, strict=True) for event in pair]

    shown = printed(mixed)

    assert "[agent aaaaaa]\nA\n" in shown
    assert "[agent bbbbbb]\nB\n" in shown


def test_every_line_says_its_run_once_several_are_open() -> None:
    a, b, later = Story("run-aaaaaa"), Story("run-bbbbbb"), Story("run-cccccc")
    events = [
        a.start(),
        *a.text("alone"),
        b.start(thread_id="t"),
        *a.tool("c", "search", "s1", content="found"),
        b.make(ev.Custom, data=1),
        b.make(ev.Diagnostic, code="no_tokens", message="it does not stream"),
        a.cancelled(),
        b.make(ev.InterruptRequested, interrupt_id="i", payload="ok?"),
        b.finish(pending_tool_calls=(ev.PendingToolCall(tool_call_id="c", name="pay", args={}),)),
        later.start(),
        later.finish(),
    ]

    assert printed(events).splitlines() == [
        "▶ agent",
        "alone",
        "▶ agent bbbbbb (thread t)",
        "[agent aaaaaa] → search(q=1)",
        "[agent aaaaaa] ← search 0.1 s: found",
        "[agent bbbbbb] · custom: 1",
        "[agent bbbbbb] ! no_tokens: it does not stream",
        "[agent aaaaaa] ■ cancelled by user · 1.5 s · first token 0.25 s",
        "[agent bbbbbb] ⏸ waits for an answer: ok?",
        "[agent bbbbbb] → pay() is yours to run",
        "[agent bbbbbb] ✔ 1.5 s · first token 0.25 s",
        "▶ agent",
        "✔ 1.5 s · first token 0.25 s",
    ]


def test_runs_of_several_threads_share_a_sink(switching: None) -> None:
    file = io.StringIO()
    sink = ConsoleSink(file)
    runs = [short_run(*[f"<{n}>"] * 50, run_id=f"run-{n}") for n in range(4)]

    def work(run: Any) -> None:
        for event in run:
            sink.send([event])

    workers = [threading.Thread(target=work, args=(run,)) for run in runs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    for n in range(4):
        assert f"<{n}>" * 50 in file.getvalue()
    assert file.getvalue().count("✔") == 4


# ---- terminals -----------------------------------------------------------------------------------


def test_a_file_gets_no_colours_unless_always() -> None:
    assert "\x1b" not in printed(short_run())
    assert "\x1b[1m▶ agent\x1b[0m\n" in printed(short_run(), color="always")


@pytest.fixture
def terminal() -> Any:
    """A real terminal: a file on its side, and what it was given."""
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor
        yield file, lambda: os.read(master, 65536).decode()
    os.close(master)


def test_a_terminal_gets_colours(terminal: Any, monkeypatch: Any) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    file, given = terminal
    ConsoleSink(file).send(short_run())

    assert "\x1b[1m▶ agent\x1b[0m" in given()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours_gets_none(
    terminal: Any, monkeypatch: Any, name: Any, value: Any
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)
    file, given = terminal
    ConsoleSink(file).send(short_run())

    assert "\x1b" not in given()


def test_a_narrow_terminal_gets_lines_that_fit(terminal: Any, monkeypatch: Any) -> None:
    import fcntl
    import struct
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    file, given = terminal
    fcntl.ioctl(file.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    ConsoleSink(file, color="never").send([Story().make(ev.Custom, data="x" * 100)])

    (line,) = given().splitlines()
    assert len(line) == 30
    assert line.endswith("x...")


@pytest.mark.parametrize("text", ["x" * 100, "\u4f60\u597d" * 40, "e\u0301" * 100])
def test_lines_are_cut_by_the_columns_they_take(text: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown = printed([Story().make(ev.Custom, data=text)]).rstrip("\n")
    wide = sum(2 if sign in "\u4f60\u597d" else 0 if sign == "\u0301" else 1 for sign in shown)

    assert 38 <= wide <= 40


def test_a_line_that_fits_exactly_is_whole(monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "20")

    assert printed([Story().make(ev.Custom, data="x" * 10)]) == f"· custom: {'x' * 10}\n"


def test_control_characters_of_a_model_never_reach_the_terminal() -> None:
    s = Story()
    evil = "a\x1b]0;title\x07b\x9b2Jc\rd\u202ee\tf\ng"
    shown = printed([*s.text(evil), s.make(ev.Custom, data=evil)])

    assert not set("\x1b\x07\x9b\r\u202e") & set(shown)
    assert shown.startswith("a]0;titleb2Jcde\tf\ng\n")


def test_what_an_encoding_lacks_is_replaced_and_our_signs_have_stand_ins() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    ConsoleSink(file).send(short_run("na\u00efve \U0001f600"))

    assert raw.getvalue().decode() == "> agent\nna?ve ?\nOK 1.5 s - first token 0.25 s\n"


def test_standard_output_is_what_it_is_at_the_time(capsys: Any, monkeypatch: Any) -> None:
    sink = ConsoleSink()
    sink.send(short_run())
    assert capsys.readouterr().out.startswith("▶ agent")

    elsewhere = io.StringIO()
    monkeypatch.setattr(sys, "stdout", elsewhere)
    sink.send(short_run())
    assert elsewhere.getvalue().startswith("▶ agent")

    monkeypatch.setattr(sys, "stdout", None)
    sink.send(short_run())  # as under pythonw: nowhere to show it


def test_a_closed_file_is_an_error() -> None:
    file = io.StringIO()
    file.close()

    with pytest.raises(SinkError, match="could not write the run to"):
        ConsoleSink(file).send(short_run())


def test_unknown_options_are_refused() -> None:
    with pytest.raises(StreamUsageError, match="write 'auto', 'always' or 'never'"):
        ConsoleSink(color=cast("Any", "yes"))
    with pytest.raises(StreamUsageError, match=r"show has \['tool'\]; choose from text, "):
        ConsoleSink(show=cast("Any", ["text", "tool"]))
    with pytest.raises(StreamUsageError, match="writes to a text file, not str"):
        ConsoleSink(cast("Any", "out.txt"))
