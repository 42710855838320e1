"""What a scripted provider saw of one request, from the server's own side.

Written by the server's thread, read by any other; the waits are bounded.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, cast

from langchain_streamkit.testing.waiting import await_until, wait_until


class ProviderRequest:
    """One POST to a scripted provider and what became of its answer.

    ``path``, ``headers`` (lower-case names), ``body`` (the JSON object; empty when it was none) and
    ``received_at`` (``time.monotonic()`` seconds) never change. ``status`` is the HTTP status
    answered, None before. ``chunks_sent`` counts the script's chunks that were sent (not the role,
    finish, usage and ``[DONE]`` frames around them). ``completed`` is set when the whole answer was
    sent, an error answer too, a dropped connection not. ``disconnected`` is set when the client
    left before that; ``disconnected_at`` is when (``time.monotonic()`` seconds).
    """

    def __init__(self, path: str, headers: dict[str, str], raw_body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.received_at = time.monotonic()
        self.body: dict[str, Any] = _json_object(raw_body)
        self.status: int | None = None
        self.chunks_sent = 0
        self.completed = threading.Event()
        self.disconnected = threading.Event()
        self.disconnected_at: float | None = None

    def __repr__(self) -> str:
        state = (
            f"answered {self.status}"
            if self.completed.is_set()
            else "client left"
            if self.disconnected.is_set()
            else "being answered"
        )
        return f"<ProviderRequest {self.path}: {state}, {self.chunks_sent} chunks sent>"

    def mark_disconnected(self) -> None:
        """Called by the server when the client is gone."""
        self.disconnected_at = time.monotonic()
        self.disconnected.set()

    def wait_disconnected(self, timeout: float = 5.0) -> float:
        """Block until the client left; returns ``disconnected_at``. Raises WaitTimeout."""
        wait_until(self.disconnected.is_set, timeout, lambda: f"no disconnect: {self!r}")
        return self.disconnected_at or 0.0

    async def await_disconnected(
        self,
        timeout: float = 5.0,
    ) -> float:
        """``wait_disconnected`` for coroutines: the event loop runs on."""
        await await_until(self.disconnected.is_set, timeout, lambda: f"no disconnect: {self!r}")
        return self.disconnected_at or 0.0

    def wait_completed(self, timeout: float = 5.0) -> None:
        """Block until the whole answer was sent. Raises WaitTimeout."""
        wait_until(self.completed.is_set, timeout, lambda: f"not completed: {self!r}")

    async def await_completed(
        self,
        timeout: float = 5.0,
    ) -> None:
        """``wait_completed`` for coroutines: the event loop runs on."""
        await await_until(self.completed.is_set, timeout, lambda: f"not completed: {self!r}")

    def wait_chunks(self, n: int, timeout: float = 5.0) -> None:
        """Block until ``n`` chunks of the script were sent. Raises WaitTimeout."""
        wait_until(lambda: self.chunks_sent >= n, timeout, lambda: f"no chunk {n}: {self!r}")

    async def await_chunks(
        self,
        n: int,
        timeout: float = 5.0,
    ) -> None:
        """``wait_chunks`` for coroutines: the event loop runs on."""
        await await_until(lambda: self.chunks_sent >= n, timeout, lambda: f"no chunk {n}: {self!r}")


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        value: object = json.loads(raw)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
