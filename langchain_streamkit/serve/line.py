"""The writing side of one connection to a client: how long it has been silent, or stuck.

Guarantees: one timer a connection, whatever is written; no lock and no timer for each write; the
event loop gets its turn however fast events come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from langchain_streamkit.events import CancelReason
    from langchain_streamkit.wire.source import AsyncRunLike

M = TypeVar("M")

FLUSH_S = 1.0
"""What a client gets to take the last of what it is told, when the connection is to be closed."""
_YIELD_EVENTS = 64
_YIELD_S = 0.002
"""After so many events, or seconds, without a wait, the event loop gets its turn: a server's
``send`` returns without one when the client has gone, and a run may have everything ready."""


class _Turns:
    """Counts the turns of an event loop, for all who ask in it: one callback a turn, not each."""

    __slots__ = ("_noting", "_turn")

    def __init__(self) -> None:
        self._turn = 0
        self._noting = False

    def present(self, loop: asyncio.AbstractEventLoop) -> int:
        """Return the number of the present turn of the loop, which is always the same one."""
        if not self._noting:
            self._noting = True
            loop.call_soon(self._next)
        return self._turn

    def _next(self) -> None:
        self._turn += 1
        self._noting = False


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()

_ending: set[asyncio.Task[None]] = set()
"""Tasks that outlive their connection; the event loop itself keeps only weak references."""


def outlive(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """Keep a task until it is done, whatever becomes of the connection that began it."""
    _ending.add(task)
    task.add_done_callback(_ending.discard)
    return task


async def end_run(run: AsyncRunLike, reason: CancelReason) -> None:
    """Cancel the run and wait for its end; if the waiter is cancelled, the cancel goes on."""

    async def cancel() -> None:
        await run.cancel(reason)

    await asyncio.shield(outlive(asyncio.create_task(cancel())))


def require_positive(**options: float) -> None:
    """Raise ``StreamUsageError`` for an option that is not a positive number."""
    for name, value in options.items():
        if not value > 0:
            raise StreamUsageError(f"{name}={value!r} has to be positive")


class Line(Generic[M]):
    """Writes messages, pings a silent client, and notices one that has gone or takes nothing.

    ``lost_errors`` are what ``send`` raises when the client has gone.
    """

    def __init__(
        self,
        send: Callable[[M], Awaitable[None]],
        ping: M,
        *,
        heartbeat_s: float,
        send_timeout_s: float,
        lost_errors: tuple[type[Exception], ...] = (OSError,),
    ) -> None:
        self._send = send
        self._ping = ping
        self._heartbeat_s = heartbeat_s
        self._send_timeout_s = send_timeout_s
        self._lost_errors = lost_errors
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._progress = float("inf")
        """When a write last began on an idle line, or ended; never, before the first."""
        self._writing = 0
        self._turns = _turns.setdefault(self._loop, _Turns())
        self._turn = -1
        self._stretch = 0
        self._stretch_from = 0.0
        self.closed = False
        """Nothing is written any more."""
        self.stuck = False
        """A write took longer than ``send_timeout_s``."""

    @property
    def writing(self) -> bool:
        """Whether a ``write`` is under way."""
        return self._writing > 0

    def close(self) -> None:
        """Write nothing more."""
        self.closed = True

    async def write(self, message: M) -> None:
        """Write, unless the line is closed; a client that has gone closes it.

        A task that hangs in here when the line is closed is got out by ``task.cancel()``, and
        goes on as if it had written.
        """
        if self.closed:
            return
        if not self._writing:
            self._progress = self._loop.time()
        self._writing += 1
        try:
            await self._send(message)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.closed or task is None:
                raise
            task.uncancel()
        except self._lost_errors:
            self._lose()
        finally:
            self._writing -= 1
            self._progress = self._loop.time()

    async def write_last(self, message: M) -> None:
        """Write what nothing follows; one that cannot be written in ``FLUSH_S`` is left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self.write(message)

    async def give_way(self, events: int) -> None:
        """Let the event loop turn, if it has not done so for too many events or too long."""
        now = self._loop.time()
        turn = self._turns.present(self._loop)
        if turn != self._turn:
            self._turn = turn
            self._stretch, self._stretch_from = 0, now
        self._stretch += events
        if self._stretch >= _YIELD_EVENTS or now - self._stretch_from >= _YIELD_S:
            await asyncio.sleep(0)

    async def watch(self, *until: asyncio.Future[None]) -> None:
        """Ping the client when silent; return when one of ``until`` is done or the line is lost."""
        longest = min(self._heartbeat_s, self._send_timeout_s)  # a write may begin meanwhile
        while True:
            quiet = self._loop.time() - self._progress
            pause = (self._send_timeout_s if self._writing else self._heartbeat_s) - quiet
            done, _ = await asyncio.wait(
                {*until, self._lost},
                timeout=max(0.0, min(pause, longest)),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if done:
                return
            quiet = self._loop.time() - self._progress
            if self._writing and quiet >= self._send_timeout_s:
                self.stuck = True
                self._lose()
                return
            if not self._writing and quiet >= self._heartbeat_s:
                await self._heartbeat()

    async def _heartbeat(self) -> None:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._send(self._ping)
        except TimeoutError:
            self.stuck = True
            self._lose()
        except self._lost_errors:
            self._lose()
        self._progress = self._loop.time()

    def _lose(self) -> None:
        self.closed = True
        if not self._lost.done():
            self._lost.set_result(None)
