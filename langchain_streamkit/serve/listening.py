"""Where a command listens, and what to say when it cannot."""

from __future__ import annotations

import argparse
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_PORT_FOR_ALL: Final = 1024
_LAST_PORT: Final = 65535
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def port_number(text: str) -> int:
    """Read a port, as argparse does."""
    number = int(text)
    if not 0 <= number <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}")
    return number


def listen(host: str, number: int) -> socket.socket:
    """Return a socket that listens. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, number), family=family)


def no_listener(exc: OSError, host: str, number: int, again: Callable[[int], str]) -> str:
    """Why there is no listening, and where the port is the reason, what to write: ``again`` gives
    the command with another port.
    """
    if exc.errno not in {errno.EADDRINUSE, errno.EACCES}:
        return f"{host} is no address this machine can listen on. 127.0.0.1 is one."
    reason = "is in use" if exc.errno == errno.EADDRINUSE else "is not allowed to you"
    free = again(_free_port(host, number))
    return f"Port {number} of {host} {reason}. Choose another:\n    {free}"


def _free_port(host: str, number: int) -> int:
    """A free port after this one; 0, which stands for any, where the next ones are taken."""
    first = max(number + 1, _FIRST_PORT_FOR_ALL)
    for candidate in range(first, min(first + 20, _LAST_PORT + 1)):
        with contextlib.suppress(OSError), listen(host, candidate):
            return candidate
    return 0
