"""The short way of plain text: from a model's callback to its event, past most of the normaliser.

Nine of ten chunks of a run are a piece of text for the text block that is open. What the long way
(token, normaliser, assembler, draft, seal) would find out about each is found out once, when the
lane is opened. Guarantees the same events as the long way, in the same order; ``Lanes.token`` may
be called from any thread, one at a time for each model call, and never waits for another one.
"""

from __future__ import annotations

from collections import deque
from time import time_ns
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from langchain_streamkit.events import TextDelta
from langchain_streamkit.sources.signals import Token

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from langchain_streamkit.sources.assembler import MessageAssembler
    from langchain_streamkit.sources.block import Block
    from langchain_streamkit.sources.outbox import MessageWriter
    from langchain_streamkit.sources.pieces import Piece

_T = TypeVar("_T")
Framing: TypeAlias = "Callable[[int, int, str, int | None], bytes]"
"""Encodes a further delta of one block: its seq, ts, text and tokens."""

_STRIDE = 16
"""Unread pieces after which, each time, the queue is asked whether to join them."""


class TextFrames(Protocol):
    """An encoder that knows a shorter way for the deltas of one block."""

    def of_text(self, delta: TextDelta, /) -> Framing:
        """What encodes the deltas of the block that ``delta`` belongs to, now that it is open."""
        ...


class LaneQueue(Protocol):
    """The queue of signals of the run that a lane belongs to."""

    @property
    def lanes(self) -> Lanes:
        """Where callbacks find the lane."""
        ...

    def push(self, signal: TextLane, /) -> None:
        """Take the lane as the signal that text lies in it."""
        ...

    def tell_growth(self, pieces: int, /) -> None:
        """Told at times how many pieces, of some 60 bytes each, lie in one lane unread."""
        ...

    def text_writer(self, message_id: str, index: int) -> Callable[[str], object]:
        """What shows further text of a block in the run's snapshot."""
        ...


class TextLane:
    """One open text block of a model call. It is itself the signal that text lies in it: it is in
    the run's queue once, however many pieces are put before the reader comes.
    """

    __slots__ = (
        "_assembler",
        "_block",
        "_index",
        "_message_id",
        "_meter",
        "_outbox",
        "_path",
        "_show",
        "_step_id",
        "framing",
        "pieces",
        "queue",
        "queued",
        "run_id",
        "ts",
    )

    def __init__(
        self,
        run_id: UUID,
        assembler: MessageAssembler,
        block: Block,
        writer: MessageWriter,
        queue: LaneQueue,
    ) -> None:
        self.run_id = run_id
        self.ts = 0
        """When the first of the pieces that lie here was put, or text went past here to its reader
        for the last time; ms since the epoch.
        """
        self._assembler: MessageAssembler | None = assembler
        self._block = block
        self._meter = block.meter
        self._outbox = writer.outbox
        self._path = writer.path
        self._step_id = writer.step_id
        self._message_id = writer.message_id
        self._index = block.index
        self._show: Callable[[str], object] | None = None
        self.framing: Framing | None = None
        """What encodes the deltas of this block, once ``frame_with`` was called."""
        self.queue = queue
        self.pieces: deque[str] = deque()
        """What was put and not taken out yet."""
        self.queued = False
        """Whether the queue has been told of it."""

    def text(self) -> str:
        """Take out what was put, joined."""
        # The flag first: what is put from now on is told of anew, so that none is left behind.
        self.queued = False
        pieces = self.pieces
        if len(pieces) == 1:
            return pieces.popleft()
        parts: list[str] = []
        while pieces:
            parts.append(pieces.popleft())
        return "".join(parts)

    def close(self) -> None:
        """The message has ended: what lies here still, or is put later, comes too late."""
        self._assembler = None
        self.queue.lanes.drop(self)

    def draft(self, text: str) -> bool:
        """Let ``text`` go the long way, into drafts; False if it comes too late."""
        if self._assembler is None:
            return False
        self._assembler.text(text)
        return True

    @property
    def open(self) -> bool:
        """Whether its text can still go the short way."""
        return self._block.open

    def delta(
        self, text: str, ts: int, make: Callable[[int, int, str, int | None], _T]
    ) -> _T | None:
        """What ``make`` makes of the seq, ts, text and tokens of the delta of ``text``: ``event``,
        or what ``frame_with`` returned. None if there is nothing to show yet (half a character),
        or, with nothing done, if the lane is not ``open`` any more.

        Only to be called while no draft waits in the outbox.
        """
        block = self._block
        if not (text and block.open):
            return None
        if block.joiner is None and text.isascii():
            block.write(text)
        else:
            text = block.add(text)
            if not text:
                return None
        show = self._show
        if show is None:  # the start of the block has been shown by now
            show = self._show = self.queue.text_writer(self._message_id, self._index)
        show(text)
        outbox = self._outbox
        seq = outbox.seq = outbox.seq + 1
        if ts > outbox.ts:
            outbox.ts = ts
        else:
            ts = outbox.ts
        meter = self._meter
        return make(seq, ts, text, None if meter is None else meter.say(text))

    def event(self, seq: int, ts: int, text: str, tokens: int | None) -> TextDelta:
        """A delta of this block."""
        return TextDelta(
            seq=seq,
            run_id=self._outbox.run_id,
            ts=ts,
            path=self._path,
            step_id=self._step_id,
            message_id=self._message_id,
            index=self._index,
            text=text,
            tokens=tokens,
        )

    def frame_with(self, frames: TextFrames) -> Framing:
        """Let ``frames``, which have been told of the start of this block, encode its deltas."""
        framing = self.framing = frames.of_text(self.event(0, 0, "", None))
        return framing


