"""The events of one run on their way into its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import TERMINAL_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.log.writer import LogWriter


class LogSink:
    """A sink for one run: appends its events through a ``LogWriter``, and ends it as the run ends.

    ``astream(..., sinks=[LogSink(writer)])``. While one batch is on its way to the store the run
    goes on, and what it makes goes with the next. A view that skips events (``include=``) is logged
    as it is: the log numbers what it is given. What the writer raises ends the run with
    ``on_sink_error="raise"``, and is a diagnostic otherwise.
    """

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def __repr__(self) -> str:
        return f"LogSink({self._writer!r})"

    async def send(self, events: Sequence[Event]) -> None:
        """Return when the store has the events; the terminal one finishes the run in the log."""
        entries = [event.to_json() for event in events]
        if events[-1].type in TERMINAL_TYPES:
            await self._writer.finish(entries)
        else:
            await self._writer.append(entries)

    async def close(self) -> None:
        """Stop renewing the lease."""
        await self._writer.aclose()
