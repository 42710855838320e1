"""A stream that is cut goes on where it was, each event once, with one POST."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.client.scripted import (
    END,
    Request,
    Wire,
    following,
    frames,
    refusal,
    reply,
    scripted,
    stream,
)
from tests.client.stories import RUN, position, told

if TYPE_CHECKING:
    from tests.client.node import Node

READ = "return all(client().run({ input: 'hi' }));"
EVENTS = f"GET /runs/{RUN}/events"


def test_a_whole_stream_is_read_from_one_post(node: Node) -> None:
    events = told("Hel", "lo")
    with scripted({"POST /runs": [stream(frames(*events), END, run_id=RUN)]}) as server:
        script = (
            "return all(client().run({ input: { q: 1 }, threadId: 't1', metadata: { a: 1 } }));"
        )
        assert node(script, server.url) == events
    (post,) = server.requests
    assert post.json == {"input": {"q": 1}, "thread_id": "t1", "metadata": {"a": 1}}
    assert post.headers["accept"] == "text/event-stream"


@pytest.mark.parametrize("ends", ["closed", "cut"])
def test_a_stream_that_breaks_off_is_taken_up_after_the_last_event(node: Node, ends: str) -> None:
    events = told("Hel", "lo")
    rest = [following(events, 5, ends=ends), *[following(events, len(events), ends=ends)] * 2]
    first = stream(frames(*events[:3]), ends=ends, run_id=RUN)
    with scripted({"POST /runs": [first], EVENTS: rest}) as server:
        assert node(READ, server.url) == events
    assert len(server.asked("POST /runs")) == 1
    if ends == "closed":
        assert server.positions() == [position(3), position(5)]


def test_a_stream_cut_at_any_byte_gives_every_event_once(node: Node) -> None:
    events = told("Grüße 🎈", "日本")
    whole = frames(*events) + END

    async def answer(request: Request, wire: Wire) -> None:
        if request.method == "POST":
            cut = request.json["input"]
            await stream(whole[:cut], ends="cut", run_id=str(cut))(request, wire)
        else:
            await following(events, len(events))(request, wire)

    with scripted({"*": [answer]}) as server:
        script = """
        const wrong = [];
        const one = async (cut) => {
          const read = await all(client({ retries: 1 }).run({ input: cut }));
          if (JSON.stringify(read) !== given.expected) wrong.push([cut, read]);
        };
        for (let at = 0; at < given.cuts.length; at += 50) {
          await Promise.all(given.cuts.slice(at, at + 50).map(one));
        }
        return wrong;"""
        expected = json.dumps(events, ensure_ascii=False, separators=(",", ":"))
        text = whole.index(frames(events[3]))
        cuts = [*range(text - 20, text + 200), *range(len(whole) - 40, len(whole))]
        assert node(script, server.url, expected=expected, cuts=cuts) == []
    assert len(server.asked("POST /runs")) == len(cuts)


def test_events_that_come_again_after_a_reconnect_are_dropped(node: Node) -> None:
    events = told("Hel", "lo")
    routes = {
        "POST /runs": [stream(frames(*events[:4]), ends="closed", run_id=RUN)],
        EVENTS: [stream(frames(*events[2:]), END)],
    }
    with scripted(routes) as server:
        assert node(READ, server.url) == events


def test_events_of_another_log_are_a_gap_and_not_read_on(node: Node) -> None:
    events = told("Hel", "lo")
    routes = {
        "POST /runs": [stream(frames(*events[:4]), ends="closed", run_id=RUN)],
        EVENTS: [stream(frames(*events[4:], log="ffffffff"), END)],
    }
    with scripted(routes) as server:
        error = node("return failure(all(client().run({})));", server.url)
    assert error["code"] == "replay_gap"
    assert error["lastEventId"] == position(4)


def test_a_run_without_an_event_yet_is_taken_up_by_its_header(node: Node) -> None:
    events = told("hi")
    routes = {
        "POST /runs": [stream(ends="closed", run_id=RUN)],
        EVENTS: [stream(frames(*events), END)],
    }
    with scripted(routes) as server:
        assert node(READ, server.url) == events
    assert server.positions() == [None]


def test_a_server_without_the_header_names_the_run_by_its_first_event(node: Node) -> None:
    events = told("hi")
    routes = {
        "POST /runs": [stream(frames(*events[:1]), ends="closed")],
        EVENTS: [stream(frames(*events[1:]), END)],
    }
    with scripted(routes) as server:
        assert node(READ, server.url) == events


def test_204_after_the_last_event_is_the_end(node: Node) -> None:
    events = told("hi")
    routes = {
        "POST /runs": [stream(frames(*events[:-1]), ends="closed", run_id=RUN)],
        EVENTS: [stream(ends="closed"), reply(204)],
    }
    with scripted(routes) as server:
        assert node(READ, server.url) == events[:-1]


def test_a_stream_closed_between_the_terminal_event_and_the_end_is_whole(node: Node) -> None:
    events = told("hi")
    with scripted({"POST /runs": [stream(frames(*events), run_id=RUN)]}) as server:
        assert node(READ, server.url) == events
    assert len(server.requests) == 1


def test_a_run_is_read_from_a_position(node: Node) -> None:
    events = told("hi")
    with scripted({EVENTS: [stream(frames(*events[3:]), END)]}) as server:
        script = "return all(client().events('r1', { since: given.since }));"
        assert node(script, server.url, since=position(3)) == events[3:]
    assert server.positions() == [position(3)]


@pytest.mark.parametrize(
    ("status", "code"), [(410, "run_gone"), (410, "replay_gap"), (404, "unknown_run"), (403, "no")]
)
def test_a_refusal_ends_the_reading_with_its_code(node: Node, status: int, code: str) -> None:
    routes = {
        "POST /runs": [stream(frames(*told("hi")[:2]), ends="closed", run_id=RUN)],
        EVENTS: [refusal(status, code, oldest=7)],
    }
    with scripted(routes) as server:
        error = node("return failure(all(client().run({})));", server.url)
    assert (error["code"], error["status"]) == (code, status)
    assert error["details"]["oldest"] == 7
    assert (error["runId"], error["lastEventId"]) == (RUN, position(2))


def test_a_gone_frame_ends_the_reading_with_its_code(node: Node) -> None:
    gone = b'event: gone\ndata: {"error":{"code":"producer_lost","message":"lost"}}\n\n'
    routes = {"POST /runs": [stream(frames(*told("hi")[:2]), gone, run_id=RUN)]}
    with scripted(routes) as server:
        error = node("return failure(all(client().run({})));", server.url)
    assert error["code"] == "producer_lost"
    assert len(server.requests) == 1
