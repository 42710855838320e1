"""``sse_bytes`` in the frameworks that have no response of ours, behind real servers."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
import flask
import httpx
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from werkzeug.serving import make_server as make_werkzeug

from langchain_streamkit.wire.byte_stream import sse_bytes
from langchain_streamkit.wire.sse import END, encode_event
from tests.serve.servers import WAIT_S, HandRun, serving
from tests.wire.story import short_run

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = short_run()
WHOLE = b": ok\n\n" + b"".join(map(encode_event, EVENTS)) + END
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class PlainRun:
    """A run of ``stream()`` that waits after its first batch until the test says go."""

    run_id = "run-1"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.cancelled = threading.Event()
        self.cancels: list[str] = []

    def batches(self) -> Iterator[list[Any]]:
        yield EVENTS[:3]
        while not self.go.wait(0.01):
            yield [EVENTS[3]]  # writing is how these servers notice that the client has gone
        yield EVENTS[3:]

    def cancel(self, reason: str = "user") -> None:
        self.cancels.append(reason)
        self.cancelled.set()


class Asked:
    """What the views answer with: Django's are functions of a module, found by its name."""

    run: Any = None


def plain_view(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        sse_bytes(Asked.run), content_type="text/event-stream", headers=HEADERS
    )


async def async_view(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        sse_bytes(Asked.run), content_type="text/event-stream", headers=HEADERS
    )


urlpatterns = [path("plain", plain_view), path("async", async_view)]


@pytest.fixture(scope="module", autouse=True)
def _django() -> None:
    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None
    )
    django.setup()


class Threading(ThreadingMixIn, WSGIServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error here."""


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def flask_app() -> flask.Flask:
    app = flask.Flask(__name__)

    @app.get("/plain")
    def view() -> flask.Response:
        return flask.Response(sse_bytes(Asked.run), mimetype="text/event-stream", headers=HEADERS)

    return app


@contextmanager
def flask_served() -> Iterator[str]:
    server = make_werkzeug("127.0.0.1", 0, flask_app(), threaded=True)
    with _running(server):
        yield f"http://127.0.0.1:{server.server_port}/plain"


@contextmanager
def django_served() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, get_wsgi_application(), Threading, Quiet)
    with _running(server):
        yield f"http://127.0.0.1:{server.server_port}/plain"


@contextmanager
def _running(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(WAIT_S)
        server.server_close()


SERVERS = pytest.mark.parametrize("served", [flask_served, django_served], ids=["flask", "django"])


@SERVERS
def test_a_run_streams_live_and_ends_with_the_end_frame(served: Any) -> None:
    run = Asked.run = PlainRun()
    with served() as url, httpx.stream("GET", url) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        got = b""
        for chunk in answer.iter_raw():
            got += chunk
            if b"text.started" in got:
                run.go.set()  # and not before: so it was live

    assert got.startswith(b": ok\n\n")
    assert got.endswith(encode_event(EVENTS[-1]) + END)
    assert run.cancels == []


@SERVERS
def test_a_client_that_leaves_cancels_the_run_as_disconnect(served: Any) -> None:
    run = Asked.run = PlainRun()
    with served() as url:
        with httpx.stream("GET", url) as answer:
            next(answer.iter_raw())
        assert run.cancelled.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def test_events_of_a_list_stream_in_flask() -> None:
    Asked.run = EVENTS

    answer = flask_app().test_client().get("/plain")

    assert answer.data == WHOLE


async def test_an_async_run_streams_in_django_under_asgi() -> None:
    run = Asked.run = HandRun()
    run.feed(*EVENTS)

    with serving(get_asgi_application()) as host:
        answer = await asyncio.to_thread(httpx.get, f"http://{host}/async")

    assert answer.content == WHOLE
    assert run.cancels == []


def test_a_client_that_leaves_cancels_the_async_run_in_django() -> None:
    run = Asked.run = HandRun()
    run.feed(*EVENTS[:3])

    with serving(get_asgi_application()) as host:
        with httpx.stream("GET", f"http://{host}/async") as answer:
            next(answer.iter_raw())
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def test_it_is_the_body_of_a_starlette_streaming_response_too() -> None:
    from starlette.responses import StreamingResponse

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await StreamingResponse(sse_bytes(Asked.run), media_type="text/event-stream")(
            scope, receive, send
        )

    run = Asked.run = HandRun()
    run.feed(*EVENTS[:3])

    with serving(app) as host:
        with httpx.stream("GET", f"http://{host}/") as answer:
            next(answer.iter_raw())
        assert run.ended.wait(WAIT_S)

    assert run.cancels == ["disconnect"]
