"""What goes on in threads after a run was stopped.

Python cannot stop a thread: a sync node or tool of a stopped run goes on to its end. Guarantees to
name and count those that are running now, by looking at what the worker threads are at.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from contextvars import Context
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import var_child_runnable_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

_WORK_ITEM = "_WorkItem"
"""What ``concurrent.futures.thread`` keeps a submitted call in while it runs."""


def cancel_text(run_id: str, reason: str, pending: Sequence[str]) -> str:
    """What the error of a cancelled run says; ``pending`` are the names of what still runs."""
    text = f"run {run_id} was cancelled ({reason})"
    return f"{text}; still running: {', '.join(pending)}" if pending else text


def still_running(router: object) -> list[str]:
    """Names of nodes and tools of the run of ``router`` that some executor thread is working on."""
    names: list[str] = []
    for config in _at_work():
        if any(one is router for one in _routers(config)):
            metadata: dict[str, Any] = config.get("metadata", {})
            names.append(
                str(metadata.get("langgraph_node") or config.get("run_name") or "a thread")
            )
    return names


def orphans() -> int:
    """How many threads are at work now for runs that have ended, as nothing could stop them.

    Of a call that a ``StreamCallbackHandler`` watches nobody can tell. Takes time for each thread
    of the process: for a metric, not for every request.
    """
    ended = [any(getattr(one, "ended", False) for one in _routers(c)) for c in _at_work()]
    return sum(ended) + sum(thread.is_alive() for thread in list(_left_behind))


def leave_behind(thread: threading.Thread) -> None:
    """The run of this thread has ended without it."""
    _left_behind.add(thread)


_left_behind: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def _at_work() -> Iterator[Any]:
    """LangChain's config of each call that an executor thread is working on."""
    for frame in sys._current_frames().values():  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        context = _context_of(frame)
        config: Any = context.get(var_child_runnable_config) if context is not None else None
        if config:
            yield config


def _routers(config: Any) -> Iterator[object]:
    """The runs of ours that the call belongs to."""
    for handler in getattr(config.get("callbacks"), "handlers", ()):
        yield getattr(handler, "router", None)


def _context_of(frame: FrameType | None) -> Context | None:
    """The context in which LangChain's ``run_in_executor`` runs what this thread is working on."""
    while frame is not None:
        item = frame.f_locals.get("self")
        if type(item).__name__ == _WORK_ITEM:
            call = getattr(item, "fn", None)
            if isinstance(call, functools.partial):
                context = getattr(call.func, "__self__", None)
                return context if isinstance(context, Context) else None
        frame = frame.f_back
    return None
