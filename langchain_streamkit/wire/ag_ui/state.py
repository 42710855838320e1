"""The state of a graph as AG-UI shares it: once whole, then what changes.

Guarantees: after each event the client's state is what the graph's was, without the channel
``messages``, which goes by messages of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.wire.ag_ui.json_patch import difference

if TYPE_CHECKING:
    from collections.abc import Collection

    from langchain_streamkit.events import StateSnapshot
    from langchain_streamkit.wire.ag_ui.json_patch import Operation

MESSAGES: Final = "messages"
_REFUSED: Final = frozenset({"__proto__", "constructor", "prototype"})
"""Names in a path that the clients' JSON Patch refuses, and with it the whole patch."""


class SharedState:
    """The state of the root graph, as far as the client may see it.

    ``channels`` names what it may; True is all but ``messages``, False nothing.
    """

    def __init__(self, channels: Collection[str] | bool) -> None:  # noqa: FBT001
        self._channels = channels
        self._told: object = None
        self._begun = False

    def feed(self, event: StateSnapshot) -> list[dict[str, Any]]:
        """Return what to tell the client of this state; nothing of a subgraph's."""
        if event.path or self._channels is False:
            return []
        state = self._shown(event.values)
        was, begun = self._told, self._begun
        self._told, self._begun = state, True
        if not begun:
            return [{"type": "STATE_SNAPSHOT", "snapshot": state}]
        delta = difference(was, state)
        if any(_is_refused(operation) for operation in delta):
            return [{"type": "STATE_SNAPSHOT", "snapshot": state}]
        return [{"type": "STATE_DELTA", "delta": delta}] if delta else []

    def _shown(self, values: Any) -> object:
        if not isinstance(values, dict):
            return values if self._channels is True else {}
        given = cast("dict[str, Any]", values)
        if isinstance(self._channels, bool):
            return {name: value for name, value in given.items() if name != MESSAGES}
        return {name: value for name, value in given.items() if name in self._channels}


def _is_refused(operation: Operation) -> bool:
    """Whether it cannot be sent so; another document altogether is better sent as one."""
    return not operation["path"] or not _REFUSED.isdisjoint(operation["path"].split("/"))
