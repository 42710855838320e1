"""Whether code is called by a run itself: by one of its async sinks, by its ``on_end``, or by what
it runs (nodes, tools, callbacks).

The first two must not be made to wait for the run to be done, and the last for anything more of the
run at all, since the run waits for them.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

_owner: ContextVar[object | None] = ContextVar("streamkit_owner", default=None)
_work_of: ContextVar[frozenset[str]] = ContextVar("streamkit_work_of", default=frozenset())
"""Ids of the runs whose own work this is: a run may be made inside another."""


def create_task_of(owner: object, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task in the running loop that counts, with all it starts, as called by ``owner``."""
    context = copy_context()
    context.run(_owner.set, owner)
    return asyncio.get_running_loop().create_task(work, context=context)


async def awaited(answer: Awaitable[Any]) -> None:
    """Await it: a task is made of coroutines alone."""
    await answer


def begin_work(run_id: str) -> None:
    """From here on this task or thread, with all it starts, is the work of the run."""
    _work_of.set(_work_of.get() | {run_id})


def is_work_of(run_id: str) -> bool:
    """Whether the caller is what the run runs."""
    return run_id in _work_of.get()


def waits_for_itself(run_id: str) -> str:
    """What to say to the run's own code that would wait for more of the run."""
    return (
        f"this is called by run {run_id} itself, which goes on only when it returns: it would wait"
        " for itself; read the view beside the run, or give the run a sink"
    )


def called_by(owner: object) -> bool:
    """Whether the caller is work of ``owner``."""
    return _owner.get() is owner
