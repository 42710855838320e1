"""A stream that someone else makes, as it is to be read; ``plan.py`` has the run of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from langchain_streamkit.runs.options import Options


class SourcePlan(NamedTuple):
    """One stream to read; its own first item tells what runs."""

    source: Any
    run_id: UUID
    user: str | None
    options: Options
    mode: str | None
    """LangGraph's stream mode, where its items do not tell."""
    name: str = "stream"
    """What the run is called until the first item is there."""
    thread_id: str | None = None
    is_graph: bool = False
    read: Callable[[Any, SourcePlan], Awaitable[object]] | None = None
    """What reads the source in place of an adapter, into the ``RunCore`` of its run."""
    route: Literal["source"] = "source"
