"""Rule 7: one usage record per model call, and no run cheaper than what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import (
    MessageAborted,
    MessageFinished,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunInterrupted,
)
from langchain_streamkit.grammar.items import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import Event, Usage

_COUNTS = ("input_tokens", "output_tokens", "total_tokens")


class UsageRule:
    """Adds up the usage records of a stream."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._sums: dict[str, int] = dict.fromkeys(_COUNTS, 0)

    def feed(self, event: Event) -> Iterator[Wrong]:
        """Yield what is wrong with the usage that ``event`` carries."""
        match event:
            case MessageFinished() | MessageAborted() if event.usage is not None:
                yield from self._record(event.usage)
            case RunFinished() | RunInterrupted() | RunFailed() | RunCancelled():
                for name in _COUNTS:
                    total: int = getattr(event.usage, name)
                    if total < self._sums[name]:
                        yield Wrong(
                            7, f"the run's {name} are {total}", f"at least {self._sums[name]}"
                        )
            case _:
                pass

    def _record(self, usage: Usage) -> Iterator[Wrong]:
        if usage.call_id in self._calls:
            yield Wrong(7, f"a second usage record of call {usage.call_id!r}", "one")
        self._calls.add(usage.call_id)
        counts: dict[str, int] = {name: getattr(usage, name) for name in _COUNTS}
        if usage.source == "cache" and any(counts.values()):
            yield Wrong(7, f"call {usage.call_id!r} was cached and counts tokens", "0 tokens")
        for name, count in counts.items():
            self._sums[name] += count
