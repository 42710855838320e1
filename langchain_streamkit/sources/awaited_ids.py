"""Messages that a node returned without an id, until the reducer of their graph has given them one.

Guarantees: the ids of a node's messages are told once, in the order in which nodes returned them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from langchain_streamkit.sources.node_output import PendingIds
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import StoredIds

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.signals import AnySignal

Namespace: TypeAlias = tuple[str, ...]


class AwaitedIds:
    """What the graphs of one run have yet to name; truthy while there is something."""

    __slots__ = ("_pending", "_push")

    def __init__(self, push: Callable[[AnySignal], None]) -> None:
        self._push = push
        self._pending: dict[Namespace, list[PendingIds]] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    def wait(
        self, namespace: Namespace, run_id: UUID, messages: list[BaseMessage], step: object
    ) -> None:
        """The run has returned ``messages`` in a step of the graph at ``namespace``."""
        self._pending.setdefault(namespace, []).append(PendingIds(run_id, messages, step))

    def stored(self, namespace: Namespace, state: object, *, unless_step: object = None) -> None:
        """The reducer of a graph has left ``state``; what was returned in ``unless_step`` is not in
        it yet.
        """
        for entry in self._pending.pop(namespace, []):
            if unless_step is not None and entry.step == unless_step:
                self._pending.setdefault(namespace, []).append(entry)
                continue
            self._push(StoredIds(now_ms(), entry.run_id, entry.ids(state)))
