"""A server of the protocol that does what a test says, byte by byte, and keeps what it was asked.

An ``Answer`` plays one request. Those of a route are used up in order, other requests go to the
answer for ``"*"``; where there is none, a request too many fails the test at the end.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

WAIT_S = 10
"""No wait in these tests should come near this; it turns a hang into a failure."""

OPENING = b": ok\n\nretry: 1\n\n"
END = b"event: end\ndata: {}\n\n"
CLOSES = {"connection": "close"}
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "*, last-event-id",
    "access-control-expose-headers": "*",
}


@dataclass
class Request:
    """What arrived, and whether the client went away before its answer was whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """The way back to one client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._gone = asyncio.ensure_future(_end(reader))

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_reason(status)}"]
        lines += [f"{name}: {value}" for name, value in {**CORS, **CLOSES, **headers}.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def body(self, data: bytes) -> None:
        """One chunk, which leaves in a packet of its own."""
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()
        await asyncio.sleep(0.001)

    def finish(self) -> None:
        self._writer.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """End the connection in the middle."""
        self._writer.transport.abort()

    async def left(self) -> None:
        """Return when the client goes away."""
        await asyncio.shield(self._gone)

    def close(self) -> None:
        self._gone.cancel()


Answer: TypeAlias = Callable[[Request, Wire], Awaitable[None]]


def reply(status: int, value: Any = None, **headers: str) -> Answer:
    """A whole answer: JSON, or nothing for None."""

    async def answer(_: Request, wire: Wire) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        more = {name.replace("_", "-"): told for name, told in headers.items()}
        kind = {"content-type": "application/json", "content-length": str(len(body))}
        wire.head(status, kind | more)
        wire.write(body)

    return answer


def refusal(status: int, code: str, **more: Any) -> Answer:
    """One of the server's errors; ``retry_after`` is a header."""
    headers = {"retry-after": str(more.pop("retry_after"))} if "retry_after" in more else {}
    return reply(status, {"error": {"code": code, "message": f"it is {code}", **more}}, **headers)


async def hang_up(_: Request, wire: Wire) -> None:
    """No answer at all."""
    wire.cut()


def stream(
    *parts: bytes | Callable[[], Awaitable[None]],
    ends: str = "closed",
    run_id: str | None = None,
    opening: bytes = OPENING,
) -> Answer:
    """A stream of events in these pieces; a callable is awaited at its place.

    ``ends``: ``closed`` (as a proxy closes it), ``cut`` (in the middle of a chunk; a client may
    then lose what it had received and not read) or ``open`` (until the client leaves).
    """

    async def answer(request: Request, wire: Wire) -> None:
        headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        if ends == "cut":  # after `close` Node.js takes a chunk that is missing for the end
            headers["connection"] = "keep-alive"
        if run_id:
            headers["x-run-id"] = run_id
        wire.head(200, headers)
        for part in (opening, *parts):
            if not isinstance(part, bytes):
                await part()
            elif part:  # an empty chunk would be the last one
                await wire.body(part)
        if ends == "open":
            await wire.left()
            request.left.set()
        elif ends == "cut":
            wire.cut()
        else:
            wire.finish()

    return answer


def following(events: Sequence[Mapping[str, Any]], upto: int, *, ends: str = "closed") -> Answer:
    """The events after the position that is asked for, up to one; after the last, the end."""

    async def answer(request: Request, wire: Wire) -> None:
        last = int(request.headers.get("last-event-id", "-0").split("-")[1])
        end = END if upto >= len(events) else b""
        await stream(frames(*events[last:upto]), end, ends=ends)(request, wire)

    return answer


def frames(*events: Mapping[str, Any], log: str = "0a0b0c0d", newline: bytes = b"\n") -> bytes:
    """The frames of events, with the positions of a log."""
    lines: list[bytes] = []
    for event in events:
        lines += [b"id: %b-%d" % (log.encode(), event["seq"])]
        lines += [b"data: " + json.dumps(event, ensure_ascii=False).encode(), b""]
    return b"".join(line + newline for line in lines)


@dataclass
class Scripted:
    """The server in a thread of its own."""

    routes: dict[str, list[Answer]]
    requests: list[Request] = field(default_factory=list[Request])
    unexpected: list[str] = field(default_factory=list[str])
    url: str = ""

    def asked(self, route: str) -> list[Request]:
        """The requests of ``"POST /runs"``."""
        return [one for one in self.requests if f"{one.method} {one.path}" == route]

    def positions(self, run_id: str = "r1") -> list[str | None]:
        """From where a run's events were asked for, each time."""
        found = self.asked(f"GET /runs/{run_id}/events")
        return [request.headers.get("last-event-id") for request in found]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        wire = Wire(reader, writer)
        try:
            if request.method == "OPTIONS":
                wire.head(204, {})
            else:
                self.requests.append(request)
                await self._next(request)(request, wire)
            await writer.drain()
        finally:
            wire.close()

    def _next(self, request: Request) -> Answer:
        route = f"{request.method} {request.path}"
        if answers := self.routes.get(route):
            return answers.pop(0)
        if others := self.routes.get("*"):
            return others[0]
        self.unexpected.append(route)
        return reply(599, {"error": {"code": "unexpected", "message": route}})


@contextmanager
def scripted(routes: Mapping[str, list[Answer]]) -> Iterator[Scripted]:
    """Serve these answers on a free port."""
    server = Scripted(dict(routes))
    with in_a_thread(server.serve) as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server
    assert not server.unexpected


@contextmanager
def in_a_thread(handle: Callable[..., Awaitable[None]]) -> Iterator[int]:
    """Listen on a free port, in a loop of another thread."""
    ready, over = threading.Event(), asyncio.Event()
    told: list[Any] = []

    async def serve() -> None:
        listening = await asyncio.start_server(handle, "127.0.0.1", 0)
        told.extend([asyncio.get_running_loop(), listening.sockets[0].getsockname()[1]])
        ready.set()
        async with listening:
            await over.wait()
        await _end_tasks()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(WAIT_S)
    loop, port = told
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(WAIT_S)
        assert not thread.is_alive()


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _end(reader: asyncio.StreamReader) -> None:
    """Return when the client has gone; it says nothing more before."""
    with suppress(ConnectionError):
        await reader.read(1)


async def _read(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = dict(line.split(": ", 1) for line in lines if line)
    headers = {name.lower(): value for name, value in headers.items()}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def _reason(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 -- it is of another thread
            await asyncio.sleep(0.002)


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
