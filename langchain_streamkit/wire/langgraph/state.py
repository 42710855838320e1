"""The state of a LangGraph thread as LangGraph's own clients read it: ``ThreadState``.

Guarantees: plain JSON; of the metadata only what tells where a checkpoint stands, and the keys that
are named; nothing of the text of an exception.
Form: ``ThreadState`` of ``langgraph_sdk/schema.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_streamkit.failures import MESSAGES
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from langchain_core.runnables import RunnableConfig
    from langgraph.types import Interrupt, PregelTask, StateSnapshot

SHOWN_METADATA: Final = frozenset({"source", "step", "parents", "run_id"})
"""What LangGraph itself says of a checkpoint. The rest may be anything of the application's: the
metadata of runs and their configurable values are all kept there."""
_OF_A_CHECKPOINT: Final = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")


def thread_state(state: StateSnapshot, *, metadata: Collection[str] = ()) -> dict[str, Any]:
    """Return a snapshot, and those of the subgraphs in its tasks, as a ``ThreadState``.

    ``metadata`` names keys of checkpoints' metadata that are shown beside ``SHOWN_METADATA``. Of a
    thread without any checkpoint, ``checkpoint_id`` is None and ``values`` is empty.
    """
    shown = {*SHOWN_METADATA, *metadata}
    return _state(state, frozenset(shown))


def checkpoint_of(config: RunnableConfig | None) -> dict[str, Any] | None:
    """Return the checkpoint that a config names, as a ``Checkpoint``; None for no config."""
    if config is None:
        return None
    named: Mapping[str, Any] = config.get("configurable") or {}
    found = {key: to_plain(named[key]) for key in _OF_A_CHECKPOINT if key in named}
    return {"checkpoint_ns": "", "checkpoint_id": None, **found}


def interrupt_of(one: Interrupt) -> dict[str, Any]:
    """Return a pending interrupt: ``id`` is the key of its answer in ``command.resume``."""
    found: dict[str, Any] = {"id": one.id, "value": to_plain(one.value)}
    schema = getattr(one, "response_schema", None)
    return found if schema is None else {**found, "response_schema": to_plain(schema)}


def _state(state: StateSnapshot, shown: frozenset[str]) -> dict[str, Any]:
    return {
        "values": to_plain(state.values),
        "next": list(state.next),
        "tasks": [_task(task, shown) for task in state.tasks],
        "checkpoint": checkpoint_of(state.config),
        "parent_checkpoint": checkpoint_of(state.parent_config),
        "metadata": {
            key: to_plain(value) for key, value in (state.metadata or {}).items() if key in shown
        },
        "created_at": state.created_at,
        "interrupts": [interrupt_of(one) for one in state.interrupts],
    }


def _task(task: PregelTask, shown: frozenset[str]) -> dict[str, Any]:
    given: Any = task
    inner: Any = given.state
    whole: Any = inner if hasattr(inner, "tasks") else None
    return {
        "id": task.id,
        "name": task.name,
        "path": to_plain(given.path),
        "error": None if task.error is None else MESSAGES["graph_error"],
        "interrupts": [interrupt_of(one) for one in task.interrupts],
        "checkpoint": checkpoint_of(inner) if whole is None else None,
        "state": None if whole is None else _state(whole, shown),
        "result": to_plain(task.result),
    }
