from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest

from langchain_streamkit.events import (
    RunCancelled,
    RunFinished,
    RunStarted,
    TextDelta,
    Timing,
    Usage,
)
from langchain_streamkit.testing import RecordingSink, ScriptError, WaitTimeout


def delta(seq: int) -> TextDelta:
    return TextDelta(seq=seq, run_id="r", ts=0, step_id="s", message_id="m", index=0, text="x")


STARTED = RunStarted(seq=1, run_id="r", ts=0, name="n")
FINISHED = RunFinished(
    seq=9,
    run_id="r",
    ts=0,
    usage=Usage(call_id="r", input_tokens=0, output_tokens=0, total_tokens=0, source="none"),
    timing=Timing(duration_ms=1),
)


def test_events_are_kept_in_order_and_in_their_batches() -> None:
    sink = RecordingSink()
    sink.send([STARTED])
    sink.send([delta(2), delta(3)])
    assert sink.events == (STARTED, delta(2), delta(3))
    assert sink.batches == ((STARTED,), (delta(2), delta(3)))


def test_what_was_sent_is_kept_when_the_sender_reuses_its_list() -> None:
    sink = RecordingSink()
    batch: list[Any] = [STARTED]
    sink.send(batch)
    batch.clear()
    assert sink.events == (STARTED,)


def test_closes_are_counted() -> None:
    sink = RecordingSink()
    assert not sink.closed
    sink.close()
    sink.close()
    assert (sink.closed, sink.closes) == (True, 2)
    assert repr(sink) == "<RecordingSink 0 events, closed>"


def test_fails_after_n_events_in_the_middle_of_a_batch_and_ever_after() -> None:
    disk_full = OSError("disk full")
    sink = RecordingSink(fail_after=2, error=disk_full)
    sink.send([STARTED])
    with pytest.raises(OSError, match="disk full") as caught:
        sink.send([delta(2), delta(3)])
    assert caught.value is disk_full
    with pytest.raises(OSError, match="disk full"):
        sink.send([delta(4)])
    assert sink.events == (STARTED, delta(2))


def test_fails_with_an_os_error_of_its_own() -> None:
    with pytest.raises(OSError, match="after 0 events"):
        RecordingSink(fail_after=0).send([STARTED])


async def test_async_flavour_has_coroutine_functions_that_do_the_same() -> None:
    sink = RecordingSink(async_=True, fail_after=1)
    assert inspect.iscoroutinefunction(sink.send)
    assert inspect.iscoroutinefunction(sink.close)
    sending: Any = sink.send([STARTED])
    assert not sink.events
    await sending
    failing: Any = sink.send([delta(2)])
    with pytest.raises(OSError, match="after 1 events"):
        await failing
    closing: Any = sink.close()
    await closing
    assert list(sink.events) == [STARTED]
    assert sink.closed
    assert isinstance(sink, RecordingSink)
    assert not inspect.iscoroutinefunction(RecordingSink().send)


def test_subclass_stays_itself() -> None:
    class Mine(RecordingSink):
        pass

    assert type(Mine()) is Mine
    assert type(Mine(async_=True)) is Mine


def test_is_a_sink_wherever_one_is_taken() -> None:
    from langchain_streamkit.sinks import as_sink

    sink = RecordingSink()
    assert as_sink(sink) is sink


def test_waits_for_an_event_of_another_thread() -> None:
    sink = RecordingSink()
    sender = threading.Timer(0.02, lambda: sink.send([STARTED, FINISHED]))
    sender.start()
    assert sink.wait_for("run.finished") == FINISHED
    assert sink.wait_for(RunStarted).name == "n"
    sender.join()


async def test_waits_for_an_event_of_another_task() -> None:
    sink = RecordingSink()
    asyncio.get_running_loop().call_later(0.02, lambda: sink.send([FINISHED]))
    assert await sink.await_for(RunFinished) == FINISHED


def test_gives_the_first_of_several() -> None:
    sink = RecordingSink()
    sink.send([delta(2), delta(3)])
    assert sink.wait_for("text.delta").seq == 2


async def test_wait_ends_with_what_came_instead() -> None:
    sink = RecordingSink()
    sink.send([STARTED])
    with pytest.raises(WaitTimeout, match=r"no run.finished among \['run.started'\]"):
        sink.wait_for("run.finished", timeout=0.01)
    with pytest.raises(WaitTimeout):
        await sink.await_for(RunCancelled, timeout=0.01)


@pytest.mark.parametrize("what", ["run.ended", int])
def test_type_that_does_not_exist_is_refused(what: Any) -> None:
    with pytest.raises(ScriptError, match=r"no event type; write one of run\.started"):
        RecordingSink().wait_for(what)
