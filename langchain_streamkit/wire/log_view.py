"""The entries of a run's log as a view shows them: untouched, where it shows them whole.

Guarantees: what is shown after a position is what a reader from the beginning would have seen
there, however the log is cut into connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_streamkit.events import TERMINAL_TYPES, UnknownEventError, decode_event
from langchain_streamkit.wire.views import Projection, View

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from langchain_streamkit.log.position import Position
    from langchain_streamkit.log.tailing import Stretch

_TEXT: Final = b'{"type":"text.delta"'
_DELTAS: Final = (_TEXT, b'{"type":"reasoning.delta"', b'{"type":"tool_call.delta"')


class LogView:
    """One run's log, read from ``first(after)`` on.

    ``after`` is the position that the client has: what comes before is only learned from.
    """

    def __init__(
        self,
        view: View = "chat",
        *,
        metadata: Collection[str] = (),
        after: Position | None = None,
    ) -> None:
        projection = Projection(view, metadata=metadata)
        self._apply = projection.apply
        self._hidden = projection.hidden
        self._whole = view == "all"
        self._after = after
        self.ended = False
        """Whether the last entry seen was a terminal event."""

    @property
    def first(self) -> Position | None:
        """Where reading has to begin; None is the beginning."""
        return self._after if self._whole else None

    def shown(self, stretch: Stretch) -> Iterator[tuple[int, bytes]]:
        """Yield the number in the log and the JSON of each event that the view shows."""
        known_to = 0 if self._after is None else self._after.seq
        for seq, data in enumerate(stretch.data, stretch.first):
            known = seq <= known_to
            if known and data.startswith(_DELTAS):
                continue  # changes nothing that a view knows
            shown: bytes | None = data
            if self._hidden or not data.startswith(_TEXT):
                shown = self._seen(data)
            if shown is not None and not known:
                yield seq, shown

    def _seen(self, data: bytes) -> bytes | None:
        try:
            event = decode_event(data)
        except UnknownEventError:  # of a later version of this library
            return data if self._whole else None
        self.ended = event.type in TERMINAL_TYPES
        found = self._apply(event)
        if found is event:
            return data
        return None if found is None else found.to_json()
