"""The call that a manager makes for somebody: its thread, its config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_streamkit.manager.checkpoints import OWNER
from langchain_streamkit.manager.thread_states import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.runnables import RunnableConfig


def thread_of(thread_id: str | None, config: RunnableConfig | None) -> str | None:
    """Return the thread that a call names, in one place or the other."""
    configurable = (config or {}).get("configurable") or {}
    named = configurable.get("thread_id")
    return thread_id if named is None or thread_id is not None else str(named)


def config_of(
    config: RunnableConfig | None, user: str | None, metadata: Mapping[str, Any] | None
) -> RunnableConfig:
    """Return the config of a run: with an id that cannot be guessed, and whose it is."""
    made: RunnableConfig = {**(config or {})}
    said = {**(made.get("metadata") or {}), **(metadata or {})}
    given = {key: value for key, value in said.items() if key not in OURS}
    if user is not None:
        given[OWNER] = user
    return {**made, "metadata": given, "run_id": made.get("run_id") or uuid4()}
