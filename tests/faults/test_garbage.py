"""Clients that send what nobody should: the process serves on, and keeps nothing of them."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import TYPE_CHECKING

import pytest

from tests.faults.app import Options
from tests.faults.figures import tell
from tests.faults.followers import Crowd, Follower, complete
from tests.faults.processes import WebProcess, eventually
from tests.faults.raw import Raw
from tests.faults.sizes import TIMES, chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.log.servers import RedisServer

GET = b"GET /health HTTP/1.1\r\nhost: here\r\n"
POST = b"POST /runs HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
JSON = b'{"input": "1 0"}'
HTTP = {
    "nothing at all": b"",
    "line of another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "half a head": b"GET /runs HTT",
    "head of a megabyte": GET + b"x-many: " + b"x" * (1 << 20) + b"\r\n\r\n",
    "ten thousand headers": GET + b"x: y\r\n" * 10_000 + b"\r\n",
    "path that is none": b"GET /runs/%00%ff%fe%0d%0a/events HTTP/1.1\r\nhost: here\r\n\r\n",
    "position that injects": b"GET /runs/x/events HTTP/1.1\r\nlast-event-id: \x00\r\n\r\n",
    "length that is none": POST + b"content-length: -5\r\n\r\n" + JSON,
    "two lengths": POST + b"content-length: 5\r\ncontent-length: 50\r\n\r\n" + JSON,
    "length and chunks": POST
    + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello",
    "chunk that is none": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "body that never comes": POST + b"content-length: 5000\r\n\r\n{",
    "body beyond the limit": POST + b"content-length: 99999999\r\n\r\n" + b"[" * (1 << 21),
    "body of deep nesting": POST + b"content-length: 100000\r\n\r\n" + b"[" * 100_000,
    "body that is no text": POST + b"content-length: 8\r\n\r\n\xff\xfe\x00\x00\xff\xff\xff\xff",
}
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: here\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: %b\r\n\r\n" % base64.b64encode(b"k" * 16)
)


REFUSED = "uvicorn.error: Invalid UTF-8 sequence received from client."
"""What uvicorn logs of what it refuses itself."""


def frame(opcode: int, data: bytes, *, masked: bool = True) -> bytes:
    """One frame of RFC 6455, with a mask of zeros."""
    flag = 0x80 if masked else 0
    size = (
        struct.pack("!B", flag | len(data))
        if len(data) < 126
        else struct.pack("!BQ", flag | 127, len(data))
    )
    return bytes([0x80 | opcode]) + size + (b"\x00" * 4 if masked else b"") + data


FRAMES = {
    "bytes that are no frame": bytes(range(256)) * 64,
    "frame without a mask": frame(1, b'{"op":"pong"}', masked=False),
    "frame of no known kind": frame(7, b"x"),
    "text that is no UTF-8": frame(1, b"\xff\xfe"),
    "frame that promises 2^62 bytes": bytes([0x81, 0xFF]) + struct.pack("!Q", 1 << 62) + b"xxxx",
    "frame beyond the limit": frame(1, b'"' + b"x" * (1 << 21) + b'"'),
    "deep nesting": frame(1, b"[" * 60_000),
    "wishes that are none": b"".join(
        frame(1, text)
        for text in (b"", b"{}", b"null", b'{"op":7}', b'{"op":"start"}', b'{"op":"cancel"}')
    ),
    "bytes for text": frame(2, b'{"op":"pong"}'),
    "close that is none": frame(8, b"\x00"),
}


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_garbage_is_refused_and_others_read_on(
    shared_redis: RedisServer, web: Callable[..., WebProcess], kind: str
) -> None:
    process = web(shared_redis.url)
    samples = list((HTTP if kind == "http" else FRAMES).values())
    random = chance()
    samples += [random.randbytes(random.randrange(1, 4000)) for _ in range(50 * TIMES)]
    async with Crowd() as first:  # what a log keeps open from its first use on
        run_id = process.start_run(20, 0.02)
        first.add(*(Follower([process.port], run_id) for _ in range(10)))
        await first.end()
    eventually(lambda: process.state()["readers"] == 0)
    idle = process.state()
    run_id = process.start_run(100, 0.02)
    sent = 0
    async with Crowd() as crowd:
        crowd.add(*(Follower([process.port], run_id) for _ in range(5)))
        await crowd.has(lambda one: one.received)
        for data in samples:
            client = Raw(process.port)
            try:
                if kind == "websocket":
                    client.link.sendall(UPGRADE)
                    client.read_until(b"\r\n\r\n")
                client.link.sendall(data)
                sent += len(data)
            except (ConnectionResetError, BrokenPipeError):
                pass  # it was refused before it was all sent
            finally:
                client.close()
            await asyncio.sleep(0)
        await crowd.end()
    assert {one.outcome for one in crowd.followers} == {"run.finished"}
    figures = complete(crowd.followers)
    eventually(lambda: process.state()["files"] <= idle["files"])
    eventually(lambda: process.state()["tasks"] <= idle["tasks"])
    errors = process.state()["errors"]
    assert [error for error in errors if not error.startswith(REFUSED)] == []
    tell(f"garbage over {kind}", clients=len(samples), bytes_sent=sent, errors_of_ours=0, **figures)


@pytest.mark.parametrize("sample", HTTP)
def test_garbage_is_never_answered_with_a_failure_of_ours(garbled: WebProcess, sample: str) -> None:
    client = Raw(garbled.port, b"")
    try:
        client.link.sendall(HTTP[sample])
        client.link.shutdown(1)
        said = client.rest()
    except (ConnectionResetError, BrokenPipeError):
        said = b""
    finally:
        client.close()
    assert not said or said.split(b" ")[1][:1] in {b"2", b"4"}, said[:200]


@pytest.fixture(scope="module")
def garbled(shared_redis: RedisServer) -> Iterator[WebProcess]:
    process = WebProcess(Options(log=shared_redis.url))
    yield process
    process.kill()
