"""Answers made of one run in the log: its stream, or what it has come to.

Guarantees: whoever waits for a run counts as its reader until it has been answered, or has gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from langchain_streamkit.serve.gone import until_gone
from langchain_streamkit.serve.log_response import LogResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from contextlib import AsyncExitStack

    from starlette.requests import Request
    from starlette.responses import Response

    from langchain_streamkit.log import Position
    from langchain_streamkit.serve.answering import Refused
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings
    from langchain_streamkit.wire.log_frames import LogFraming

T = TypeVar("T")


class RunAnswers(NamedTuple):
    """What answers the requests of one protocol."""

    service: RunService
    settings: ServeSettings
    refused: Refused

    async def stream(
        self,
        run_id: str,
        user: str | None,
        framing: LogFraming,
        *,
        place: AsyncExitStack,
        since: Position | None = None,
        ends_run: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return the run's stream, for a client that has it up to ``since``.

        ``place`` is closed when the client has gone, or at once where this raises, as
        ``RunService.entries``. With ``ends_run``, the run ends when its client leaves.
        """
        async with place:
            batches = await self.service.entries(run_id, since, framing.first, user)
            return LogResponse(
                self.service.manager,
                run_id,
                batches,
                framing,
                place=place.pop_all(),
                refused=self.refused,
                ends_run=ends_run,
                heartbeat_s=self.settings.heartbeat_s,
                send_timeout_s=self.settings.send_timeout_s,
                headers=headers,
            )

    async def awaited(
        self,
        request: Request,
        run_id: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        *,
        ends_run: bool,
    ) -> T:
        """Return what ``work`` makes of the run. Raises ``Gone``, and what ``work`` raises."""
        manager = self.service.manager
        gone = True
        await manager.attend(run_id)
        try:
            found = await until_gone(request, work())
            gone = False
        finally:
            manager.leave(run_id, disconnected=gone, ends_run=ends_run)
        return found
