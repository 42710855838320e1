"""Connections that are cut, refused or silent: what was started once is read to its end once."""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from langchain_streamkit import (
    Limits,
    ProducerLost,
    RemoteRun,
    ReplayGap,
    RunGone,
    RunManager,
    ServerRefused,
    ServerUnreachable,
    ThreadBusy,
    check_stream,
    connect,
)
from langchain_streamkit.events import RunCancelled
from langchain_streamkit.testing import ScriptedModel, Turn
from langchain_streamkit.wire.log_frames import gone_frame
from tests.manager.managers import WAIT_S, Talking, speaker, text_of
from tests.serve.servers import serving
from tests.serving.apps import served
from tests.serving.proxies import proxied
from tests.wire.story import TIMING, USAGE, Story

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import httpx
    from starlette.requests import HTTPConnection, Request

    from langchain_streamkit.events import Event

WORDS = [f"word{number} " for number in range(150)]


async def read(run: RemoteRun) -> list[Event]:
    async with asyncio.timeout(WAIT_S):
        return [event async for event in run]


def url_of(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


@pytest.mark.parametrize("seed", range(4))
async def test_connections_cut_at_random_bytes_lose_and_double_nothing(seed: int) -> None:
    """One POST, whatever happens; each further request names the last event that was received."""
    chance = random.Random(seed)
    with served(ScriptedModel([Turn(WORDS)]), view="all") as server:
        async with proxied(url_of(server)) as proxy:
            # Enough for the headers of an answer: what is cut off before them has its own test.
            proxy.cut_after = lambda: chance.randrange(600, 6000)
            run = connect(proxy.url, input="hi")
            events = await read(run)
        whole = connect(url_of(server), run.run_id)
        assert events == await read(whole)
        assert run.snapshot == whole.snapshot
    assert check_stream(events) == []
    assert text_of(events) == "".join(WORDS)
    assert proxy.posts == ["/runs"]
    assert proxy.cuts > 3
    known = [run.event_id(event) for event in events]
    asked = [known.index(one) for one in proxy.last_ids]
    assert asked == sorted(asked)


async def test_start_that_gave_no_answer_is_not_asked_for_twice() -> None:
    with served(speaker()) as server:
        async with proxied(url_of(server)) as proxy:
            proxy.cut_after = lambda: 10
            run = connect(proxy.url, input="hi")
            with pytest.raises(ServerUnreachable, match="not asked again"):
                await read(run)
        with pytest.raises(ServerUnreachable):
            await run.result()
    assert proxy.posts == ["/runs"]
    assert (run.run_id, run.outcome) == ("", "pending")


async def test_server_that_is_not_there_yet_is_asked_again(waits: list[float]) -> None:
    with pytest.raises(ServerUnreachable, match=r"http://127.0.0.1:9 .* 4 times in a row"):
        await read(connect("http://127.0.0.1:9", input="hi", retries=3))
    assert waits == [1.0, 2.0, 4.0]


async def test_run_that_cannot_be_read_on_ends_here_and_goes_on_there() -> None:
    talking = Talking()
    with served(talking.model) as server:
        async with proxied(url_of(server)) as proxy:
            run = connect(proxy.url, input="hi", retries=2)
            events: list[Event] = []
            async with asyncio.timeout(WAIT_S):
                async for event in run:
                    events.append(event)
                    if event.type == "text.delta":
                        proxy.cut_after = lambda: 0
                        proxy.cut()
        assert check_stream(events, view=True) == []
        assert events[-1].type == "run.failed"
        with pytest.raises(ServerUnreachable):
            await run.result()
        assert server.get(f"/runs/{run.run_id}").json()["status"] == "running"
        talking.gate.set()


async def test_cancel_reaches_the_server_over_cut_connections() -> None:
    with served(Talking().model) as server:
        async with proxied(url_of(server)) as proxy, asyncio.timeout(WAIT_S):
            run = connect(proxy.url, input="hi")
            await run.started()
            cuts = iter([10, 10, None, None])
            proxy.cut_after = lambda: next(cuts, None)
            await run.cancel()
            assert run.outcome == "cancelled"
        assert proxy.posts.count("/runs") == 1
        assert proxy.posts.count(f"/runs/{run.run_id}/cancel") == 3


async def test_server_that_ends_says_goodbye_and_the_next_one_goes_on(
    tmp_path: Path, waits: list[float]
) -> None:
    log = f"sqlite:///{tmp_path}/runs.db"
    talking, leaving = Talking(), RunManager(log=log)
    loops: list[asyncio.AbstractEventLoop] = []

    async def authenticate(request: HTTPConnection) -> str:
        loops.append(asyncio.get_running_loop())
        return "ada"

    with (
        served(talking.model, manager=RunManager(log=log), authenticate=authenticate) as making,
        served(talking.model, manager=leaving, authenticate=authenticate) as first,
    ):
        started = making.post("/runs", json={"input": "hi"}, headers={"Prefer": "respond-async"})
        async with proxied(url_of(first)) as proxy, asyncio.timeout(WAIT_S):
            run = connect(proxy.url, started.json()["run_id"])
            events: list[Event] = []
            async for event in run:
                events.append(event)
                if event.type == "text.delta" and proxy.upstream == url_of(first):
                    proxy.upstream = url_of(making)
                    loops[-1].call_soon_threadsafe(leaving.shut_down)
                    talking.gate.set()
    assert waits == [0.5]  # seconds, from `retry: 500`
    assert text_of(events) == "first second"
    assert check_stream(events, view=True) == []


# ---- what a server refuses -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "since", "error"),
    [
        ("nope", None, RunGone),
        ("nope", "1f0c9a3e-42", RunGone),
        ("run", "1f0c9a3e-42", ReplayGap),
    ],
)
async def test_run_that_is_not_there_raises_from_whatever_asks_first(
    where: str, since: str | None, error: type[Exception]
) -> None:
    with served(speaker()) as server:
        whole = connect(url_of(server), input="hi")
        await read(whole)
        run_id = whole.run_id if where == "run" else where
        ends: list[object] = []
        for ask in (read, RemoteRun.result, RemoteRun.started):
            run = connect(url_of(server), run_id, since, on_end=ends.append)
            with pytest.raises(error, match=f"/runs/{run_id}"):
                await asyncio.wait_for(ask(run), WAIT_S)
            assert run.outcome == "pending"
        assert ends == []


