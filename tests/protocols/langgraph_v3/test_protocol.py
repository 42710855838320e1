"""Commands and streams of a thread, whoever the client is."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from websockets.exceptions import ConnectionClosed

from langchain_streamkit import Limits, RunManager
from langchain_streamkit.testing import ScriptedModel
from langchain_streamkit.wire.langgraph.v3_frames import SEQS
from tests.manager.managers import Talking
from tests.protocols.langgraph_v3.apps import served, user_of
from tests.protocols.langgraph_v3.raw import HI, command, reading, socket, started
from tests.scenarios.told import graph, node_of
from tests.serve.servers import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.protocols.langgraph_v3.apps import Server


def speaking(model: Any = None) -> Any:
    model = model or ScriptedModel(["Hello you"], cycle=True)
    return graph(one=node_of(model)).compile(checkpointer=InMemorySaver())


@pytest.fixture
def server() -> Iterator[Server]:
    with served(speaking()) as running:
        yield running


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


# ---- streams -------------------------------------------------------------------------------------


def test_stream_opened_before_there_is_a_thread_gets_all_its_runs(server: Server) -> None:
    with server.client() as http, reading(http, "t") as stream:
        first = started(http, "t")["result"]["run_id"]
        events = stream.until_end()
        second = started(http, "t")["result"]["run_id"]
        events += stream.until_end()
        with reading(http, "t") as again:
            assert again.until_end(2) == events
    assert list(dict.fromkeys(e["event_id"].split(":")[1] for e in events)) == [first, second]
    assert seqs(events) == sorted(set(seqs(events)))


def test_events_of_a_run_come_after_the_answer_to_its_start() -> None:
    sent: list[str] = []
    ended = threading.Semaphore(0)

    def late(app: ASGIApp) -> ASGIApp:
        """Answers commands when what they began has ended, and notes what is sent."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            async def note(message: Message) -> None:
                command = scope.get("path", "").endswith("/commands")
                if command and message["type"] == "http.response.start":
                    await asyncio.to_thread(ended.acquire, timeout=WAIT_S)
                    sent.append("answer")
                elif b"completed" in message.get("body", b""):
                    sent.append("end")
                await send(message)

            await app(scope, receive, note)

        return answer

    with (
        served(speaking(), wrap=late, on_end=lambda _: ended.release()) as server,
        server.client() as http,
        reading(http, "t") as stream,
    ):
        for _ in range(3):
            started(http, "t")
            stream.until_end()
    assert sent == ["answer", "end"] * 3


def test_reader_goes_on_after_the_seq_it_has(server: Server) -> None:
    with server.client() as http, reading(http, "t") as stream:
        started(http, "t")
        started_twice = stream.until_end()
        started(http, "t")
        events = started_twice + stream.until_end()
        for place in (0, 3, len(started_twice) - 1, len(events) - 2):
            with reading(http, "t", since=events[place]["seq"]) as later:
                left = events[place + 1 :]
                runs = 2 if place < len(started_twice) - 1 else 1
                assert later.until_end(runs) == left


def test_command_says_what_was_before_it(server: Server) -> None:
    with server.client() as http, reading(http, "t") as stream:
        through = [started(http, "t")["meta"]["applied_through_seq"]]
        events = stream.until_end()
        through.append(started(http, "t")["meta"]["applied_through_seq"])
        later = stream.until_end()
    assert through[0] < events[0]["seq"]
    assert events[-1]["seq"] < through[1] < later[0]["seq"]


def test_place_in_a_run_that_is_no_longer_kept_is_a_gap(server: Server) -> None:
    with server.client() as http:
        for since in (5, 3 * SEQS + 4, 10**15):
            body = {"channels": ["values"], "since": since}
            response = http.post("/threads/t/stream/events", json=body)
            assert response.status_code == 410
            assert response.json()["error"] == "resume_gap"
        with socket(server.url, "t") as opened:
            answer = opened.command("subscription.subscribe", channels=["values"], since=5)
    assert (answer["type"], answer["error"]) == ("error", "resume_gap")


def test_silence_is_filled_with_pings() -> None:
    with (
        served(speaking(), heartbeat_s=0.02) as server,
        server.client() as http,
        reading(http, "t") as stream,
    ):
        stream.until_ping()
        started(http, "t")
        stream.until_end()
        stream.until_ping()


def test_wrong_subscriptions_are_refused(server: Server) -> None:
    wrong: list[tuple[Any, str]] = [
        ({}, "invalid_argument"),
        ({"channels": []}, "not_supported"),
        ({"channels": ["tasks"]}, "not_supported"),
        ({"channels": ["values", "nonsense"]}, "invalid_argument"),
        ({"channels": ["custom:"]}, "invalid_argument"),
        ({"channels": ["values"], "since": -1}, "invalid_argument"),
        ({"channels": ["values"], "depth": "deep"}, "invalid_argument"),
        ([], "invalid_argument"),
    ]
    with server.client() as http:
        for body, code in wrong:
            response = http.post("/threads/t/stream/events", json=body)
            assert response.status_code == 400, body
            assert (response.json()["type"], response.json()["error"]) == ("error", code)
        assert http.post("/threads/t/stream/events", content=b"{").status_code == 400


