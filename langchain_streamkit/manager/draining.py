"""The end of a process: told by its signals, without taking them from the server."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Final

from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.sources.langgraph import langgraph_loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from langchain_core.runnables import Runnable

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def on_signal(told: Callable[[], None]) -> Callable[[], None]:
    """Call ``told``, in the main thread between any two steps, when the process is asked to end.

    Only where somebody handles that signal already (a server has installed its handler when its
    lifespan begins), who is called after ``told``. Returns what undoes it; outside the main thread,
    where no handler can be installed, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    ours: dict[signal.Signals, tuple[Any, Any]] = {}
    for number in SIGNALS:
        before = signal.getsignal(number)
        if callable(before) and before is not signal.default_int_handler:
            handler = _both(told, before)
            signal.signal(number, handler)
            ours[number] = handler, before

    def undo() -> None:
        for number, (handler, before) in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, before)

    return undo


def _both(
    told: Callable[[], None], before: Callable[[int, FrameType | None], Any]
) -> Callable[[int, FrameType | None], None]:
    def handler(number: int, frame: FrameType | None) -> None:
        told()
        before(number, frame)

    return handler


class Drain:
    """How a graph's run is asked to stop after its present step (LangGraph's ``RunControl``)."""

    def __init__(self, control: Any) -> None:
        self.call: dict[str, Any] = {"control": control}
        """Keyword arguments of the graph's call."""
        self._control = control

    def request(self) -> None:
        """Ask for it; from any thread."""
        self._control.request_drain("shutdown")


def drain_of(runnable: Runnable[Any, Any]) -> Drain | None:
    """Return what drains one run of ``runnable``; None if that is no graph of LangGraph."""
    if not langgraph_loaded():
        return None
    from langgraph.pregel import Pregel  # pyright: ignore[reportMissingTypeStubs]
    from langgraph.runtime import RunControl

    return Drain(RunControl()) if isinstance(unwrapped(runnable), Pregel) else None
