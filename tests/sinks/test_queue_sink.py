from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any, cast

import pytest

from langchain_streamkit.errors import SinkError, StreamUsageError
from langchain_streamkit.sinks import QueueSink
from tests.wire.story import Story, short_run

EVENTS = short_run()
WAIT_S = 10


def drained(target: Any) -> list[Any]:
    got: list[Any] = []
    while not target.empty():
        got.append(target.get_nowait())
    return got


async def finished(answer: Any) -> None:
    if answer is not None:
        await asyncio.wait_for(answer, WAIT_S)


@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue, queue.SimpleQueue])
async def test_events_come_one_by_one_and_then_the_end_mark(made: Any) -> None:
    target = made()
    sink: Any = QueueSink(target)

    assert sink.send(EVENTS) is None
    assert sink.close() is None

    assert drained(target) == [*EVENTS, QueueSink.END]
    assert repr(QueueSink.END) == "QueueSink.END"


def test_the_end_mark_may_be_another_object() -> None:
    target: Any = queue.Queue()
    QueueSink(target, end=None).close()

    assert drained(target) == [None]


def test_each_attachment_puts_its_own_end_mark() -> None:
    target: Any = queue.Queue()
    sink: Any = QueueSink(target)
    for run in (short_run(), short_run(run_id="run-2")):
        sink.send(run)
        sink.close()

    assert drained(target).count(QueueSink.END) == 2


# ---- full ----------------------------------------------------------------------------------------


async def test_a_full_asyncio_queue_holds_the_sender_until_the_reader_reads() -> None:
    target: Any = asyncio.Queue(maxsize=2)
    sink: Any = QueueSink(target)
    sending = asyncio.ensure_future(sink.send(EVENTS))
    await asyncio.sleep(0)
    assert not sending.done()

    got = [await target.get() for _ in EVENTS]
    await sending

    assert got == EVENTS


def test_a_full_thread_queue_holds_the_sender_until_the_reader_reads() -> None:
    target: Any = queue.Queue(maxsize=2)
    got: list[Any] = []

    def read() -> None:
        while (item := target.get(timeout=WAIT_S)) is not QueueSink.END:
            got.append(item)

    reader = threading.Thread(target=read)
    reader.start()
    sink: Any = QueueSink(target)
    sink.send(EVENTS)
    sink.close()
    reader.join(WAIT_S)

    assert got == EVENTS


async def test_a_full_thread_queue_does_not_block_the_event_loop() -> None:
    target: Any = queue.Queue(maxsize=2)
    sending = asyncio.ensure_future(cast("Any", QueueSink(target)).send(EVENTS))
    await asyncio.sleep(0)
    assert not sending.done()

    got: list[Any] = []
    while len(got) < len(EVENTS):
        got += drained(target)
        await asyncio.sleep(0)
    await sending

    assert got == EVENTS


@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue])
async def test_a_reader_that_stopped_reading_is_an_error_after_the_timeout(made: Any) -> None:
    target = made(maxsize=2)
    sink: Any = QueueSink(target, timeout_s=0.02)

    with pytest.raises(SinkError, match=r"maxsize=2\) stayed full for 0.02 s; 6 events were not"):
        await sink.send(EVENTS)

    assert drained(target) == EVENTS[:2]
    assert sink.dropped == 6


def test_a_reader_that_stopped_reading_is_an_error_in_plain_code_too() -> None:
    target: Any = queue.Queue(maxsize=2)

    with pytest.raises(SinkError, match="6 events were not put"):
        QueueSink(target, timeout_s=0.02).send(EVENTS)

    assert drained(target) == EVENTS[:2]


@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue])
async def test_without_a_timeout_a_full_queue_is_waited_for(made: Any) -> None:
    target = made(maxsize=1)
    sending = asyncio.ensure_future(cast("Any", QueueSink(target, timeout_s=None)).send(EVENTS))
    done, _ = await asyncio.wait({sending}, timeout=0.05)
    assert not done
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue])
async def test_drop_keeps_the_newest_with_the_terminal_event_and_the_end_mark(made: Any) -> None:
    target = made(maxsize=3)
    sink: Any = QueueSink(target, on_full="drop")

    assert sink.send(EVENTS) is None
    assert sink.close() is None

    assert drained(target) == [*EVENTS[-2:], QueueSink.END]
    assert sink.dropped == 6
    for _ in range(3):
        target.task_done()
    with pytest.raises(ValueError, match="called too many times"):
        target.task_done()  # what was dropped counts as done for queue.join()


