"""AG-UI 1.0, which CopilotKit and other front ends read: a run as its stream of events.

Protocol: https://docs.ag-ui.com/concepts/events, read by the packages ``@ag-ui/client`` (npm) and
``ag-ui-protocol`` (PyPI).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import ReasoningDelta, TextDelta, ToolCallDelta
from langchain_streamkit.wire.ag_ui.frames import frame
from langchain_streamkit.wire.ag_ui.run import AgUiRun
from langchain_streamkit.wire.sse import OK, PING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.ag_ui.request import AgUiRequest


class AgUiEncoder:
    """Makes the AG-UI events of one run; an ``Encoder`` (see ``wire/protocol.py``).

    ``request`` is what the client asked with: its ids are those of the run, and its messages the
    beginning of each ``MESSAGES_SNAPSHOT``, which would take away what it does not name. One is
    sent before the end, and as soon as something that was said is void. Without a request, the ids
    are the run's own, and the snapshot has what was said in it.

    ``state`` says what the client gets of the graph's state, if the run captures it: True is every
    channel but ``messages``, False nothing, else the names of channels.

    Raises ``StreamUsageError`` for a state that is one string.
    """

    media_type = "text/event-stream"
    headers: Mapping[str, str] = {}
    ping = PING

    def __init__(
        self, request: AgUiRequest | None = None, *, state: Collection[str] | bool = True
    ) -> None:
        if isinstance(state, str):
            raise StreamUsageError(f"state takes a list of channels; write state=[{state!r}]")
        self._run = AgUiRun(request, state)

    def opening(self) -> bytes:
        """Return what is sent before the first event."""
        return OK

    def encode(self, event: Event, /) -> list[bytes]:
        """Return the frames of one event; after the terminal event's, nothing follows."""
        if isinstance(event, (TextDelta, ReasoningDelta, ToolCallDelta)):
            piece = self._run.pieces.get((event.message_id, event.index))
            if piece is None:
                return []
            return [piece.frame(event.args if isinstance(event, ToolCallDelta) else event.text)]
        return [frame(told) for told in self._run.feed(event)]

    def of_text(self, delta: TextDelta, /) -> Callable[[int, int, str, int | None], bytes]:
        """Return what makes the frames of further deltas of the open block of ``delta``; see
        ``TextEncoder``.
        """
        piece = self._run.pieces.get((delta.message_id, delta.index))
        return _unsaid if piece is None else piece.of_text()

    def broken_off(self, code: str, message: str, /) -> list[bytes]:
        """Return the frame that says that no more can be had."""
        return [frame(told) for told in self._run.broken_off(code, message)]


def _unsaid(_seq: int, _ts: int, _text: str, _tokens: int | None) -> bytes:
    """The frame of text that the client is not told of as it streams."""
    return b""
