"""Many raw sockets that read streams: ``python -m benchmarks.sse_client PID PORT STREAMS SECONDS``.

Prints what it saw, and what the server, the process ``PID``, took of processor and memory.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.sse_source import WARM

_TOKEN: Final = re.compile(rb'"seq":(\d+),[^\n]*?"text":"([0-9.]+)"')
_WARM_STREAMS: Final = 8
_OPENING: Final = 50
"""Streams that are opened at once."""
_SETTLING_S: Final = 1.0
_PATIENCE_S: Final = 60.0


class Seen(NamedTuple):
    """What came of the streams of one contender, from the second after their begin on."""

    received: int
    misplaced: int
    """Tokens that did not follow the one before: after a hole, or come twice."""
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """That the server took for each token."""
    busy: float
    """Share of a core that it took."""
    kib: float
    """What it grew by for each open stream that has said one token."""


class _Stream:
    def __init__(self, port: int, name: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.sendall(b"GET /stream/%b HTTP/1.1\r\nhost: x\r\n\r\n" % name.encode())
        self.socket.settimeout(0)
        self.last = 0
        self._rest = b""

    def read(self) -> list[tuple[int, float]]:
        """Return the numbers and due times of the tokens that have come."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise RuntimeError(f"the server closed a stream after token {self.last}")
        data = self._rest + data
        found: list[tuple[int, float]] = []
        end = 0
        for match in _TOKEN.finditer(data):
            found.append((int(match[1]), float(match[2])))
            end = match.end()
        self._rest = data[end:]
        return found


class Client:
    """The sockets of one process."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self.took: list[float] = []
        self.misplaced = 0

    def open(self, names: list[str]) -> list[_Stream]:
        """Return the streams when each has said its first token."""
        opened: list[_Stream] = []
        for at in range(0, len(names), _OPENING):
            some = [_Stream(self._port, name) for name in names[at : at + _OPENING]]
            for stream in some:
                self._selector.register(stream.socket, selectors.EVENT_READ, stream)
            end = time.monotonic() + _PATIENCE_S
            while not all(stream.last for stream in some):
                if time.monotonic() > end:
                    raise TimeoutError("a stream says nothing")
                self.read(0.1)
            opened += some
        return opened

    def close(self, streams: list[_Stream]) -> None:
        for stream in streams:
            self._selector.unregister(stream.socket)
            stream.socket.close()

    def read(self, seconds: float) -> None:
        """Read what comes in that time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                stream: _Stream = key.data
                tokens = stream.read()
                now = time.monotonic()
                for number, due in tokens:
                    self.misplaced += number != stream.last + 1
                    stream.last = number
                    self.took.append(now - due)


def measure(pid: int, port: int, streams: int, seconds: float) -> Seen:
    """Open the streams, let them begin, and read for so many seconds."""
    client = Client(port)
    warm = client.open([f"{WARM}{number}" for number in range(_WARM_STREAMS)])
    client.read(_SETTLING_S)  # imports, caches
    client.close(warm)
    time.sleep(_SETTLING_S / 2)
    before = _resident_kib(pid)
    client.open([str(number) for number in range(streams)])
    client.read(_SETTLING_S / 2)
    kib = (_resident_kib(pid) - before) / streams
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as link:
        link.sendall(b"GET /begin HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        client.read(_SETTLING_S)
    client.took.clear()
    cpu, begun = _cpu_s(pid), time.monotonic()
    client.read(seconds)
    cpu, wall = _cpu_s(pid) - cpu, time.monotonic() - begun
    took = sorted(client.took)
    return Seen(
        received=len(took),
        misplaced=client.misplaced,
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[len(took) * 99 // 100] * 1000,
        cpu_us=cpu * 1e6 / len(took),
        busy=cpu / wall,
        kib=kib,
    )


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _cpu_s(pid: int) -> float:
    """Processor time of a process; the kernel tells it in nanoseconds for each of its threads."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


if __name__ == "__main__":
    _, pid, port, streams, seconds = sys.argv
    print(json.dumps(measure(int(pid), int(port), int(streams), float(seconds))._asdict()))
