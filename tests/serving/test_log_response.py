"""The connection of one reader: silent, slow, stuck, gone, or sent away."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fastapi import FastAPI

from langchain_streamkit import Limits, RunManager
from langchain_streamkit.serve.router import streamkit_router
from langchain_streamkit.testing import ScriptedModel, Turn
from langchain_streamkit.testing.waiting import await_until
from tests.manager.managers import Talking, speaker
from tests.serve.servers import WAIT_S, eventually
from tests.serving.apps import client_of, reading, served, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from starlette.types import Message

    from langchain_streamkit.manager.presence import OnDisconnect


@contextmanager
def raw(client: httpx.Client, path: str, body: Any = None) -> Iterator[socket.socket]:
    """A connection that sends a request and reads only what the test reads."""
    url = client.base_url
    data = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        link.settimeout(WAIT_S)
        link.connect((url.host, url.port))
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {url.host}:{url.port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        link.sendall(head.encode() + data)
        yield link


def received(link: socket.socket, until: bytes) -> bytes:
    data = b""
    while until not in data:
        chunk = link.recv(65536)
        assert chunk, data
        data += chunk
    return data


def long_story(words: int) -> ScriptedModel:
    """Far more than the sockets' buffers hold."""
    return ScriptedModel([Turn(["word " * 2000] * words)])


def test_silent_stream_is_kept_open_by_comments() -> None:
    talking = Talking()
    with (
        served(talking.model, heartbeat_s=0.05) as client,
        raw(client, "/runs", {"input": "hi"}) as link,
    ):
        assert received(link, b": ping").count(b"event: end") == 0
        talking.gate.set()
        assert b"event: end" in received(link, b"event: end")


def test_first_bytes_leave_at_once_with_headers_that_keep_proxies_from_holding_them() -> None:
    talking = Talking()
    with served(talking.model) as client:
        with client.stream("POST", "/runs", json={"input": "hi"}) as response:
            lines = response.iter_lines()
            assert [next(lines) for _ in range(4)] == [": ok", "", "retry: 1000", ""]
            headers = response.headers
            assert headers["cache-control"] == "no-cache, no-store, no-transform"
            assert headers["x-accel-buffering"] == "no"
            assert headers["x-content-type-options"] == "nosniff"
            assert "content-length" not in headers
        talking.gate.set()


def test_slow_reader_gets_everything_and_the_run_does_not_wait_for_it() -> None:
    words = 400
    with served(long_story(words)) as client:
        run_id = client.post(
            "/runs", json={"input": "hi"}, headers={"Prefer": "respond-async"}
        ).json()["run_id"]
        with raw(client, f"/runs/{run_id}/events") as link:
            eventually(lambda: client.get(f"/runs/{run_id}").json()["status"] == "finished")
            data = received(link, b"event: end")
        assert data.count(b"word ") >= words * 2000


def test_reader_that_takes_nothing_is_cut_off_and_others_read_on() -> None:
    manager = RunManager()
    with served(long_story(400), manager=manager, send_timeout_s=0.3) as client:
        run_id = client.post(
            "/runs", json={"input": "hi"}, headers={"Prefer": "respond-async"}
        ).json()["run_id"]
        with raw(client, f"/runs/{run_id}/events"):
            eventually(lambda: manager.readers == 1)
            with reading(client, run_id) as stream:
                stream.rest()
            assert stream.events[-1].type == "run.finished"
            eventually(lambda: manager.readers == 0)


@pytest.mark.parametrize(
    ("on_disconnect", "outcome"), [("continue", "running"), ("cancel", "cancelled")]
)
def test_reader_that_vanishes_is_noticed_and_its_run_stopped_only_if_that_is_said(
    on_disconnect: OnDisconnect, outcome: str
) -> None:
    talking = Talking()
    manager = RunManager(on_disconnect=on_disconnect, disconnect_grace_s=0.01)
    with served(talking.model, manager=manager) as client:
        with started(client) as stream:
            stream.until("text.delta")
        eventually(lambda: manager.readers == 0)
        eventually(lambda: client.get(f"/runs/{stream.run_id}").json()["status"] == outcome)
        talking.gate.set()


