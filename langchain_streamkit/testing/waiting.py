"""Bounded waits that work across threads and event loops.

Guarantees: a wait ends when its condition holds or its timeout passes, never later; the async
flavours leave the event loop free and no thread behind when they are cancelled.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from langchain_streamkit.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 0.001
"""Seconds between two looks. Polling is the one way to wait for a ``threading.Event`` from a
coroutine that a cancel ends at once (a thread that waits for us could not be stopped)."""


class WaitTimeout(StreamError, TimeoutError):
    """What was waited for did not happen in time; the message says what did."""


@runtime_checkable
class Gate(Protocol):
    """Anything with ``is_set()``: a ``threading.Event``, an ``asyncio.Event``, your own object."""

    def is_set(self) -> bool:
        """Whether what waits may go on."""
        ...


def hold(gate: Gate) -> None:
    """Block this thread until the gate is set."""
    while not gate.is_set():
        time.sleep(POLL_S)


async def ahold(gate: Gate) -> None:
    """Wait in this task until the gate is set, by whichever thread or loop."""
    while not gate.is_set():  # noqa: ASYNC110 (the gate may be of another thread)
        await asyncio.sleep(POLL_S)


def wait_until(condition: Callable[[], bool], timeout: float, failed: Callable[[], str]) -> None:
    """Block until ``condition()``; after ``timeout`` seconds raise WaitTimeout(``failed()``)."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise WaitTimeout(failed())
        time.sleep(POLL_S)


async def await_until(
    condition: Callable[[], bool],
    timeout: float,
    failed: Callable[[], str],
) -> None:
    """``wait_until`` for coroutines: the event loop runs on."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise WaitTimeout(failed())
        await asyncio.sleep(POLL_S)
