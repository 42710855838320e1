"""What a cancelled graph run was saying, written to its checkpoint (``on_cancel="keep_partial"``).

Guarantees: the thread goes on from there with the next message of the user; only text that the user
was being shown is kept, of the message that each cancelled node said last, as the readers saw it
(so after ``map()``); tool calls are left out, since nobody will answer them; a write that fails, or
takes more than 5 s, is a line in the log, and the run is cancelled all the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.messages import AIMessage

from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.keepable import messages_channel
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.runs.views.selection import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.snapshot import MessageView, RunSnapshot

_WRITE_S = 5.0
"""Seconds that a checkpointer gets."""


class Partial(NamedTuple):
    """Messages by the node of the root graph that said them, and where they go."""

    run_id: str
    graph: Any
    config: Mapping[str, Any]
    channel: str
    messages: list[tuple[str, AIMessage]]
    speakers: frozenset[str]
    """All nodes that have spoken to the user."""


def partial_of(plan: Plan, snapshot: RunSnapshot) -> Partial | None:
    """What is to be kept of a cancelled run; None for nothing."""
    graph: Any = unwrapped(plan.runnable)
    said: dict[str, AIMessage] = {}
    shown = [message for message in snapshot.messages if _is_shown(message)]
    for message in _cut(snapshot, shown):
        text = message.text
        if text:
            said[plain(message.path[0])] = AIMessage(
                text,
                id=message.stored_id or message.message_id,
                name=message.name,
                additional_kwargs={"partial": True},
            )
    channel = messages_channel(graph)
    if not shown or channel is None:
        return None
    speakers = frozenset(plain(message.path[0]) for message in shown)
    # The newest checkpoint of the thread, not the one from which the run may have begun.
    configurable = dict(plan.config.get("configurable") or {})
    configurable.pop("checkpoint_id", None)
    configurable.setdefault("thread_id", plan.thread_id)
    config = {"configurable": configurable}
    return Partial(str(plan.run_id), graph, config, channel, list(said.items()), speakers)


async def keep(partial: Partial) -> None:
    """Write it, in async code."""
    try:
        async with asyncio.timeout(_WRITE_S):
            state = await partial.graph.aget_state(partial.config)
            if updates := _updates(partial, state.tasks):
                await partial.graph.abulk_update_state(partial.config, [updates])
    except Exception as exc:  # noqa: BLE001 -- the run is cancelled, whatever comes of this
        _failed(partial, exc)


def keep_sync(partial: Partial) -> None:
    """Write it, in plain code, which cannot be given a time."""
    try:
        state = partial.graph.get_state(partial.config)
        if updates := _updates(partial, state.tasks):
            partial.graph.bulk_update_state(partial.config, [updates])
    except Exception as exc:  # noqa: BLE001 -- the run is cancelled, whatever comes of this
        _failed(partial, exc)


def _updates(partial: Partial, tasks: Sequence[Any]) -> list[Any]:
    """What all nodes of the step that was cancelled have to say, those that had ended included:
    LangGraph has their writes, but would drop them when the thread goes on from elsewhere.
    """
    from langgraph.types import StateUpdate

    ended = [task for task in tasks if task.result is not None]
    if not partial.messages and not any(task.name in partial.speakers for task in ended):
        return []
    done = {task.name for task in ended}
    cut = [one for one in partial.messages if one[0] not in done]
    return [
        *(StateUpdate(task.result, task.name) for task in ended),
        *(StateUpdate({partial.channel: [message]}, node) for node, message in cut),
    ]


def _failed(partial: Partial, error: Exception) -> None:
    LOGGER.error(
        "what cancelled run %s was saying could not be kept", partial.run_id, exc_info=error
    )


def _is_shown(message: MessageView) -> bool:
    """Whether the user was being shown it, in a node, to the end of the run."""
    stands = message.stands or (message.status == "aborted" and message.reason == "cancelled")
    for_user = message.audience == "user" and message.role == "assistant"
    return stands and for_user and bool(message.path)


def _cut(snapshot: RunSnapshot, shown: Sequence[MessageView]) -> Iterator[MessageView]:
    """What was being said, or had just been said, in nodes of the root that were cancelled."""
    nodes = [step for step in snapshot.steps if step.kind == "node" and len(step.path) == 1]
    # Of the last visit, where a node ran more than once.
    begun = {step.path: step.started_ts for step in nodes}
    cut = {step.path for step in nodes if step.outcome == "cancelled"}
    for message in shown:
        node = message.path[:1]
        if node in cut and message.started_ts >= begun[node]:
            yield message
