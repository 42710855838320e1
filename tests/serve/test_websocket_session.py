from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from contextlib import ExitStack
from typing import Any, cast

import pytest
from fastapi import FastAPI, WebSocket
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import decode_event
from langchain_streamkit.serve.websocket import WebSocketSession
from tests.serve.servers import WAIT_S, HandRun, eventually, serving
from tests.wire.story import short_run


class Maker:
    """Makes hand-fed runs, as ``start`` of a session; remembers what each was asked with."""

    def __init__(self) -> None:
        self.runs: list[HandRun] = []
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def __call__(self, runnable: Any, input: Any, config: Any, /, *, thread_id: Any) -> Any:
        self.calls.append((runnable, input, config, thread_id))
        if self.error is not None:
            raise self.error
        run = HandRun()
        self.runs.append(run)
        return run

    def run(self, number: int = 0) -> HandRun:
        eventually(lambda: len(self.runs) > number and self.runs[number].begun.is_set())
        return self.runs[number]


class Served:
    """An app with a session at ``/``; ``done`` is set when ``serve`` has returned."""

    def __init__(self, *, accept: bool = False, **options: Any) -> None:
        self.maker = Maker()
        self.done = threading.Event()
        self.accept = accept
        self.options: dict[str, Any] = {"start": self.maker, **options}
        self.app = Starlette(routes=[WebSocketRoute("/", self.endpoint)])

    async def endpoint(self, ws: Any) -> None:
        if self.accept:
            await ws.accept()
        try:
            await WebSocketSession(ws, "graph", **self.options).serve()
        finally:
            self.done.set()


def client_of(host: str) -> ClientConnection:
    # Uncompressed: what the tests send to fill buffers would shrink to nothing.
    return connect(f"ws://{host}/", close_timeout=WAIT_S, max_size=None, compression=None)


def ask(client: ClientConnection, **frame: Any) -> None:
    client.send(json.dumps(frame))


def answer(client: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(client.recv(timeout=WAIT_S))
    return frame


def code_of(closed: ConnectionClosed) -> int:
    assert closed.rcvd is not None
    return closed.rcvd.code


def events_of(client: ClientConnection, name: str, kind: str) -> list[Any]:
    """Read on until the run ``name`` has given an event of this type."""
    got: list[Any] = []
    while not got or got[-1].type != kind:
        frame = answer(client)
        assert frame["id"] == name, frame
        got += [decode_event(json.dumps(event)) for event in frame["events"]]
    return got


@pytest.mark.parametrize("accept", [True, False])
def test_a_run_arrives_whole_on_a_socket_accepted_or_not(accept: Any) -> None:
    served = Served(accept=accept)
    events = short_run()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input={"q": 1}, thread_id="t1")
        served.maker.run().feed(*events)
        got = events_of(client, "a", "run.finished")

    assert got == events
    assert served.maker.calls == [("graph", {"q": 1}, None, "t1")]


def test_what_is_ready_comes_in_one_frame() -> None:
    served = Served()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        served.maker.run().feed(*short_run(*"abcdefgh"))
        assert len(answer(client)["events"]) == 14


def test_two_runs_interleave_on_one_socket() -> None:
    served = Served()
    first, second = short_run(), short_run(run_id="run-2")

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        ask(client, op="start", id="b", input=2)
        one, two = served.maker.run(0), served.maker.run(1)
        names = []
        for a, b in zip(first, second, strict=True):
            one.feed(a)
            names.append(answer(client)["id"])
            two.feed(b)
            names.append(answer(client)["id"])

    assert names == ["a", "b"] * len(first)


def test_cancel_ends_one_run_and_not_the_other() -> None:
    served = Served()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        ask(client, op="start", id="b", input=2)
        one, two = served.maker.run(0), served.maker.run(1)
        one.feed(one.story.start())
        events_of(client, "a", "run.started")
        ask(client, op="cancel", id="a")
        assert events_of(client, "a", "run.cancelled")[-1].reason == "user"
        two.feed(*short_run())
        events_of(client, "b", "run.finished")

    assert (one.cancels, two.cancels) == (["user"], [])


