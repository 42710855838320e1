"""The client at the router it is made for, over a network that is cut in mid-answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import RunManager
from langchain_streamkit.testing import ScriptedModel
from tests.client.cutting import network
from tests.client.scripted import WAIT_S
from tests.manager.managers import Talking, asking_graph
from tests.serve.servers import eventually
from tests.serving.apps import served

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.client.node import Node

# The largest event, which has all of the text, passes before a connection is cut.
ANSWER = [f"w{n} ü🎈 " for n in range(40)]


def long_answer() -> ScriptedModel:
    return ScriptedModel([list(ANSWER)])


@pytest.mark.parametrize("most", [1600, 3000])
def test_answer_is_whole_and_each_event_comes_once_however_often_it_is_cut(
    node: Node, most: int
) -> None:
    manager = RunManager()
    with (
        served(long_answer(), manager=manager) as client,
        network(client.base_url.port or 0) as net,
    ):
        net.most = most
        events: list[dict[str, Any]] = node(
            "return all(client({ retries: 1e9 }).run({ input: 'hi' }));", net.url
        )
        assert net.cuts >= 2
    assert "".join(event["text"] for event in events if event["type"] == "text.delta") == "".join(
        ANSWER
    )
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(set(seqs))
    assert events[-1]["type"] == "run.finished"
    assert manager.stats.started == 1


def test_runs_are_stopped_asked_about_and_resumed_by_their_ids(node: Node) -> None:
    with served(asking_graph()) as client:
        found = node(
            """
            const c = client();
            const first = await all(c.run({ input: { answers: [] }, threadId: "t1" }));
            const asked = first.find((event) => event.type === "interrupt.requested");
            const status = await c.status(first[0].run_id);
            const waiting = await c.messages("t1");
            const again = c.run({ threadId: "t1", resume: { [asked.interrupt_id]: "red" } });
            const second = await all(again);
            const none = (await c.activeRun("t1")) === undefined;
            return [status.status, waiting.interrupts.length, second.at(-1).type, none];
            """,
            str(client.base_url),
        )
    assert found == ["interrupted", 1, "run.finished", True]


def test_run_is_cancelled_at_the_server(node: Node) -> None:
    talking = Talking()
    with served(talking.model) as client:
        outcome = node(
            """
            const run = client().run({ input: "hi" });
            const types = [];
            for await (const event of run) {
              types.push(event.type);
              if (event.type === "text.delta") await run.cancel();
            }
            return [types.at(-1), (await client().status(run.runId)).status];
            """,
            str(client.base_url),
        )
        assert outcome == ["run.cancelled", "cancelled"]


def test_thread_that_is_busy_is_a_typed_error(node: Node) -> None:
    talking = Talking()
    with served(talking.model) as client:
        error = node(
            """
            const c = client();
            const run = c.run({ input: "hi", threadId: "t1" });
            await run.started();
            const error = await failure(all(c.run({ input: "hi", threadId: "t1" })));
            await run.cancel();
            return error;
            """,
            str(client.base_url),
        )
        assert (error["code"], error["status"]) == ("thread_busy", 409)


@pytest.mark.asyncio(loop_scope="module")
async def test_page_whose_network_drops_in_mid_answer_ends_with_the_identical_text(
    browser_page: Page,
) -> None:
    talking = Talking()
    manager = RunManager()

    def go() -> tuple[Any, Any]:
        context = served(talking.model, manager=manager)
        return context, context.__enter__()

    context, client = await asyncio.to_thread(go)
    try:
        with network(client.base_url.port or 0) as net:
            await browser_page.goto(net.url + "/health")
            await browser_page.evaluate(
                """async () => {
                    const { StreamkitClient } = await import("/static/streamkit.js");
                    const run = new StreamkitClient().run({ input: "hi" });
                    window.text = "";
                    window.done = (async () => {
                        for await (const event of run) {
                            if (event.type === "text.delta") window.text += event.text;
                        }
                        return (await run.result()).text;
                    })();
                }"""
            )
            await browser_page.wait_for_function("window.text === 'first '")
            net.cut()
            await asyncio.to_thread(eventually, lambda: manager.readers == 0)
            talking.gate.set()
            async with asyncio.timeout(WAIT_S):
                assert await browser_page.evaluate("window.done") == "first second"
            assert await browser_page.evaluate("window.text") == "first second"
            assert manager.stats.started == 1
    finally:
        talking.gate.set()
        await asyncio.to_thread(context.__exit__, None, None, None)


def test_runs_over_one_socket_are_begun_stopped_and_read_again(node: Node) -> None:
    talking = Talking()
    manager = RunManager()
    with served(talking.model, manager=manager) as client:
        found = node(
            """
            const c = client();
            const socket = c.socket();
            const first = socket.run({ input: "hi" });
            const stopped = [];
            for await (const event of first) {
              stopped.push(event.type);
              if (event.type === "text.delta") await first.cancel();
            }
            const again = await all(socket.subscribe(first.runId));
            const rest = await all(socket.subscribe(first.runId, { since: first.lastEventId }));
            socket.close();
            return [stopped.at(-1), again.length === stopped.length, rest.length];
            """,
            str(client.base_url),
        )
    assert found == ["run.cancelled", True, 0]
    assert manager.stats.started == 1
