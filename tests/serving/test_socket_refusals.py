"""What the router's WebSocket refuses, and how it says so; the socket itself goes on."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.exceptions import HTTPException

from langchain_streamkit import Limits, RunManager
from langchain_streamkit.log import open_log
from langchain_streamkit.serve.socket_session import MAX_SUBSCRIPTIONS
from langchain_streamkit.testing import ScriptedModel
from tests.manager.managers import Talking, speaker
from tests.serve.servers import WAIT_S
from tests.serving.apps import error_of, served, started
from tests.serving.sockets import socket_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


def who(request: HTTPConnection) -> str | None:
    if request.query_params.get("user") == "banned":
        raise HTTPException(403, "you are banned")
    return request.query_params.get("user")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("nonsense", "invalid_json"),
        ("[1]", "invalid_frame"),
        ("9" * 5000, "invalid_frame"),
        ('{"op":"start","id":"a","input":' + "9" * 5000 + "}", "invalid_frame"),
        ('{"op":"start","input":1}', "invalid_frame"),
        ('{"op":"start","id":"a","inputs":1}', "invalid_frame"),
        ('{"op":"start","id":"a","input":1,"config":{"tags":["x"]}}', "invalid_frame"),
        ('{"op":"start","id":"a","thread_id":""}', "invalid_frame"),
        ('{"op":"subscribe","id":"a"}', "invalid_frame"),
        ('{"op":"subscribe","id":"a","run_id":"nope"}', "not_found"),
        ('{"op":"subscribe","id":"a","run_id":"nope","since":"7"}', "invalid_position"),
        ('{"op":"subscribe","id":"a","run_id":"\\n"}', "invalid_request"),
        ('{"op":"start","id":"a"}', "invalid_request"),
        ('{"op":"start","id":"a","thread_id":"t"}', "invalid_request"),
        ('{"op":"cancel"}', "invalid_frame"),
        ('{"op":"cancel","id":"a"}', "unknown_id"),
        ('{"op":"cancel","run_id":"nope"}', "not_found"),
        ('{"op":"fly","id":"a"}', "unknown_op"),
        ('{"op":"fly","id":"a",', "unknown_op"),
        ('{"op":"fly","id":"a","x":' + "[" * 9_000, "unknown_op"),
        ('{"op":"start","id":"a","input":' + "[" * 9_000, "invalid_json"),
        ('{"op":"start","id":"a","input":"' + "x" * 20_000 + '"}', "too_large"),
        (b'{"op":"start","id":"a"}', "binary"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_frame_that_is_none_gets_an_error_and_the_socket_goes_on(frame: Any, code: str) -> None:
    with served(speaker(), max_body_bytes=10_000) as client, socket_of(client) as socket:
        socket.connection.send(frame)
        answer = socket.receive()
        assert answer["error"]["code"] == code
        socket.ask("start", "a", input="hi")
        assert socket.rest("a").ended


@pytest.mark.parametrize("frame", ['{"op":"fly","id":"a"}', '{"id":"a"}', '{"op":null,"id":"a"}'])
def test_frame_without_an_op_that_there_is_is_told_the_ops(frame: str) -> None:
    with served(speaker()) as client, socket_of(client) as socket:
        socket.connection.send(frame)
        message = socket.receive()["error"]["message"]
    for op in ("start", "subscribe", "unsubscribe", "cancel", "pong"):
        assert f'"{op}"' in message


def test_flood_of_bad_frames_is_answered_one_by_one_while_others_are_served() -> None:
    count = 3000
    with served(speaker()) as client, socket_of(client, max_queue=None) as socket:
        for _ in range(count):
            socket.connection.send("{}")
        with socket_of(client) as other:
            other.ask("start", "a", input="hi")
            assert other.rest("a").ended
        while len(socket.errors) < count:
            socket.receive()


def test_id_in_use_is_refused_and_what_has_it_goes_on() -> None:
    talking = Talking()
    with served(talking.model) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        for frame in (
            '{"op":"start","id":"a"}',
            '{"op":"subscribe","id":"a","run_id":"x"}',
        ):
            socket.connection.send(frame)
            error = socket.error()
            assert (error["code"], error["id"]) == ("duplicate_id", "a")
        socket.connection.send('{"op":"start","id":"a","thread_id":5}')
        assert socket.error()["id"] == "a"
        talking.gate.set()
        assert socket.rest("a").text == "first second"


def test_subscriptions_of_a_socket_are_limited() -> None:
    talking = Talking()
    with served(talking.model) as client, socket_of(client) as socket:
        for number in range(MAX_SUBSCRIPTIONS + 1):
            socket.ask("start", str(number), input="hi")
        assert socket.error(str(MAX_SUBSCRIPTIONS))["code"] == "too_many_subscriptions"
        talking.gate.set()
        assert socket.rest("0").ended
        socket.ask("start", "again", input="hi")
        assert socket.rest("again").ended


def test_limits_of_a_user_are_told_with_when_to_come_back() -> None:
    talking = Talking()
    manager = RunManager(limits=Limits(open_streams=1, concurrent_runs=5))
    with served(talking.model, manager=manager) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        socket.ask("subscribe", "b", run_id=socket.told["a"].run_id)
        error = socket.error("b")
        assert (error["code"], error["limit"]) == ("limit_exceeded", "open_streams")
        assert error["retry_after_s"] >= 1
        refused = client.get(f"/runs/{socket.told['a'].run_id}/events")
        assert refused.status_code == 429
        talking.gate.set()
        assert socket.rest("a").ended


def test_thread_that_has_a_run_is_busy_and_the_run_is_named() -> None:
    talking = Talking()
    with served(talking.model) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi", thread_id="t1")
        socket.until("a", "text.delta")
        socket.ask("start", "b", input="hi", thread_id="t1")
        error = socket.error("b")
        assert (error["code"], error["run_id"]) == ("thread_busy", socket.told["a"].run_id)
        talking.gate.set()
        socket.rest("a")


def test_run_and_thread_of_one_user_are_not_there_for_another() -> None:
    talking = Talking()
    manager = RunManager(on_disconnect="cancel", disconnect_grace_s=0.0)
    with (
        served(talking.model, manager=manager, authenticate=who) as client,
        socket_of(client, "ws?user=ada") as ada,
    ):
        ada.ask("start", "a", input="hi", thread_id="t1")
        ada.until("a", "text.delta")
        run_id, since = ada.told["a"].run_id, ada.told["a"].last_event_id
        with socket_of(client, "ws?user=bob") as bob:
            bob.ask("subscribe", "a", run_id=run_id)
            bob.ask("subscribe", "b", run_id=run_id, since=since)
            bob.ask("subscribe", "c", run_id="nope", since=since)
            bob.ask("start", "d", input="hi", thread_id="t1")
            assert bob.error("a")["code"] == "not_found"
            assert bob.error("b") == bob.error("c")
            assert bob.error("d")["code"] == "not_found"
            bob.ask("cancel", run_id=run_id)
            error = bob.error()
            assert (error["code"], error["run_id"]) == ("not_found", run_id)
        assert manager.readers == 1
        talking.gate.set()
        assert ada.rest("a").text == "first second"


def test_run_of_another_is_gone_over_http_too_for_who_claims_to_have_a_part_of_it() -> None:
    with served(speaker(), authenticate=who) as client:
        with socket_of(client, "ws?user=ada") as ada:
            ada.ask("start", "a", input="hi")
            run_id, since = ada.rest("a").run_id, ada.told["a"].last_event_id
        answers = [
            client.get(f"/runs/{name}/events", params={"user": "bob", "since": since or ""})
            for name in (run_id, "nope")
        ]
        assert [answer.status_code for answer in answers] == [410, 410]
        assert error_of(answers[0]) == error_of(answers[1])


@pytest.mark.parametrize(
    ("path", "code"), [("ws", 4401), ("ws?user=banned", 4403)], ids=["unknown", "banned"]
)
def test_user_that_is_refused_is_told_so_by_the_close_code(path: str, code: int) -> None:
    with served(speaker(), authenticate=who) as client, socket_of(client, path) as socket:
        assert socket.closed() == code


def test_page_of_another_site_is_refused() -> None:
    with served(speaker(), allow_origins=["https://app.example"]) as client:
        here = str(client.base_url).rstrip("/")
        for origin in ("https://evil.example", "null"):
            with socket_of(client, origin=origin) as socket:
                assert socket.closed() == 4403
        for origin in (here, "https://app.example"):
            with socket_of(client, origin=origin) as socket:
                assert socket.is_alive()


def test_authentication_that_breaks_closes_the_socket_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(request: HTTPConnection) -> str:
        raise ValueError("secret")

    with served(speaker(), authenticate=broken) as client, socket_of(client) as socket:
        assert socket.closed() == 4500
    assert "secret" in caplog.text


def test_position_that_is_no_longer_kept_or_never_was_is_a_gap() -> None:
    with served(speaker()) as client, socket_of(client) as socket:
        with started(client) as stream:
            stream.rest()
        generation = stream.last_id.partition("-")[0]
        for since in ("00000000-1", f"{generation}-999"):
            socket.ask("subscribe", since, run_id=stream.run_id, since=since)
            error = socket.error(since)
            assert (error["code"], error["oldest"]) == ("replay_gap", f"{generation}-0")


def test_run_that_is_gone_is_told_so_before_and_while_it_is_read() -> None:
    talking = Talking()
    log = open_log("memory://")
    manager = RunManager(log=log)
    loops: list[asyncio.AbstractEventLoop] = []

    async def anyone(request: HTTPConnection) -> str:
        loops.append(asyncio.get_running_loop())
        return "ada"

    with (
        served(talking.model, manager=manager, authenticate=anyone) as client,
        socket_of(client) as socket,
    ):
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        told = socket.told["a"]
        gone = asyncio.run_coroutine_threadsafe(log.expire(told.run_id), loops[0])
        gone.result(WAIT_S)
        assert socket.error("a")["code"] == "run_gone"
        socket.ask("subscribe", "b", run_id=told.run_id, since=told.last_event_id)
        assert socket.error("b")["code"] == "run_gone"
        socket.ask("subscribe", "c", run_id=told.run_id)
        assert socket.error("c")["code"] == "not_found"
        talking.gate.set()


def test_error_of_the_application_is_told_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(request: HTTPConnection) -> Any:
        raise ValueError("secret")

    with served(broken) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        error = socket.error("a")
    assert error["code"] == "internal"
    assert error["error_id"] in caplog.text
    assert "secret" not in json.dumps(error)


def test_what_the_client_did_wrong_is_said_in_its_own_words() -> None:
    with served(ScriptedModel(["x"])) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi", resume={"x": 1})
        assert socket.error("a")["message"] == 'send "input" or "resume", not both'
        socket.ask("start", "b", resume={})
        assert socket.error("b")["code"] == "invalid_request"


def test_unsubscribed_start_that_fails_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    asked, gate = threading.Event(), threading.Event()

    async def slow(request: HTTPConnection) -> Any:
        asked.set()
        await asyncio.to_thread(gate.wait, WAIT_S)
        raise ValueError("secret")

    with served(slow) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        assert asked.wait(WAIT_S)
        socket.ask("unsubscribe", "a")
        gate.set()
        assert socket.is_alive()
        assert socket.told["a"].error is None
    assert "secret" in caplog.text
