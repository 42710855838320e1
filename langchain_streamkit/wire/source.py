"""What a wire is fed from: the part of a run that encoders and servers use.

``AsyncRunLike`` and ``RunLike`` are met by the runs of ``astream()`` and ``stream()``.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from langchain_streamkit.events import CancelReason, Event, TextDelta


class Frames(Protocol):
    """An encoder of one run, told all of its events in order, one way or the other."""

    def encode(self, events: Sequence[Event], /) -> bytes:
        """Return the bytes of a batch that is not empty; ``b""`` if none of it is shown."""
        ...

    def of_text(self, delta: TextDelta, /) -> Callable[[int, int, str, int | None], bytes]:
        """Return what encodes further deltas of the open block that ``delta`` belongs to.

        By seq, ts, text, which is valid Unicode, and tokens; to the bytes that ``encode`` returns.
        """
        ...


class AsyncRunLike(Protocol):
    """A run whose events are read on the event loop."""

    @property
    def run_id(self) -> str:
        """The id on all of its events."""
        ...

    async def started(self) -> None:
        """Return when the first event is ready; raise what keeps the run from beginning."""
        ...

    def batches(self) -> AsyncIterator[list[Event]]:
        """Yield all events that are ready, at least one, again and again to the terminal event.

        Never raises the run's own error.
        """
        ...

    def encoded(self, frames: Frames, /) -> AsyncIterator[bytes]:
        """Yield what ``frames`` makes of each batch, unless that is empty.

        The reader lives and dies with the run: a cancelled await of the next item, and the
        iterator's ``aclose()``, cancel the run with reason ``disconnect``.
        """
        ...

    async def cancel(self, reason: CancelReason = "user") -> None:
        """Ask the run to stop, before the first wait in here; return when it has ended."""
        ...


class RunLike(Protocol):
    """The same for plain code."""

    @property
    def run_id(self) -> str:
        """The id on all of its events."""
        ...

    def batches(self) -> Iterator[list[Event]]:
        """Yield all events that are ready, at least one, again and again to the terminal event."""
        ...

    def cancel(self, reason: CancelReason = "user") -> object:
        """Ask the run to stop; return when it has ended, or after a grace."""
        ...


def as_async_run(source: object) -> AsyncRunLike | None:
    """Return the source if it is a run to be read on an event loop, not just an iterable."""
    return cast("AsyncRunLike", source) if _is_run(source) and _is_async(source) else None


def as_sync_run(source: object) -> RunLike | None:
    """Return the source if it is a run for plain code, not just an iterable."""
    return cast("RunLike", source) if _is_run(source) and not _is_async(source) else None


def _is_run(source: object) -> bool:
    return all(hasattr(source, name) for name in ("run_id", "batches", "cancel"))


def _is_async(run: object) -> bool:
    # Not `__aiter__`: a run of the other kind may have it to say what to write instead.
    return inspect.iscoroutinefunction(getattr(run, "cancel", None))