@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue])
async def test_raise_is_an_error_at_once_and_what_fitted_stays(made: Any) -> None:
    target = made(maxsize=2)
    sink: Any = QueueSink(target, on_full="raise")

    with pytest.raises(SinkError, match=r"is full; 6 events were not put: read it faster"):
        sink.send(EVENTS)

    assert drained(target) == EVENTS[:2]


@pytest.mark.parametrize("on_full", ["wait", "raise"])
@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue])
async def test_the_end_mark_gets_into_a_full_queue_that_nobody_reads(
    made: Any, on_full: Any
) -> None:
    target = made(maxsize=2)
    sink: Any = QueueSink(target, on_full=on_full, timeout_s=0.02)
    sink.send(EVENTS[:2])

    await sink.close()

    assert drained(target) == [EVENTS[1], QueueSink.END]
    assert sink.dropped == 1


def test_the_end_mark_gets_into_a_full_thread_queue_in_plain_code() -> None:
    target: Any = queue.Queue(maxsize=2)
    sink: Any = QueueSink(target, timeout_s=0.02)
    sink.send(EVENTS[:2])

    sink.close()

    assert drained(target) == [EVENTS[1], QueueSink.END]


@pytest.mark.parametrize("made", [asyncio.Queue, queue.Queue])
async def test_the_end_mark_waits_for_a_slow_reader(made: Any) -> None:
    target = made(maxsize=2)
    sink: Any = QueueSink(target)
    sink.send(EVENTS[:2])
    closing = asyncio.ensure_future(sink.close())
    await asyncio.sleep(0)
    got = drained(target)
    await closing

    assert [*got, *drained(target)] == [*EVENTS[:2], QueueSink.END]


async def test_a_send_cancelled_while_it_waits_loses_and_doubles_nothing() -> None:
    target: Any = asyncio.Queue(maxsize=2)
    sink: Any = QueueSink(target)
    sending = asyncio.ensure_future(sink.send(EVENTS[:5]))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait({sending})
    got = drained(target)

    later = asyncio.ensure_future(sink.send(EVENTS[5:]))
    while len(got) < len(EVENTS):
        got.append(await asyncio.wait_for(target.get(), WAIT_S))
    await later

    assert got == EVENTS


async def test_two_runs_that_wait_at_once_each_keep_their_order() -> None:
    target: Any = asyncio.Queue(maxsize=1)
    sink: Any = QueueSink(target)
    runs = {"a": short_run(run_id="a"), "b": short_run(run_id="b")}
    sending = asyncio.gather(*(sink.send(run) for run in runs.values()))

    got = [await asyncio.wait_for(target.get(), WAIT_S) for _ in range(16)]
    await sending

    for name, run in runs.items():
        assert [event for event in got if event.run_id == name] == run


async def test_a_send_between_room_and_the_waiting_one_doubles_nothing() -> None:
    target: Any = asyncio.Queue(maxsize=1)
    sink: Any = QueueSink(target)
    first, second = EVENTS[:3], short_run(run_id="b")[:1]
    sending = asyncio.ensure_future(sink.send(first))
    await asyncio.sleep(0)
    got = [target.get_nowait()]  # there is room, and the one who waits for it has not run yet

    other = asyncio.ensure_future(sink.send(second))
    while len(got) < 4:
        got.append(await asyncio.wait_for(target.get(), WAIT_S))
    await asyncio.gather(sending, other)

    assert got == [*first, *second]
    assert target.empty()


# ---- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("maxsize", [0, 3])
async def test_an_asyncio_queue_may_be_fed_from_another_thread_in_order(maxsize: Any) -> None:
    target: Any = asyncio.Queue(maxsize=maxsize)
    sink: Any = QueueSink(target)
    story = Story()
    events = [story.delta(str(n)) for n in range(500)]

    def work() -> None:
        for event in events:
            assert sink.send([event]) is None
        sink.close()

    worker = threading.Thread(target=work)
    worker.start()
    got: list[Any] = []
    while (item := await asyncio.wait_for(target.get(), WAIT_S)) is not QueueSink.END:
        got.append(item)
    await asyncio.to_thread(worker.join)

    assert got == events


