"""The short way of a plain token: an open text block, straight to its event.

Nine of ten signals of a run are a piece of ASCII text for the text block that is open. What the
long way (normaliser, assembler, draft, seal) would find out about each is found out once here.
Guarantees the same event the long way makes, or None and nothing done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from langchain_streamkit.sources.assembler import MessageAssembler
    from langchain_streamkit.sources.block import Block
    from langchain_streamkit.sources.outbox import MessageWriter, Outbox
    from langchain_streamkit.sources.signals import Token

_MAX_LANES = 64
"""Model calls whose lanes are kept; more than that are not streaming at the same time."""


class TextLane:
    """One open text block; ``show`` takes the text for the snapshot."""

    __slots__ = (
        "_assembler",
        "_block",
        "_index",
        "_message_id",
        "_outbox",
        "_path",
        "_show",
        "_step_id",
        "_write",
        "run_id",
    )

    def __init__(
        self,
        run_id: UUID,
        assembler: MessageAssembler,
        block: Block,
        writer: MessageWriter,
        show: Callable[[str], object],
    ) -> None:
        self.run_id = run_id
        self._assembler = assembler
        self._block = block
        self._write = block.write
        self._show = show
        self._outbox = writer.outbox
        self._path = writer.path
        self._step_id = writer.step_id
        self._message_id = writer.message_id
        self._index = block.index

    def event(self, text: str, ts: int) -> TextDelta | None:
        """The delta of ``text``; None if the block is not open any more, or the text not plain.

        Only to be called while no draft waits in the outbox.
        """
        block = self._block
        if (
            self._assembler.open_text is not block
            or block.joiner is not None
            or not text
            or not text.isascii()
        ):
            return None
        self._write(text)
        self._show(text)
        outbox = self._outbox
        outbox.seq += 1
        if ts > outbox.ts:  # noqa: PLR1730 -- max() would cost three times that, per token
            outbox.ts = ts
        return TextDelta(
            seq=outbox.seq,
            run_id=outbox.run_id,
            ts=outbox.ts,
            path=self._path,
            step_id=self._step_id,
            message_id=self._message_id,
            index=self._index,
            text=text,
        )


class Lanes:
    """The lanes of one run's model calls, found by the identity of their run id: hashing a UUID
    costs as much as the rest of the short way.
    """

    def __init__(self, make: Callable[[UUID], TextLane | None], outbox: Outbox) -> None:
        self._make = make
        self._outbox = outbox
        self._lanes: dict[int, TextLane] = {}

    def open(self, run_id: UUID) -> None:
        """A token of this call went the long way: from now on they go the short way."""
        lane = self._make(run_id)
        if lane is None:
            return
        if len(self._lanes) >= _MAX_LANES:
            self._lanes.clear()
        self._lanes[id(lane.run_id)] = lane

    def find(self, run_id: UUID) -> TextLane | None:
        """The lane of this call, if it has one."""
        lane = self._lanes.get(id(run_id))
        return lane if lane is not None and lane.run_id is run_id else None

    def express(self, token: Token) -> TextDelta | None:
        """The event of a plain token; None when it, or what waits before it, needs more."""
        lane = self._lanes.get(id(token.run_id))
        if lane is None or lane.run_id is not token.run_id or self._outbox.drafts:
            return None
        text = token.pieces
        event = lane.event(text, token.ts) if type(text) is str else None
        if event is None:
            del self._lanes[id(token.run_id)]
        return event
