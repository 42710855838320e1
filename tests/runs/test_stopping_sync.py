from __future__ import annotations

import gc
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnableParallel

from langchain_streamkit import Run, RunCancelled, StreamCallbackHandler, stream, with_sinks
from langchain_streamkit.testing import RecordingSink, ScriptedModel, ToolCall, Turn
from tests.runs import scenes
from tests.runs.scenes import (
    QUESTION,
    Boom,
    answering,
    endless,
    graph,
    one_node,
    side_by_side,
    speaking,
)
from tests.runs.watching import WAIT_S, eventually, run_threads, the_end

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

ROOT = Path(__file__).parents[2]


def in_agent() -> Any:
    def work(thing: str) -> str:
        """Do the work."""
        return "done"

    words = Turn(["word "] * 10_000, delay=0.001)
    return create_agent(
        ScriptedModel([Turn(tool_calls=[ToolCall("work", {"thing": "a"})]), words]), [work]
    )


ENDLESS: dict[str, Any] = {
    "model": lambda: (endless(), "hi"),
    "chain": lambda: (endless() | StrOutputParser(), "hi"),
    "parallel": lambda: (RunnableParallel(a=endless(), b=endless()), "hi"),
    "graph": lambda: (one_node(endless()), QUESTION),
    "subgraph": lambda: (graph(("inner", one_node(endless()))), QUESTION),
    "branches": lambda: (side_by_side(speaking(endless())), QUESTION),
    "agent": lambda: (in_agent(), QUESTION),
}


@pytest.fixture(params=ENDLESS)
def work(request: pytest.FixtureRequest) -> Any:
    return ENDLESS[request.param]()


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    eventually(lambda: set(threading.enumerate()) <= before, f"threads end: {run_threads()}")


def until_text(events: Iterator[Event], read: list[Event]) -> None:
    for event in events:
        read.append(event)
        if event.type == "text.delta":
            return


def test_cancel_ends_the_run_as_cancelled(work: Any) -> None:
    sink = RecordingSink()
    run = stream(*work, sinks=[sink])
    events = iter(run)
    read: list[Event] = []
    until_text(events, read)
    began = time.monotonic()
    run.cancel()
    assert time.monotonic() - began < 0.9
    read += list(events)
    end = the_end(read)
    assert (end.type, end.reason, end.pending) == ("run.cancelled", "user", ())
    assert tuple(read) == sink.events
    with pytest.raises(RunCancelled):
        run.result()


def test_cancel_before_the_start_ends_at_once_with_nothing_pending(work: Any) -> None:
    sink = RecordingSink()
    run = stream(*work, sinks=[sink])
    began = time.monotonic()
    run.cancel()
    assert time.monotonic() - began < 0.9
    end = the_end(sink.events)
    assert (end.type, end.pending) == ("run.cancelled", ())


def test_break_cancels_the_run(work: Any) -> None:
    sink = RecordingSink()
    for event in stream(*work, sinks=[sink]):
        if event.type == "text.delta":
            break
    assert the_end(sink.events).reason == "user"


def test_with_left_early_cancels_the_run(work: Any) -> None:
    sink = RecordingSink()
    with stream(*work, sinks=[sink]) as run:
        run.started()
    assert the_end(sink.events).type == "run.cancelled"


def test_close_of_the_iterator_cancels_the_run(work: Any) -> None:
    sink = RecordingSink()
    events: Any = iter(stream(*work, sinks=[sink]))
    next(events)
    events.close()
    assert the_end(sink.events).type == "run.cancelled"


def test_close_of_a_generator_around_the_run_cancels_it() -> None:
    sink = RecordingSink()

    def texts() -> Iterator[str]:
        for event in stream(one_node(endless()), QUESTION, sinks=[sink]):
            if event.type == "text.delta":
                yield event.text

    reader: Any = texts()
    next(reader)
    reader.close()
    assert the_end(sink.events).type == "run.cancelled"


