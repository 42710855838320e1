"""The signs of life of a run with clocks: what feeds them, and what does not.

Guarantees: only what the run itself does is heard, never a diagnostic, an empty chunk or one that
tells nothing but usage; hearing costs nothing for text that lies in a lane, whose own time tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage

from langchain_streamkit.sources.pieces import MetaPiece, UsagePiece, whole_pieces
from langchain_streamkit.sources.signals import ChainEnd, MessagesSeen, ModelEnd, Note, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.lane import LaneQueue, TextLane
    from langchain_streamkit.sources.pieces import Piece
    from langchain_streamkit.sources.signals import AnySignal


class Hearing:
    """Listens to the signals of one run on their way to ``queue``; from any thread."""

    def __init__(self, queue: LaneQueue, push: Callable[[AnySignal], None]) -> None:
        self._queue = queue
        self._push = push
        self._last = 0
        """The time of the last sign; only whether it changes counts."""
        self._asked_at = 0
        """What that was when it was asked for last."""
        self._texts: dict[TextLane, tuple[int, int]] = {}
        self.spoke = False
        """Whether a model has given a sign, or a message of its kind was there."""

    def push(self, signal: AnySignal) -> None:
        """Hear a signal, and pass it on."""
        if isinstance(signal, Token):
            if _is_sign(signal.pieces):
                self._last = signal.ts
                self.spoke = True
        elif not isinstance(signal, Note):
            self._last = signal.ts
            if not self.spoke:
                self.spoke = any(_is_sign(whole_pieces(one)) for one in _answers(signal))
        self._push(signal)

    def news(self) -> bool:
        """Whether there was a sign of life since this was asked last."""
        last, self._asked_at = self._asked_at, self._last
        # A lane's time is that of its first unread piece: it stands still where nobody reads.
        texts = {lane: (lane.ts, len(lane.pieces)) for lane in self._queue.lanes.of(self._queue)}
        before, self._texts = self._texts, texts
        return last != self._asked_at or any(
            _grew(before.get(lane, _NOTHING), now) for lane, now in texts.items()
        )


_NOTHING = (0, 0)


def _grew(before: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether text was put into a lane between two times and lengths of what lay there."""
    return now[0] != before[0] or now[1] > before[1]


def _is_sign(pieces: str | tuple[Piece, ...]) -> bool:
    """Whether a chunk shows anything of its answer."""
    if isinstance(pieces, str):
        return bool(pieces)
    return any(not isinstance(piece, UsagePiece | MetaPiece) for piece in pieces)


def _answers(signal: AnySignal) -> Iterable[BaseMessage]:
    """The whole messages of a model that a signal brings."""
    if isinstance(signal, ModelEnd):
        return () if signal.message is None else (signal.message,)
    if isinstance(signal, ChainEnd | MessagesSeen):
        return (one for one in signal.messages if isinstance(one, AIMessage))
    return ()