async def test_gap_says_from_where_on_everything_is_kept() -> None:
    with served(speaker()) as server:
        whole = connect(url_of(server), input="hi")
        last = (await read(whole))[-1]
        beyond = whole.event_id(last).replace(f"-{last.seq}", "-999")
        with pytest.raises(ReplayGap) as caught:
            await read(connect(url_of(server), whole.run_id, beyond))
        assert caught.value.oldest is not None
        again = connect(url_of(server), whole.run_id, str(caught.value.oldest))
        assert (await read(again))[0].seq == 1


async def test_thread_that_is_busy_and_a_user_that_is_not_known_are_told() -> None:
    talking = Talking()
    with served(talking.model) as server:
        first = connect(url_of(server), input="hi", thread_id="t1")
        await asyncio.wait_for(first.started(), WAIT_S)
        with pytest.raises(ThreadBusy) as busy:
            await read(connect(url_of(server), input="hi", thread_id="t1"))
        assert busy.value.run_id == first.run_id
        talking.gate.set()
    with (
        served(speaker(), authenticate=lambda request: None) as server,
        pytest.raises(ServerRefused) as refused,
    ):
        await read(connect(url_of(server), input="hi"))
    assert (refused.value.status, refused.value.code) == (401, "unauthenticated")


async def test_run_beyond_a_limit_is_refused_with_when_to_come_back() -> None:
    manager = RunManager(limits=Limits(runs_per_minute=1))
    with served(speaker(), manager=manager) as server:
        async with proxied(url_of(server)) as proxy:
            await read(connect(proxy.url, input="hi"))
            with pytest.raises(ServerRefused) as refused:
                await read(connect(proxy.url, input="hi"))
        assert (refused.value.status, refused.value.code) == (429, "limit_exceeded")
        assert 1 <= (refused.value.retry_after_s or 0) <= 60
        assert proxy.posts == ["/runs", "/runs"]