# ---- commands ------------------------------------------------------------------------------------


def test_what_is_not_served_says_so(server: Server) -> None:
    with server.client() as http:
        for method in ("agent.getTree", "input.inject", "state.fork", "subscription.subscribe"):
            assert command(http, "t", method)["error"] == "not_supported"
        unknown = command(http, "t", "run.fly")
        assert unknown["error"] == "unknown_command"
        assert "run.start, input.respond, state.get" in unknown["message"]
        assert command(http, "t", "subscription.reconnect")["result"] == {"restored": False}


def test_wrong_runs_are_refused(server: Server) -> None:
    fork = {"configurable": {"checkpoint_id": "c"}}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "invalid_argument"),
        ({"assistant_id": "other"}, "invalid_argument"),
        ({"assistant_id": "agent", "config": fork}, "not_supported"),
        ({"assistant_id": "agent", "multitask_strategy": "rollback"}, "invalid_argument"),
        ({"assistant_id": "agent", "metadata": 3}, "invalid_argument"),
    ]
    with server.client() as http:
        for params, code in wrong:
            assert command(http, "t", "run.start", **params)["error"] == code, params
        for body in (b"{", b"[]", b'{"method": "run.start"}', b'{"id": -1, "method": "x"}'):
            response = http.post("/threads/t/commands", content=body)
            assert response.status_code == 400
            assert response.json()["error"] == "invalid_argument"


def test_thread_that_is_busy_refuses_or_queues_or_stops_the_run_before() -> None:
    talking = Talking()
    with served(speaking(talking.model)) as server, server.client() as http:
        started(http, "t")
        busy = command(http, "t", "run.start", assistant_id="agent", input=HI)
        assert busy["error"] == "invalid_argument"
        assert "the thread has a run already" in busy["message"]
        started(http, "t", multitask_strategy="interrupt")
        assert server.after(1).outcome == "cancelled"
        talking.gate.set()
        assert server.after(2).outcome == "finished"


def test_answers_that_nobody_waits_for_are_refused(server: Server) -> None:
    answer: dict[str, Any] = {"namespace": [], "interrupt_id": "x", "response": 1}
    with server.client() as http:
        assert command(http, "t", "input.respond", **answer)["error"] == "no_such_interrupt"
        many = command(http, "t", "input.respond", responses=[answer])
        assert many["error"] == "no_such_interrupt"
        changed = command(http, "t", "input.respond", **answer, update={"messages": []})
        assert changed["error"] == "not_supported"
        assert command(http, "t", "input.respond")["error"] == "invalid_argument"


def test_state_and_checkpoints_of_a_thread(server: Server) -> None:
    with server.client() as http:
        assert command(http, "t", "state.get", namespace=[])["error"] == "no_such_checkpoint"
        started(http, "t")
        server.after(1)
        state = command(http, "t", "state.get", namespace=[], keys=["messages"])["result"]
        assert [one["content"] for one in state["values"]["messages"]] == ["hi", "Hello you"]
        listed = command(http, "t", "state.listCheckpoints", limit=2)["result"]["checkpoints"]
        assert [one["step"] for one in listed] == [1, 0]
        assert listed[0]["id"] == state["checkpoint"]["id"]
        before = command(http, "t", "state.listCheckpoints", before=listed[0]["id"])
        assert before["result"]["checkpoints"][0] == listed[1]


# ---- who asks ------------------------------------------------------------------------------------


def test_another_users_thread_is_not_there() -> None:
    with served(speaking(), authenticate=user_of) as server:
        with server.client("ada") as ada, reading(ada, "t") as stream:
            started(ada, "t")
            stream.until_end()
        with server.client("bob") as bob:
            wanted = {"channels": ["values"]}
            refused = bob.post("/threads/t/stream/events", json=wanted)
            assert refused.status_code == 404
            assert refused.json()["error"] == "permission_denied"
            for method in ("run.start", "state.get", "state.listCheckpoints"):
                params: dict[str, Any] = {"assistant_id": "agent", "input": HI}
                assert command(bob, "t", method, **params)["error"] == "permission_denied"
        with server.client() as nobody:
            assert nobody.post("/threads/t/stream/events", json=wanted).status_code == 401
        for user, code in (({"x-user": "bob"}, 4404), ({}, 4401)):
            with socket(server.url, "t", additional_headers=user) as opened:
                with pytest.raises(ConnectionClosed) as closed:
                    opened.next()
                assert closed.value.rcvd
                assert closed.value.rcvd.code == code


def test_reader_of_a_thread_that_becomes_another_users_is_sent_away() -> None:
    with (
        served(speaking(), authenticate=user_of) as server,
        server.client("bob") as bob,
        server.client("ada") as ada,
        reading(bob, "t") as stream,
    ):
        started(ada, "t")
        last = stream.next()
        assert last
        assert (last["type"], last["error"]) == ("error", "permission_denied")
        assert stream.next() is None


