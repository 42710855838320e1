"""Runs over the router's WebSocket: started, read, answered, stopped, many on one socket."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import Limits, RunManager, check_stream
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.manager.managers import SAID, Talking, asking_graph, speaker
from tests.serve.servers import WAIT_S, eventually
from tests.serving.apps import reading, served, started
from tests.serving.sockets import socket_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


def test_started_run_comes_whole_and_ends() -> None:
    with served(speaker(), prefix="/api") as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        told = socket.rest("a")
        assert told.ended
        assert told.text == SAID
        assert not check_stream(told.events, view=True)
        assert {event.run_id for event in told.events} == {told.run_id}


def test_run_is_named_before_it_has_said_anything() -> None:
    with served(speaker()) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        first = socket.receive()
        assert first == {"id": "a", "run_id": first["run_id"], "events": [], "last_event_id": None}
        assert socket.rest("a").run_id == first["run_id"]


def test_run_that_waits_for_its_thread_can_be_found_and_stopped_meanwhile() -> None:
    talking = Talking()
    manager = RunManager(on_busy="queue")
    with served(talking.model, manager=manager) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi", thread_id="t1")
        socket.until("a", "text.delta")
        socket.ask("start", "b", input="hi", thread_id="t1")
        while not socket.told["b"].run_id:
            socket.receive()
        socket.ask("cancel", "b")
        assert socket.rest("b").events[-1].type == "run.cancelled"
        talking.gate.set()
        assert socket.rest("a").text == "first second"


@pytest.mark.parametrize("view", ["chat", "steps", "all"])
def test_events_are_those_that_come_over_http(view: Any) -> None:
    with served(asking_graph(), view=view) as client, socket_of(client) as socket:
        with started(client, {"answers": []}, thread_id="t1") as stream:
            stream.rest()
        socket.ask("subscribe", "a", run_id=stream.run_id)
        told = socket.rest("a")
        sent = [json.loads(frame.data) for frame in stream.frames if not frame.name]
        assert told.json == sent
        assert told.last_event_id == stream.last_id


def test_every_position_of_either_wire_gives_what_follows_it() -> None:
    with served(speaker()) as client, socket_of(client) as socket:
        with started(client) as whole:
            whole.rest()
        ids = [frame.id for frame in whole.frames if frame.id]
        for at, since in enumerate(ids):
            socket.ask("subscribe", since, run_id=whole.run_id, since=since)
            assert socket.rest(since).events == whole.events[at + 1 :]
            assert socket.told[since].ended
        with reading(client, whole.run_id, ids[0]) as rest:
            rest.rest()
        assert rest.events == whole.events[1:]


def test_run_outlives_its_socket_and_goes_on_at_another() -> None:
    talking = Talking()
    with served(talking.model) as client:
        with socket_of(client) as socket:
            socket.ask("start", "a", input="hi")
            socket.until("a", "text.delta")
            first = socket.told["a"]
        talking.gate.set()
        with socket_of(client) as socket:
            socket.ask("subscribe", "z", run_id=first.run_id, since=first.last_event_id)
            second = socket.rest("z")
        assert first.text + second.text == "first second"
        assert not check_stream(first.events + second.events, view=True)


def test_interrupted_thread_is_resumed_with_answers_by_id() -> None:
    with served(asking_graph()) as client, socket_of(client) as socket:
        socket.ask("start", "a", input={"answers": []}, thread_id="t1")
        asked: Any = socket.until("a", "interrupt.requested")
        assert socket.rest("a").events[-1].type == "run.interrupted"
        socket.ask("start", "b", thread_id="t1", resume={asked.interrupt_id: "red"})
        assert socket.rest("b").events[-1].type == "run.finished"
        socket.ask("start", "c", thread_id="t1", resume={asked.interrupt_id: "blue"})
        assert "pending: none" in socket.error("c")["message"]


@pytest.mark.parametrize("by", ["id", "run_id"])
def test_run_is_cancelled_by_its_name_here_or_by_its_own_id(by: str) -> None:
    talking = Talking()
    with served(talking.model) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        socket.ask("cancel", **{by: "a" if by == "id" else socket.told["a"].run_id})
        last: Any = socket.rest("a").events[-1]
        assert (last.type, last.reason) == ("run.cancelled", "user")


def test_cancel_that_comes_before_the_run_is_made_stops_it_all_the_same() -> None:
    asked, gate = threading.Event(), threading.Event()

    def slow(request: HTTPConnection) -> Any:
        asked.set()

        async def made() -> ScriptedModel:
            await asyncio.to_thread(gate.wait, WAIT_S)
            return Talking().model

        return made()

    with served(slow) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        assert asked.wait(WAIT_S)
        socket.ask("cancel", "a")
        assert socket.is_alive()
        gate.set()
        assert socket.rest("a").events[-1].type == "run.cancelled"


def test_unsubscribed_run_goes_on_unheard_and_its_id_is_free() -> None:
    talking = Talking()
    manager = RunManager()
    with served(talking.model, manager=manager) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        run_id, heard = socket.told["a"].run_id, len(socket.told["a"].events)
        socket.ask("unsubscribe", "a")
        assert socket.is_alive()
        talking.gate.set()
        eventually(lambda: not manager.active_runs)
        assert len(socket.told["a"].events) == heard
        assert client.get(f"/runs/{run_id}").json()["status"] == "finished"
        socket.ask("subscribe", "a", run_id=run_id)
        assert socket.rest("a").text == "first second"
        socket.ask("unsubscribe", "never opened")
        assert socket.is_alive()


def test_name_of_a_subscription_that_was_opened_again_stands_for_the_new_run() -> None:
    talking = Talking()
    with served(talking.model) as client, socket_of(client) as socket:
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        socket.ask("unsubscribe", "a")
        socket.ask("start", "a", input="hi")
        socket.until("a", "text.delta")
        socket.ask("cancel", "a")
        assert socket.rest("a").events[-1].type == "run.cancelled"
        talking.gate.set()


def test_many_runs_share_a_socket() -> None:
    talking = Talking()
    names = [f"run {number}" for number in range(20)]
    with served(talking.model) as client, socket_of(client) as socket:
        for name in names:
            socket.ask("start", name, input="hi")
        for name in names:
            socket.until(name, "text.delta")
        talking.gate.set()
        for name in names:
            assert socket.rest(name).text == "first second"
        assert len({socket.told[name].run_id for name in names}) == 20


def test_run_that_says_much_lets_the_others_on_its_socket_be_heard() -> None:
    gate = threading.Event()
    words = [f"{number:06} " * 20 for number in range(5000)]
    said: list[list[Any]] = [[">", gate, *words], [">", gate, *"abcdefgh"]]
    models = [ScriptedModel([Turn(one)]) for one in said]
    with (
        served(lambda request: models.pop(0)) as client,
        socket_of(client, max_queue=4) as socket,
    ):
        socket.ask("start", "firehose", input="hi")
        socket.until("firehose", "text.delta")
        socket.ask("start", "drop", input="hi")
        socket.until("drop", "text.delta")
        gate.set()
        assert socket.rest("drop").text == ">abcdefgh"
        assert not socket.told["firehose"].over
        assert socket.rest("firehose").text == ">" + "".join(words)


def test_id_and_place_are_free_when_the_last_frame_has_come() -> None:
    manager = RunManager(limits=Limits(open_streams=1))
    with served(speaker(), manager=manager) as client, socket_of(client) as socket:
        for _ in range(20):
            socket.ask("start", "a", input="hi")
            assert socket.rest("a").ended, socket.told["a"].error
            socket.ask("subscribe", "a", run_id="nope")
            assert socket.error("a")["code"] == "not_found"


def test_place_is_free_for_the_frame_that_follows_an_unsubscribe() -> None:
    talking = Talking()
    manager = RunManager(limits=Limits(open_streams=1))
    with served(talking.model, manager=manager) as client, socket_of(client) as socket:
        for number in range(10):
            socket.ask("start", str(number), input="hi")
            socket.until(str(number), "text.delta")
            socket.ask("unsubscribe", str(number))
        talking.gate.set()


def test_frames_are_small_enough_for_others_to_come_between() -> None:
    words = [f"{number:06} " * 20 for number in range(3000)]
    with served(ScriptedModel([Turn(words)])) as client:
        with started(client) as stream:
            stream.rest()
        with socket_of(client) as socket:
            socket.ask("subscribe", "a", run_id=stream.run_id)
            sizes: list[int] = []
            while not socket.told["a"].over:
                frame = socket.receive()
                if len(frame.get("events", [])) > 1:
                    sizes.append(len(json.dumps(frame, separators=(",", ":"))))
            assert socket.told["a"].text == stream.text == "".join(words)
            assert max(sizes) <= 1 << 16
            assert len(sizes) > 5


def test_silent_socket_is_pinged_and_needs_not_answer() -> None:
    with served(speaker(), heartbeat_s=0.05) as client, socket_of(client) as socket:
        while socket.pings < 5:
            socket.receive()
        socket.ask("pong")
        socket.ask("start", "a", input="hi")
        assert socket.rest("a").ended