async def test_reader_beyond_a_limit_comes_back_when_it_is_told_to() -> None:
    talking = Talking()
    manager = RunManager(limits=Limits(open_streams=1))
    with served(talking.model, manager=manager) as server:
        async with proxied(url_of(server)) as proxy, asyncio.timeout(WAIT_S):
            first = connect(url_of(server), input="hi")
            await first.started()
            second = connect(proxy.url, first.run_id)
            reading = asyncio.create_task(read(second))
            await proxy.was_asked.wait()
            await first.aclose()
            talking.gate.set()
            assert text_of(await reading) == "first second"
        assert len(proxy.asked) >= 2


@pytest.mark.parametrize(
    ("code", "error"),
    [("replay_gap", ReplayGap), ("run_gone", RunGone), ("producer_lost", ProducerLost)],
)
async def test_stream_that_cannot_go_on_ends_with_an_error_and_is_not_asked_for_again(
    code: str, error: type[Exception]
) -> None:
    with cut_short(gone_frame({"code": code, "message": "it is over"})) as (url, asked):
        run = connect(url, "run-1")
        events = await read(run)
        with pytest.raises(error, match="it is over"):
            await run.result()
    assert check_stream(events) == []
    assert [event.type for event in events][-2:] == ["message.aborted", "run.failed"]
    assert asked == [""]


async def test_frames_that_were_seen_and_events_of_later_versions_are_passed_over() -> None:
    event = b'id: 00000000-%d\ndata: {"type":"later.thing","seq":%d}\n\n'
    end = cancelled().to_json()
    last = b"id: 00000000-9\ndata: %b\n\n" % end.replace(b'"seq":1', b'"seq":9')
    with cut_short(event % (1, 1) + event % (8, 8), last) as (url, asked):
        run = connect(url, "run-1")
        events = await read(run)
    assert [event.seq for event in events] == [1, 2, 9]
    assert asked == ["", "00000000-8"]


async def test_server_that_falls_silent_is_left_for_another_connection() -> None:
    with cut_short(b": ok\n\n", gone_frame({"code": "run_gone", "message": "over"}), hang=True) as (
        url,
        asked,
    ):
        run = connect(url, "run-1", silence_s=0.2)
        await read(run)
        with pytest.raises(RunGone):
            await run.result()
    assert len(asked) == 2


async def test_answer_that_is_no_stream_says_so_at_once() -> None:
    app = Starlette(routes=[Route("/{rest:path}", lambda request: PlainTextResponse("hello"))])
    with serving(app) as where, pytest.raises(ServerRefused, match="no stream of events but text"):
        await read(connect(f"http://{where}", "run-1"))
    app = Starlette()
    with serving(app) as where, pytest.raises(ServerRefused, match="its prefix included"):
        await read(connect(f"http://{where}", "run-1"))


def cancelled() -> RunCancelled:
    return RunCancelled(
        seq=1, run_id="run-1", ts=2_000_000, reason="user", usage=USAGE, timing=TIMING
    )


@contextmanager
def cut_short(*answers: bytes, hang: bool = False) -> Iterator[tuple[str, list[str]]]:
    """A server of one run that answers with the run's beginning and each of ``answers`` in turn;
    gives the positions that it was asked for. It hangs after the first, or closes.
    """
    asked: list[str] = []
    story = Story("run-1")
    told = [story.start(), story.message_start()]
    begun = b"".join(
        b"id: 00000000-%d\ndata: %b\n\n" % (event.seq, event.to_json()) for event in told
    )

    async def body(answer: bytes, *, wait: bool) -> AsyncIterator[bytes]:
        yield begun + answer
        if wait:
            await asyncio.sleep(WAIT_S)

    async def events(request: Request) -> StreamingResponse:
        asked.append(request.headers.get("last-event-id", ""))
        wait = hang and len(asked) == 1
        return StreamingResponse(
            body(answers[len(asked) - 1], wait=wait), media_type="text/event-stream"
        )

    app = Starlette(routes=[Route("/runs/run-1/events", events)])
    with serving(app) as where:
        yield f"http://{where}", asked
