"""The client at the servers that the package has: SSEResponse and WebSocketSession."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, WebSocket

from langchain_streamkit import SSEResponse, WebSocketSession, astream, check_stream, decode_event
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.serve.servers import serving

if TYPE_CHECKING:
    from langchain_streamkit import Event
    from tests.client.node import Node

TEXT = "Grüße aus Tromsø, 日本 🎈"


def app(turn: Turn) -> FastAPI:
    made = FastAPI()

    @made.post("/runs")
    async def runs(request: Request) -> SSEResponse:
        return SSEResponse(astream(ScriptedModel([turn]), (await request.json())["input"]))

    @made.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await WebSocketSession(socket, ScriptedModel([turn], cycle=True)).serve()

    return made


def events_of(shown: list[dict[str, Any]]) -> list[Event]:
    return [decode_event(json.dumps(event)) for event in shown]


def test_a_run_of_sse_response_is_a_legal_stream(node: Node) -> None:
    with serving(app(Turn(TEXT))) as host:
        script = """
        const run = client().run({ input: "hi" });
        return [await all(run), (await run.result()).text];"""
        events, text = node(script, f"http://{host}")
    assert text == TEXT
    assert check_stream(events_of(events), view=True) == []


def test_runs_of_websocket_session_are_legal_streams(node: Node) -> None:
    with serving(app(Turn(TEXT))) as host:
        script = """
        const socket = client().socket();
        const runs = ["a", "b"].map((input) => socket.run({ input }));
        const events = await Promise.all(runs.map(all));
        const texts = await Promise.all(runs.map(async (run) => (await run.result()).text));
        socket.close();
        return [events, texts];"""
        events, texts = node(script, f"http://{host}")
    assert texts == [TEXT, TEXT]
    assert [check_stream(events_of(one), view=True) for one in events] == [[], []]


def test_a_run_of_websocket_session_is_stopped_by_cancel(node: Node) -> None:
    never = threading.Event()
    with serving(app(Turn(["one ", "two"], hold={1: never}))) as host:
        script = """
        const socket = client().socket();
        const run = socket.run({ input: "hi" });
        let answer;
        for await (const event of run) if (event.type === "text.delta") answer ??= run.cancel();
        socket.close();
        return [await answer, run.runId, run.snapshot.outcome, run.snapshot.reason];"""
        answer, run_id, *ending = node(script, f"http://{host}")
    assert answer == {"run_id": run_id, "status": "cancelled"}
    assert ending == ["cancelled", "user"]
