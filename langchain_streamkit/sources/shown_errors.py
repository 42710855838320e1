"""What may be shown of the errors of one run.

Guarantees: an error that passes through several steps is one error, with one id, described at the
deepest place that reported it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from langchain_streamkit import failures
from langchain_streamkit.events import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
)

if TYPE_CHECKING:
    from langchain_streamkit.events import ErrorInfo, Event


class ShownErrors:
    """The errors that were met so far; ``expose`` shows the texts of exceptions."""

    def __init__(self, *, expose: bool) -> None:
        self._expose = expose
        self._known: list[tuple[BaseException, ErrorInfo]] = []

    def info(self, error: BaseException, where: failures.Where) -> ErrorInfo:
        """What may be shown of ``error``: made once."""
        for known, info in self._known:
            if known is error:
                return info
        info = failures.error_info(error, error_id=uuid4().hex, where=where, expose=self._expose)
        self._known.append((error, info))
        return info

    def withheld(self, event: Event, error: Exception) -> Event | None:
        """What stands for an event that may not be shown because redacting it failed.

        The first and the last event have to be there: without what might be secret in them.
        """
        if isinstance(event, RunStarted):
            return msgspec.structs.replace(event, name="", metadata={}, user=None)
        if isinstance(event, RunFinished | RunInterrupted | RunFailed | RunCancelled):
            return RunFailed(
                seq=event.seq,
                run_id=event.run_id,
                ts=event.ts,
                error=self.info(error, "run"),
                usage=event.usage,
                timing=event.timing,
            )
        return None
