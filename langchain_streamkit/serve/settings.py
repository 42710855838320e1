"""How clients are served, whatever they speak."""

from __future__ import annotations

from typing import NamedTuple

from langchain_streamkit.serve.line import require_positive


class ServeSettings(NamedTuple):
    """Limits of what clients send, and of how they read."""

    max_body_bytes: int
    """Of a request's body, and of a frame from a client."""
    heartbeat_s: float
    """A comment, or a ping, is sent after so many seconds of silence."""
    send_timeout_s: float
    """A client that takes nothing for so long is cut off."""

    def checked(self) -> ServeSettings:
        """Return these. Raises ``StreamUsageError`` unless all are positive numbers."""
        require_positive(**self._asdict())
        return self
