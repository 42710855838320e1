from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.serve import line as line_module
from langchain_streamkit.serve.sse_response import SSEResponse
from langchain_streamkit.wire.sse import END, encode_event
from tests.serve.servers import WAIT_S, HandRun, eventually, serving
from tests.wire.story import short_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

OPENING = b": ok\n\nretry: 2000\n\n"


def app_for(
    run: HandRun, *, middleware: Any = (), exception_handlers: Any = None, **options: Any
) -> Starlette:
    async def endpoint(request: Request) -> SSEResponse:
        return SSEResponse(run, **options)

    async def ping(request: Request) -> PlainTextResponse:
        return PlainTextResponse("pong")

    return Starlette(
        routes=[Route("/run", endpoint, methods=["GET", "POST"]), Route("/ping", ping)],
        middleware=list(middleware),
        exception_handlers=exception_handlers,
    )


def take(chunks: Any, wanted: bytes, got: bytes = b"") -> bytes:
    """Read on until ``wanted`` has come."""
    while wanted not in got:
        got += next(chunks)
    return got


def test_a_run_arrives_whole_with_its_end_frame() -> None:
    run = HandRun()
    events = short_run()
    run.feed(*events[:4])
    run.feed(*events[4:])

    with serving(app_for(run)) as host:
        answer = httpx.get(f"http://{host}/run")

    assert answer.status_code == 200
    assert answer.content == OPENING + b"".join(map(encode_event, events)) + END
    assert run.cancels == []


def test_the_headers_keep_proxies_from_holding_back() -> None:
    run = HandRun()
    run.feed(*short_run())

    with serving(app_for(run, headers={"X-Run": "1", "Cache-Control": "no-cache"})) as host:
        headers = httpx.get(f"http://{host}/run").headers

    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-run"] == "1"
    assert "content-length" not in headers
    assert "connection" not in headers


def test_the_first_bytes_come_before_the_first_event() -> None:
    run = HandRun()

    with serving(app_for(run)) as host, httpx.stream("GET", f"http://{host}/run") as answer:
        chunks = answer.iter_raw()
        got = take(chunks, OPENING)
        assert got == OPENING
        run.feed(*short_run())
        assert take(chunks, END, got).endswith(END)


def test_silence_is_filled_with_a_comment_and_events_go_on() -> None:
    run = HandRun()

    with (
        serving(app_for(run, heartbeat_s=0.05)) as host,
        httpx.stream("GET", f"http://{host}/run") as answer,
    ):
        chunks = answer.iter_raw()
        take(chunks, b": ping\n\n: ping\n\n")
        run.feed(*short_run())
        assert take(chunks, END).endswith(END)


def test_a_busy_stream_gets_no_heartbeat() -> None:
    run = HandRun()
    start, *rest = short_run()
    run.feed(start)

    with (
        serving(app_for(run, heartbeat_s=0.5)) as host,
        httpx.stream("GET", f"http://{host}/run") as answer,
    ):
        chunks = answer.iter_raw()
        got = take(chunks, b"run.started")
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            run.feed(run.story.delta("x"))
            got += next(chunks)
            time.sleep(0.01)
        run.feed(*rest)
        got = take(chunks, END, got)

    assert b": ping" not in got


def test_all_events_that_are_ready_leave_in_one_write() -> None:
    sent: list[dict[str, Any]] = []
    run = HandRun()
    run.feed(*short_run(*"abcdefgh" * 20))

    class Counting:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def counted(message: Any) -> None:
                sent.append(message)
                await send(message)

            await self.app(scope, receive, counted)

    with serving(app_for(run, middleware=[Middleware(Counting)])) as host:
        httpx.get(f"http://{host}/run")

    assert [message["type"] for message in sent] == [
        "http.response.start",
        "http.response.body",
        "http.response.body",
    ]