def test_cancelling_twice_cancels_once() -> None:
    served = Served()
    stopping = threading.Event()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        run = served.maker.run()

        async def slow_cancel(reason: str = "user") -> None:
            run.cancels.append(reason)
            stopping.set()

        cast("Any", run).cancel = slow_cancel
        ask(client, op="cancel", id="a")
        assert stopping.wait(WAIT_S)
        ask(client, op="cancel", id="a")
        ask(client, op="nothing")
        answer(client)  # the second cancel was read before it

        run.feed(run.story.cancelled())
        events_of(client, "a", "run.cancelled")

    assert run.cancels == ["user"]


def test_an_id_may_be_used_again_as_soon_as_its_run_has_ended() -> None:
    served = Served()

    with serving(served.app) as host, client_of(host) as client:
        for number in range(3):
            ask(client, op="start", id="a", input=number)
            served.maker.run(number).feed(*short_run())
            events_of(client, "a", "run.finished")


def test_an_id_may_be_used_again_while_its_run_still_tidies_up() -> None:
    served = Served()
    tidied = threading.Event()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        first = served.maker.run()
        first.tidying = tidied
        first.feed(first.story.start())
        events_of(client, "a", "run.started")
        first.feed(*short_run())
        events_of(client, "a", "run.finished")
        ask(client, op="start", id="a", input=2)
        served.maker.run(1).feed(*short_run())
        events_of(client, "a", "run.finished")
        assert not first.ended.is_set()
        tidied.set()
        assert first.ended.wait(WAIT_S)


def test_an_open_id_a_run_too_many_and_an_unknown_id_get_error_frames() -> None:
    served = Served(max_runs=1)

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        ask(client, op="start", id="a", input=2)
        assert answer(client)["error"]["code"] == "duplicate_id"
        ask(client, op="start", id="b", input=2)
        assert answer(client) == {
            "id": "b",
            "error": {"code": "too_many_runs", "message": "1 runs are open"},
        }
        ask(client, op="cancel", id="zzz")
        assert answer(client)["error"]["code"] == "unknown_id"
        served.maker.run().feed(*short_run())
        events_of(client, "a", "run.finished")

    assert len(served.maker.calls) == 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("nonsense", "invalid_json"),
        ("[1]", "invalid_frame"),
        ('{"op":"start","id":"a"}', "invalid_frame"),
        ('{"op":"fly"}', "unknown_op"),
        (b'{"op":"start"}', "binary"),
        ('{"op":"start","id":"a","input":' + "[" * 5000, "invalid_json"),
        ('{"op":"start","id":"a","input":"' + "x" * 20_000 + '"}', "too_large"),
    ],
    ids=["not-json", "not-object", "no-input", "unknown-op", "binary", "deep", "oversized"],
)
def test_a_bad_frame_gets_an_error_frame_and_the_socket_goes_on(frame: Any, code: Any) -> None:
    served = Served(max_frame_bytes=10_000)

    with serving(served.app) as host, client_of(host) as client:
        client.send(frame)
        assert answer(client)["error"]["code"] == code
        ask(client, op="start", id="a", input=1)
        served.maker.run().feed(*short_run())
        events_of(client, "a", "run.finished")


def test_a_config_comes_from_the_server_and_never_from_the_client() -> None:
    async def config_for(start: Any) -> Any:
        await asyncio.sleep(0)
        return {"tags": [start.thread_id]}

    served = Served(config_for=config_for)

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1, thread_id="t", config={"tags": ["evil"]})
        served.maker.run()

    assert served.maker.calls == [("graph", 1, {"tags": ["t"]}, "t")]


def test_a_run_that_cannot_start_gives_an_error_frame_without_the_exceptions_text(
    caplog: Any,
) -> None:
    def config_for(start: Any) -> None:
        raise PermissionError("secret reason")

    served = Served(config_for=config_for)

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        frame = answer(client)
        assert frame["id"] == "a"
        assert frame["error"]["code"] == "start_failed"
        assert "secret" not in json.dumps(frame)
        assert frame["error"]["error_id"] in caplog.text
        assert "secret reason" in caplog.text
        ask(client, op="start", id="a", input=1)
        assert answer(client)["error"]["code"] == "start_failed"


