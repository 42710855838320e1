"""Whether code is called by a run itself: by one of its async sinks, or by its ``on_end``.

Such code must not be made to wait for the run to be done, since the run waits for it.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

_owner: ContextVar[object | None] = ContextVar("streamkit_owner", default=None)


def create_task_of(owner: object, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task in the running loop that counts, with all it starts, as called by ``owner``."""
    context = copy_context()
    context.run(_owner.set, owner)
    return asyncio.get_running_loop().create_task(work, context=context)


def called_by(owner: object) -> bool:
    """Whether the caller is work of ``owner``."""
    return _owner.get() is owner
