"""The threads of LangGraph's runs API: begun before their first run, described, found.

Guarantees: a thread is its owner's from the moment it is made; others learn nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

import msgspec
from starlette.responses import Response

from langchain_streamkit.errors import NotOwner, RunGone, ThreadBusy
from langchain_streamkit.manager.thread_states import ThreadRecord, ThreadStates
from langchain_streamkit.serve.langgraph.answers import json_response, read_json, unprocessable
from langchain_streamkit.serve.refusals import Refusal
from langchain_streamkit.serve.requests import ThreadId
from langchain_streamkit.wire.langgraph.runs import thread_json

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable
    from langgraph.types import StateSnapshot
    from starlette.requests import Request

    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.serve.service import RunService


class ThreadBody(msgspec.Struct, frozen=True):
    """The body of ``POST /threads``."""

    thread_id: ThreadId | None = None
    metadata: dict[str, Any] | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    supersteps: list[Any] | None = None
    ttl: Any = None


class SearchBody(msgspec.Struct, frozen=True):
    """The body of ``POST /threads/search``."""

    ids: list[str] | None = None
    metadata: dict[str, Any] | None = None
    values: dict[str, Any] | None = None
    status: Literal["idle", "busy", "interrupted", "error"] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    sort_by: Literal["thread_id", "created_at", "updated_at", "status"] | None = None
    sort_order: Literal["asc", "desc"] | None = None


def threads_of(service: RunService, runnable: Runnable[Any, Any]) -> ThreadStates:
    """Return the threads of what is served. Raises ``StreamUsageError`` if it keeps none."""
    return ThreadStates(runnable, adopt=service.manager.adopt_threads)


async def thread_or_begun(
    manager: RunManager, states: ThreadStates, thread_id: str, user: str | None
) -> StateSnapshot:
    """Return a thread, begun if it was not there.

    One that has got a run meanwhile is left as it is. Raises ``NotOwner``.
    """
    try:
        return await states.newest(thread_id, user)
    except RunGone:
        pass
    try:
        async with manager.hold(thread_id, user):
            try:
                return await states.newest(thread_id, user)
            except RunGone:
                await states.create(thread_id, user, {})
    except ThreadBusy:
        await manager.active(thread_id, user=user)  # raises NotOwner for another user's
    return await states.newest(thread_id, user, missing=True)


class ThreadEndpoints:
    """What the paths of threads do."""

    def __init__(self, service: RunService, max_body_bytes: int) -> None:
        self._service = service
        self._manager = service.manager
        self._max_body_bytes = max_body_bytes

    async def create(self, request: Request) -> Response:
        """Begin a thread without a run."""
        user = await self._service.user_of(request)
        asked = await read_json(request, ThreadBody, self._max_body_bytes)
        for name in ("supersteps", "ttl"):
            if getattr(asked, name):
                raise unprocessable(f'"{name}" is not served here; leave it out')
        thread_id = asked.thread_id or str(uuid4())
        async with self._service.serving(request) as runnable:
            states = threads_of(self._service, runnable)
            if not await self._begun(states, thread_id, user, asked.metadata or {}) and (
                asked.if_exists != "do_nothing"
            ):
                raise Refusal(409, "conflict", f"there is a thread {thread_id!r} already")
            return json_response(await self._found(states, thread_id, user))

    async def _begun(
        self, states: ThreadStates, thread_id: str, user: str | None, metadata: dict[str, Any]
    ) -> bool:
        """Begin a thread; False if there is one."""
        try:
            async with self._manager.hold(thread_id, user):
                try:
                    await states.newest(thread_id, user)
                except RunGone:
                    await states.create(thread_id, user, metadata)
                    return True
        except (ThreadBusy, NotOwner):
            pass
        return False

    async def get(self, request: Request) -> Response:
        """Tell of a thread."""
        user = await self._service.user_of(request)
        async with self._service.serving(request) as runnable:
            states = threads_of(self._service, runnable)
            found = await self._found(states, request.path_params["thread_id"], user)
        return json_response(found)

    async def delete(self, request: Request) -> Response:
        """Remove a thread and its runs; one that has a run is busy."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        async with self._service.serving(request) as runnable:
            states = threads_of(self._service, runnable)
            await states.newest(thread_id, user)  # who may not have it learns nothing of its runs
            async with self._manager.hold(thread_id, user):
                await states.delete(thread_id, user)
                await self._manager.forget_runs(thread_id, user)
        return Response(status_code=204)

    async def search(self, request: Request) -> Response:
        """Tell of the user's threads that were made here, newest first."""
        user = await self._service.user_of(request)
        asked = await read_json(request, SearchBody, self._max_body_bytes)
        if asked.values:
            raise unprocessable('"values": threads are found by "ids", "metadata" and "status"')
        if asked.sort_by not in (None, "created_at", "updated_at"):
            raise unprocessable('"sort_by": threads come by "created_at"')
        wanted = (asked.metadata or {}).items()
        async with self._service.serving(request) as runnable:
            states = threads_of(self._service, runnable)
            records = [
                record
                async for record in states.records(user)
                if (asked.ids is None or record.thread_id in asked.ids)
                and all(record.metadata.get(key) == value for key, value in wanted)
            ]
            records.sort(key=_age, reverse=asked.sort_order != "asc")
            found: list[dict[str, Any]] = []
            for record in records:
                if len(found) >= asked.offset + asked.limit:
                    break
                told = await self._told(states, record, user)
                if asked.status in (None, told["status"]):
                    found.append(told)
        return json_response(found[asked.offset :])

    async def _found(
        self, states: ThreadStates, thread_id: str, user: str | None
    ) -> dict[str, Any]:
        state = await states.newest(thread_id, user)
        record = await states.record(thread_id)
        return await self._shown(thread_id, state, record, user)

    async def _told(
        self, states: ThreadStates, record: ThreadRecord, user: str | None
    ) -> dict[str, Any]:
        state = await states.newest(record.thread_id, user)
        return await self._shown(record.thread_id, state, record, user)

    async def _shown(
        self, thread_id: str, state: StateSnapshot, record: ThreadRecord | None, user: str | None
    ) -> dict[str, Any]:
        busy = await self._manager.active(thread_id, user=user) is not None
        return thread_json(
            thread_id,
            state,
            busy=busy,
            created_at=None if record is None else record.created_at,
            metadata={} if record is None else record.metadata,
        )


def _age(record: ThreadRecord) -> str:
    return record.created_at
