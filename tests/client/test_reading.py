"""What a reader gets of the bytes, and how a reading ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.client.scripted import (
    END,
    WAIT_S,
    Answer,
    Scripted,
    chunks,
    frames,
    hang_up,
    refusal,
    reply,
    scripted,
    stream,
    until,
)
from tests.client.stories import RUN, position, told

if TYPE_CHECKING:
    from tests.client.node import Node

EVENTS = f"GET /runs/{RUN}/events"
CANCEL = f"POST /runs/{RUN}/cancel"


def test_characters_and_line_ends_split_over_chunks_are_whole(node: Node) -> None:
    events = told("é€🎈", "\u2028\x85")
    answers = [
        stream(*chunks(b"\xef\xbb\xbf: ok" + newline * 2 + data + END, size), opening=b"")
        for newline in (b"\n", b"\r\n", b"\r")
        for data in [frames(*events, newline=newline)]
        for size in (1, 2, 3, 7, len(data))
    ]
    with scripted({"POST /runs": answers}) as server:
        script = """
        const one = () => all(client().run({}));
        return Promise.all(Array.from({ length: given.times }, one));"""
        times = len(answers)
        assert node(script, server.url, times=times) == [events] * times


def test_a_huge_event_is_read_whole(node: Node) -> None:
    text = "ü" * 4_000_000
    events = told(text)
    data = frames(*events)
    answer = stream(*chunks(data, 100_003), END, run_id=RUN)
    with scripted({"POST /runs": [answer]}) as server:
        script = "return texts(await all(client().run({}))).map((text) => text.length);"
        assert node(script, server.url) == [len(text)] * 2


def test_frames_of_an_unknown_kind_are_passed_over(node: Node) -> None:
    events = told("hi")
    answer = stream(b"event: later\ndata: ?\n\n", frames(*events), b"x: y\n\n", END, run_id=RUN)
    with scripted({"POST /runs": [answer]}) as server:
        assert node("return all(client().run({}));", server.url) == events


def test_events_are_read_as_they_come(node: Node) -> None:
    events = told("one", "two")
    answer = stream(
        frames(*events[:3]),
        lambda: until(lambda: server.asked("GET /threads/t1/messages")),
        frames(*events[3:]),
        END,
        run_id=RUN,
    )
    routes = {"POST /runs": [answer], "GET /threads/t1/messages": [reply(200, {})]}
    with scripted(routes) as server:
        script = """
        const reader = client();
        const seen = [];
        for await (const event of reader.run({})) {
          if (event.seq === 3) await reader.messages("t1");
          seen.push(event.seq);
        }
        return seen;"""
        assert node(script, server.url) == [event["seq"] for event in events]


def left(script: str, node: Node) -> tuple[object, Scripted]:
    """What the script gives that leaves a run, when the server has seen it leave."""
    answer = stream(frames(*told("hi")[:3]), ends="open", run_id=RUN)
    with scripted({"POST /runs": [answer]}) as server:
        found = node(script, server.url)
        assert server.requests[0].left.wait(WAIT_S)
    return found, server


def test_leaving_the_loop_closes_the_connection(node: Node) -> None:
    script = """
    const run = client().run({});
    for await (const event of run) if (event.seq === 2) break;
    return [run.runId, run.threadId, run.lastEventId, (await failure(run.result())).code];"""
    found, server = left(script, node)
    assert found == [RUN, "t1", position(2), "left"]
    assert len(server.requests) == 1


def test_a_loop_that_throws_closes_the_connection(node: Node) -> None:
    script = """
    const loop = async () => { for await (const _ of client().run({})) throw new Error("mine"); };
    return loop().catch((error) => error.message);"""
    assert left(script, node)[0] == "mine"


def test_leaving_does_not_wait_for_the_next_event(node: Node) -> None:
    script = """
    const events = client().run({})[Symbol.asyncIterator]();
    for (const _ of "123") await events.next();
    const pending = events.next();
    return [await events.return(), await pending, await events.next()].map(({ done }) => done);"""
    assert left(script, node)[0] == [True, True, True]


def test_a_signal_ends_the_reading_with_its_reason(node: Node) -> None:
    script = """
    const stop = new AbortController();
    const run = client().run({ signal: stop.signal });
    const seen = [];
    try {
      for await (const event of run) {
        if (seen.push(event.seq) === 3) setTimeout(() => stop.abort(), 5);
      }
    } catch (error) {
      return [seen, error.name, await run.result().catch(({ name }) => name)];
    }"""
    assert left(script, node)[0] == [[1, 2, 3], "AbortError", "AbortError"]


def test_a_signal_ends_the_wait_for_a_retry(node: Node) -> None:
    cut = stream(frames(*told("hi")[:2]), ends="closed", run_id=RUN, opening=b": ok\n\n")
    with scripted({"POST /runs": [cut]}) as server:
        script = """
        const stop = new AbortController();
        const random = () => { setTimeout(() => stop.abort(), 5); return 1; };
        const backoff = { base: 60_000, max: 60_000, random };
        const run = client({ backoff }).run({ signal: stop.signal });
        return all(run).catch(({ name }) => name);"""
        assert node(script, server.url) == "AbortError"
    assert len(server.requests) == 1


def test_a_signal_given_up_before_the_start_sends_nothing(node: Node) -> None:
    with scripted({}) as server:
        script = (
            "return all(client().run({ signal: AbortSignal.abort() })).catch(({ name }) => name);"
        )
        assert node(script, server.url) == "AbortError"
    assert not server.requests


def test_a_run_is_not_begun_until_it_is_read(node: Node) -> None:
    with scripted({}) as server:
        script = """
        const run = client().run({});
        await new Promise((resolve) => setTimeout(resolve, 20));
        return run.cancel().catch((error) => [error.name, error.message, run.runId ?? null]);"""
        expected = ["TypeError", "the run has not begun: there is nothing to cancel", None]
        assert node(script, server.url) == expected
    assert not server.requests


def test_cancel_posts_and_the_events_go_on_to_the_end(node: Node) -> None:
    events = told("hi")
    usage = {name: events[-1][name] for name in ("usage", "timing")}
    end = {**events[-1], **usage, "type": "run.cancelled", "reason": "user"}
    answer = stream(
        frames(*events[:3]),
        lambda: until(lambda: server.asked(CANCEL)),
        frames(end),
        END,
        run_id=RUN,
    )
    routes = {
        "POST /runs": [answer],
        CANCEL: [reply(200, {"run_id": RUN, "status": "cancelled"})],
    }
    with scripted(routes) as server:
        script = """
        const run = client().run({});
        const seen = [];
        let answer;
        for await (const event of run) {
          seen.push(event.type);
          if (event.type === "text.started") answer = run.cancel();
        }
        const error = await failure(run.result());
        return [seen, await answer, run.snapshot.outcome, error.code, error.runId];"""
        seen, answered, *ending = node(script, server.url)
    assert seen == ["run.started", "message.started", "text.started", "run.cancelled"]
    assert answered == {"run_id": RUN, "status": "cancelled"}
    assert ending == ["cancelled", "cancelled", RUN]
    assert len(server.asked(CANCEL)) == 1


def test_a_run_can_be_cancelled_before_its_first_event(node: Node) -> None:
    answer = stream(lambda: until(lambda: server.asked(CANCEL)), END, run_id=RUN)
    routes = {"POST /runs": [answer], CANCEL: [reply(200, {"run_id": RUN, "status": "cancelled"})]}
    routes[f"GET /runs/{RUN}"] = [reply(200, {"run_id": RUN, "status": "cancelled"})]
    with scripted(routes) as server:
        script = """
        const run = client().run({});
        const id = await run.started();
        return [id, await run.cancel(), (await failure(run.result())).code];"""
        status = {"run_id": RUN, "status": "cancelled"}
        assert node(script, server.url) == [RUN, status, "cancelled"]


def test_a_run_is_read_once(node: Node) -> None:
    with scripted({"POST /runs": [stream(frames(*told("hi")), END, run_id=RUN)]}) as server:
        script = """
        const run = client().run({});
        await all(run);
        return all(run).catch((error) => error.message);"""
        assert "a run is read once" in node(script, server.url)


def test_the_other_routes_are_asked_and_answered(node: Node) -> None:
    routes: dict[str, list[Answer]] = {
        "GET /runs/r1": [reply(200, {"run_id": RUN, "status": "running"})],
        CANCEL: [refusal(404, "unknown_run")],
        "GET /threads/a%2Fb/messages": [reply(200, {"messages": []})],
        "GET /threads/a%2Fb/run": [reply(204), reply(200, {"run_id": RUN})],
        EVENTS: [stream(frames(*told("hi")), END)],
        "GET /threads/c/run": [hang_up],
    }
    with scripted(routes) as server:
        script = """
        const one = client({ headers: async () => ({ authorization: "Bearer t" }) });
        const none = await one.activeRun("a/b");
        return [
          await one.status("r1"),
          (await failure(one.cancel("r1"))).status,
          await one.messages("a/b"),
          none ?? null, (await all(await one.activeRun("a/b"))).length,
          (await failure(one.activeRun("c"))).code,
        ];"""
        found = node(script, server.url)
    status = {"run_id": RUN, "status": "running"}
    assert found == [status, 404, {"messages": []}, None, len(told("hi")), "unreachable"]
    assert {one.headers["authorization"] for one in server.requests} == {"Bearer t"}