def test_a_cancel_before_the_run_is_made_keeps_it_from_beginning() -> None:
    gate = threading.Event()

    async def config_for(start: Any) -> Any:
        await asyncio.to_thread(gate.wait, WAIT_S)
        return {}

    served = Served(config_for=config_for)

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        ask(client, op="cancel", id="a")
        ask(client, op="nothing")
        answer(client)
        gate.set()
        assert answer(client)["error"]["code"] == "cancelled"

    assert served.maker.calls == []


def test_reading_a_run_that_breaks_gives_an_error_frame_and_ends_it(caplog: Any) -> None:
    served = Served()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        run = served.maker.run()
        run.feed(run.story.start(), object())  # type: ignore[arg-type]
        error = answer(client)["error"]
        assert error["code"] == "internal"
        assert error["error_id"] in caplog.text
        ask(client, op="cancel", id="a")
        assert answer(client)["error"]["code"] == "unknown_id"

    assert run.cancels == ["disconnect"]


def test_a_client_that_leaves_cancels_its_runs_as_disconnect_and_serve_waits_for_them() -> None:
    served = Served()

    with serving(served.app) as host:
        with client_of(host) as client:
            ask(client, op="start", id="a", input=1)
            ask(client, op="start", id="b", input=1)
            runs = [served.maker.run(0), served.maker.run(1)]
        assert served.done.wait(WAIT_S)

    assert [run.cancels for run in runs] == [["disconnect"], ["disconnect"]]
    assert all(run.ended.is_set() for run in runs)


def test_a_connection_that_breaks_off_cancels_its_runs_too() -> None:
    served = Served()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        run = served.maker.run()
        client.socket.shutdown(socket.SHUT_RDWR)
        assert served.done.wait(WAIT_S)

    assert run.cancels == ["disconnect"]


def test_a_client_that_leaves_while_a_config_is_made_leaves_nothing_behind() -> None:
    asked = threading.Event()

    async def config_for(start: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    served = Served(config_for=config_for)

    with serving(served.app) as host:
        with client_of(host) as client:
            ask(client, op="start", id="a", input=1)
            assert asked.wait(WAIT_S)
        assert served.done.wait(WAIT_S)

    assert served.maker.calls == []


def test_a_socket_that_never_reads_is_given_up_after_the_send_timeout() -> None:
    served = Served(send_timeout_s=0.3)

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        run = served.maker.run()
        run.feed(run.story.start())
        for _ in range(60):  # the client's own thread reads only some frames ahead
            run.feed(run.story.delta("x" * 500_000))
        assert served.done.wait(WAIT_S)
        client.socket.shutdown(socket.SHUT_RDWR)

    assert run.cancels == ["disconnect"]
    assert run.read_at_cancel < 60  # the slow socket held it back, nothing piled up


def test_a_large_batch_comes_in_frames_below_the_limit_in_order() -> None:
    served = Served(max_frame_bytes=2000)
    events = short_run(*(str(n) * 30 for n in range(10)))

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        served.maker.run().feed(*events)
        assert events_of(client, "a", "run.finished") == events


def test_the_view_is_chat_unless_asked() -> None:
    served = Served()

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        run = served.maker.run()
        run.feed(run.story.start(metadata={"key": "secret"}))
        run.feed(run.story.message_start("sub", audience="internal"), run.story.finish(output=1))
        got = events_of(client, "a", "run.finished")

    assert [event.type for event in got] == ["run.started", "run.finished"]
    assert got[0].metadata == {}
    assert got[1].output is None


def test_a_silent_socket_gets_pings() -> None:
    served = Served(heartbeat_s=0.05)

    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        run = served.maker.run()
        run.feed(run.story.start())
        assert answer(client)["id"] == "a"
        assert answer(client) == {"op": "ping"}


def test_a_server_that_shuts_down_cancels_runs_as_shutdown() -> None:
    served = Served()

    with ExitStack() as stack:
        with serving(served.app) as host:
            client = stack.enter_context(client_of(host))
            ask(client, op="start", id="a", input=1)
            run = served.maker.run()
        assert served.done.wait(WAIT_S)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT_S)

    assert run.cancels == ["shutdown"]
    assert code_of(closed.value) == 1012  # uvicorn's own