async def test_what_a_thread_sent_first_is_not_overtaken_by_the_loop() -> None:
    target: Any = asyncio.Queue()
    sink: Any = QueueSink(target)
    worker = threading.Thread(target=sink.send, args=(EVENTS[:3],))
    worker.start()
    worker.join(WAIT_S)  # the loop has not run since: what the thread sent is still on its way

    sink.send(EVENTS[3:])

    assert drained(target) == EVENTS


async def test_drop_works_from_another_thread() -> None:
    target: Any = asyncio.Queue(maxsize=2)
    sink: Any = QueueSink(target, on_full="drop")

    await asyncio.to_thread(sink.send, EVENTS)
    await asyncio.sleep(0)

    assert drained(target) == EVENTS[-2:]


async def test_raise_reaches_another_thread() -> None:
    target: Any = asyncio.Queue(maxsize=2)
    sink: Any = QueueSink(target, on_full="raise")

    with pytest.raises(SinkError, match="is full"):
        await asyncio.to_thread(sink.send, EVENTS)


async def test_a_blocked_loop_does_not_hang_another_thread_for_ever(monkeypatch: Any) -> None:
    target: Any = asyncio.Queue(maxsize=2)
    sink: Any = QueueSink(target, timeout_s=0.02)
    failed = []

    def work() -> None:
        try:
            sink.send(EVENTS)
        except SinkError as exc:
            failed.append(str(exc))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(WAIT_S)  # blocks the loop, as a sync call in a coroutine does

    assert "was not served by its loop" in failed[0]


async def test_a_coroutine_of_another_loop_may_feed_it_too() -> None:
    target: Any = asyncio.Queue(maxsize=2)
    sink: Any = QueueSink(target)

    async def in_other_loop() -> None:
        await finished(sink.send(EVENTS))

    worker = threading.Thread(target=lambda: asyncio.run(in_other_loop()))
    worker.start()
    got = [await asyncio.wait_for(target.get(), WAIT_S) for _ in EVENTS]
    await asyncio.to_thread(worker.join)

    assert got == EVENTS


def test_a_sink_made_outside_a_loop_takes_the_loop_of_its_first_event() -> None:
    async def scenario() -> Any:
        sink.send(EVENTS)
        return drained(target)

    target: Any = asyncio.Queue()
    sink: Any = QueueSink(target)

    assert asyncio.run(scenario()) == EVENTS


# ---- closed --------------------------------------------------------------------------------------


def test_an_asyncio_queue_without_a_loop_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(SinkError, match="make QueueSink\\(queue\\) inside the coroutine"):
        QueueSink(asyncio.Queue()).send(EVENTS)


def test_a_queue_whose_loop_has_ended_is_an_error() -> None:
    async def scenario() -> Any:
        return QueueSink(asyncio.Queue())

    with pytest.raises(SinkError, match="the queue takes no events"):
        asyncio.run(scenario()).send(EVENTS)


class ShutDown(Exception):
    """What queues raise from Python 3.13 on."""


class ShutAsyncQueue(asyncio.Queue[Any]):
    def put_nowait(self, item: Any) -> None:
        raise ShutDown


class ShutQueue(queue.Queue[Any]):
    def put(self, item: Any, block: Any = None, timeout: Any = None) -> None:
        raise ShutDown


@pytest.mark.parametrize("made", [ShutAsyncQueue, ShutQueue])
async def test_a_queue_that_was_shut_down_is_an_error(made: Any) -> None:
    with pytest.raises(SinkError, match=r"takes no events \(ShutDown"):
        QueueSink(made()).send(EVENTS)


async def test_a_queue_shut_down_while_the_sink_waits_is_an_error() -> None:
    class Closing(asyncio.Queue[Any]):
        async def put(self, item: Any) -> None:
            await asyncio.sleep(0)
            raise ShutDown

    target: Any = Closing(maxsize=1)

    with pytest.raises(SinkError, match=r"takes no events \(ShutDown"):
        await cast("Any", QueueSink(target)).send(EVENTS)


async def test_a_shut_down_queue_fed_from_a_thread_disturbs_nobody() -> None:
    sink: Any = QueueSink(ShutAsyncQueue())

    await asyncio.to_thread(sink.send, EVENTS)
    await asyncio.sleep(0)


def test_an_unknown_policy_or_object_is_refused() -> None:
    with pytest.raises(StreamUsageError, match="write 'wait', 'drop' or 'raise'"):
        QueueSink(queue.Queue(), on_full=cast("Any", "block"))
    with pytest.raises(StreamUsageError, match="not list; for another kind pass its put method"):
        QueueSink(cast("Any", []))
