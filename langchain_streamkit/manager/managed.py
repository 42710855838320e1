"""One run on its way: made here, kept in its log, whoever reads it.

Guarantees: every event is in the log, in order, before any reader gets it; the run is stopped by
whoever asks its log for that, in whatever process; a run whose log is lost or taken away is stopped
and fails, as nobody could learn what it does; the thread and the place it holds are given back at
its end, whatever the end is.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from langchain_streamkit.errors import LogUnavailable, StreamError
from langchain_streamkit.events import TERMINAL_TYPES, CancelReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from langchain_streamkit.events import Event
    from langchain_streamkit.log.writer import LogWriter
    from langchain_streamkit.manager.draining import Drain
    from langchain_streamkit.runs.async_run import AsyncRun

LOGGER = logging.getLogger("langchain_streamkit")

PATIENCE_S: Final = 30.0
"""How long a run goes on while its log cannot be reached; it says little meanwhile, as text that
waits for the log merges."""
_AGAIN_S: Final = 0.5
_REASONS: Final = frozenset(get_args(CancelReason))


class ManagedRun:
    """Makes one run. ``before`` is awaited first: it may wait for a thread to be free."""

    def __init__(
        self,
        run: AsyncRun[Any],
        writer: LogWriter,
        *,
        held: AsyncExitStack,
        before: Callable[[], Awaitable[None]] | None,
        drain: Drain | None,
        ended: Callable[[ManagedRun], None],
    ) -> None:
        self.run = run
        self.began = False
        """The runnable has been called."""
        self._writer = writer
        self._held = held
        self._before = before
        self._drain = drain
        self._ended = ended
        self._stopping = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(
            self._make(), name=f"streamkit managed run {run.run_id}"
        )

    def drain(self) -> bool:
        """Ask the run to stop after its present step; False if it has no such steps."""
        if self._drain is None or not self.began:
            return False
        self._drain.request()
        return True

    async def _make(self) -> None:
        batches: AsyncIterator[list[Event]] | None = None
        heed = asyncio.get_running_loop().create_task(self._heed())
        try:
            async with self._held:
                try:
                    await self._wait_for_turn()
                except Exception as exc:  # noqa: BLE001 -- how the run ends, before it began
                    await self.run.fail(exc)
                self.began = True
                # Kept beyond the loop: leaving it would cancel a run that is to fail.
                batches = self.run.batches()
                async for batch in batches:
                    await self._log(batch)
        except Exception as exc:  # noqa: BLE001 -- the run fails with it, and the log says so
            await self._broken(exc)
        finally:
            heed.cancel()
            await self._writer.aclose()
            self._ended(self)

    async def _wait_for_turn(self) -> None:
        """Wait until the run may begin; one that is stopped before begins only to be cancelled."""
        if self._before is None:
            return
        turn = asyncio.ensure_future(self._before())
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({turn, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if turn.done():
                turn.result()
        finally:
            for one in (turn, stopped):
                one.cancel()
            await asyncio.wait({turn, stopped})

    async def _heed(self) -> None:
        """Stop the run when its log says so."""
        try:
            reason = await self._writer.cancelled()
        except StreamError as exc:
            self._stopping.set()
            await self.run.fail(exc)
        else:
            await self.stop(reason)

    async def stop(self, reason: str) -> None:
        """Stop the run; returns when it has ended."""
        self._stopping.set()
        known = reason if reason in _REASONS else "user"
        await self.run.cancel(cast("CancelReason", known))

    async def _log(self, batch: list[Event]) -> None:
        entries = [event.to_json() for event in batch]
        last = batch[-1].type in TERMINAL_TYPES
        if last:  # whoever reads the end may at once start the next run of the thread
            await self._let_go()
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while True:
            try:
                await (self._writer.finish(entries) if last else self._writer.append(entries))
            except LogUnavailable:
                if loop.time() > until:
                    raise
                entries = []  # the writer keeps what it could not bring
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    async def _let_go(self) -> None:
        """Give back what the run held; what fails there is no reason to withhold the end."""
        try:
            await self._held.aclose()
        except Exception:
            LOGGER.exception(
                "what run %s held could not all be given back",
                self.run.run_id,
                extra={"run_id": self.run.run_id},
            )

    async def _broken(self, error: Exception) -> None:
        """The log is lost, or an error of ours: nothing that the run does could be told."""
        LOGGER.error(
            "run %s is stopped, its events cannot be kept",
            self.run.run_id,
            exc_info=error,
            extra={"run_id": self.run.run_id},
        )
        await self.run.fail(error)