class Lanes:
    """The open lanes of a run, or of all runs of a handler; ``token`` takes every chunk.

    Lanes are found by the identity of the run id that LangChain's run manager hands to each
    callback: hashing a UUID costs as much as the rest of the short way. ``long`` takes the chunks
    that have no lane, and may raise. ``guarded`` tells that every chunk has to pass ``token``.
    """

    guarded = False

    def __init__(self, long: Callable[[Token], None]) -> None:
        self._long = long
        self._lanes: dict[int, TextLane] = {}
        self._refusing = False

    def token(self, run_id: UUID, message_id: str | None, pieces: str | tuple[Piece, ...]) -> None:
        """Take what ``extract`` returned for a chunk."""
        lane = self._lanes.get(id(run_id))
        if lane is not None and lane.run_id is run_id:
            if type(pieces) is str:
                if pieces:
                    unread = lane.pieces
                    unread.append(pieces)
                    if not lane.queued:
                        lane.queued = True
                        lane.ts = time_ns() // 1_000_000
                        lane.queue.push(lane)
                    elif not len(unread) % _STRIDE:
                        lane.queue.tell_growth(len(unread))
                return
            # What is put after this must not join what lies there from before.
            self._lanes.pop(id(run_id), None)
        self._long(Token(time_ns() // 1_000_000, run_id, message_id, pieces))

    def find(self, run_id: UUID) -> TextLane | None:
        """The lane of this call, if it has one."""
        lane = self._lanes.get(id(run_id))
        return lane if lane is not None and lane.run_id is run_id else None

    def of(self, queue: LaneQueue) -> list[TextLane]:
        """The lanes whose text goes into ``queue``."""
        return [lane for lane in list(self._lanes.values()) if lane.queue is queue]

    def leave(self, queue: LaneQueue) -> None:
        """From now on, every chunk of the calls of ``queue``, which opens lanes elsewhere, goes the
        long way.
        """
        for lane in self.of(queue):
            self.drop(lane)

    def open(self, lane: TextLane) -> None:
        """From now on, the text of its call goes into this lane, which nobody has used before."""
        self._lanes[id(lane.run_id)] = lane
        if self._refusing:
            self._lanes.clear()

    def drop(self, lane: TextLane) -> None:
        """The lane is closed."""
        if self._lanes.get(id(lane.run_id)) is lane:
            self._lanes.pop(id(lane.run_id), None)

    def refuse(self, long: Callable[[Token], None]) -> None:
        """From now on, every chunk goes to ``long``."""
        self._long = long
        self._refusing = True
        self._lanes.clear()
