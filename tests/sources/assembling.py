"""Records what an assembler emits as real events, and reads the blocks back as a client would."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from langchain_streamkit.events import ContentAdded, Event, ToolCallDelta, decode_event
from langchain_streamkit.sources.assembler import Ending, MessageAssembler, whole_message
from langchain_streamkit.sources.pieces import extract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.events import BaseEvent
    from langchain_streamkit.sources.assembler import Block


class Recorder:
    """An ``Emit`` that makes the events at once."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def _add(self, cls: type[BaseEvent], **fields: Any) -> None:
        common: dict[str, Any] = {"run_id": "r", "ts": 0, "step_id": "s", "message_id": "m"}
        made = cls(seq=len(self.events) + 1, **common, **fields)
        self.events.append(decode_event(made.to_json()))

    def event(self, cls: type[BaseEvent], **fields: Any) -> None:
        self._add(cls, **fields)

    def delta(self, block: Block, text: str) -> None:
        assert text
        fields: dict[str, Any] = {"text": text}
        if block.delta_class is ToolCallDelta:
            fields = {"args": text, "tool_call_id": block.tool_call_id}
        self._add(block.delta_class, index=block.index, **fields)


class Told:
    """What the events of one message tell; reading them checks that they are legal."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.types = [event.type for event in events]
        self.blocks: list[dict[str, Any]] = []
        """Finished blocks in order of start."""
        opened: dict[int, dict[str, Any]] = {}
        for event in events:
            what: Any = event
            if isinstance(event, ContentAdded):
                assert event.index == len(self.blocks)
                self.blocks.append({"kind": "content", "block": event.block})
                continue
            kind, _, action = event.type.partition(".")
            if action == "started":
                assert what.index == len(self.blocks), "indices are dense, in order of start"
                opened[what.index] = {"kind": kind, "deltas": ""}
                self.blocks.append(opened[what.index])
                continue
            block = opened[what.index]
            assert block["kind"] == kind
            if action == "delta":
                block["deltas"] += what.args if kind == "tool_call" else what.text
                continue
            del opened[what.index]
            self._finish(block, what)
        assert not opened, "every block ends"

    def _finish(self, block: dict[str, Any], event: Any) -> None:
        deltas = block.pop("deltas")
        if block["kind"] == "tool_call":
            block |= {"id": event.tool_call_id, "name": event.name, "args": event.args}
            if event.invalid is None:
                assert json.loads(deltas) == event.args
            else:
                assert event.args is None
                block["invalid"] = event.invalid
                assert event.invalid.text == deltas
        else:
            assert deltas == event.text
            block["text"] = event.text
            if event.annotations:
                block["annotations"] = list(event.annotations)
        if event.extras:
            block["extras"] = event.extras

    def joined(self, kind: str) -> str:
        return "".join(b["text"] for b in self.blocks if b["kind"] == kind)

    def of(self, kind: str) -> list[dict[str, Any]]:
        found = [dict(b) for b in self.blocks if b["kind"] == kind]
        for block in found:
            del block["kind"]
        return found

    @property
    def calls(self) -> list[tuple[str, str, Any]]:
        return [(b["id"], b["name"], b["args"]) for b in self.blocks if b["kind"] == "tool_call"]


class Session:
    """One message being assembled."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        numbers = itertools.count(1)
        self.assembler = MessageAssembler(self.recorder, lambda: f"minted_{next(numbers)}")

    def feed(self, chunks: Iterable[BaseMessage]) -> Session:
        for chunk in chunks:
            pieces = extract(chunk)
            if isinstance(pieces, str):
                self.assembler.text(pieces)
            else:
                self.assembler.feed(pieces)
        return self

    def finish(self, final: BaseMessage | None = None) -> tuple[Told, Ending]:
        ending = self.assembler.finish(final)
        return Told(self.recorder.events), ending

    def abort(self) -> Told:
        self.assembler.abort()
        return Told(self.recorder.events)


def merged(chunks: list[Any]) -> Any:
    """The final message as LangChain makes it."""
    final = chunks[0]
    for chunk in chunks[1:]:
        final += chunk
    return final


def assemble(chunks: list[Any], final: BaseMessage | None = None) -> Told:
    return Session().feed(chunks).finish(final)[0]


def assemble_whole(message: BaseMessage) -> Told:
    recorder = Recorder()
    whole_message(recorder, message, itertools.count(1).__str__)
    return Told(recorder.events)