def test_a_client_that_leaves_cancels_the_run_as_disconnect() -> None:
    run = HandRun()
    run.feed(*short_run()[:3])

    with serving(app_for(run)) as host:
        with httpx.stream("GET", f"http://{host}/run") as answer:
            take(answer.iter_raw(), b"text.started")
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def test_a_client_that_leaves_an_idle_stream_is_noticed_without_a_write() -> None:
    run = HandRun()

    with serving(app_for(run, heartbeat_s=3600)) as host:
        with httpx.stream("GET", f"http://{host}/run") as answer:
            take(answer.iter_raw(), OPENING)
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def test_continue_lets_the_run_go_on_unread_to_its_end() -> None:
    run = HandRun()
    events = short_run()
    run.feed(*events[:3])
    given_up = threading.Event()
    app = app_for(run, on_disconnect="continue", background=BackgroundTask(given_up.set))

    with serving(app) as host:
        with httpx.stream("GET", f"http://{host}/run") as answer:
            take(answer.iter_raw(), b"text.started")
        assert given_up.wait(WAIT_S)
        gc.collect()  # nothing but us refers to what reads the run on
        run.feed(*events[3:5])
        run.feed(*events[5:])
        assert run.ended.wait(WAIT_S)

    assert run.cancels == []
    assert run.read == len(events)


def test_a_client_that_leaves_before_the_run_has_begun_cancels_it() -> None:
    run = HandRun()
    run.hold_started = asyncio.Event()

    with serving(app_for(run)) as host:
        with socket.create_connection(address_of(host)) as client:
            client.sendall(b"GET /run HTTP/1.1\r\nHost: x\r\n\r\n")
            assert run.begun.wait(WAIT_S)
        eventually(lambda: run.cancels)
        run._loop.call_soon_threadsafe(run.hold_started.set)
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def address_of(host: str) -> tuple[str, int]:
    name, port = host.split(":")
    return name, int(port)


