"""The protocol without a client: commands, and streams read frame by frame."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from websockets.sync.client import connect

from tests.serve.servers import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

ALL = ["values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "custom"]
HI = {"messages": [{"role": "user", "content": "hi"}]}


def command(
    http: httpx.Client, thread: str, method: str, status: int = 200, **params: Any
) -> dict[str, Any]:
    """Send a command; return the answer."""
    body = {"id": 7, "method": method, "params": params}
    response = http.post(f"/threads/{thread}/commands", json=body)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    assert answer["id"] == 7
    return answer


def started(http: httpx.Client, thread: str, **params: Any) -> dict[str, Any]:
    """Start a run; return the answer."""
    answer = command(http, thread, "run.start", assistant_id="agent", input=HI, **params)
    assert answer["type"] == "success", answer
    return answer


class Stream:
    """A thread's stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, Any] | None:
        """Return what comes next; None at the end."""
        data = None
        for line in self._lines:
            if line.startswith("data: "):
                data = line.removeprefix("data: ")
            if not line and data is not None:
                found: dict[str, Any] = json.loads(data)
                return found
        return None

    def until_ping(self) -> None:
        """Return at the next heartbeat."""
        assert any(line.startswith(": ping") for line in self._lines)

    def until_end(self, runs: int = 1) -> list[dict[str, Any]]:
        """Return the events up to the end of so many runs of the root."""
        found: list[dict[str, Any]] = []
        while runs:
            event = self.next()
            assert event is not None
            found.append(event)
            ended = event["params"]["data"].get("event") in ("completed", "failed", "interrupted")
            runs -= event["method"] == "lifecycle" and not event["params"]["namespace"] and ended
        return found


@contextmanager
def reading(http: httpx.Client, thread: str, **wanted: Any) -> Iterator[Stream]:
    """Read a thread; everything, unless something is wanted."""
    body = {"channels": ALL, **wanted}
    with http.stream("POST", f"/threads/{thread}/stream/events", json=body) as response:
        assert response.status_code == 200, response.read()
        yield Stream(response)


class Socket:
    """A thread's WebSocket."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self._number = 0

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command; return the answer, and keep the events before it."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (frame := self.next()).get("id") != self._number:
            self.events.append(frame)
        return frame

    def next(self) -> dict[str, Any]:
        """Return what comes next."""
        found: dict[str, Any] = json.loads(self.socket.recv(WAIT_S))
        return found


@contextmanager
def socket(url: str, thread: str, **options: Any) -> Iterator[Socket]:
    """Open a thread's WebSocket."""
    where = f"{url.replace('http', 'ws', 1)}/threads/{thread}/stream/events"
    with connect(where, proxy=None, **options) as opened:
        yield Socket(opened)
