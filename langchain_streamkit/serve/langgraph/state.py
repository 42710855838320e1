"""The states of threads by LangGraph's runs API: read, changed, and the states before.

Guarantees: what a client gets of a thread is what ``graph.get_state`` has, as plain JSON, for the
thread's owner alone; a state is not changed while a run has the thread (409).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from langchain_streamkit.manager.thread_states import ThreadStates
from langchain_streamkit.serve.langgraph.answers import (
    checkpoint_named,
    flag,
    json_response,
    read_json,
    unprocessable,
)
from langchain_streamkit.wire.langgraph.state import SHOWN_METADATA, checkpoint_of, thread_state

if TYPE_CHECKING:
    from langgraph.types import StateSnapshot
    from starlette.requests import Request
    from starlette.responses import Response

    from langchain_streamkit.serve.service import RunService


class StateRead(msgspec.Struct, frozen=True):
    """The body of ``POST /threads/{id}/state/checkpoint``."""

    checkpoint: dict[str, Any]
    subgraphs: bool = False


class StateWrite(msgspec.Struct, frozen=True):
    """The body of ``POST /threads/{id}/state``."""

    values: Any = None
    as_node: str | None = None
    checkpoint: dict[str, Any] | None = None
    checkpoint_id: str | None = None


class HistoryRead(msgspec.Struct, frozen=True):
    """The body of ``POST /threads/{id}/history``."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    before: Any = None
    metadata: dict[str, Any] = {}
    checkpoint: dict[str, Any] | None = None


class StateEndpoints:
    """What the paths of a thread's state do."""

    def __init__(self, service: RunService, max_body_bytes: int) -> None:
        self._service = service
        self._max_body_bytes = max_body_bytes

    async def read(self, request: Request) -> Response:
        """Give the state a thread is in, or was in at the checkpoint of the path."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        checkpoint_id = request.path_params.get("checkpoint_id")
        named = None if checkpoint_id is None else {"checkpoint_id": checkpoint_id}
        return await self._read(request, thread_id, user, named, flag(request, "subgraphs"))

    async def read_checkpoint(self, request: Request) -> Response:
        """Give the state at the checkpoint that the body names."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        asked = await read_json(request, StateRead, self._max_body_bytes)
        named = checkpoint_named(asked.checkpoint, thread_id, '"checkpoint"')
        return await self._read(request, thread_id, user, named, asked.subgraphs)

    async def _read(
        self,
        request: Request,
        thread_id: str,
        user: str | None,
        named: dict[str, Any] | None,
        subgraphs: bool,  # noqa: FBT001
    ) -> Response:
        async with self._service.serving(request) as runnable:
            states = ThreadStates(runnable, adopt=self._service.manager.adopt_threads)
            if named is None:
                found = await states.newest(thread_id, user, subgraphs=subgraphs)
            else:
                found = await states.at(thread_id, user, named, subgraphs=subgraphs)
        return json_response(self._shown(found))

    async def write(self, request: Request) -> Response:
        """Change the state as if a node had returned the values; its checkpoint."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        asked = await read_json(request, StateWrite, self._max_body_bytes)
        named = checkpoint_named(asked.checkpoint or asked.checkpoint_id, thread_id, '"checkpoint"')
        manager = self._service.manager
        async with self._service.serving(request) as runnable:
            states = ThreadStates(runnable, adopt=manager.adopt_threads)
            await states.newest(thread_id, user)
            async with manager.hold(thread_id, user):
                made = await states.update(
                    thread_id, user, asked.values, as_node=asked.as_node, checkpoint=named
                )
        checkpoint = checkpoint_of(made)
        return json_response({"checkpoint": checkpoint, "configurable": checkpoint})

    async def history(self, request: Request) -> Response:
        """Give the states that a thread had, newest first."""
        user = await self._service.user_of(request)
        thread_id = request.path_params["thread_id"]
        asked = await read_json(request, HistoryRead, self._max_body_bytes)
        before = checkpoint_named(asked.before, thread_id, '"before"') or {}
        allowed = {*SHOWN_METADATA, *self._service.metadata}
        for key in asked.metadata:
            if key not in allowed:
                raise unprocessable(
                    f'"metadata": the states are not to be found by {key!r}, but by'
                    f" {', '.join(sorted(allowed))}"
                )
        async with self._service.serving(request) as runnable:
            states = ThreadStates(runnable, adopt=self._service.manager.adopt_threads)
            found = await states.history(
                thread_id,
                user,
                limit=asked.limit,
                before=before.get("checkpoint_id"),
                metadata=asked.metadata,
                checkpoint=checkpoint_named(asked.checkpoint, thread_id, '"checkpoint"'),
            )
        return json_response([self._shown(one) for one in found])

    def _shown(self, state: StateSnapshot) -> dict[str, Any]:
        return thread_state(state, metadata=self._service.metadata)