def test_keyboard_interrupt_in_the_loop_body_cancels_the_run(work: Any) -> None:
    sink = RecordingSink()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 -- how a loop is left
        for event in stream(*work, sinks=[sink]):
            if event.type == "text.delta":
                raise KeyboardInterrupt
    assert the_end(sink.events).reason == "user"


@pytest.mark.parametrize("wait", ["reading", "result", "started"])
def test_keyboard_interrupt_while_waiting_cancels_the_run(wait: str) -> None:
    release, begun = threading.Event(), threading.Event()

    def node(value: int) -> int:
        begun.set()
        release.wait(WAIT_S)
        return value

    sink = RecordingSink()
    run = stream(RunnableLambda(node), 1, sinks=[sink])
    main = threading.get_ident()

    def press() -> None:
        begun.wait(WAIT_S)
        time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 -- how a loop is left
            if wait == "reading":
                for _ in run:
                    pass
            elif wait == "result":
                run.result()
            else:
                run.started()
    finally:
        release.set()
        presser.join()
    run.cancel()
    assert the_end(sink.events).reason == "user"


def test_code_that_catches_everything_is_cancelled_all_the_same() -> None:
    model = endless()

    def stubborn(value: Any) -> Any:
        try:
            return model.invoke("hi")
        except BaseException:  # noqa: BLE001 -- what it is about
            return "swallowed"

    sink = RecordingSink()
    run = stream(RunnableLambda(stubborn), 1, sinks=[sink])
    sink_reached = iter(run)
    until_text(sink_reached, [])
    run.cancel()
    assert the_end(sink.events).type == "run.cancelled"
    with pytest.raises(RunCancelled):
        run.result()


def test_fallbacks_and_retries_do_not_go_on_after_a_stop() -> None:
    spare = answering()
    model = endless()
    target = model.with_retry(stop_after_attempt=3).with_fallbacks([spare])
    sink = RecordingSink()
    run = stream(target, "hi", sinks=[sink])
    events = iter(run)
    until_text(events, [])
    run.cancel()
    assert the_end(sink.events).type == "run.cancelled"
    assert (len(model.calls), len(spare.calls)) == (1, 0)


def test_a_blocked_sync_tool_is_named_as_pending_after_the_grace() -> None:
    begun, release = threading.Event(), threading.Event()

    def blocked(thing: str) -> str:
        """Take a long time."""
        begun.set()
        release.wait(WAIT_S)
        return "late"

    model = ScriptedModel([Turn(tool_calls=[ToolCall("blocked", {"thing": "a"})])], cycle=True)
    sink = RecordingSink()
    run = stream(create_agent(model, [blocked]), QUESTION, sinks=[sink])
    try:
        with run:
            assert begun.wait(WAIT_S)
            before = time.monotonic()
            run.cancel()
            assert 0.8 < time.monotonic() - before < 2
        end = the_end(sink.events)
        assert end.type == "run.cancelled"
        assert "blocked" in " ".join(end.pending)
    finally:
        release.set()
    eventually(lambda: not run_threads(), "the worker ends")
    assert the_end(sink.events) is end
    assert len(model.calls) == 1


def test_a_sink_that_cancels_stops_the_run_at_once() -> None:
    box: list[Run[Any]] = []
    got: list[Event] = []

    def guard(event: Event) -> None:
        got.append(event)
        if event.type == "text.delta":
            box[0].cancel()

    box.append(stream(one_node(endless()), QUESTION, sinks=[guard]))
    began = time.monotonic()
    read = list(box[0])
    assert time.monotonic() - began < 0.9
    end = the_end(read)
    assert (end.type, end.pending) == ("run.cancelled", ())
    assert got == read