async def test_reader_whose_request_is_cancelled_at_every_wait_is_counted_no_more() -> None:
    """As a cancel scope of anyio does it; Starlette's BaseHTTPMiddleware has one."""
    talking, limits = Talking(), Limits(open_streams=1)
    async with RunManager(limits=limits, shutdown_grace_s=0.01) as manager:
        app = FastAPI()
        app.include_router(streamkit_router(talking.model, manager=manager))
        run_id = await manager.start(talking.model, "hi")
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": f"/runs/{run_id}/events",
            "query_string": b"",
            "headers": [],
        }

        async def receive() -> Message:
            await anyio.sleep_forever()
            raise AssertionError

        async def send(message: Message) -> None:
            pass

        async with anyio.create_task_group() as group:
            group.start_soon(app, scope, receive, send)
            await await_until(lambda: manager.readers == 1, WAIT_S, lambda: repr(manager))
            group.cancel_scope.cancel()
        assert manager.readers == 0
        await (await limits.open_stream(None)).release()


def shut_down(client: httpx.Client) -> None:
    """Begin the end of the server, as a signal does."""
    assert client.post("/test/shut-down").status_code == 200


def test_reader_of_a_run_made_elsewhere_is_sent_to_another_server(tmp_path: Path) -> None:
    talking, url = Talking(), f"sqlite:///{tmp_path}/runs.db"
    with (
        served(talking.model, manager=RunManager(log=url)) as staying,
        served(talking.model, manager=RunManager(log=url)) as leaving,
        started(staying) as stream,
    ):
        stream.until("text.delta")
        with reading(leaving, stream.run_id) as cut:
            cut.until("text.delta")
            shut_down(leaving)
            *_, last = cut.rest()
            assert (last.name, last.retry, last.data) == ("bye", "500", "{}")
        talking.gate.set()
        with reading(staying, stream.run_id, cut.last_id) as rest:
            rest.rest()
        assert cut.text + rest.text == "first second"


def test_run_that_is_stopped_by_the_end_of_its_server_says_so_to_its_reader() -> None:
    talking = Talking()
    manager = RunManager(shutdown_grace_s=0.05)
    with served(talking.model, manager=manager) as client, started(client) as stream:
        stream.until("text.delta")
        shut_down(client)
        stream.rest()
        assert stream.events[-1].type == "run.cancelled"
        assert stream.events[-1].reason == "shutdown"
        assert stream.frames[-1].name == "end"


def test_run_of_a_server_that_ends_within_the_grace_is_read_to_its_end() -> None:
    talking = Talking()
    manager = RunManager(shutdown_grace_s=WAIT_S)
    with served(talking.model, manager=manager) as client, started(client) as stream:
        stream.until("text.delta")
        shut_down(client)
        refused = client.post("/runs", json={"input": "hi"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        talking.gate.set()
        stream.rest()
        assert stream.text == "first second"
        assert stream.frames[-1].name == "end"


def test_many_readers_of_one_run_get_the_same_bytes() -> None:
    talking = Talking()
    with served(talking.model) as client, started(client) as stream:
        stream.until("text.delta")
        seen: list[list[Any]] = []

        def read() -> None:
            with client_of(str(client.base_url)) as own, reading(own, stream.run_id) as one:
                one.rest()
                seen.append(one.frames)

        readers = [threading.Thread(target=read) for _ in range(10)]
        for reader in readers:
            reader.start()
        talking.gate.set()
        stream.rest()
        for reader in readers:
            reader.join(WAIT_S)
        assert seen == [stream.frames] * 10


def test_head_and_unknown_methods_start_nothing() -> None:
    model = speaker()
    with served(model) as client:
        assert client.head("/runs").status_code == 405
        assert client.get("/runs").status_code == 405
        assert not model.calls
