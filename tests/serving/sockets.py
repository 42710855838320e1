"""A real ``websockets`` client of the router's socket, which keeps what each id was told."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from langchain_streamkit.events import decode_event
from tests.serve.servers import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from langchain_streamkit.events import Event


class Told:
    """What a client was told of one id."""

    def __init__(self) -> None:
        self.run_id = ""
        self.last_event_id: str | None = None
        self.events: list[Event] = []
        self.json: list[Any] = []
        self.error: dict[str, Any] | None = None
        self.ended = False

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if event.type == "text.delta")

    @property
    def over(self) -> bool:
        return self.ended or self.error is not None


class Socket:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.told: dict[str, Told] = {}
        self.order: list[str] = []
        """The ids of the frames, as they came."""
        self.errors: list[dict[str, Any]] = []
        """Those that end no id."""
        self.pings = 0
        self.bye: dict[str, Any] | None = None

    def ask(self, op: str, id: str | None = None, **more: Any) -> None:
        if id is not None:
            more["id"] = id
            if op in {"start", "subscribe"}:
                self.told[id] = Told()
        self.connection.send(json.dumps({"op": op, **more}))

    def receive(self, timeout: float = WAIT_S) -> dict[str, Any]:
        """Take one frame."""
        frame: dict[str, Any] = json.loads(self.connection.recv(timeout=timeout))
        match frame:
            case {"op": "ping"}:
                self.pings += 1
            case {"op": "bye"}:
                self.bye = frame
            case {"error": error, "id": name}:
                self.told.setdefault(name, Told()).error = error
            case {"error": error}:
                self.errors.append(error)
            case {"id": name, "op": "end"}:
                self.told[name].ended = True
            case {"id": name, "run_id": run_id, "events": events, "last_event_id": last}:
                told = self.told[name]
                assert not told.over, f"{name} was told more after its end"
                told.run_id, told.last_event_id = run_id, last
                told.json += events
                told.events += [decode_event(json.dumps(event)) for event in events]
                self.order.append(name)
            case _:
                raise AssertionError(f"no frame of the protocol: {frame}")
        return frame

    def until(self, name: str, kind: str) -> Event:
        """Read on until ``name`` has been told of an event of this type."""
        while True:
            for event in self.told[name].events:
                if event.type == kind:
                    return event
            assert not self.told[name].over, self.told[name].error
            self.receive()

    def rest(self, name: str) -> Told:
        """Read on until ``name`` ends."""
        while not self.told[name].over:
            self.receive()
        return self.told[name]

    def error(self, name: str | None = None) -> dict[str, Any]:
        """Read on until there is an error, of ``name`` or of none."""
        if name is None:
            while not self.errors:
                self.receive()
            return self.errors.pop(0)
        error = self.rest(name).error
        assert error is not None, f"{name} ended without an error"
        return error

    def closed(self) -> int:
        """Read on until the server closes the socket; return its code."""
        with pytest.raises(ConnectionClosed) as closed:
            self._receive_all()
        assert closed.value.rcvd is not None, "the connection broke off"
        return closed.value.rcvd.code

    def _receive_all(self) -> None:
        while True:
            self.receive()

    def is_alive(self) -> bool:
        """Whether the server answers on this socket."""
        self.connection.send("{}")
        return bool(self.error()["code"] == "invalid_frame")


@contextmanager
def socket_of(client: httpx.Client, path: str = "ws", **options: Any) -> Iterator[Socket]:
    """Open a socket at the server of ``client``."""
    where = str(client.base_url.join(path)).replace("http", "ws", 1)
    # Uncompressed: what the tests send to fill buffers would shrink to nothing.
    options = {"compression": None, "max_size": None, "proxy": None, **options}
    with connect(where, close_timeout=WAIT_S, **options) as connection:
        yield Socket(connection)
