"""Clocks that are turned by hand, and models that go on when they are told to."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from langchain_streamkit.testing import ScriptedModel
from tests.runs.watching import aeventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import Event


class Hands:
    """A time that stands still unless it is turned; steps are taken when they are due."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tickers: list[TurnedTicker] = []

    def __call__(self) -> float:
        return self.now

    def ticker(self, step: Callable[[], float | None]) -> TurnedTicker:
        made = TurnedTicker(self, step)
        self.tickers.append(made)
        return made

    def turn(self, seconds: float) -> None:
        """Let the time pass."""
        target = self.now + seconds
        while due := [one for one in self.tickers if one.due is not None and one.due <= target]:
            first = min(due, key=lambda one: one.due or 0.0)
            self.now = first.due or self.now
            first.take()
        self.now = target

    @property
    def running(self) -> int:
        """How many timers there are."""
        return sum(one.due is not None for one in self.tickers)


class TurnedTicker:
    """Stands for ``Ticker``."""

    def __init__(self, hands: Hands, step: Callable[[], float | None]) -> None:
        self._hands = hands
        self._step = step
        self.due: float | None = None
        self.starts = 0
        self.steps = 0

    def start(self, seconds: float, loop: asyncio.AbstractEventLoop | None, name: str) -> None:
        self.starts += 1
        self.due = self._hands.now + seconds

    def stop(self) -> None:
        self.due = None

    def take(self) -> None:
        self.steps += 1
        self.due = None
        seconds = self._step()
        if seconds is not None:
            self.due = self._hands.now + seconds


class Gated:
    """A model that says its pieces one by one, each when it is let."""

    def __init__(self, *pieces: Any) -> None:
        self.said = 0
        self._let = 0
        script: list[Any] = []
        for number, piece in enumerate(pieces, 1):
            script += [_Gate(self, number), piece]
        script.append(_Gate(self, len(pieces) + 1))
        self.model = ScriptedModel([script], cycle=True)

    def let(self, upto: int) -> bool:
        """Whether a piece may be said; asked for until it may."""
        self.said = max(self.said, upto - 1)
        return self._let >= upto

    async def go_on(self, pieces: int = 1) -> None:
        """Let it say the next pieces; returns when it has said them, in a later millisecond."""
        self.may_say(pieces)
        await aeventually(lambda: self.said >= self._let, "the model has said its piece")
        began = time.time_ns() // 1_000_000
        await aeventually(lambda: time.time_ns() // 1_000_000 > began, "time passes")

    def may_say(self, pieces: int = 1) -> None:
        """Let it say the next pieces, when it is asked."""
        self._let += pieces


class _Gate:
    def __init__(self, gated: Gated, number: int) -> None:
        self._gated = gated
        self._number = number

    def is_set(self) -> bool:
        return self._gated.let(self._number)


class Reading:
    """A run that is read by a task of its own."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.events: list[Event] = []
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.run:
            self.events.append(event)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    async def saw(self, kind: str, times: int = 1) -> None:
        """Wait until so many events of a type have come."""
        await aeventually(lambda: self.types.count(kind) >= times, f"{times} {kind}")

    async def end(self) -> Any:
        """The terminal event, once it is there."""
        await self._task
        return self.events[-1]
