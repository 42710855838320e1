"""A network that is cut: connections through it end, again and again, at any byte."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.client.scripted import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator


class Network:
    """Passes connections on to a port of this host.

    ``most`` is how many bytes of the server's a connection lets through before it is cut, None for
    any number; files (connections that ask for them) always pass.
    """

    def __init__(self, target: int) -> None:
        self.most: int | None = None
        self.cuts = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._links: set[socket.socket] = set()
        self._down = False

    def cut(self) -> None:
        """End all connections that there are."""
        for link in list(self._links):
            self._reset(link)

    def close(self) -> None:
        self._down = True
        self._listener.shutdown(socket.SHUT_RDWR)  # which wakes who waits in it
        self._listener.close()
        self.cut()

    def run(self) -> None:
        while not self._down:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as server, client:
            self._links |= {client, server}
            asks = threading.Thread(target=self._ask, args=(client, server), daemon=True)
            asks.start()
            left = self.most
            with suppress(OSError):
                while data := server.recv(4096):
                    if left is not None and b"text/event-stream" not in data and left == self.most:
                        left = None  # no stream
                    if left is not None and len(data) > left:
                        client.sendall(data[:left])
                        self._reset(client)
                        break
                    client.sendall(data)
                    left = None if left is None else left - len(data)
            self._links -= {client, server}
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            asks.join(WAIT_S)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(4096):
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _reset(self, link: socket.socket) -> None:
        self.cuts += 1
        with suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.shutdown(socket.SHUT_RDWR)


@contextmanager
def network(target: int) -> Iterator[Network]:
    made = Network(target)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(WAIT_S)
