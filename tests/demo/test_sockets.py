"""The demo's WebSocket side, with a real server and a real client."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from langchain_streamkit.testing import Turn
from tests.demo.demos import WAIT_S, Demo, demo

if TYPE_CHECKING:
    import httpx


def socket(served: Demo, **options: Any) -> connect:
    return connect(f"ws://{served.address}/ws", open_timeout=WAIT_S, proxy=None, **options)


async def tell(ws: ClientConnection, **frame: Any) -> None:
    await ws.send(json.dumps(frame))


async def until(ws: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """The events up to the first of this type."""
    events: list[dict[str, Any]] = []
    while not any(event["type"] == kind for event in events):
        frame = json.loads(await ws.recv())
        assert frame["id"] == "a"
        events += frame["events"]
    return events


async def test_run_over_a_websocket_streams_to_its_end() -> None:
    with demo(["Hello you"]) as served:
        async with socket(served) as ws:
            await tell(ws, op="start", id="a", input="hi", thread_id="t")
            events = await until(ws, "run.finished")
    text = "".join(event["text"] for event in events if event["type"] == "text.delta")
    assert text == "Hello you"
    assert events[0]["thread_id"] == "t"
    assert "▶ assistant" in served.terminal.getvalue()


async def test_cancel_over_a_websocket_stops_the_provider_within_100_ms() -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()})]) as served:
        async with socket(served) as ws:
            await tell(ws, op="start", id="a", input="hi")
            await until(ws, "text.delta")
            asked_at = time.monotonic()
            await tell(ws, op="cancel", id="a")
            left_at = await served.provider.requests[0].await_disconnected()
            events = await until(ws, "run.cancelled")
    assert left_at - asked_at < 0.1
    assert events[-1]["reason"] == "user"


async def test_run_of_a_websocket_is_cancelled_by_a_post_as_well(client: httpx.AsyncClient) -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()})]) as served:
        async with socket(served) as ws:
            await tell(ws, op="start", id="a", input="hi")
            events = await until(ws, "text.delta")
            response = await client.post(f"{served.url}/runs/{events[0]['run_id']}/cancel")
            assert response.status_code == 200
            await until(ws, "run.cancelled")


@pytest.mark.parametrize("value", [None, "", 7, {"messages": []}])
async def test_input_that_is_no_text_is_refused(value: object) -> None:
    with demo([]) as served:
        async with socket(served) as ws:
            await tell(ws, op="start", id="a", input=value)
            frame = json.loads(await ws.recv())
    assert frame["id"] == "a"
    assert frame["error"]["code"] == "start_failed"


async def test_page_of_another_site_gets_no_socket() -> None:
    with demo([]) as served, pytest.raises(InvalidStatus) as caught:
        await socket(served, origin="https://evil.example")
    assert caught.value.response.status_code == 403