def test_streams_and_runs_are_held_to_the_limits() -> None:
    manager = RunManager(limits=Limits(open_streams=1, runs_per_minute=1))
    with (
        served(speaking(), manager=manager) as server,
        server.client() as http,
        reading(http, "t") as stream,
    ):
        refused = http.post("/threads/t/stream/events", json={"channels": ["values"]})
        assert refused.status_code == 429
        assert refused.headers["retry-after"]
        started(http, "t")
        stream.until_end()
        params: dict[str, Any] = {"assistant_id": "agent", "input": HI}
        assert command(http, "t", "run.start", 429, **params)["type"] == "error"


# ---- sockets, the end ----------------------------------------------------------------------------


def test_socket_carries_commands_and_several_subscriptions(server: Server) -> None:
    with socket(server.url, "t") as opened:
        first = opened.command("subscription.subscribe", channels=["lifecycle"])["result"]
        second = opened.command("subscription.subscribe", channels=["values"])["result"]
        gone = opened.command("subscription.unsubscribe", **second)
        again = opened.command("subscription.unsubscribe", **second)
        opened.command("run.start", assistant_id="agent", input=HI)
        while not opened.events or opened.events[-1]["seq"] % SEQS != SEQS - 1:
            opened.events.append(opened.next())
        opened.socket.send(b"binary")
        assert opened.next()["error"] == "invalid_argument"
        opened.socket.send("{")
        assert opened.next()["error"] == "invalid_argument"
    assert first["subscription_id"] != second["subscription_id"]
    assert gone["result"] == {}
    assert again["error"] == "no_such_subscription"
    assert {event["method"] for event in opened.events} == {"lifecycle"}


def test_end_of_a_run_comes_after_what_every_subscription_of_the_socket_is_sent_of_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JavaScript's client stops all its iterations at the first end that it sees."""
    log = server.manager.log
    follow = log.follow
    read = asyncio.Event()

    async def late(name: str, *where: Any, wait: bool = False) -> Any:
        """The second reader of a run gets nothing until the first has all of it."""
        first = not read_by
        if not wait:  # a run, and no thread
            read_by.append(name)
            if not first:
                await read.wait()
                await asyncio.sleep(0.05)  # if the end is not held back, it is sent by now
        async for stretch in follow(name, *where, wait=wait):
            if first and b'"type":"run.finished"' in stretch.data[-1]:
                read.set()
            yield stretch

    read_by: list[str] = []
    monkeypatch.setattr(log, "follow", late)
    with socket(server.url, "t") as opened:
        for channel in ("lifecycle", "values"):
            opened.command("subscription.subscribe", channels=[channel])
        opened.command("run.start", assistant_id="agent", input=HI)
        while not opened.events or opened.events[-1]["seq"] % SEQS != SEQS - 1:
            opened.events.append(opened.next())
    assert len(read_by) == 2
    assert "values" in {event["method"] for event in opened.events}


def test_end_waits_for_subscriptions_that_are_asked_for_when_the_run_has_ended(
    server: Server,
) -> None:
    with server.client() as http, reading(http, "t") as stream:
        started(http, "t")
        stream.until_end()
    with socket(server.url, "t") as opened:
        for number, channel in enumerate(("lifecycle", "custom", "values")):
            ask = {"method": "subscription.subscribe", "params": {"channels": [channel]}}
            opened.socket.send(json.dumps({"id": number, **ask}))
        frames = [opened.next()]
        while frames[-1].get("seq", 0) % SEQS != SEQS - 1:
            frames.append(opened.next())
    assert "values" in {frame.get("method") for frame in frames}


def test_end_waits_for_no_subscription_that_has_been_given_up(server: Server) -> None:
    with socket(server.url, "t") as opened:
        opened.command("subscription.subscribe", channels=["lifecycle"])
        for _ in range(3):
            one = opened.command("subscription.subscribe", channels=["values"])["result"]
            opened.command("subscription.unsubscribe", **one)
        # Both at once: given up before it has begun.
        for number, (method, params) in enumerate(
            (
                ("subscribe", {"channels": ["values"]}),
                ("unsubscribe", {"subscription_id": "subscription-5"}),
            )
        ):
            text = {"id": 90 + number, "method": f"subscription.{method}", "params": params}
            opened.socket.send(json.dumps(text))
        assert [opened.next()["type"] for _ in range(2)] == ["success", "success"]
        opened.command("run.start", assistant_id="agent", input=HI)
        while not opened.events or opened.events[-1]["seq"] % SEQS != SEQS - 1:
            opened.events.append(opened.next())
    assert {event["method"] for event in opened.events} == {"lifecycle"}


def test_readers_are_sent_away_when_the_server_ends() -> None:
    with served(speaking()) as server, server.client() as http:
        with reading(http, "t") as stream, socket(server.url, "t") as opened:
            started(http, "t")
            stream.until_end()
            http.post(server.url.removesuffix("/api") + "/test/shut-down")
            with pytest.raises(json.JSONDecodeError):  # which makes Python's client come back
                stream.next()
            with pytest.raises(ConnectionClosed) as closed:
                opened.next()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1012
        params: dict[str, Any] = {"assistant_id": "agent", "input": HI}
        assert command(http, "t", "run.start", 503, **params)["type"] == "error"
