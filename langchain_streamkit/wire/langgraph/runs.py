"""A run, and a thread, as LangGraph's clients read them: ``Run`` and ``Thread``.

Guarantees: of a run's metadata only the keys that are named; nothing of the text of an exception.
Forms: ``Run`` and ``Thread`` of ``langgraph_sdk/schema.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from langchain_streamkit.values import to_plain
from langchain_streamkit.wire.langgraph.state import interrupt_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from langgraph.types import StateSnapshot

    from langchain_streamkit.events import ErrorInfo, RunStarted

_NAMESPACE: Final = UUID("a2c5f2b5-6ad5-4d3e-9f0c-5d6d7f2f3f11")
_STATUS: Final = {
    "finished": "success",
    "interrupted": "interrupted",
    "failed": "error",
    "cancelled": "interrupted",
}


def assistant_id_of(name: str) -> str:
    """Return the id of what is served under a name: the same on every server."""
    return str(uuid5(_NAMESPACE, name))


def run_json(
    run_id: str,
    status: str,
    began: RunStarted | None,
    *,
    thread_id: str,
    assistant: str,
    error: ErrorInfo | None = None,
    reason: str | None = None,
    metadata: Collection[str] = (),
) -> dict[str, Any]:
    """Return a ``Run`` by what is known of it: ``status``, ``error`` and ``reason`` are those of
    ``RunStatus``; ``began`` is its first event, if there is one yet.
    """
    created = None if began is None else datetime.fromtimestamp(began.ts / 1000, UTC).isoformat()
    known = {} if began is None else began.metadata
    word = _STATUS.get(status) or ("pending" if began is None else "running")
    if error is not None and error.code.startswith("timeout."):
        word = "timeout"
    return {
        "run_id": run_id,
        "thread_id": thread_id,
        "assistant_id": assistant_id_of(assistant),
        "status": word,
        "created_at": created,
        "updated_at": created,
        "metadata": {key: value for key, value in known.items() if key in metadata},
        "multitask_strategy": None,
        "cancel_reason": reason,
    }


def thread_json(
    thread_id: str,
    state: StateSnapshot,
    *,
    busy: bool,
    created_at: str | None,
    metadata: dict[str, Any],
) -> dict[str, Any]:
    """Return a ``Thread``: ``metadata`` is its own, ``busy`` whether a run has it."""
    waiting = {
        task.id: [interrupt_of(one) for one in task.interrupts]
        for task in state.tasks
        if task.interrupts
    }
    status = "idle"
    if busy:
        status = "busy"
    elif waiting:
        status = "interrupted"
    elif any(task.error is not None for task in state.tasks):
        status = "error"
    return {
        "thread_id": thread_id,
        "created_at": created_at or state.created_at,
        "updated_at": state.created_at,
        "metadata": metadata,
        "status": status,
        "config": {},
        "values": to_plain(state.values),
        "interrupts": waiting,
    }