def test_serve_cancelled_sends_the_last_events_and_closes_with_1001() -> None:
    served = Served()
    tasks: list[tuple[asyncio.Task[None], asyncio.AbstractEventLoop]] = []

    async def endpoint(ws: WebSocket) -> None:
        session = WebSocketSession(ws, "graph", start=served.maker)
        task = asyncio.create_task(session.serve())
        tasks.append((task, asyncio.get_running_loop()))
        await asyncio.wait({task})
        served.done.set()

    app = FastAPI()
    app.websocket("/")(endpoint)

    with serving(app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        run = served.maker.run()
        task, loop = tasks[0]
        loop.call_soon_threadsafe(task.cancel)
        assert events_of(client, "a", "run.cancelled")[-1].reason == "shutdown"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT_S)
        assert served.done.wait(WAIT_S)

    assert code_of(closed.value) == 1001
    assert task.cancelled()
    assert run.cancels == ["shutdown"]


def test_an_error_of_our_own_closes_with_1011_and_cancels_the_runs(caplog: Any) -> None:
    caplog.set_level(logging.CRITICAL, logger="uvicorn.error")
    served = Served()
    broken = threading.Event()

    async def endpoint(ws: WebSocket) -> None:
        receive = ws.receive

        async def breaking() -> Any:
            if broken.is_set():
                raise ValueError("ours")
            return await receive()

        cast("Any", ws).receive = breaking
        await served.endpoint(ws)

    with serving(Starlette(routes=[WebSocketRoute("/", endpoint)])) as host:
        with client_of(host) as client:
            ask(client, op="start", id="a", input=1)
            run = served.maker.run()
            broken.set()
            ask(client, op="nothing")
            answer(client)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=WAIT_S)
        assert served.done.wait(WAIT_S)

    assert code_of(closed.value) == 1011
    assert run.cancels == ["disconnect"]


def test_what_is_not_a_websocket_and_unknown_options_are_refused() -> None:
    with pytest.raises(StreamUsageError, match="takes a Starlette or FastAPI WebSocket, not int"):
        WebSocketSession(cast("Any", 5), "graph")

    class Ws:
        accept = receive = send = staticmethod(lambda: None)

    ws: Any = Ws()

    with pytest.raises(StreamUsageError, match="'chat', 'steps' or 'all'"):
        WebSocketSession(ws, "graph", view=cast("Any", "debug"))
    with pytest.raises(StreamUsageError, match="max_runs=0 has to be positive"):
        WebSocketSession(ws, "graph", max_runs=0)


def wants_state() -> Any:
    builder: StateGraph[Any] = StateGraph(MessagesState)
    builder.add_node("speak", lambda state: {})
    builder.add_edge(START, "speak")
    return builder.compile(checkpointer=InMemorySaver())


def test_what_the_client_did_wrong_is_said_in_its_own_words() -> None:
    async def endpoint(ws: Any) -> None:
        await WebSocketSession(ws, wants_state()).serve()

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    messages = {"messages": [{"role": "user", "content": "hi"}]}
    with serving(app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=messages)
        assert '"thread_id" is missing' in answer(client)["error"]["message"]
        ask(client, op="start", id="a", input="hi", thread_id="t")
        said = answer(client)["error"]["message"]
        assert '"input" has to be an object' in said
        example = json.loads(said[said.index("{") :])
        ask(client, op="start", id="a", input=example, thread_id="t")
        assert answer(client)["events"][0]["type"] == "run.started"


def test_a_mistake_of_the_servers_own_is_not_told_to_the_client(caplog: Any) -> None:
    served = Served()
    served.maker.error = StreamUsageError("config has no key 'secret_key'")
    with serving(served.app) as host, client_of(host) as client:
        ask(client, op="start", id="a", input=1)
        assert "secret_key" not in json.dumps(answer(client))
        assert "secret_key" in caplog.text
