"""Runs over one WebSocket: begun once, taken up after every cut, each event once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.client.sockets import Peer, sockets
from tests.client.stories import RUN, position, told

if TYPE_CHECKING:
    from tests.client.node import Node

EVENTS = told("Hel", "lo")


async def whole(peer: Peer) -> None:
    """A run from its start to its end."""
    frame = await peer.next()
    await peer.events(frame["id"], *EVENTS)
    await peer.send(id=frame["id"], op="end")
    await peer.left()


def test_a_run_is_begun_by_a_frame_and_read_to_its_end(node: Node) -> None:
    async def play(peer: Peer) -> None:
        frame = await peer.next()
        assert frame == {"op": "start", "id": "1", "input": "hi", "thread_id": "t1"}
        await peer.events("1", *EVENTS[:3])
        await peer.events("1", *EVENTS[3:])
        await peer.send(id="1", op="end")
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const run = socket.run({ input: "hi", threadId: "t1" });
        const events = await all(run);
        socket.close();
        return [events, run.runId, run.threadId, run.lastEventId, (await run.result()).text];"""
        expected = [EVENTS, RUN, "t1", position(len(EVENTS)), "Hello"]
        assert node(script, server.url) == expected


def test_runs_share_one_connection_and_are_told_apart(node: Node) -> None:
    async def play(peer: Peer) -> None:
        first, second = await peer.next(), await peer.next()
        assert [first["op"], second["op"]] == ["start", "subscribe"]
        assert (second["run_id"], second["since"]) == ("r2", position(2))
        for event in EVENTS[:2]:
            await peer.events(first["id"], event)
        for event in EVENTS[2:]:
            await peer.events(second["id"], event | {"run_id": "r2"})
            await peer.events(first["id"], event)
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const runs = [socket.run({}), socket.subscribe("r2", { since: given.since })];
        const found = await Promise.all(runs.map(all));
        socket.close();
        return found;"""
        others = [event | {"run_id": "r2"} for event in EVENTS[2:]]
        assert node(script, server.url, since=position(2)) == [EVENTS, others]
    assert server.connections == 1


def test_after_a_cut_all_runs_are_taken_up_after_their_last_event(node: Node) -> None:
    async def first(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:3])
        await peer.next()
        peer.cut()

    async def second(peer: Peer) -> None:
        frames = [await peer.next(), await peer.next()]
        assert frames == [
            {"op": "subscribe", "id": "1", "run_id": RUN, "since": position(3)},
            {"op": "subscribe", "id": "2", "run_id": "r2"},
        ]
        await peer.events("1", *EVENTS[1:])  # two of them again
        await peer.events("2", *EVENTS)
        await peer.left()

    with sockets(first, second) as server:
        script = """
        const socket = client().socket();
        const one = socket.run({});
        await one.started();
        const found = await Promise.all([one, socket.subscribe("r2")].map(all));
        socket.close();
        return found;"""
        assert node(script, server.url) == [EVENTS, EVENTS]


def test_a_start_that_nobody_answered_is_not_sent_again(node: Node) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        peer.cut()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const error = await failure(all(socket.run({})));
        socket.close();
        return error;"""
        assert node(script, server.url)["code"] == "start_uncertain"
    assert server.connections == 1


def test_a_start_waits_for_a_server_that_is_not_there_yet(node: Node) -> None:
    with sockets(whole) as server:
        script = """
        let tries = 0;
        class Flaky extends WebSocket {
          constructor(url) { super(++tries < 3 ? "ws://127.0.0.1:1/ws" : url); }
        }
        const socket = client({ WebSocket: Flaky }).socket();
        const events = await all(socket.run({}));
        socket.close();
        return [events, tries];"""
        assert node(script, server.url) == [EVENTS, 3]


def test_bye_is_followed_by_the_wait_it_asks_for(node: Node) -> None:
    async def going(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:2])
        await peer.send(op="bye", retry_ms=700)
        await peer.left()

    async def back(peer: Peer) -> None:
        assert (await peer.next())["since"] == position(2)
        await peer.events("1", *EVENTS[2:])
        await peer.left()

    with sockets(going, back) as server:
        script = """
        fast();
        const socket = client({ silence: Infinity }).socket();
        const events = await all(socket.run({}));
        socket.close();
        return [events, waits];"""
        assert node(script, server.url) == [EVENTS, [700]]


