"""How a blocked read of an HTTP response is ended from another thread.

Closing the response does not wake the thread that waits in ``recv``, and the connection stays open
until it does; shutting the socket down ends both.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def hang_up_of(source: Any) -> Callable[[], None] | None:
    """What hangs up the connection that ``source`` reads, None if it has none of its own.

    ``source`` is a stream with an httpx response, as those of the OpenAI and Anthropic SDKs are.
    Its socket is httpcore's ``network_stream`` extension. A connection of HTTP/2 is shared with
    others, and is left alone.
    """
    response: Any = getattr(source, "response", None) or getattr(source, "_response", None)
    extensions: Any = getattr(response, "extensions", None)
    if not hasattr(extensions, "get") or getattr(response, "http_version", "") == "HTTP/2":
        return None
    network: Any = extensions.get("network_stream")
    if network is None:
        return None

    def hang_up() -> None:
        if response.is_closed:
            return  # what was read to its end may serve another request by now
        connected: Any = network.get_extra_info("socket")
        if connected is not None:
            with contextlib.suppress(OSError):  # it is gone already
                connected.shutdown(socket.SHUT_RDWR)

    return hang_up
