"""How often, and how soon, a client asks again; and what it never asks twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.scripted import (
    END,
    OPENING,
    Answer,
    frames,
    hang_up,
    refusal,
    reply,
    scripted,
    stream,
)
from tests.client.stories import RUN, position, told

if TYPE_CHECKING:
    from tests.client.node import Node

EVENTS = f"GET /runs/{RUN}/events"
BYE = b"event: bye\ndata: {}\nretry: 700\n\n"
STARTED = told("hi")[:2]


def gateway(status: int) -> Answer:
    """What a proxy says, not the server."""
    return reply(status, content_type="text/html")


def resumed(*answers: Answer, opening: bytes = OPENING) -> dict[str, list[Answer]]:
    """A run that is cut after two events, and then answered so."""
    cut = stream(frames(*STARTED), ends="closed", run_id=RUN, opening=opening)
    return {"POST /runs": [cut], EVENTS: list(answers)}


def rest() -> Answer:
    return stream(frames(*told("hi")[2:]), END)


@pytest.mark.parametrize(
    "failure",
    [hang_up, gateway(500), gateway(502), refusal(503, "draining"), refusal(429, "slow_down")],
    ids=["no answer", "500", "502", "503", "429"],
)
def test_a_failure_that_may_pass_is_tried_again(node: Node, failure: Answer) -> None:
    with scripted(resumed(failure, failure, rest())) as server:
        assert node("fast(); return all(client().run({}));", server.url) == told("hi")
    assert server.positions() == [position(2)] * 3


def test_retries_in_a_row_are_counted_and_then_told(node: Node) -> None:
    with scripted(resumed(hang_up, hang_up, hang_up)) as server:
        error = node("return failure(all(client({ retries: 3 }).run({})));", server.url)
    assert error["code"] == "connection_lost"
    assert (error["runId"], error["lastEventId"]) == (RUN, position(2))
    assert len(server.positions()) == 3


def test_a_new_event_or_a_ping_begins_the_count_again(node: Node) -> None:
    ping = stream(b": ping\n\n", ends="closed")
    event = stream(frames(*told("hi")[2:3]), ends="closed")
    with scripted(resumed(hang_up, ping, hang_up, event, hang_up, rest())) as server:
        assert node("return all(client({ retries: 2 }).run({}));", server.url) == told("hi")


def test_a_server_that_only_opens_and_closes_does_not_begin_the_count_again(node: Node) -> None:
    again = stream(frames(*STARTED), ends="closed")
    with scripted(resumed(stream(), again, stream())) as server:
        error = node("return failure(all(client({ retries: 3 }).run({})));", server.url)
    assert error["code"] == "connection_lost"


def test_without_retries_a_cut_is_told_at_once(node: Node) -> None:
    with scripted(resumed()) as server:
        error = node("return failure(all(client({ retries: 0 }).run({})));", server.url)
    assert (error["code"], error["runId"]) == ("connection_lost", RUN)


def waits(node: Node, url: str, random: float = 1, **backoff: int) -> list[float]:
    """How long the client waited before each retry, were there no hurry."""
    script = """
    fast();
    const backoff = { ...given.backoff, random: () => given.random };
    await all(client({ silence: Infinity, backoff }).run({}));
    return waits;"""
    found: list[float] = node(script, url, random=random, backoff=backoff)
    return found


@pytest.mark.parametrize("random", [1, 0.25, 0])
def test_waits_double_to_the_most_with_full_jitter(node: Node, random: float) -> None:
    with scripted(resumed(*[hang_up] * 5, rest(), opening=b": ok\n\n")) as server:
        found = waits(node, server.url, random, base=100, max=1000)
    assert found == [random * ms for ms in (100, 200, 400, 800, 1000, 1000)]


def test_the_servers_reconnection_time_is_the_base(node: Node) -> None:
    with scripted(resumed(hang_up, rest(), opening=b": ok\n\nretry: 40\n\n")) as server:
        assert waits(node, server.url, base=100) == [40, 80]


def test_bye_is_followed_by_the_wait_it_asks_for(node: Node) -> None:
    routes: dict[str, list[Answer]] = {
        "POST /runs": [stream(frames(*STARTED), BYE, run_id=RUN)],
        EVENTS: [rest()],
    }
    with scripted(routes) as server:
        assert waits(node, server.url, random=0) == [700]
    assert server.positions() == [position(2)]


def test_a_reconnect_waits_as_long_as_retry_after_says(node: Node) -> None:
    busy = [refusal(503, "draining", retry_after=7), refusal(429, "slow_down", retry_after=3)]
    with scripted(resumed(*busy, rest())) as server:
        assert waits(node, server.url, random=0) == [0, 7000, 3000]


def test_a_date_as_retry_after_is_understood(node: Node) -> None:
    past = refusal(503, "draining", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    with scripted(resumed(past, rest())) as server:
        assert waits(node, server.url, random=0) == [0, 0]


def test_a_silent_connection_counts_as_cut(node: Node) -> None:
    silent = stream(frames(*STARTED), ends="open", run_id=RUN)
    with scripted({"POST /runs": [silent], EVENTS: [rest()]}) as server:
        script = """
        const tooLong = hushed();
        const events = client().run({})[Symbol.asyncIterator]();
        const seen = [(await events.next()).value, (await events.next()).value];
        const next = events.next();
        await new Promise(setImmediate); // now it waits for more
        tooLong();
        return [...seen, (await next).value, ...(await all(events))];"""
        assert node(script, server.url) == told("hi")
        assert server.requests[0].left.wait(5)


@pytest.mark.parametrize(
    "failure", [hang_up, gateway(502), stream(ends="closed")], ids=["no answer", "502", "no event"]
)
def test_a_post_whose_answer_is_lost_is_not_sent_again(node: Node, failure: Answer) -> None:
    with scripted({"POST /runs": [failure]}) as server:
        script = """
        const error = await client().run({}).result().catch((error) => error);
        return [error instanceof StreamkitError, error.code, error.message];"""
        ours, code, message = node(script, server.url)
    assert (ours, code) == (True, "start_uncertain")
    assert "it may have begun, so it is not sent again" in message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "thread_busy"), (422, "invalid_body"), (429, "slow_down"), (503, "draining")],
)
def test_a_refused_post_is_told_and_not_sent_again(node: Node, status: int, code: str) -> None:
    routes = {"POST /runs": [refusal(status, code, retry_after=2, run_id="r0")]}
    with scripted(routes) as server:
        error = node("return failure(all(client().run({})));", server.url)
    expected = {"status": status, "code": code, "retryAfter": 2000, "runId": "r0"}
    assert {name: error[name] for name in expected} == expected
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(200, {}), "not_a_stream"),
        (stream(b"id: 1\ndata: {oops\n\n"), "bad_frame"),
        (reply(404), "http_404"),
    ],
)
def test_what_is_no_stream_of_ours_is_told(node: Node, answer: Any, code: str) -> None:
    with scripted({"POST /runs": [answer]}) as server:
        assert node("return failure(all(client().run({})));", server.url)["code"] == code


@pytest.mark.parametrize("failure", [hang_up, gateway(503)], ids=["no answer", "503"])
def test_the_first_reading_of_a_run_is_tried_again_too(node: Node, failure: Answer) -> None:
    with scripted({EVENTS: [failure, stream(frames(*told("hi")), END)]}) as server:
        assert node("return all(client().events('r1'));", server.url) == told("hi")
