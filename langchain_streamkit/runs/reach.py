"""The task that waits for somebody else's call, to be cancelled when time is up.

Guarantees: the task is cancelled only while it waits in here, never while it is with whoever reads
the call (PEP 789); the cancel is taken back, as ``asyncio.timeout`` does, so that of it only the
error is seen; a cancel of others stays one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from langchain_streamkit.errors import RunTimeout


class Reach:
    """A context to wait in. Raises what ``expired`` returns, once it returns something."""

    def __init__(self, expired: Callable[[], RunTimeout | None]) -> None:
        self._expired = expired
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._cancelled = False

    def cancel(self) -> None:
        """Time is up. Call it in the loop of the task."""
        if self._task is not None:
            self._cancelled = self._task.cancel()

    def is_waited_in(self) -> bool:
        """Whether somebody waits in here now."""
        return self._task is not None

    def __enter__(self) -> None:
        if (expired := self._expired()) is not None:
            raise expired
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task is not None else 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if not self._cancelled or task is None:
            return
        self._cancelled = False
        ours_alone = task.uncancel() <= self._cancelling
        expired = self._expired()
        if ours_alone and expired is not None and isinstance(error, asyncio.CancelledError):
            raise expired from error
