"""Who reads a run, over all processes, and what happens when the last reader has left.

Guarantees: a run is cancelled for want of readers only after a reader's real disconnect, when for
``grace_s`` seconds nobody reads it in any process. A run that never had a reader goes on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from langchain_streamkit.errors import LogUnavailable, RunGone

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from langchain_streamkit.log import EventLog

LOGGER = logging.getLogger("langchain_streamkit")

OnDisconnect: TypeAlias = Literal["continue", "cancel"]
LEASE_S: Final = 15.0
"""How long a process counts as a reader without saying so again: as long as a crash takes to be
noticed."""


class Presence:
    """The readers of this process. With ``continue``, nothing is kept and nobody is asked."""

    def __init__(self, log: EventLog, on_disconnect: OnDisconnect, grace_s: float) -> None:
        self._log = log
        self._matters = on_disconnect == "cancel"
        self._grace_s = grace_s
        self._token = secrets.token_hex(8)
        self._here: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None
        self._leaving: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """How many readers there are in this process."""
        return self._here.total()

    async def enter(self, name: str) -> None:
        """A reader has come."""
        self._here[name] += 1
        if not self._matters:
            return
        if (leaving := self._leaving.pop(name, None)) is not None:
            leaving.cancel()
        if self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat())
        if self._here[name] == 1:
            try:
                await self._tell(name, LEASE_S)
            except BaseException:
                self.leave(name, disconnected=False)
                raise

    def leave(self, name: str, *, disconnected: bool, ends_run: bool = False) -> None:
        """A reader has left: of itself, because its client is gone, or since the server stops.

        ``ends_run``: if its client is gone, the run is cancelled, with no grace.
        """
        self._here[name] -= 1
        if self._here[name] > 0:
            return
        del self._here[name]
        if disconnected and ends_run:
            self._start(self._cancel(name))
        elif self._matters:
            task = self._start(self._left(name, disconnected))
            if disconnected:
                self._leaving[name] = task

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settled(self) -> None:
        """Return when what readers that left have set off is decided."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Decide nothing more."""
        tasks = [*self._tasks, *([self._beating] if self._beating else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _left(self, name: str, disconnected: bool) -> None:  # noqa: FBT001
        try:
            others = await self._tell(name, 0)
            if not disconnected or others:
                return
            await asyncio.sleep(self._grace_s)
            if not self._here[name] and not await self._tell(name, 0):
                await self._cancel(name)
        except LogUnavailable as exc:
            _goes_on(name, exc)
        finally:
            if self._leaving.get(name) is asyncio.current_task():
                del self._leaving[name]

    async def _cancel(self, name: str) -> None:
        try:
            await self._log.cancel(name, "disconnect")
        except RunGone:
            return
        except LogUnavailable as exc:
            _goes_on(name, exc)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            for name in list(self._here):
                try:
                    await self._tell(name, LEASE_S)
                except LogUnavailable as exc:
                    LOGGER.warning("readers cannot be counted: %s", exc)
                    break

    async def _tell(self, name: str, lease_s: float) -> int:
        return await self._log.store.attend(name, self._token, int(lease_s * 1000))


def _goes_on(name: str, error: LogUnavailable) -> None:
    LOGGER.warning("run %s may go on with nobody reading it: %s", name, error)