def stuck_client(host: str) -> socket.socket:
    """A client that asks and then never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(address_of(host))
    client.sendall(b"GET /run HTTP/1.1\r\nHost: x\r\n\r\n")
    return client


def fill(run: HandRun) -> None:
    """More than all buffers between server and client hold."""
    run.feed(run.story.start())
    for _ in range(40):
        run.feed(run.story.delta("x" * 500_000))


def test_a_client_that_never_reads_is_given_up_after_the_send_timeout() -> None:
    run = HandRun()

    with serving(app_for(run, send_timeout_s=0.3)) as host, stuck_client(host):
        assert run.begun.wait(WAIT_S)
        before = time.monotonic()
        fill(run)
        assert run.ended.wait(WAIT_S)
        took = time.monotonic() - before

    assert run.cancels == ["disconnect"]
    assert 0.25 < took < 5


def test_a_stuck_client_does_not_stop_a_run_that_shall_continue() -> None:
    run = HandRun()

    with (
        serving(app_for(run, send_timeout_s=0.3, on_disconnect="continue")) as host,
        stuck_client(host),
    ):
        assert run.begun.wait(WAIT_S)
        fill(run)
        run.feed(run.story.finish())
        assert run.ended.wait(WAIT_S)

    assert run.cancels == []
    assert run.read == 42


def test_a_client_stuck_on_a_heartbeat_is_given_up_too() -> None:
    sent: list[bytes] = []
    run = HandRun()

    async def never_taken(message: Any) -> None:
        sent.append(message.get("body"))
        if message.get("body") == b": ping\n\n":
            await asyncio.Event().wait()

    async def scenario() -> None:
        response = SSEResponse(run, heartbeat_s=0.02, send_timeout_s=0.05)
        await asyncio.wait_for(response({"method": "GET"}, silent, never_taken), WAIT_S)

    asyncio.run(scenario())

    assert sent[-1] == b": ping\n\n"
    assert run.cancels == ["disconnect"]


async def await_until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, condition)


async def silent() -> Any:
    await asyncio.Event().wait()


def test_a_server_that_raises_on_send_to_a_closed_socket_cancels_the_run() -> None:
    run = HandRun()
    run.feed(*short_run()[:3])

    async def broken(message: Any) -> None:
        if message.get("body", b"").startswith(b"id:"):
            raise BrokenPipeError

    async def scenario() -> None:
        await asyncio.wait_for(SSEResponse(run)({"method": "GET"}, silent, broken), WAIT_S)

    asyncio.run(scenario())

    assert run.cancels == ["disconnect"]


@pytest.mark.parametrize("on_disconnect", ["cancel", "continue"])
def test_a_request_cancelled_from_outside_ends_or_goes_on_as_asked(on_disconnect: Any) -> None:
    run = HandRun()
    events = short_run()
    run.feed(*events[:3])

    async def send(message: Any) -> None:
        pass

    async def scenario() -> None:
        response = SSEResponse(run, on_disconnect=on_disconnect)
        request = asyncio.create_task(response({"method": "GET"}, silent, send))
        await await_until(lambda: run.read == 3)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        run.feed(*events[3:])
        await await_until(run.ended.is_set)

    asyncio.run(scenario())

    assert run.cancels == (["disconnect"] if on_disconnect == "cancel" else [])


def test_under_middleware_that_cancels_the_request_scope_the_run_is_cancelled() -> None:
    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    run = HandRun()
    run.feed(*short_run()[:3])

    with serving(app_for(run, middleware=[Middleware(Passing)])) as host:
        with httpx.stream("GET", f"http://{host}/run") as answer:
            take(answer.iter_raw(), b"text.started")
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def test_gzip_middleware_leaves_the_stream_alone() -> None:
    run = HandRun()

    with (
        serving(app_for(run, middleware=[Middleware(GZipMiddleware)])) as host,
        httpx.stream("GET", f"http://{host}/run") as answer,
    ):
        chunks = answer.iter_raw()
        take(chunks, OPENING)
        run.feed(*short_run())
        take(chunks, END)


def test_an_error_before_the_first_event_is_an_http_error_for_the_apps_own_handler() -> None:
    run = HandRun(error=PermissionError("no"))

    async def refuse(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({"detail": "refused"}, status_code=403)

    with serving(app_for(run, exception_handlers={PermissionError: refuse})) as host:
        answer = httpx.get(f"http://{host}/run")

    assert answer.status_code == 403
    assert answer.json() == {"detail": "refused"}


def test_an_error_before_the_first_event_is_a_500_without_a_handler(caplog: Any) -> None:
    caplog.set_level(logging.CRITICAL, logger="uvicorn.error")
    run = HandRun(error=RuntimeError("no"))

    with serving(app_for(run)) as host:
        assert httpx.get(f"http://{host}/run").status_code == 500


def test_a_run_that_says_nothing_for_a_heartbeat_is_answered_all_the_same() -> None:
    run = HandRun(error=RuntimeError("too late for a status"))
    run.hold_started = asyncio.Event()

    with (
        serving(app_for(run, heartbeat_s=0.05)) as host,
        httpx.stream("GET", f"http://{host}/run") as answer,
    ):
        chunks = answer.iter_raw()
        take(chunks, b": ping")
        run._loop.call_soon_threadsafe(run.hold_started.set)
        run.feed(*short_run())
        assert take(chunks, END).endswith(END)


def test_head_answers_the_headers_and_leaves_the_run_unstarted() -> None:
    run = HandRun()

    with serving(app_for(run)) as host:
        answer = httpx.head(f"http://{host}/run")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert not run.begun.is_set()


def test_the_answer_is_complete_while_the_run_still_tidies_up() -> None:
    tidied = []
    run = HandRun()
    run.feed(*short_run())
    real = run.batches

    async def batches() -> Any:
        async for batch in real():
            yield batch
        await asyncio.sleep(0.2)
        tidied.append(True)

    cast("Any", run).batches = batches
    done = []
    background = BackgroundTask(lambda: done.append(list(tidied)))

    with serving(app_for(run, background=background)) as host:
        answer = httpx.get(f"http://{host}/run")
        assert tidied == []
        eventually(lambda: done)

    assert answer.content.endswith(END)
    assert done == [[True]]
    assert run.cancels == []


def test_a_run_that_never_waits_leaves_the_event_loop_to_others_and_notices_a_leaving_client() -> (
    None
):
    run = HandRun()

    async def batches() -> Any:
        yield [run.story.start()]
        while not run.cancels:
            yield [run.story.delta("x")]
        yield [run.story.cancelled("disconnect")]
        run.ended.set()

    cast("Any", run).batches = batches

    with serving(app_for(run)) as host:
        with httpx.stream("GET", f"http://{host}/run") as answer:
            take(answer.iter_raw(), b"text.delta")
            assert httpx.get(f"http://{host}/ping", timeout=WAIT_S).text == "pong"
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def test_what_breaks_the_reading_of_a_run_ends_it_and_the_response() -> None:
    run = HandRun()

    async def batches() -> Any:
        yield [run.story.start()]
        raise ValueError("ours")

    cast("Any", run).batches = batches

    async def send(message: Any) -> None:
        pass

    async def scenario() -> None:
        await asyncio.wait_for(SSEResponse(run)({"method": "GET"}, silent, send), WAIT_S)

    with pytest.raises(ValueError, match="ours"):
        asyncio.run(scenario())
    assert run.cancels == ["disconnect"]


async def test_a_task_that_outlives_its_connection_is_not_collected() -> None:
    gone = threading.Event()

    async def alone() -> None:
        held = asyncio.get_running_loop().create_future()  # known to this frame only
        try:
            await held
        finally:
            gone.set()

    task = weakref.ref(line_module.outlive(asyncio.create_task(alone())))
    await asyncio.sleep(0)
    gc.collect()

    assert not gone.is_set()
    kept = task()
    assert kept is not None
    kept.cancel()
    await asyncio.wait({kept})


def test_nothing_of_a_finished_connection_is_kept() -> None:
    run = HandRun()
    run.feed(*short_run())

    with serving(app_for(run)) as host:
        httpx.get(f"http://{host}/run")
        eventually(lambda: not line_module._ending)


def test_a_fastapi_endpoint_returns_it() -> None:
    from fastapi import FastAPI

    run = HandRun()
    run.feed(*short_run())
    app = FastAPI()

    @app.post("/run", response_class=SSEResponse)
    async def endpoint(body: dict[str, Any]) -> Any:
        return SSEResponse(run)

    with serving(app) as host:
        answer = httpx.post(f"http://{host}/run", json={"input": "hi"})
        assert httpx.get(f"http://{host}/openapi.json").status_code == 200

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.content.endswith(END)


def test_a_fastapi_endpoint_with_a_body_notices_a_leaving_client() -> None:
    from fastapi import FastAPI

    run = HandRun()
    run.feed(*short_run()[:3])
    app = FastAPI()

    @app.post("/run")
    async def endpoint(body: dict[str, Any]) -> SSEResponse:
        return SSEResponse(run)

    with serving(app) as host:
        with httpx.stream("POST", f"http://{host}/run", json={"input": "hi"}) as answer:
            take(answer.iter_raw(), b"text.started")
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"protocol": "morse"}, "write one of 'native', 'ai-sdk'"),
        ({"view": "debug"}, "'chat', 'steps' or 'all'"),
        ({"on_disconnect": "ignore"}, "'cancel' or 'continue'"),
        ({"heartbeat_s": 0}, "heartbeat_s=0 has to be positive"),
        ({"send_timeout_s": -1}, "send_timeout_s=-1 has to be positive"),
        ({"headers": {"Content-Length": "5"}}, "leave that header out"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: Any, said: Any) -> None:
    with pytest.raises(StreamUsageError, match=said):
        SSEResponse(HandRun(), **options)


def test_what_is_not_a_run_is_refused_with_what_to_write() -> None:
    with pytest.raises(StreamUsageError, match=r"StreamingResponse\(sse_bytes\(events\)"):
        SSEResponse(cast("Any", short_run()))