def test_pings_are_answered(node: Node) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.send(op="ping")
        assert await peer.next() == {"op": "pong"}
        await peer.events("1", *EVENTS)
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const events = await all(socket.run({}));
        socket.close();
        return events;"""
        assert node(script, server.url) == EVENTS


def test_a_silent_socket_counts_as_cut(node: Node) -> None:
    async def silent(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:2])
        await peer.left()

    async def talking(peer: Peer) -> None:
        assert (await peer.next())["since"] == position(2)
        await peer.events("1", *EVENTS[2:])
        await peer.left()

    with sockets(silent, talking) as server:
        script = """
        const tooLong = hushed();
        const socket = client().socket();
        const events = [];
        for await (const event of socket.run({})) if (events.push(event) === 2) tooLong();
        socket.close();
        return events;"""
        assert node(script, server.url) == EVENTS


def test_cancel_is_a_frame_and_answers_when_the_run_has_ended(node: Node) -> None:
    end = {**EVENTS[-1], "type": "run.cancelled", "reason": "user"}

    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:3])
        assert await peer.next() == {"op": "cancel", "id": "1"}
        peer.cut()

    async def again(peer: Peer) -> None:
        assert (await peer.next())["op"] == "subscribe"
        assert await peer.next() == {"op": "cancel", "id": "1"}
        await peer.events("1", end)
        await peer.left()

    with sockets(play, again) as server:
        script = """
        const socket = client().socket();
        const run = socket.run({});
        await run.started();
        const answer = await run.cancel();
        const seen = (await all(run)).map((event) => event.type);
        socket.close();
        return [answer, seen.at(-1), (await failure(run.result())).code];"""
        status = {"run_id": RUN, "status": "cancelled"}
        assert node(script, server.url) == [status, "run.cancelled", "cancelled"]


def test_leaving_a_run_unsubscribes_and_the_socket_stays(node: Node) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:3])
        assert await peer.next() == {"op": "unsubscribe", "id": "1"}
        assert (await peer.next())["id"] == "2"
        await peer.events("1", *EVENTS[3:])  # was on its way
        await peer.events("2", *EVENTS)
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        for await (const event of socket.run({})) if (event.seq === 2) break;
        const events = await all(socket.run({}));
        socket.close();
        return events;"""
        assert node(script, server.url) == EVENTS


def test_an_error_frame_ends_its_run_and_no_other(node: Node) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.next()
        await peer.send(id="1", error={"code": "thread_busy", "message": "busy", "run_id": "r0"})
        await peer.events("2", *EVENTS)
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const refused = failure(all(socket.run({})));
        const events = await all(socket.run({}));
        const { code, runId } = await refused;
        socket.close();
        return [code, runId, events];"""
        assert node(script, server.url) == ["thread_busy", "r0", EVENTS]


def test_an_error_without_a_name_ends_the_runs_that_wait_for_an_answer(node: Node) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:2])
        await peer.next()
        await peer.send(error={"code": "too_large", "message": "too large"})
        await peer.events("1", *EVENTS[2:])
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const first = socket.run({});
        await first.started();
        const [error, events] = await Promise.all([failure(all(socket.run({}))), all(first)]);
        socket.close();
        return [error.code, events];"""
        assert node(script, server.url) == ["too_large", EVENTS]


@pytest.mark.parametrize(
    ("code", "expected"), [(1008, "http_403"), (4401, "http_401"), (4403, "http_403")]
)
def test_a_socket_closed_for_good_is_not_opened_again(node: Node, code: int, expected: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:2])
        await peer.close(code, "not you")

    with sockets(play) as server:
        script = "return failure(all(client().socket().run({})));"
        assert node(script, server.url)["code"] == expected


@pytest.mark.parametrize(
    "frame", ["{oops", '{"id":"1","run_id":"r1","events":[{"seq":9}],"last_event_id":"ff-9"}']
)
def test_a_socket_that_breaks_the_protocol_is_told(node: Node, frame: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:2])
        await peer.text(frame)
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const error = await failure(all(socket.run({})));
        socket.close();
        return error.code;"""
        assert node(script, server.url) in {"bad_frame", "replay_gap"}


def test_closing_the_socket_ends_its_runs_and_begins_no_more(node: Node) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:2])
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const run = socket.run({});
        await run.started();
        const reading = failure(all(run));
        setTimeout(() => socket.close(), 5);
        return [(await reading).code, (await failure(all(socket.run({})))).code];"""
        assert node(script, server.url) == ["closed", "closed"]


def test_each_connection_asks_for_its_own_ticket(node: Node) -> None:
    async def first(peer: Peer) -> None:
        assert peer.subprotocol == "ticket.1"
        await peer.next()
        await peer.events("1", *EVENTS[:2])
        await peer.close(1012)

    async def second(peer: Peer) -> None:
        assert peer.subprotocol == "ticket.2"
        await peer.next()
        await peer.events("1", *EVENTS[2:])
        await peer.left()

    with sockets(first, second, subprotocols=["ticket.1", "ticket.2"]) as server:
        script = """
        let tickets = 0;
        const socket = client().socket({ protocols: async () => [`ticket.${++tickets}`] });
        const events = await all(socket.run({}));
        socket.close();
        return events;"""
        assert node(script, server.url) == EVENTS


def test_a_signal_unsubscribes_though_nobody_reads_on(node: Node) -> None:
    async def play(peer: Peer) -> None:
        await peer.next()
        await peer.events("1", *EVENTS[:3])
        assert await peer.next() == {"op": "unsubscribe", "id": "1"}
        await peer.events("1", *EVENTS[3:])
        await peer.events("2", *EVENTS)
        await peer.left()

    with sockets(play) as server:
        script = """
        const socket = client().socket();
        const stop = new AbortController();
        const events = socket.run({ signal: stop.signal })[Symbol.asyncIterator]();
        await events.next();
        stop.abort();
        const others = await all(socket.subscribe("r1"));
        socket.close();
        return [others, await events.next().catch(({ name }) => name)];"""
        assert node(script, server.url) == [EVENTS, "AbortError"]
