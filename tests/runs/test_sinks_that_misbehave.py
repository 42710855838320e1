"""One sink's trouble is told once, and costs no other sink, and no run, anything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import StreamCallbackHandler, astream, stream, with_sinks
from langchain_streamkit.testing import RecordingSink, ScriptedModel, assert_legal
from tests.runs.scenes import answering
from tests.runs.watching import WAIT_S

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

MODEL = answering("one two three")


def test_a_sink_that_fails_in_two_threads_at_once_takes_nothing_from_another() -> None:
    both = threading.Barrier(2)

    class Bad:
        def send(self, events: Sequence[Event]) -> None:
            if any(event.type == "text.delta" for event in events):
                both.wait(WAIT_S)
                raise OSError("disk full")

        def close(self) -> None:
            pass

    good = RecordingSink()
    handler = StreamCallbackHandler(Bad(), good)
    config: Any = {"callbacks": [handler]}
    threads = [threading.Thread(target=MODEL.invoke, args=("hi", config)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    runs: dict[str, list[Event]] = {}
    for event in good.events:
        runs.setdefault(event.run_id, []).append(event)
    assert len(runs) == 2
    for events in runs.values():
        assert_legal(events)
        assert [event.type for event in events].count("diagnostic") <= 1  # one may have ended


class Same:
    """A sink that equals every other of its kind."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.types: list[str] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same)

    def __hash__(self) -> int:
        return 1

    def send(self, events: Sequence[Event]) -> None:
        self.types += [event.type for event in events]
        if self.fails:
            raise OSError("disk full")

    def close(self) -> None:
        self.types.append("closed")


def test_a_sink_that_fails_is_left_out_not_one_that_equals_it() -> None:
    good, bad = Same(), Same(fails=True)
    read = [event.type for event in stream(MODEL, "hi", sinks=[good, bad])]
    assert good.types == [*read, "closed"]
    assert bad.types == ["run.started", "closed"]


async def test_a_plain_function_that_returns_an_awaitable_gets_each_event_once() -> None:
    seen: list[int] = []

    async def note(event: Event) -> None:
        seen.append(event.seq)

    def plain(event: Event) -> Any:
        return note(event)

    read = [e.seq async for e in astream(MODEL, "hi", sinks=[plain])]
    assert seen == read
    seen.clear()
    await with_sinks(MODEL, plain).ainvoke("hi")
    assert seen == list(range(1, len(seen) + 1))


async def test_an_async_sink_whose_own_work_is_cancelled_has_failed() -> None:
    class Sink:
        closed = False

        async def send(self, events: Sequence[Event]) -> None:
            work = asyncio.ensure_future(asyncio.sleep(WAIT_S))
            work.cancel()
            await work

        async def close(self) -> None:
            self.closed = True

    sink = Sink()
    # A hand-fed pace, so that the diagnostic has a run to be told in.
    read = [event async for event in astream(ScriptedModel(["a b c"]), "hi", sinks=[sink])]
    assert [e.code for e in read if e.type == "diagnostic"] == ["sink_failed"]
    assert sink.closed


@pytest.mark.parametrize("copied", [StreamCallbackHandler()])
def test_a_copied_config_is_watched_by_the_same_handler(copied: StreamCallbackHandler) -> None:
    import copy

    config = {"callbacks": [copied]}
    assert copy.deepcopy(config)["callbacks"][0] is copied
