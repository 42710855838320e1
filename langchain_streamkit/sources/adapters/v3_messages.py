"""Content-block events of one chat model call (``langchain_protocol``) as pieces of its message.

Guarantees: text, reasoning and tool calls arrive as they are told; what only the end of a block
tells (citations, signatures, whole blocks) is added then; an event is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.language_models.chat_model_stream import ChatModelStream

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.sources.content import (
    as_word,
    plain_args,
    read_block,
    read_extras,
    tool_extras,
)
from langchain_streamkit.sources.node_output import snapshot
from langchain_streamkit.sources.piece_types import ReasoningPiece, TextPiece, ToolPiece, as_dict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from langchain_core.messages import AIMessage, BaseMessage

    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.piece_types import Extras, Piece

MESSAGE_EVENTS: Final = frozenset(
    {
        "message-start",
        "content-block-start",
        "content-block-delta",
        "content-block-finish",
        "message-finish",
        "error",
    }
)
BREAKS: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading fields of an item raises if they are missing or of another type."""
_CALLS: Final = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call"})
_SERVER: Final = "server_tool_call_chunk"
_TEXT_FIELDS: Final = frozenset({"text", "annotations"})
_REASONING_FIELDS: Final = frozenset({"reasoning"})


class MessageReader:
    """Reads the events of one call, from ``message-start`` on; ``take`` gets their pieces."""

    __slots__ = (
        "_collected",
        "_extras",
        "_kinds",
        "_open",
        "_take",
        "_told",
        "message_id",
        "run_id",
    )

    def __init__(self, run_id: UUID, message_id: str | None, take: Take) -> None:
        self.run_id = run_id
        self.message_id = message_id
        self._take = take
        self._open: object = None
        """The index of the text block that takes plain text."""
        self._kinds: dict[object, str] = {}
        self._told: dict[object, str] = {}
        """Blocks of which anything was told; of arguments that come as snapshots, the last."""
        self._extras: dict[object, dict[str, Any]] = {}
        self._collected = ChatModelStream(message_id=message_id)

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take an event other than ``message-finish`` and ``error``."""
        kind = event["event"]
        if kind == "content-block-delta":
            delta = event.get("delta")
            if delta is None:
                delta = _old_delta(event)
            index = event["index"]
            if delta["type"] == "text-delta":
                text = delta["text"]
                if not isinstance(text, str):
                    raise AdaptError(f"the text of a text-delta is a {type(text).__name__}")
                if index == self._open:
                    self._take(self.run_id, self.message_id, text)
                else:
                    self._told[index] = ""
                    self._put(TextPiece(index, text))
                    self._open = index
            else:
                self._delta(delta, index)
        elif kind == "content-block-start":
            self._start(_content(event), event["index"])
        elif kind == "content-block-finish":
            self._collected.dispatch(event)
            self._finish(_content(event), event["index"])
        elif kind == "message-start":
            self._collected.dispatch(event)

    def end(self, event: Mapping[str, Any]) -> tuple[AIMessage | None, bool]:
        """Take ``message-finish``: the whole message, and whether it came from LangChain's cache.

        LangChain marks an answer of its cache by ``total_cost`` 0 in the usage.
        """
        usage = as_dict(event.get("usage"))
        try:
            self._collected.dispatch(event)
        except ValueError as error:  # what makes no message; the pieces were told all the same
            raise AdaptError(f"a message that ended is none: {error}") from None
        return self._collected.output_message, usage.get("total_cost") == 0

    # ---- blocks ------------------------------------------------------------------------------

    def _put(self, *pieces: Piece) -> None:
        self._open = None
        if pieces:
            self._take(self.run_id, self.message_id, pieces)

    def _start(self, content: dict[str, Any], index: Any) -> None:
        kind = self._kinds[index] = str(content.get("type"))
        if kind == "text":
            if extras := self._fresh(index, read_extras(content, _TEXT_FIELDS)):
                self._put(TextPiece(index, "", (), extras))
        elif kind == "reasoning":
            if extras := self._fresh(index, read_extras(content, _REASONING_FIELDS)):
                self._put(ReasoningPiece(index, "", extras))
        elif kind in _CALLS:
            args: object = content.get("args") if kind == "tool_call_chunk" else None
            if isinstance(args, str) and args:
                self._told[index] = args
            self._put(self._call(content, index, args or None))

    def _delta(self, delta: dict[str, Any], index: Any) -> None:
        """A delta of anything but text. One of a kind nobody knows is left to the block's end."""
        kind = delta["type"]
        if kind == "reasoning-delta":
            thought = delta["reasoning"]
            if not isinstance(thought, str):
                raise AdaptError(f"a reasoning-delta holds a {type(thought).__name__}")
            self._told[index] = ""
            self._put(ReasoningPiece(index, thought))
        elif kind == "tool-call-delta" and self._kinds.get(index) in _CALLS:
            args = delta["args"]
            if not isinstance(args, str):
                raise AdaptError(f"a tool-call-delta holds a {type(args).__name__}")
            self._told.setdefault(index, "")
            self._put(ToolPiece(index, None, None, args))
        elif kind == "block-delta":
            fields = as_dict(delta.get("fields"))
            if fields.get("type") == "tool_call_chunk":
                self._snapshot(fields, index)

    def _snapshot(self, fields: dict[str, Any], index: Any) -> None:
        """A call as older senders told it: its arguments so far, each time."""
        held, args = self._told.get(index, ""), fields.get("args")
        self._kinds[index] = "tool_call_chunk"
        rest: str | None = None
        if isinstance(args, str) and args.startswith(held):
            rest, self._told[index] = args[len(held) :], args
        self._put(self._call(fields, index, rest))

    def _finish(self, content: dict[str, Any], index: Any) -> None:
        kind = str(content.get("type"))
        if kind == "text":
            self._rest(content, index, "text", _TEXT_FIELDS)
        elif kind == "reasoning":
            self._rest(content, index, "reasoning", _REASONING_FIELDS)
        elif kind in _CALLS:
            if self._kinds.get(index) != _SERVER:
                args: Any = content.get("args")
                unsaid = index not in self._told or bool(as_dict(args))
                self._put(self._call(content, index, args if unsaid else None))
        else:
            self._put(*read_block(content, index, None, chunk=False))

    def _rest(self, content: dict[str, Any], index: Any, field: str, known: frozenset[str]) -> None:
        """What the end of a block of text says beyond its deltas."""
        extras = self._fresh(index, read_extras(content, known))
        block = {key: value for key, value in content.items() if key in known}
        if index in self._told:
            block[field] = ""
        block |= {"type": field, "extras": extras}
        if pieces := tuple(read_block(block, index, None, chunk=True)):
            still_open = self._open
            self._put(*pieces)
            self._open = still_open if still_open == index else None

    def _fresh(self, index: Any, extras: Extras) -> Extras:
        """The extras that were not passed on before."""
        passed = self._extras.setdefault(index, {})
        found = {key: v for key, v in (extras or {}).items() if passed.get(key) != v}
        for key, value in found.items():
            before = passed.get(key)
            if isinstance(before, str) and isinstance(value, str) and value.startswith(before):
                found[key] = value[len(before) :]
        passed.update(extras or {})
        return found or None

    def _call(self, content: dict[str, Any], index: Any, args: object) -> ToolPiece:
        extras = self._fresh(index, tool_extras(content))
        name = as_word(content.get("name"))
        return ToolPiece(index, as_word(content.get("id")), name, plain_args(args), extras)


def final(message: BaseMessage | None) -> BaseMessage | None:
    """A copy of a final message that nobody else holds."""
    return None if message is None else snapshot(message)


def message_id_of(event: Mapping[str, Any]) -> str | None:
    """The id that a ``message-start`` states."""
    return as_word(event.get("id") or event.get("message_id"))


def _content(event: Mapping[str, Any]) -> dict[str, Any]:
    """The block of an event; before protocol 0.0.9 the field was called ``content_block``."""
    content: object = event.get("content") or event.get("content_block")
    if not isinstance(content, dict):
        raise AdaptError(f"a {event['event']} has no content block")
    return cast("dict[str, Any]", content)


def _old_delta(event: Mapping[str, Any]) -> dict[str, Any]:
    """A delta as it was before protocol 0.0.9: a slice of the block."""
    block = _content(event)
    kind: object = block.get("type")
    if kind == "text":
        return {"type": "text-delta", "text": block.get("text", "")}
    if kind == "reasoning":
        return {"type": "reasoning-delta", "reasoning": block.get("reasoning", "")}
    if kind == "tool_call_chunk":
        return {"type": "tool-call-delta", "args": block.get("args") or ""}
    return {"type": str(kind)}
