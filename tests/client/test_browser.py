"""The client in a page of a real browser; and the browser's own EventSource on the same routes."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.client.node import STATIC
from tests.client.scripted import (
    Answer,
    Request,
    Wire,
    following,
    frames,
    reply,
    scripted,
    stream,
    until,
)
from tests.client.sockets import Peer, sockets
from tests.client.stories import RUN, position, told

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = f"GET /runs/{RUN}/events"
CANCEL = f"POST /runs/{RUN}/cancel"
STORY = told("Grüße, ", "日本 🎈")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "javascript.md").read_text(encoding="utf-8")


async def files(request: Request, wire: Wire) -> None:
    """An empty page, and the files beside it."""
    kind, body = "text/html", b"<!doctype html><link rel=icon href=data:,><body>"
    path = request.path.removeprefix("/chat")  # where the page of the document has the router
    if path.startswith("/static/"):
        body = (STATIC / path.removeprefix("/static/")).read_bytes()
        kind = str(mimetypes.guess_type(request.path)[0])
    wire.head(200, {"content-type": kind, "content-length": str(len(body))})
    wire.write(body)


def served(**routes: list[Answer]) -> dict[str, list[Answer]]:
    return {"*": [files], **routes}


async def test_a_page_reads_a_run_through_cuts(browser_page: Page) -> None:
    routes = {
        "POST /runs": [stream(frames(*STORY[:4]), ends="cut", run_id=RUN)],
        EVENTS: [following(STORY, 5, ends="cut"), *[following(STORY, len(STORY))] * 2],
    }
    with scripted(served(**routes)) as server:
        await browser_page.goto(server.url)
        found = await browser_page.evaluate(
            """async () => {
                const { StreamkitClient } = await import("/static/streamkit.js");
                const run = new StreamkitClient().run({ input: "hi" });
                const events = [];
                for await (const event of run) events.push(event);
                return [events, (await run.result()).text];
            }"""
        )
    assert found == [STORY, "Grüße, 日本 🎈"]
    assert len(server.asked("POST /runs")) == 1
    assert server.positions()


async def test_a_page_reads_runs_over_one_socket_through_a_cut(browser_page: Page) -> None:
    async def first(peer: Peer) -> None:
        await peer.next()
        await peer.send(op="ping")
        assert await peer.next() == {"op": "pong"}
        await peer.events("1", *STORY[:4])
        peer.cut()

    async def second(peer: Peer) -> None:
        frame = await peer.next()
        assert (frame["op"], frame["since"]) == ("subscribe", position(4))
        await peer.events("1", *STORY[3:])
        await peer.left()

    with scripted(served()) as server, sockets(first, second) as socket:
        await browser_page.goto(server.url)
        found = await browser_page.evaluate(
            """async (url) => {
                const { StreamkitClient } = await import("/static/streamkit.js");
                const socket = new StreamkitClient(url).socket();
                const events = [];
                for await (const event of socket.run({ input: "hi" })) events.push(event);
                socket.close();
                return events;
            }""",
            socket.url,
        )
    assert found == STORY


async def test_eventsource_reads_a_run_through_a_cut_and_stops_at_204(browser_page: Page) -> None:
    routes = {
        EVENTS: [
            following(STORY, 4, ends="cut"),
            following(STORY, len(STORY)),
            reply(204),
        ],
    }
    with scripted(served(**routes)) as server:
        await browser_page.goto(server.url)
        found = await browser_page.evaluate(
            """(path) => new Promise((resolve) => {
                const source = new EventSource(path);
                const events = [];
                let ended = 0;
                source.onmessage = ({ data }) => events.push(JSON.parse(data));
                source.addEventListener("end", () => { ended += 1; });
                source.onerror = () => {
                    if (source.readyState === EventSource.CLOSED) resolve([events, ended]);
                };
            })""",
            EVENTS.removeprefix("GET "),
        )
    assert found == [STORY, 1]
    assert server.positions()[::2] == [None, position(len(STORY))]


async def test_a_page_that_goes_away_leaves_the_run(browser_page: Page) -> None:
    answer = stream(frames(*STORY[:3]), ends="open", run_id=RUN)
    with scripted(served(**{"POST /runs": [answer]})) as server:
        await browser_page.goto(server.url)
        await browser_page.evaluate(
            """async () => {
                const { StreamkitClient } = await import("/static/streamkit.js");
                const events = new StreamkitClient().run({})[Symbol.asyncIterator]();
                for (const _ of "123") await events.next();
                events.next();
            }"""
        )
        await browser_page.goto(server.url + "/elsewhere")
        (post,) = server.asked("POST /runs")
        await until(post.left.is_set)
        assert not server.positions()


async def test_a_page_that_goes_away_can_still_cancel_the_run(browser_page: Page) -> None:
    answer = stream(frames(*STORY[:3]), ends="open", run_id=RUN)
    routes = {"POST /runs": [answer], CANCEL: [reply(200, {"run_id": RUN, "status": "cancelled"})]}
    with scripted(served(**routes)) as server:
        await browser_page.goto(server.url)
        await browser_page.evaluate(
            """async () => {
                const { StreamkitClient } = await import("/static/streamkit.js");
                const client = new StreamkitClient();
                const run = client.run({});
                const id = await run.started();
                addEventListener("pagehide", () => { client.cancel(id); });
            }"""
        )
        await browser_page.goto(server.url + "/elsewhere")
        await until(lambda: server.asked(CANCEL))


async def test_the_lines_of_the_document_work_pasted_in_a_page(browser_page: Page) -> None:
    (html,) = re.findall(r"^```html\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len(html.splitlines()) <= 10

    async def page(_: Request, wire: Wire) -> None:
        wire.head(200, {"content-type": "text/html", "content-length": str(len(html.encode()))})
        wire.write(html.encode())

    routes: dict[str, list[Answer]] = {
        "GET /pasted": [page],
        "POST /chat/runs": [stream(frames(*STORY[:4]), ends="cut", run_id=RUN)],
        f"GET /chat/runs/{RUN}/events": [following(STORY, len(STORY))],
    }
    with scripted(served(**routes)) as server:
        await browser_page.goto(server.url + "/pasted")
        await browser_page.locator("input").fill("hi")
        await browser_page.keyboard.press("Enter")
        await browser_page.locator("output", has_text="Grüße, 日本 🎈").wait_for()
        (post,) = server.asked("POST /chat/runs")
        assert post.json == {"input": {"messages": [{"role": "user", "content": "hi"}]}}
