"""What a handler asks of the runs it belongs to: where each callback goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from langchain_streamkit.sources.lane import Lanes
    from langchain_streamkit.sources.tap import RunTap


class Router(Protocol):
    """Says which tap a LangChain run belongs to; all methods are called from any thread."""

    def tap_of(self, run_id: UUID) -> RunTap | None:
        """The tap of a run that is watched, else None."""
        ...

    def tap_of_start(
        self, run_id: UUID, parent_id: UUID | None, name: str, metadata: dict[str, Any] | None
    ) -> RunTap | None:
        """The tap for a run that starts now. Raises StopRun when its root was told to stop."""
        ...

    @property
    def lanes(self) -> Lanes:
        """Takes the chunks of every model. Raises StopRun when their root was told to stop."""
        ...

    def run_ended(self, run_id: UUID) -> None:
        """Called after the tap has heard that a run ended."""
        ...

    def report(self, where: str, error: Exception) -> None:
        """An error of ours: a diagnostic and a log line, never the user's problem."""
        ...
