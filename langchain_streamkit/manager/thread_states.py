"""The states of a graph's threads, as its checkpointer keeps them: read, changed, begun.

Guarantees: whose a thread is, is asked before anything is read or written, and goes with all that
is written; no thread is touched while a run has it (that is the caller's part: ``RunLookup.hold``).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from langchain_streamkit.errors import RunGone, StreamUsageError
from langchain_streamkit.manager.checkpoints import OWNER, Checkpoints, state_of
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from langchain_core.runnables import Runnable, RunnableConfig
    from langgraph.types import StateSnapshot

LOGGER = logging.getLogger("langchain_streamkit")

RECORD: Final = "streamkit_thread"
"""The key in the metadata of a thread's first checkpoint, where the thread was made before its
first run: its ``ThreadRecord`` as JSON."""
_IS_RECORD: Final = {"streamkit_record": "thread"}
"""Beside it, to be looked for: checkpointers find metadata by equal values."""
OURS: Final = frozenset({OWNER, RECORD, *_IS_RECORD})
"""The keys of metadata by which threads are known: what a run is given under them is not taken."""
_EMPTY_STEP: Final = -2
"""What LangGraph counts from where there is no checkpoint, so that steps are numbered as ever."""


class ThreadRecord(NamedTuple):
    """What was said of a thread when it was made."""

    thread_id: str
    created_at: str
    """ISO 8601, UTC."""
    metadata: dict[str, Any]


class ThreadStates:
    """The threads of ``runnable``. ``adopt`` is that of ``Checkpoints``.

    Raises ``StreamUsageError`` for what keeps no threads: no graph, or one without a checkpointer.
    """

    def __init__(self, runnable: Runnable[Any, Any], *, adopt: bool = False) -> None:
        graph: Any = unwrapped(runnable)
        self._saver: Any = getattr(graph, "checkpointer", None)
        if not hasattr(self._saver, "aget_tuple"):
            raise StreamUsageError(
                f"{short_repr(runnable)} keeps no threads; compile it with a checkpointer:"
                " builder.compile(checkpointer=...)",
                wire="what is served here keeps no threads, as it has no checkpointer: use the"
                " stateless runs, POST /runs/stream",
            )
        self._graph = graph
        self._checkpoints = Checkpoints(runnable, adopt=adopt)

    async def newest(
        self,
        thread_id: str,
        user: str | None,
        *,
        subgraphs: bool = False,
        missing: bool = False,
    ) -> StateSnapshot:
        """Return the thread as it is; an empty one for none, if it may be ``missing``.

        Raises ``RunGone`` where there is none, ``NotOwner``.
        """
        await self._check(thread_id, user, missing=missing)
        return await self._state(_config(thread_id), subgraphs=subgraphs)

    async def at(
        self,
        thread_id: str,
        user: str | None,
        checkpoint: Mapping[str, Any],
        *,
        subgraphs: bool = False,
    ) -> StateSnapshot:
        """Return it at a checkpoint, which may be a subgraph's. Raises as ``newest``."""
        await self._check(thread_id, user)
        found = await self._state(_config(thread_id, checkpoint), subgraphs=subgraphs)
        if found.created_at is None:
            raise RunGone(f"thread {thread_id!r} has no checkpoint {short_repr(checkpoint)}")
        return found

    async def history(
        self,
        thread_id: str,
        user: str | None,
        *,
        limit: int,
        before: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> list[StateSnapshot]:
        """Return the states the thread had, newest first; raises as ``newest``.

        Of those before the checkpoint ``before``, whose metadata has all of ``metadata``; those of
        a subgraph, if ``checkpoint`` names one.
        """
        await self._check(thread_id, user)
        states = self._graph.aget_state_history(
            _config(thread_id, checkpoint),
            filter=dict(metadata or {}) or None,
            before=_config(thread_id, {"checkpoint_id": before}) if before else None,
            limit=limit,
        )
        return [state async for state in states if not _is_record(state)]

    async def update(
        self,
        thread_id: str,
        user: str | None,
        values: Any,
        *,
        as_node: str | None = None,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> RunnableConfig:
        """Write ``values`` as if the node had returned them; return where they are kept.

        ``checkpoint`` makes them a branch off an earlier state. Raises as ``newest``, and
        ``StreamUsageError`` for what the graph does not take.
        """
        from langgraph.errors import InvalidUpdateError

        await self._check(thread_id, user)
        if as_node is not None and as_node not in (*self._graph.nodes, "__end__"):
            raise StreamUsageError(
                f"as_node={as_node!r} is no node of the graph",
                wire=f'"as_node": {short_repr(as_node)} is no node of this graph',
            )
        config = {**_config(thread_id, checkpoint), "metadata": _owned(user)}
        try:
            made = await self._graph.aupdate_state(config, values, as_node)
        except (InvalidUpdateError, ValueError, TypeError) as exc:
            LOGGER.warning("an update of thread %s was not taken", thread_id, exc_info=exc)
            raise StreamUsageError(
                f"the graph did not take the update: {exc}",
                wire="the graph does not take these values: they have to fit its state, and the"
                ' node that they are to come from, "as_node"',
            ) from exc
        return cast("RunnableConfig", made)

    async def create(
        self, thread_id: str, user: str | None, metadata: Mapping[str, Any]
    ) -> ThreadRecord:
        """Begin a thread that is not there, with an empty checkpoint; return its record."""
        from langgraph.checkpoint.base import empty_checkpoint

        record = ThreadRecord(thread_id, datetime.now(UTC).isoformat(), dict(metadata))
        text = msgspec.json.encode({"created_at": record.created_at, "metadata": record.metadata})
        said = {**_IS_RECORD, RECORD: text.decode(), **_owned(user)}
        about: dict[str, Any] = {"source": "update", "step": _EMPTY_STEP, "parents": {}, **said}
        await self._saver.aput(_config(thread_id), empty_checkpoint(), about, {})
        return record

    async def delete(self, thread_id: str, user: str | None) -> None:
        """Remove all that is kept of a thread. Raises ``RunGone`` for none, ``NotOwner``."""
        await self._check(thread_id, user)
        await self._saver.adelete_thread(thread_id)

    async def record(self, thread_id: str) -> ThreadRecord | None:
        """Return what was said of the thread when it was made, if it was made without a run."""
        found = self._saver.alist(_config(thread_id), filter=dict(_IS_RECORD), limit=1)
        async for saved in found:
            return _record(saved)
        return None

    async def records(self, user: str | None) -> AsyncGenerator[ThreadRecord]:
        """Yield the records of a user's threads, newest first."""
        wanted = {**_IS_RECORD, **_owned(user)}
        async for saved in self._saver.alist(None, filter=wanted):
            if saved.metadata.get(OWNER) == user:
                yield _record(saved)

    @staticmethod
    async def forget(runnable: Runnable[Any, Any], thread_id: str) -> None:
        """Remove a thread that nobody is told of, if ``runnable`` keeps any."""
        saver: Any = getattr(unwrapped(runnable), "checkpointer", None)
        if hasattr(saver, "adelete_thread"):
            await saver.adelete_thread(thread_id)

    async def _check(self, thread_id: str, user: str | None, *, missing: bool = False) -> None:
        if await self._checkpoints.thread(thread_id, user) is None and not missing:
            raise RunGone(f"there is no thread {thread_id!r}")

    async def _state(self, config: Any, *, subgraphs: bool) -> StateSnapshot:
        try:
            return await state_of(self._graph, config, subgraphs=subgraphs)
        except ValueError as exc:  # it names a subgraph that is not there
            raise RunGone(f"there is no state at {config['configurable']}") from exc


def _config(thread_id: str, checkpoint: Mapping[str, Any] | None = None) -> dict[str, Any]:
    named = {key: value for key, value in (checkpoint or {}).items() if value is not None}
    return {"configurable": {"checkpoint_ns": "", **named, "thread_id": thread_id}}


def _owned(user: str | None) -> dict[str, Any]:
    return {} if user is None else {OWNER: user}


def _is_record(state: StateSnapshot) -> bool:
    return RECORD in (state.metadata or {})


def _record(saved: Any) -> ThreadRecord:
    said = msgspec.json.decode(saved.metadata[RECORD])
    thread_id = saved.config["configurable"]["thread_id"]
    return ThreadRecord(thread_id, said["created_at"], said["metadata"])
