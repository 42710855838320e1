"""The object that streams as JSON, as far as it has come.

Text costs one write; it is parsed when the reader comes, and only once it has grown by a 64th of
what was parsed last. So parsing n characters costs O(n) in all, some 64 * ln(n) times, and a reader
is at most that 64th behind while a block is open. Guarantees: an object is given only if it differs
from the one before; what a message said that died is never given again; the last object is the
run's own, or the final JSON validated by the model itself.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import InvalidOutput
from langchain_streamkit.events import (
    TERMINAL_TYPES,
    MessageAborted,
    MessageFinished,
    MessageRetracted,
    MessageStarted,
    TextDelta,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallStarted,
)
from langchain_streamkit.runs.views.feed import Feed
from langchain_streamkit.runs.views.partial_build import MISSING, size_of
from langchain_streamkit.runs.views.partial_schema import parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.views.partial_schema import Schema
    from langchain_streamkit.runs.views.selection import Selection
    from langchain_streamkit.snapshot import RunSnapshot

_GROWTH = 64


class _Source:
    """A text that may hold the JSON: of a message, or of the arguments of a call."""

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        self.ended = False
        self.good = False
        """It has begun with an object of the model."""
        self._text = StringIO()
        self._size = 0
        self._parsed = 0
        self._start = 0

    def add(self, text: str) -> None:
        self._size += self._text.write(text)

    @property
    def due(self) -> bool:
        grown = self._size - self._parsed
        return grown > 0 and (self.ended or grown * _GROWTH >= self._parsed)

    def text(self) -> str:
        """From the first brace on that begins an object, as far as that is known."""
        return self.whole[self._start :]

    @property
    def whole(self) -> str:
        """All of it."""
        return self._text.getvalue()

    def value(self) -> dict[str, Any] | None:
        """The object so far. Prose before it may have braces of its own."""
        self._parsed = self._size  # first: more may be written meanwhile
        text = self.whole
        while True:
            start = text.find("{", self._start)
            if start < 0:
                return None
            value = parsed(text[start:], ended=self.ended)
            if value is not None or self.good:
                self._start = start
                return value
            if not text[start + 1 :].strip():
                return None
            self._start = start + 1


class PartialFeed(Feed[Any]):
    """The objects of ``schema``, in the messages of a selection and the calls named like it."""

    def __init__(self, schema: Schema, selection: Selection, core: RunCore) -> None:
        super().__init__(selection)
        self._schema = schema
        self._core = core
        self._texts: dict[str, _Source] = {}
        self._calls: dict[tuple[str, int], _Source] = {}
        self._current: _Source | None = None
        """What was written to last."""
        self._last: Any = None
        self._end: str | None = None
        self._given = False
        """The final one was given, or there is none."""

    def take(self) -> Sequence[Any]:
        """The newest object, if it is another than the one before; at the end, the final one."""
        with self._lock:
            source, end = self._current, self._end
        # Parsed out here, so that who writes does not wait for it.
        found = [] if source is None or not source.due else self._changed(source)
        if end is None or self._given:
            return found
        self._given = True
        return [*found, *self._final(end)]

    def _changed(self, source: _Source) -> list[Any]:
        value = source.value()
        made = self._schema.partial(value) if value else MISSING
        if made is MISSING or made == self._last or not size_of(made):
            return []
        source.good = True
        self._last = made
        return [made]

    def _final(self, end: str) -> list[Any]:
        if end in ("run.finished", "run.interrupted"):
            found = self._schema.found_in(self._core.result)
            if found is not None:
                return [found]
        error: InvalidOutput | None = None
        sources = [*self._texts.values(), *self._calls.values()]
        for source in reversed([one for one in sources if one.ended]):
            holds_json = source.value() is not None or source.good
            try:
                whole = self._schema.whole(source.text())
            except InvalidOutput as exc:
                error = error or (exc if holds_json else self._schema.missing(source.whole))
            else:
                return [whole] if end == "run.finished" else []
        if error is None and end == "run.finished":
            error = InvalidOutput(f"the run ended without a {self._schema.name}", text="")
        self.error = error
        return []

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        for message in snapshot.messages:
            if not (message.stands and self.selection.takes(message.path, message.audience)):
                continue
            source = self._texts[message.message_id] = _Source(message.message_id)
            if message.text:
                self._write(source, message.text)
            source.ended = message.status == "finished"
            names = {call.tool_call_id: call.name for call in message.tool_calls}
            for block in message.blocks:
                if block.kind == "tool_call" and names.get(block.tool_call_id or "") in self._names:
                    call = self._calls[message.message_id, block.index] = _Source(
                        message.message_id
                    )
                    self._write(call, block.text)
                    call.ended = block.finished
        if snapshot.outcome not in ("pending", "running"):
            self._end = f"run.{snapshot.outcome}"

    @property
    def _names(self) -> frozenset[str]:
        return self._schema.names

    def _see(self, event: Event) -> None:
        match event:
            case TextDelta():
                if (source := self._texts.get(event.message_id)) is not None:
                    self._write(source, event.text)
            case ToolCallDelta():
                if (source := self._calls.get((event.message_id, event.index))) is not None:
                    self._write(source, event.args)
            case MessageStarted():
                if self.selection.takes(event.path, event.audience):
                    self._texts[event.message_id] = _Source(event.message_id)
            case ToolCallStarted():
                if event.message_id in self._texts and event.name in self._names:
                    self._calls[event.message_id, event.index] = _Source(event.message_id)
            case ToolCallFinished():
                if (source := self._calls.get((event.message_id, event.index))) is not None:
                    source.ended = True
            case MessageFinished():
                if (source := self._texts.get(event.message_id)) is not None:
                    source.ended = True
            case MessageAborted() | MessageRetracted():
                self._forget(event.message_id)
            case _:
                if event.type in TERMINAL_TYPES:
                    self._end = event.type

    def _write(self, source: _Source, text: str) -> None:
        source.add(text)
        self._current = source

    def _forget(self, message_id: str) -> None:
        self._texts.pop(message_id, None)
        for key in [key for key in self._calls if key[0] == message_id]:
            del self._calls[key]
        if self._current is not None and self._current.message_id == message_id:
            self._current = self._last = None
