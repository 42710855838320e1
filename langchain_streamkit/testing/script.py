"""A script: turns handed out one by one, to a scripted model or provider.

Guarantees: one turn goes to one call, in order of the calls, also when they come from many threads;
the script never changes while it is played, and what cannot be played is refused when it is made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from langchain_streamkit.errors import StreamError
from langchain_streamkit.testing.turns import ScriptError, Turn, as_turn

T = TypeVar("T")


class ScriptExhausted(StreamError):
    """More calls came than the script has turns."""


class Script(Generic[T]):
    """Hands out turns, one to each call, and keeps the records of the calls in the same order.

    Thread-safe. Raises ScriptError when made of something that is no script.
    """

    def __init__(self, turns: object, *, cycle: bool, owner: str) -> None:
        self._cycle = cycle
        self._owner = owner
        self._lock = threading.Lock()
        self._taken: list[T] = []
        self._forever = cast("Callable[[Any], object]", turns) if callable(turns) else None
        self._turns: tuple[Turn | Callable[[Any], object], ...] = ()
        if self._forever is None:
            if isinstance(turns, str) or not isinstance(turns, Sequence):
                raise ScriptError(
                    f"{owner} takes a list of turns, or one function; write {owner}([{turns!r}])"
                )
            self._turns = tuple(
                turn if callable(turn) else as_turn(turn)
                for turn in cast("Sequence[object]", turns)
            )

    @property
    def taken(self) -> tuple[T, ...]:
        """The records of the calls so far, in order."""
        with self._lock:
            return tuple(self._taken)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that are known beforehand."""
        return tuple(turn for turn in self._turns if isinstance(turn, Turn))

    def take(self, record: T, argument: object) -> Turn:
        """The turn of this call; functions among the turns are called with ``argument``.

        Raises ScriptExhausted when there is none left, ScriptError when a function returns no turn.
        """
        with self._lock:
            number = len(self._taken)
            self._taken.append(record)
        if self._forever is not None:
            return as_turn(self._forever(argument))
        total = len(self._turns)
        if number >= total and not (self._cycle and total):
            raise ScriptExhausted(
                f"call {number + 1} of {self._owner}, but its script has {total} turns; "
                "add a turn or pass cycle=True"
            )
        turn = self._turns[number % total]
        return turn if isinstance(turn, Turn) else as_turn(turn(argument))
