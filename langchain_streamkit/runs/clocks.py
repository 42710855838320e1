"""The clocks of one run: which of them has run out, and when to look again.

Sans-IO: the time is given, in seconds of a clock that never jumps. Guarantees: no clock is early;
``idle`` is at most a sixteenth late; while nobody asks a stream that is read on demand, silence is
not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.errors import RunTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.errors import TimeoutKind
    from langchain_streamkit.runs.hearing import Hearing
    from langchain_streamkit.runs.timeout import Timeout

_LOOKS = 16
"""How often it is looked, in the time of a clock, whether there was a sign of life."""
_SHORTEST_S = 0.001


class Clocks:
    """The clocks of a ``Timeout``, from ``begin`` on."""

    def __init__(self, timeout: Timeout, hearing: Hearing) -> None:
        self.asked: Callable[[], bool] = _always
        """Whether it is the run that is waited for, and not its reader."""
        self._timeout = timeout
        self._hearing = hearing
        self._began = 0.0
        self._silent_since = 0.0
        self._spoke = False

    def begin(self, now: float) -> float:
        """The run starts; returns the seconds until the first ``look``."""
        self._began = self._silent_since = now
        return self._wait(now) or 0.0

    def look(self, now: float) -> TimeoutKind | float | None:
        """Return the clock that has run out, or the seconds until the next look; None: no more."""
        total, spoke, news = self._timeout.total, self._hearing.spoke, self._hearing.news()
        if total is not None and now - self._began >= total:
            return "total"
        if not self.asked() or spoke != self._spoke or (spoke and news):
            self._spoke = spoke
            self._silent_since = now
        silence = self._silence
        if silence is not None and now - self._silent_since >= silence:
            return "idle" if spoke else "first_token"
        return self._wait(now)

    @property
    def _silence(self) -> float | None:
        """The longest silence that is allowed now."""
        return self._timeout.idle if self._spoke else self._timeout.first_token

    def _wait(self, now: float) -> float | None:
        waits: list[float] = []
        if self._timeout.total is not None:
            waits.append(self._began + self._timeout.total - now)
        if (silence := self._silence) is not None:
            waits += [self._silent_since + silence - now, silence / _LOOKS]
        if self._timeout.idle is not None:
            waits.append(self._timeout.idle / _LOOKS)
        return max(min(waits), _SHORTEST_S) if waits else None


def timed_out(kind: TimeoutKind, timeout: Timeout, run_id: str) -> RunTimeout:
    """What the run is ended with, of which this clock has run out."""
    match kind:
        case "total":
            said = f"it took longer than {timeout.total:g} s"
        case "first_token":
            said = f"no model has said anything within {timeout.first_token:g} s"
        case "idle":
            said = f"nothing came for {timeout.idle:g} s"
    return RunTimeout(f"run {run_id} was stopped: {said}", kind=kind, run_id=run_id)


def _always() -> bool:
    return True