def test_a_reader_collected_in_the_runs_own_thread_does_not_wait_for_itself() -> None:
    box: list[Any] = []
    reached, dropped = threading.Event(), threading.Event()
    sink = RecordingSink()
    model = answering()

    def node(value: Any) -> Any:
        assert reached.wait(WAIT_S)
        box.clear()
        dropped.set()
        return model.invoke("hi")

    box.append(iter(stream(RunnableLambda(node), 1, sinks=[sink])))
    next(box[0])
    began = time.monotonic()
    reached.set()
    assert dropped.wait(WAIT_S)
    assert time.monotonic() - began < 0.9
    eventually(lambda: sink.closed, "the end")
    end = the_end(sink.events)
    assert (end.type, end.pending) == ("run.cancelled", ())


def test_an_abandoned_reader_cancels_the_run_when_it_is_collected() -> None:
    sink = RecordingSink()
    events = iter(stream(one_node(endless()), QUESTION, sinks=[sink]))
    next(events)
    cycle: list[Any] = [events]
    cycle.append(cycle)
    del events, cycle
    gc.collect()
    eventually(lambda: sink.closed, "the end")
    assert the_end(sink.events).type == "run.cancelled"


def test_an_abandoned_run_that_was_started_is_cancelled_when_it_is_collected() -> None:
    sink = RecordingSink()
    run = stream(one_node(endless()), QUESTION, sinks=[sink])
    run.started()
    del run
    gc.collect()
    eventually(lambda: sink.closed, "the end")
    assert the_end(sink.events).type == "run.cancelled"


def test_no_thread_is_left_when_a_run_is_read_to_its_end() -> None:
    read = list(stream(one_node(answering()), QUESTION))
    assert the_end(read).type == "run.finished"
    eventually(lambda: not run_threads(), "the worker ends")


def test_a_run_is_left_by_an_exception_in_the_loop_body() -> None:
    sink = RecordingSink()
    with pytest.raises(Boom):  # noqa: PT012 -- how a loop is left
        for _ in stream(one_node(endless()), QUESTION, sinks=[sink]):
            raise Boom
    assert the_end(sink.events).type == "run.cancelled"


def test_break_out_of_stream_under_with_sinks_ends_its_stream() -> None:
    sink = RecordingSink()
    for _ in with_sinks(endless(), sink).stream("hi"):
        break
    assert the_end(sink.events).type == "run.cancelled"


@pytest.mark.parametrize("make", ENDLESS.values(), ids=ENDLESS)
def test_keyboard_interrupt_under_a_handler_ends_its_stream(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What only watches stops nothing: other branches speak to their end.
    monkeypatch.setattr(scenes, "ENDLESS", 1_000)
    runnable, value = make()
    sink = RecordingSink()

    handler = StreamCallbackHandler(sink)
    presser = threading.Thread(
        target=lambda: (sink.wait_for("text.delta"), signal.pthread_kill(main, signal.SIGINT))  # type: ignore[func-returns-value]
    )
    main = threading.get_ident()
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        runnable.invoke(value, {"callbacks": [handler]})
    presser.join()
    handler.close()
    assert the_end(sink.events).type == "run.cancelled"


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from langchain_streamkit import JSONLSink, stream
from tests.runs.scenes import QUESTION, endless, one_node, side_by_side, speaking
run = stream({runnable}, {value}, sinks=[JSONLSink({path!r})])
events = iter(run)
for event in events:
    if event.type == "text.delta":
        break
"""


@pytest.mark.parametrize(
    ("runnable", "value"),
    [
        ("endless(0.01)", "'hi'"),
        ("one_node(endless(0.01))", "QUESTION"),
        ("side_by_side(speaking(endless(0.01)))", "QUESTION"),
    ],
    ids=["model", "graph", "branches"],
)
def test_an_open_run_ends_with_the_interpreter(tmp_path: Path, runnable: str, value: str) -> None:
    from langchain_streamkit import read_jsonl

    path = tmp_path / "events.jsonl"
    program = PROGRAM.format(root=str(ROOT), runnable=runnable, value=value, path=str(path))
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - began < 50, "the exit waited for the model"  # 100 s long
    assert the_end(list(read_jsonl(path))).type == "run.cancelled"
