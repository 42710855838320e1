"""Clients of the router's WebSocket that go, hang or flood, and servers that end."""

from __future__ import annotations

import asyncio
import socket as sockets
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from langchain_streamkit import Limits, RunManager
from langchain_streamkit.serve.router import streamkit_router
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.manager.managers import Talking, speaker
from tests.serve.servers import WAIT_S, eventually, serving
from tests.serving.apps import client_of, served
from tests.serving.sockets import socket_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import HTTPConnection

MUCH = [f"{number:06} " * 15_000 for number in range(150)]
"""15 MB: more than the buffers of two sockets hold."""


class Loop:
    """The event loop of a server, by its ``authenticate``."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    async def authenticate(self, request: HTTPConnection) -> str:
        self._loop = asyncio.get_running_loop()
        return "ada"

    def call(self, function: Any) -> Any:
        async def called() -> Any:
            return function()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(WAIT_S)

    def tasks(self) -> int:
        """How many tasks of ours there are."""
        found: int = self.call(
            lambda: sum("/langchain_streamkit/" in repr(task) for task in asyncio.all_tasks())
        )
        return found


@pytest.fixture
def until_disconnected() -> RunManager:
    return RunManager(on_disconnect="cancel", disconnect_grace_s=0.05)


def status_of(client: Any, run_id: str) -> str:
    status = client.get(f"/runs/{run_id}").json()
    return f"{status['status']} {status.get('reason', '')}".strip()


@pytest.mark.parametrize("how", ["closes", "breaks off"])
def test_run_is_cancelled_when_its_last_reader_is_really_gone(
    until_disconnected: RunManager, how: str
) -> None:
    talking = Talking()
    manager = until_disconnected
    with served(talking.model, manager=manager) as client:
        with socket_of(client) as first, socket_of(client) as second:
            first.ask("start", "a", input="hi")
            first.until("a", "text.delta")
            run_id = first.told["a"].run_id
            second.ask("subscribe", "z", run_id=run_id)
            second.until("z", "text.delta")
            first.connection.close()
            eventually(lambda: manager.readers == 1)
            assert second.is_alive()
            assert status_of(client, run_id) == "running"
            if how == "breaks off":
                second.connection.socket.shutdown(sockets.SHUT_RDWR)
        eventually(lambda: status_of(client, run_id) == "cancelled disconnect")
        talking.gate.set()


def test_run_whose_client_comes_back_within_the_grace_goes_on() -> None:
    talking = Talking()
    manager = RunManager(on_disconnect="cancel", disconnect_grace_s=WAIT_S)
    with served(talking.model, manager=manager) as client:
        with socket_of(client) as socket:
            socket.ask("start", "a", input="hi")
            socket.until("a", "text.delta")
            run_id = socket.told["a"].run_id
        eventually(lambda: not manager.readers)
        with socket_of(client) as socket:
            socket.ask("subscribe", "a", run_id=run_id)
            socket.until("a", "text.delta")
            talking.gate.set()
            assert socket.rest("a").events[-1].type == "run.finished"


def test_run_goes_on_when_its_last_reader_only_unsubscribes(
    until_disconnected: RunManager,
) -> None:
    talking = Talking()
    with served(talking.model, manager=until_disconnected) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        run_id = socket.told["a"].run_id
        socket.ask("unsubscribe", "a")
        assert socket.is_alive()
        assert not until_disconnected.readers
        talking.gate.set()
        eventually(lambda: status_of(client, run_id) == "finished")


def test_subscription_that_is_refused_counts_as_no_reader(until_disconnected: RunManager) -> None:
    with served(speaker(), manager=until_disconnected) as client, socket_of(client) as socket:
        socket.ask("subscribe", "a", run_id="nope")
        socket.error("a")
        assert not until_disconnected.readers


def test_client_that_leaves_while_its_run_is_made_leaves_a_whole_run() -> None:
    asked, gate = threading.Event(), threading.Event()

    async def slow(request: HTTPConnection) -> Any:
        asked.set()
        await asyncio.to_thread(gate.wait, WAIT_S)
        return speaker()

    manager = RunManager()
    with served(slow, manager=manager) as client:
        with socket_of(client) as socket:
            socket.ask("start", "a", input="hi", thread_id="t1")
            assert asked.wait(WAIT_S)
        gate.set()
        eventually(lambda: manager.stats.ended["finished"])
        with socket_of(client) as socket:
            socket.ask("start", "a", input="hi", thread_id="t1")
            assert socket.rest("a").ended


def test_client_that_leaves_while_its_run_is_made_counts_as_a_reader_that_left(
    until_disconnected: RunManager,
) -> None:
    asked, gate = threading.Event(), threading.Event()
    talking = Talking()

    async def slow(request: HTTPConnection) -> Any:
        asked.set()
        await asyncio.to_thread(gate.wait, WAIT_S)
        return talking.model

    manager = until_disconnected
    with served(slow, manager=manager) as client:
        with socket_of(client) as socket:
            socket.ask("start", "a", input="hi")
            assert asked.wait(WAIT_S)
        gate.set()
        eventually(lambda: manager.stats.ended["cancelled"])
        talking.gate.set()


def test_client_that_never_reads_is_cut_and_others_are_served() -> None:
    gate = threading.Event()
    said: list[Any] = [*MUCH, gate, "!"]
    manager = RunManager(limits=Limits(open_streams=2), tokens="off")
    with (
        served(ScriptedModel([Turn(said)]), manager=manager, send_timeout_s=1) as client,
        socket_of(client, max_queue=1) as deaf,
        socket_of(client) as other,
    ):
        deaf.ask("start", "a", input="hi")
        run_id = deaf.receive()["run_id"]
        eventually(lambda: not manager.readers)
        assert manager.active_runs
        for name in "bc":
            other.ask("subscribe", name, run_id=run_id)
        gate.set()
        assert other.rest("b").text == "".join(MUCH) + "!"
        assert other.rest("c").ended
        deaf.connection.socket.shutdown(sockets.SHUT_RDWR)


def test_client_that_vanishes_is_found_out_by_the_pings_of_the_protocol(
    until_disconnected: RunManager,
) -> None:
    talking = Talking()
    app = FastAPI()
    app.include_router(streamkit_router(talking.model, manager=until_disconnected))
    pings = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    with serving(app, lifespan="on", **pings) as where, client_of(f"http://{where}") as client:
        with socket_of(client) as alive:
            alive.ask("start", "a", input="hi")
            alive.until("a", "text.delta")
            run_id = alive.told["a"].run_id
            with vanished(where, run_id):
                eventually(lambda: until_disconnected.readers == 2)
                eventually(lambda: until_disconnected.readers == 1)
            assert alive.is_alive()
        eventually(lambda: status_of(client, run_id) == "cancelled disconnect")
        talking.gate.set()


@contextmanager
def vanished(where: str, run_id: str) -> Iterator[None]:
    """A client that subscribes, and neither answers nor closes any more."""
    host, port = where.split(":")
    with sockets.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {where}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b"101" in connection.recv(1000)
        text = f'{{"op":"subscribe","id":"a","run_id":"{run_id}"}}'.encode()
        connection.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        yield


def ending(manager: RunManager, loop: Loop) -> None:
    """End the process, as a signal would."""
    loop.call(manager.shut_down)


def test_clients_are_told_goodbye_when_the_process_ends(until_disconnected: RunManager) -> None:
    talking, loop = Talking(), Loop()
    manager = RunManager(on_disconnect="cancel", disconnect_grace_s=0.0, shutdown_grace_s=0.1)
    with (
        served(talking.model, manager=manager, authenticate=loop.authenticate) as client,
        socket_of(client) as busy,
        socket_of(client) as idle,
    ):
        busy.ask("start", "a", input="hi")
        busy.until("a", "text.delta")
        assert idle.is_alive()
        ending(manager, loop)
        assert busy.closed() == idle.closed() == 1001
        assert busy.bye == idle.bye == {"op": "bye", "retry_ms": 500}
        last: Any = busy.told["a"].events[-1]
        assert (last.type, last.reason) == ("run.cancelled", "shutdown")
        with socket_of(client) as late:
            assert late.closed() == 1001
            assert late.bye


def test_start_is_refused_by_a_process_that_ends() -> None:
    talking, loop = Talking(), Loop()
    manager = RunManager(shutdown_grace_s=WAIT_S)
    with (
        served(talking.model, manager=manager, authenticate=loop.authenticate) as client,
        socket_of(client) as socket,
    ):
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        ending(manager, loop)
        socket.ask("start", "b", input="hi")
        error = socket.error("b")
        assert (error["code"], error["retry_after_s"]) == ("shutting_down", 2)
        talking.gate.set()
        assert socket.rest("a").ended
        assert socket.closed() == 1001


def test_server_that_restarts_is_no_disconnect(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    talking = Talking()

    def manager() -> RunManager:
        options: Any = {"on_disconnect": "cancel", "disconnect_grace_s": 0.0}
        return RunManager(log=url, shutdown_grace_s=0.1, **options)

    with ExitStack() as stack:
        with served(talking.model, manager=manager()) as client:
            socket = stack.enter_context(socket_of(client))
            socket.ask("start", "a", input="hi")
            socket.until("a", "text.delta")
        talking.gate.set()
        assert socket.closed() == 1012
        told = socket.told["a"]
    with served(speaker(), manager=manager()) as client, socket_of(client) as again:
        again.ask("subscribe", "a", run_id=told.run_id, since=told.last_event_id)
        last: Any = again.rest("a").events[-1]
        assert (last.type, last.reason) == ("run.cancelled", "shutdown")


def test_nothing_is_left_of_sockets_that_are_gone() -> None:
    manager, loop = RunManager(limits=Limits(open_streams=31, concurrent_runs=30)), Loop()
    talking = Talking()

    def until_started(runs: int) -> None:
        eventually(lambda: manager.stats.started == runs)

    with served(talking.model, manager=manager, authenticate=loop.authenticate) as client:
        for round_ in range(3):
            with socket_of(client, max_queue=None) as socket:
                for number in range(30):
                    socket.ask("start", str(number), input="hi")
                socket.ask("subscribe", "x", run_id="nope")
                if round_:
                    socket.until("0", "text.delta")
                    socket.ask("unsubscribe", "0")
                    until_started(30 * (round_ + 1))
                if round_ == 2:
                    socket.connection.socket.shutdown(sockets.SHUT_RDWR)
            until_started(30 * (round_ + 1))
            eventually(lambda: not manager.readers)
            talking.gate.set()
            eventually(lambda: not manager.active_runs)
            talking.gate.clear()
        talking.gate.set()
        eventually(lambda: not loop.tasks())
        with socket_of(client) as socket:
            for number in range(30):
                socket.ask("start", str(number), input="hi")
            assert all(socket.rest(str(number)).ended for number in range(30))
