"""Exceptions that are no failures: interrupts, hand-offs and stops.

Told apart by class name along the MRO, so that nothing of LangGraph has to be imported.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import CancelReason, StepOutcome


class StopRun(BaseException):
    """Raised inside callbacks of a run that was told to stop.

    Not an ``Exception``, so that fallbacks, retries, tools and ``except Exception`` in user code
    let it through, and LangChain does not log it as a handler's error.
    """


class LeftBehind(Exception):
    """Stands for the exception of a run that a source did not see end.

    ``outcome`` is how the run must have ended, ``interrupts`` those it raised, ``update`` what it
    handed to another graph.
    """

    def __init__(
        self, outcome: StepOutcome, *, interrupts: Sequence[Any] = (), update: Any = None
    ) -> None:
        super().__init__(outcome)
        self.outcome: StepOutcome = outcome
        self.interrupts = list(interrupts)
        self.update = update


def handed_over(error: BaseException) -> Any:
    """What a node handed to another graph when it was left by ``error``: an update, a command."""
    if isinstance(error, LeftBehind):
        return error.update
    return error.args[0] if type(error).__name__ == "ParentCommand" and error.args else None


def outcome_of(error: BaseException) -> StepOutcome | None:
    """How a step ended that raised ``error``; None when that is a failure.

    ``GraphBubbleUp`` is LangGraph's base of everything that leaves a node on purpose
    (``langgraph/errors.py``); ``ParentCommand`` among it hands control to another graph.
    """
    if isinstance(error, LeftBehind):
        return error.outcome
    names = {cls.__name__ for cls in type(error).__mro__}
    if "ParentCommand" in names:
        return "handed_off"
    if "GraphDrained" in names:
        return "cancelled"
    if "GraphBubbleUp" in names:
        return "suspended"
    if isinstance(error, asyncio.CancelledError | StopRun | GeneratorExit | KeyboardInterrupt):
        return "cancelled"
    return None


def stop_reason_of(error: BaseException) -> CancelReason:
    """Why a run was stopped that ended with ``error``, where nobody else says so.

    ``GraphDrained`` is what LangGraph raises after the step in which its ``RunControl`` was asked
    to drain the run, which is for the end of a process.
    """
    return "shutdown" if type(error).__name__ == "GraphDrained" else "user"


def interrupts_of(error: BaseException) -> list[Any]:
    """The ``Interrupt`` objects a ``GraphInterrupt`` carries, else nothing."""
    if isinstance(error, LeftBehind):
        return error.interrupts
    if type(error).__name__ not in ("GraphInterrupt", "NodeInterrupt") or not error.args:
        return []
    carried: Any = error.args[0]
    if not isinstance(carried, list | tuple):
        return []
    return [one for one in cast("list[Any]", carried) if hasattr(one, "id")]
