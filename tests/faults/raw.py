"""Clients of a socket's own: they read what the test reads, and leave as no client should."""

from __future__ import annotations

import socket
import struct
from typing import Self

from tests.faults.sizes import WAIT_S

TCP_REPAIR = 19
"""Linux: a socket closed in this state says nothing to the other side, like a host that lost its
power; needs CAP_NET_ADMIN."""
_SMALL = 1 << 15


class Raw:
    """One connection."""

    def __init__(self, port: int, data: bytes = b"") -> None:
        self.link = socket.socket()
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        self.link.settimeout(WAIT_S)
        self.link.connect(("127.0.0.1", port))
        self.link.sendall(data)

    @classmethod
    def reading(cls, port: int, run_id: str) -> Self:
        """A client that has asked for the events of a run."""
        return cls(port, f"GET /runs/{run_id}/events HTTP/1.1\r\nhost: here\r\n\r\n".encode())

    def read_until(self, mark: bytes) -> bytes:
        data = b""
        while mark not in data:
            chunk = self.link.recv(_SMALL)
            assert chunk, data[-500:]
            data += chunk
        return data

    def rest(self) -> bytes:
        """All that comes until the response, or the connection, ends."""
        parts: list[bytes] = []
        while not (parts and parts[-1].endswith(b"0\r\n\r\n")):
            try:
                chunk = self.link.recv(1 << 20)
            except ConnectionResetError:
                break
            if not chunk:
                break
            parts.append(chunk)
        return b"".join(parts)

    def close(self) -> None:
        self.link.close()

    def reset(self) -> None:
        """Leave with a RST."""
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.link.close()

    def vanish(self) -> None:
        """Leave without a word. Raises ``PermissionError`` for who may not."""
        self.link.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.link.close()
