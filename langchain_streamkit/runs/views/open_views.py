"""The views of a run that are open, and the giving of events to them.

Guarantees: a view that fails fails alone, neither the run nor another view with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.failures import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.snapshot import RunSnapshot


class OpenViews:
    """Told of events at the run's one sequencing point."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._feeds: dict[int, Feed[Any]] = {}

    def __len__(self) -> int:
        return len(self._feeds)

    def __iter__(self) -> Iterator[Feed[Any]]:
        return iter(tuple(self._feeds.values()))

    def join(self, feed: Feed[Any], snapshot: RunSnapshot) -> None:
        """Give ``feed`` what the snapshot shows, and from now on every event."""
        feed.join(snapshot)
        self._feeds[id(feed)] = feed

    def leave(self, feed: Feed[Any]) -> bool:
        """Give ``feed`` nothing more; False if it got nothing any more. Takes no lock, since the
        collector of garbage may call it anywhere.
        """
        return self._feeds.pop(id(feed), None) is not None

    def tell(self, events: Sequence[Event]) -> None:
        """Give them further events."""
        for feed in self:
            try:
                feed.feed(events)
            except Exception as exc:  # noqa: BLE001 -- neither the run nor other views fail by it
                LOGGER.error("a view of run %s failed", self._run_id, exc_info=exc)
                feed.error = exc

    @property
    def hold_the_run(self) -> bool:
        """Whether a view is open for whose sake the run goes on."""
        return any(not feed.from_within for feed in self)
