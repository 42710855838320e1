"""Events that are made but not yet read: deltas merge, order stays, numbers come last.

Guarantees: drafts leave in the order they were put in; ``seq`` is dense and ``ts`` never
decreases; the deltas of one block that nobody has read yet are one draft, unless a non-delta event
of that message lies between, so what an idle reader costs does not grow with the number of tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.events import BaseEvent, ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import Event
    from langchain_streamkit.sources.assembler import Block
    from langchain_streamkit.tokens.message_meter import Shown

_DELTAS = frozenset({"text.delta", "reasoning.delta", "tool_call.delta"})
_COMPACT_AT = 256
"""Pieces of one unread delta that are joined into one string: 256 pieces of ~60 bytes each cost
15 KB, the joined text about 1 KB."""


class DeltaDraft:
    """The unread delta of one block: pieces of text, joined when it is read."""

    __slots__ = ("block", "counted", "epoch", "first", "parts", "sealed", "tail", "ts", "writer")

    def __init__(self, block: Block, writer: MessageWriter, text: str, ts: int) -> None:
        self.block = block
        self.writer = writer
        self.epoch = writer.epoch
        self.first = text
        self.tail: list[str] | None = None
        self.parts: list[str] | None = None
        self.ts = ts
        self.sealed = False
        self.counted: Shown | None = None
        """The block's tokens up to its end, where they are counted."""

    def add(self, text: str) -> None:
        tail = self.tail
        if tail is None:
            self.tail = [text]
            return
        tail.append(text)
        if len(tail) >= _COMPACT_AT:
            joined = "".join(tail)
            tail.clear()
            if self.parts is None:
                self.parts = [joined]
            else:
                self.parts.append(joined)

    def text(self) -> str:
        if self.tail is None:
            return self.first
        return "".join((self.first, *(self.parts or ()), *self.tail))


class Outbox:
    """Drafts of one run. ``now`` (ms since the epoch) is set by the normaliser for each signal."""

    __slots__ = ("drafts", "now", "run_id", "seq", "structural", "ts")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.now = 0
        self.structural = 0
        """Unread drafts that cannot merge."""
        self.seq = 0
        """Number of the last sealed event."""
        self.ts = 0
        """Time of the last sealed event."""
        self.drafts: list[DeltaDraft | Event | tuple[type[BaseEvent], int, dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self.drafts)

    @property
    def made(self) -> int:
        """Events so far, sealed or not."""
        return self.seq + len(self.drafts)

    def add(self, cls: type[BaseEvent], fields: dict[str, Any]) -> None:
        """Append a non-delta event; ``fields`` are all but seq, run_id and ts."""
        self.structural += 1
        self.drafts.append((cls, self.now, fields))

    def add_delta(self, draft: DeltaDraft) -> None:
        self.drafts.append(draft)

    def add_made(self, event: Event) -> None:
        """Append an event that somebody else has made: it keeps its ``seq`` and ``ts``."""
        self.structural += event.type not in _DELTAS
        self.drafts.append(event)

    def seal(self, transform: Callable[[Event], Any] | None = None) -> list[Event]:
        """Number the drafts and give them as events; the outbox is empty afterwards.

        ``transform`` may change an event or, by None, drop it; its number is then used again.
        """
        drafts = self.drafts
        if not drafts:
            return []
        self.drafts = []
        self.structural = 0
        events: list[Any] = []
        seq = self.seq
        last = self.ts
        run_id = self.run_id
        for draft in drafts:
            seq += 1
            event: Any
            if isinstance(draft, DeltaDraft):
                draft.sealed = True
                last = max(last, draft.ts)
                event = _delta_event(draft, seq, run_id, last)
            elif isinstance(draft, BaseEvent):
                event, seq, last = draft, draft.seq, draft.ts
            else:
                cls, ts, fields = draft
                last = max(last, ts)
                event = cls(seq=seq, run_id=run_id, ts=last, **fields)
            if transform is not None:
                event = transform(event)
                if event is None:
                    seq -= not isinstance(draft, BaseEvent)
                    continue
            events.append(event)
        self.seq = seq
        self.ts = last
        return events


def _delta_event(draft: DeltaDraft, seq: int, run_id: str, ts: int) -> Any:
    block, writer, counted = draft.block, draft.writer, draft.counted
    tokens = None if counted is None or block.meter is None else block.meter.show(counted)
    if block.kind == "tool_call":
        return ToolCallDelta(
            seq=seq,
            run_id=run_id,
            ts=ts,
            path=writer.path,
            step_id=writer.step_id,
            message_id=writer.message_id,
            index=block.index,
            tool_call_id=block.tool_call_id,
            args=draft.text(),
            tokens=tokens,
        )
    make = TextDelta if block.kind == "text" else ReasoningDelta
    return make(
        seq=seq,
        run_id=run_id,
        ts=ts,
        path=writer.path,
        step_id=writer.step_id,
        message_id=writer.message_id,
        index=block.index,
        text=draft.text(),
        tokens=tokens,
    )


class MessageWriter:
    """Where an assembler puts the events of one message; adds what all of them carry."""

    __slots__ = ("epoch", "message_id", "outbox", "path", "step_id")

    def __init__(
        self, outbox: Outbox, message_id: str, step_id: str, path: tuple[str, ...]
    ) -> None:
        self.outbox = outbox
        self.message_id = message_id
        self.step_id = step_id
        self.path = path
        self.epoch = 0

    def part(self) -> None:
        """Deltas after this never merge with those before."""
        self.epoch += 1

    def event(self, cls: type[BaseEvent], **fields: Any) -> None:
        """A non-delta event of this message; deltas after it never merge with those before."""
        self.part()
        self.outbox.add(
            cls,
            {
                "path": self.path,
                "step_id": self.step_id,
                "message_id": self.message_id,
                **fields,
            },
        )

    def delta(self, block: Block, text: str) -> None:
        """A piece of an open block's text."""
        draft = block.pending
        if draft is not None and not draft.sealed and draft.epoch == self.epoch:
            draft.add(text)
        else:
            outbox = self.outbox
            draft = block.pending = DeltaDraft(block, self, text, outbox.now)
            outbox.add_delta(draft)
        if block.meter is not None:
            draft.counted = block.meter.feed(text)
