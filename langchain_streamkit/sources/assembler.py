"""Pieces of one message in, its block events out.

Guarantees: every block that starts finishes once; indices are 0, 1, 2 … in order of start; joined
deltas are the final text, joined argument deltas parse to the final arguments; no text is lost or
doubled, whatever is streamed and whatever only the final message has; nothing raises on content.
Pure: no clock, no ids but from ``mint``, no other state.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from langchain_streamkit import events as ev
from langchain_streamkit.sources.block import Block, BlockKind, Emit
from langchain_streamkit.sources.calls import Calls, parse_args
from langchain_streamkit.sources.endings import Ending, FinishedCall, finish_reason, newer
from langchain_streamkit.sources.parts import Partial, type_of
from langchain_streamkit.sources.pieces import (
    MetaPiece,
    ReasoningPiece,
    TextPiece,
    ToolPiece,
    UsagePiece,
    WholeBlock,
    whole_pieces,
)
from langchain_streamkit.sources.reconcile import missing
from langchain_streamkit.sources.usage import UsageTally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.calls import Call
    from langchain_streamkit.sources.pieces import Key, Piece
    from langchain_streamkit.sources.usage import TokenCounts
    from langchain_streamkit.tokens.message_meter import MessageMeter

__all__ = ["Block", "Emit", "Ending", "FinishedCall", "MessageAssembler", "whole_message"]


class MessageAssembler:
    """Assembles one message. ``mint`` returns a new tool call id each time it is called, ``meter``
    counts the tokens.

    One text or reasoning block is open at a time; tool calls stay open until the message ends.
    After ``finish`` or ``abort`` nothing may be fed.
    """

    def __init__(
        self, emit: Emit, mint: Callable[[], str], meter: MessageMeter | None = None
    ) -> None:
        self._emit = emit
        self.meter = meter
        self._delta = emit.delta
        self._mint = mint
        self._next = 0
        self._open: Block | None = None
        self.open_text: Block | None = None  # the open block if it is one of text
        self._partial: Partial | None = None
        self._calls = Calls()
        self._blocks: list[Block] = []  # of text and reasoning, open and finished
        self._whole: Counter[str] = Counter()
        self._last_whole: dict[Key, dict[str, Any]] = {}
        self._tally = UsageTally()
        self._meta = MetaPiece(None, None, None, {})

    @property
    def usage(self) -> TokenCounts | None:
        """The provider's counts so far, ``None`` if it has not sent any."""
        return self._tally.counts

    @property
    def raw_finish_reason(self) -> str | None:
        return self._meta.finish_reason

    @property
    def model(self) -> str | None:
        """The model's name as the answer states it."""
        return self._meta.model

    @property
    def text_so_far(self) -> str:
        """The visible text of all blocks, joined."""
        return self._joined("text")

    @property
    def extent(self) -> int:
        """How much has been shown: grows with every delta and every other block."""
        called = [call.block for call in self._calls.all if call.block is not None]
        shown = sum(block.parts.tell() for block in [*self._blocks, *called])
        return shown + self._whole.total()

    def text(self, piece: str) -> None:
        """Feed a piece of plain text; same as a ``TextPiece`` without a key."""
        if not piece:
            return
        block = self.open_text or self._start("text", None)
        if block.joiner is not None or not piece.isascii():
            piece = block.add(piece)
            if not piece:
                return
        else:
            block.write(piece)
        self._delta(block, piece)

    def feed(self, pieces: Iterable[Piece]) -> None:
        """Feed what ``extract`` returned for one chunk."""
        for piece in pieces:
            if isinstance(piece, (TextPiece, ReasoningPiece)):
                self._feed_text(piece)
            elif isinstance(piece, ToolPiece):
                self._feed_call(self._calls.find(piece), piece)
            elif isinstance(piece, WholeBlock):
                self._feed_whole(piece)
            elif isinstance(piece, UsagePiece):
                self._tally.add(piece.counts)
            else:
                self._meta = newer(self._meta, piece)

    def finish(self, final: BaseMessage | None) -> Ending:
        """Close every block, after adding what only the ``final`` message has.

        Text or reasoning that the final message continues is completed; where it says something
        else than was streamed, what was streamed stands. Tool calls are matched by id, then by
        name.
        """
        if final is not None:
            self._reconcile(whole_pieces(final))
        self._close_open()
        calls = tuple([self._finish_call(call) for call in self._calls.all])
        raw, model, provider, metadata = self._meta
        reason = finish_reason(raw, has_calls=bool(calls))
        return Ending(reason, raw, model, provider, metadata, self.usage, self.text_so_far, calls)

    def abort(self) -> None:
        """Close the open blocks with what there is; what has not started never does."""
        self._partial = None
        self._close_open()
        for call in self._calls.all:
            if call.block is not None:
                self._finish_call(call)

    # ---- text and reasoning ------------------------------------------------------------------

    def _start(self, kind: BlockKind, key: Key) -> Block:
        self._close_open()
        block = self._block(kind, key)
        self._blocks.append(block)
        self._open = block
        if kind == "text":
            self.open_text = block
        self._emit.event(
            ev.TextStarted if kind == "text" else ev.ReasoningStarted, index=block.index
        )
        return block

    def _feed_text(self, piece: TextPiece | ReasoningPiece) -> None:
        kind: BlockKind = "text" if isinstance(piece, TextPiece) else "reasoning"
        annotations = piece.annotations if isinstance(piece, TextPiece) else ()
        block = self._open
        if block is None or block.kind != kind or not self._continues(block, piece):
            if not piece.text and not annotations and self._is_moot(kind, piece):
                return
            block = self._start(kind, piece.key)
        block.annotations += annotations
        block.note(piece.extras)
        shown = block.add(piece.text)
        if shown:
            self._delta(block, shown)

    def _continues(self, block: Block, piece: TextPiece | ReasoningPiece) -> bool:
        if piece.key is None or piece.key == block.key:
            return True
        if piece.text:
            return False
        # A signature may come late, when the next block of the same thought is open already
        late = block.kind == "reasoning" and self._has_had(block.kind, piece.key)
        return late or block.key is None

    def _is_moot(self, kind: str, piece: TextPiece | ReasoningPiece) -> bool:
        """Whether a piece without text is not worth a block of its own."""
        if not piece.extras:
            return True
        if not self._has_had(kind, piece.key):
            return False
        return kind == "text" or piece.extras.keys() <= {"id", "status"}

    def _has_had(self, kind: str, key: Key) -> bool:
        return any(b.key == key for b in self._blocks if b.kind == kind)

    def _joined(self, kind: str) -> str:
        return "".join([b.text for b in self._blocks if b.kind == kind])

    def _close_open(self) -> None:
        partial, self._partial = self._partial, None
        if partial is not None:
            self._add_whole(partial.key, partial.whole())
        block, self._open, self.open_text = self._open, None, None
        if block is None:
            return
        block.open = False
        rest = block.end()
        if rest:
            self._delta(block, rest)
        self._emit.event(
            ev.TextFinished if block.kind == "text" else ev.ReasoningFinished,
            index=block.index,
            text=block.text,
            annotations=tuple(block.annotations),
            extras=block.extras,
        )

    # ---- tool calls --------------------------------------------------------------------------

    def _feed_call(self, call: Call, piece: ToolPiece) -> None:
        call.label(piece)
        args = piece.args
        if isinstance(args, dict):
            args = "" if call.has_args else json.dumps(args, ensure_ascii=False)
        shown = call.add(args) if args else ""
        if call.block is None:
            if call.name and call.id:
                self._start_call(call, call.name, call.id)
        elif shown:
            self._delta(call.block, shown)

    def _start_call(self, call: Call, name: str, tool_call_id: str) -> Block:
        self._close_open()
        block = call.block = self._block("tool_call", call.key, tool_call_id)
        self._emit.event(
            ev.ToolCallStarted, index=block.index, tool_call_id=tool_call_id, name=name
        )
        shown = block.add("".join(call.early))
        call.early.clear()
        if shown:
            self._delta(block, shown)
        return block

    def _finish_call(self, call: Call) -> FinishedCall:
        name = call.name = call.name or ""
        block = call.block or self._start_call(call, name, call.id or self._mint())
        rest = block.end()
        if not call.has_args:
            rest = block.add("{}")  # so that the joined deltas are JSON
        if rest:
            self._delta(block, rest)
        args, invalid = parse_args(block.text)
        self._emit.event(
            ev.ToolCallFinished,
            index=block.index,
            tool_call_id=block.tool_call_id,
            name=name,
            args=args,
            invalid=invalid,
            extras=call.extras,
        )
        return FinishedCall(block.tool_call_id, name, args)

    # ---- other blocks ------------------------------------------------------------------------

    def _feed_whole(self, piece: WholeBlock) -> None:
        partial = self._partial
        if partial is not None and partial.key == piece.key:
            partial.add(piece.block)
        elif Partial.may_continue(piece):
            self._close_open()
            self._partial = Partial(piece)
        elif piece.key is None or self._last_whole.get(piece.key) != piece.block:
            self._close_open()
            self._add_whole(piece.key, piece.block)

    def _add_whole(self, key: Key, block: dict[str, Any]) -> None:
        self._whole[type_of(block)] += 1
        self._last_whole[key] = block
        self._emit.event(ev.ContentAdded, index=self._take_index(), block=block)

    def _block(self, kind: BlockKind, key: Key, tool_call_id: str = "") -> Block:
        block = Block(kind, self._take_index(), key, tool_call_id)
        if self.meter is not None:
            block.meter = self.meter.block()
        return block

    def _take_index(self) -> int:
        index = self._next
        self._next += 1
        return index

    # ---- the final message -------------------------------------------------------------------

    def _reconcile(self, final: tuple[Piece, ...]) -> None:
        if self._partial is not None:
            self._close_open()
        counted = self.usage is not None
        for piece in final:
            if isinstance(piece, MetaPiece):
                self._meta = newer(piece, self._meta)
            elif isinstance(piece, UsagePiece) and not counted:
                self._tally.add(piece.counts)
        content = [p for p in final if not isinstance(p, (MetaPiece, UsagePiece))]
        texts, thoughts = self._joined("text"), self._joined("reasoning")
        for call, piece in missing(content, texts, thoughts, self._calls, self._whole):
            block = self._open
            if block is not None and isinstance(piece, (TextPiece, ReasoningPiece)):
                block.joiner = None  # the final text has the character that was cut in half
            if call is not None and isinstance(piece, ToolPiece):
                self._feed_call(call, piece)
            else:
                self.feed((piece,))


def whole_message(emit: Emit, message: BaseMessage, mint: Callable[[], str]) -> Ending:
    """Emit all blocks of a message that was not streamed, of any role."""
    return MessageAssembler(emit, mint).finish(message)
