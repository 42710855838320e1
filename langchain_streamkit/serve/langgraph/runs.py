"""The runs of LangGraph's runs API: started in a thread or without one, streamed, awaited, stopped.

Guarantees: a run is one of the service, so that it goes on without its client, unless that asked
for ``on_disconnect: "cancel"``; a client that comes back with the id of the last frame goes on
after it, on any server that shares the log.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import msgspec
from starlette.responses import Response

from langchain_streamkit.errors import RunGone
from langchain_streamkit.events import RunStarted
from langchain_streamkit.manager.thread_states import ThreadStates
from langchain_streamkit.serve.gone import until_gone
from langchain_streamkit.serve.langgraph.answers import (
    flag,
    json_response,
    number,
    read_json,
    refused,
    unprocessable,
)
from langchain_streamkit.serve.langgraph.assistants import checked_assistant
from langchain_streamkit.serve.langgraph.requests import RunBody, answers_of, modes_of, wanted
from langchain_streamkit.serve.langgraph.threads import thread_or_begun, threads_of
from langchain_streamkit.serve.protocols.asked import Asked
from langchain_streamkit.serve.refusals import LOGGER
from langchain_streamkit.serve.requests import position_of
from langchain_streamkit.serve.run_answers import RunAnswers
from langchain_streamkit.wire.langgraph.classic import CAPTURE, ClassicEncoder
from langchain_streamkit.wire.langgraph.log import ClassicLog
from langchain_streamkit.wire.langgraph.runs import run_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from langchain_streamkit.log import Position
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings

FROM_THE_START = "-1"
"""The ``Last-Event-ID`` of a client that has nothing of a run."""


class _Run(NamedTuple):
    """A run that was started for a client."""

    run_id: str
    thread_id: str
    user: str | None
    ends_run: bool


class RunEndpoints:
    """What the paths of runs do."""

    def __init__(self, service: RunService, settings: ServeSettings) -> None:
        self._service = service
        self._manager = service.manager
        self._max_body_bytes = settings.max_body_bytes
        self._answers = RunAnswers(service, settings, refused)

    async def stream(self, request: Request) -> Response:
        """Start a run and stream it."""
        user = await self._service.user_of(request)
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._manager.place(user))
            run = await self._start(request, user)
            return await self._stream(run, ClassicLog(self._encoder()), place.pop_all())

    async def wait(self, request: Request) -> Response:
        """Start a run; what it has come to when it has ended."""
        user = await self._service.user_of(request)
        async with self._manager.place(user):
            return await self._outcome(request, await self._start(request, user))

    async def create(self, request: Request) -> Response:
        """Start a run that nobody waits for."""
        user = await self._service.user_of(request)
        run = await self._start(request, user)
        return await self._about(run, _headers(run))

    async def get(self, request: Request) -> Response:
        """Tell what a run is."""
        return await self._about(await self._named(request), {})

    async def every(self, request: Request) -> Response:
        """Tell of the runs of a thread that the log still has, newest first."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        async with self._service.serving(request) as runnable:
            await threads_of(self._service, runnable).newest(thread_id, user)
        wanted_status = request.query_params.get("status")
        found = [
            told
            for status in reversed(await self._manager.list(user))
            if status.thread_id == thread_id
            and (told := await self._told(status.run_id, thread_id, user))
            and wanted_status in (None, told["status"])
        ]
        first, most = number(request, "offset", 0), number(request, "limit", 10)
        return json_response(found[first : first + most])

    async def join_stream(self, request: Request) -> Response:
        """Stream a run from its beginning, or after ``Last-Event-ID``."""
        run = await self._named(request)
        asked = [mode for mode in request.query_params.getlist("stream_mode") if mode]
        since = None
        if request.headers.get("last-event-id") != FROM_THE_START:
            since = position_of(request)
        encoder = self._encoder(modes_of(asked) if asked else None)
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._manager.place(run.user))
            return await self._stream(run, ClassicLog(encoder, since), place.pop_all(), since)

    async def join(self, request: Request) -> Response:
        """What a run has come to when it has ended."""
        run = await self._named(request)
        async with self._manager.place(run.user):
            return await self._outcome(request, run)

    async def cancel(self, request: Request) -> Response:
        """Ask a run to stop; with ``wait``, answer when it has."""
        run = await self._named(request)
        if request.query_params.get("action", "interrupt") != "interrupt":
            raise unprocessable('"action": what a run has written stays; send "interrupt"')
        await self._manager.cancel(run.run_id, user=run.user)
        if not flag(request, "wait"):
            return Response(status_code=202)
        await until_gone(request, self._last_values(run))
        return Response(status_code=204)

    # ---- starting ----------------------------------------------------------------------------

    async def _start(self, request: Request, user: str | None) -> _Run:
        body = await read_json(request, RunBody, self._max_body_bytes)
        checked_assistant(body.assistant_id, self._service.names)
        thread_id: str | None = request.path_params.get("thread_id")
        stateless = thread_id is None
        thread_id = thread_id or str(uuid4())
        asked = wanted(body, thread_id)
        if stateless and (asked.resume is not msgspec.UNSET or asked.configurable):
            raise unprocessable("a run goes on from a state in its thread: POST /threads/{id}/runs")
        answers: Mapping[str, Any] | None = None
        async with AsyncExitStack() as held:
            if not stateless:
                async with self._service.serving(request) as runnable:
                    answers = await self._by_id(runnable, thread_id, user, body, asked.resume)
            elif body.on_completion != "keep":
                held.push_async_callback(self._forget, request, thread_id)
            given = Asked(
                encoder="native",
                input=asked.input if answers is None else msgspec.UNSET,
                thread_id=thread_id,
                resume=answers,
                metadata=asked.metadata,
                capture=CAPTURE,
            )
            run_id = await self._service.start(
                request,
                given,
                user,
                configurable=asked.configurable,
                held=held.pop_all(),
                on_busy=asked.on_busy,
                call=asked.call or None,
            )
        return _Run(run_id, thread_id, user, body.on_disconnect == "cancel")

    async def _by_id(
        self, runnable: Any, thread_id: str, user: str | None, body: RunBody, resume: Any
    ) -> Mapping[str, Any] | None:
        """Return the answers by id, of a thread that is there; None where nothing is answered."""
        states = threads_of(self._service, runnable)
        if body.if_not_exists == "create":
            state = await thread_or_begun(self._manager, states, thread_id, user)
        else:
            state = await states.newest(thread_id, user)
        if resume is msgspec.UNSET:
            return None
        return answers_of(resume, [one.id for one in state.interrupts])

    async def _forget(self, request: Request, thread_id: str) -> None:
        """Remove what a run without a thread has left; why it cannot, is for the log alone."""
        try:
            async with self._service.serving(request) as runnable:
                await ThreadStates.forget(runnable, thread_id)
        except Exception as exc:  # noqa: BLE001 -- why the run was refused is not to be hidden
            LOGGER.error("what a run has left was not removed: thread %s", thread_id, exc_info=exc)

    # ---- reading -----------------------------------------------------------------------------

    async def _named(self, request: Request) -> _Run:
        """Return the run of the path. Raises ``RunGone``, ``NotOwner``."""
        user = await self._service.user_of(request)
        run_id = request.path_params["run_id"]
        thread_id = request.path_params.get("thread_id")
        info = await self._manager.check(run_id, user=user)
        if thread_id not in (None, info.thread_id):
            raise RunGone(f"thread {thread_id!r} has no run {run_id}")
        return _Run(run_id, info.thread_id, user, flag(request, "cancel_on_disconnect"))

    def _encoder(self, modes: Any = None) -> ClassicEncoder:
        return ClassicEncoder(modes, metadata=self._service.metadata)

    async def _stream(
        self,
        run: _Run,
        framing: ClassicLog,
        place: AsyncExitStack,
        since: Position | None = None,
    ) -> Response:
        return await self._answers.stream(
            run.run_id,
            run.user,
            framing,
            place=place,
            since=since,
            ends_run=run.ends_run,
            headers=_headers(run),
        )

    async def _outcome(self, request: Request, run: _Run) -> Response:
        work = partial(self._last_values, run)
        found = await self._answers.awaited(request, run.run_id, work, ends_run=run.ends_run)
        return Response(found, 200, _headers(run), "application/json")

    async def _last_values(self, run: _Run) -> bytes:
        """Return the last ``values`` of a run, when it has ended, or its error."""
        encoder = ClassicEncoder(["values"])
        last = b"null"
        async with aclosing(self._service.events(run.run_id, run.user)) as batches:
            async for batch in batches:
                for name, told in (part for event in batch for part in encoder.parts(event)):
                    if name == "values":
                        last = told
                    elif name == "error":
                        last = b'{"__error__":%b}' % told
        return last

    async def _about(self, run: _Run, headers: Mapping[str, str]) -> Response:
        told = await self._told(run.run_id, run.thread_id, run.user)
        response = json_response(told)
        response.headers.update(headers)
        return response

    async def _told(self, run_id: str, thread_id: str, user: str | None) -> dict[str, Any]:
        status = await self._manager.status(run_id, user=user)
        entries = await self._manager.log.read(run_id, limit=1)
        first = entries[0].event() if entries else None
        return run_json(
            run_id,
            status.status,
            first if isinstance(first, RunStarted) else None,
            thread_id=thread_id,
            assistant=self._service.names.own,
            error=status.error,
            reason=status.reason,
            metadata=self._service.metadata,
        )


def _headers(run: _Run) -> dict[str, str]:
    """Where the run is. The clients put their base URL before it, so that it has no prefix."""
    where = f"/threads/{quote(run.thread_id, safe='')}/runs/{run.run_id}"
    return {
        "Content-Location": where,
        "Location": f"{where}/stream",
        "Access-Control-Expose-Headers": "Content-Location, Location, Retry-After",
    }
