"""The messages of a run as LangGraph's clients read them: in pieces, and as far as they have come.

Guarantees: the pieces of a message, joined by LangChain's rules (Python's ``+``, JavaScript's
``concat``), have its text, its reasoning and its tool calls; what was said in vain is removed.
Forms: ``AIMessageChunk``, ``AIMessage``, ``ToolMessage``, ``RemoveMessage`` as ``model_dump`` and
``langchain_core.messages`` have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from langchain_streamkit import events as ev

if TYPE_CHECKING:
    from collections.abc import Iterator

Json: TypeAlias = dict[str, Any]

_TYPES: Final = {"assistant": "ai", "user": "human", "system": "system", "tool": "tool"}
_DROPPED: Final = frozenset({"error", "retry", "timeout"})
"""Why a message that broke off is taken back; one that was stopped on purpose stays."""


def message_type(role: ev.Role) -> str:
    """Return LangChain's word for a role."""
    return _TYPES.get(role, "human")


def is_dropped(event: ev.MessageAborted | ev.MessageRetracted) -> bool:
    """Whether a client has to forget the message."""
    return isinstance(event, ev.MessageRetracted) or event.reason in _DROPPED


def removal(message_id: str) -> Json:
    """Return the message that takes another one back."""
    return {"type": "remove", "id": message_id, "content": "", **_meta()}


class MessagePieces:
    """The chunks of one message, event by event."""

    def __init__(self, started: ev.MessageStarted) -> None:
        self.id = started.message_id
        self._chunk_type = message_type(started.role)
        self._chunk: Json = {"id": self.id, "name": started.name, **_meta()}
        if started.role == "assistant":
            self._chunk_type = "AIMessageChunk"
            self._chunk |= {"tool_calls": [], "invalid_tool_calls": [], "tool_call_chunks": []}

    def feed(self, event: ev.Event) -> Json | None:
        """Return the chunk that an event of the message is; None where it adds nothing."""
        match event:
            case ev.TextDelta(index=0):
                return self._piece(event.text)
            case ev.TextDelta():
                return self._block(event, {"type": "text", "text": event.text})
            case ev.ReasoningDelta():
                return self._block(event, {"type": "reasoning", "reasoning": event.text})
            case ev.ReasoningFinished(extras=dict()):
                return self._block(event, {"type": "reasoning", "extras": event.extras})
            case ev.ContentAdded():
                return self._block(event, event.block)
            case ev.ToolCallStarted():
                return self._call(event, event.tool_call_id, event.name, "")
            case ev.ToolCallDelta():
                return self._call(event, None, None, event.args)
            case ev.MessageFinished():
                return self._last(event)
            case _:
                return None

    def _piece(self, content: object, **more: Any) -> Json:
        return {"type": self._chunk_type, "content": content, **self._chunk, **more}

    def _block(self, event: Any, block: Json) -> Json:
        return self._piece([{**block, "index": event.index}])

    def _call(self, event: Any, call_id: str | None, name: str | None, args: str) -> Json:
        chunk = {"type": "tool_call_chunk", "index": event.index}
        return self._piece(
            "", tool_call_chunks=[{"id": call_id, "name": name, "args": args, **chunk}]
        )

    def _last(self, event: ev.MessageFinished) -> Json:
        more: Json = {}
        if event.raw_finish_reason:
            more["response_metadata"] = {"finish_reason": event.raw_finish_reason}
        if event.usage is not None:
            more["usage_metadata"] = usage_of(event.usage)
        if self._chunk_type == "AIMessageChunk":
            more["chunk_position"] = "last"
        return self._piece("", **more)


class WholeMessage:
    """One message as far as it has come."""

    def __init__(self, started: ev.MessageStarted) -> None:
        self.id = started.message_id
        self._type = message_type(started.role)
        self._name = started.name
        self._blocks: dict[int, Json] = {}
        self._calls: dict[int, Json] = {}
        self._invalid: dict[int, Json] = {}
        self._usage: Json | None = None
        self._reason: str | None = None

    def feed(self, event: ev.Event) -> bool:
        """Take in an event of the message; whether it has changed."""
        match event:
            case ev.TextDelta():
                self._grow(event.index, "text", event.text)
            case ev.ReasoningDelta():
                self._grow(event.index, "reasoning", event.text)
            case ev.ContentAdded():
                self._blocks[event.index] = event.block
            case ev.ToolCallStarted():
                self._calls[event.index] = self._call(event, {})
            case ev.ToolCallFinished(invalid=ev.InvalidArgs() as invalid):
                self._calls.pop(event.index, None)
                wrong = {"args": invalid.text, "error": invalid.error, "type": "invalid_tool_call"}
                self._invalid[event.index] = {**self._call(event, {}), **wrong}
            case ev.ToolCallFinished():
                self._calls[event.index] = self._call(event, event.args or {})
            case ev.MessageFinished():
                self.id = event.stored_id or self.id
                self._usage = None if event.usage is None else usage_of(event.usage)
                self._reason = event.raw_finish_reason
            case _:
                return False
        return True

    def message(self) -> Json:
        """Return it as LangChain would dump it."""
        found = {"type": self._type, "content": self._content(), "id": self.id, "name": self._name}
        found |= _meta()
        if self._reason:
            found["response_metadata"] = {"finish_reason": self._reason}
        if self._type != "ai":
            return found
        return {
            **found,
            "tool_calls": list(self._calls.values()),
            "invalid_tool_calls": list(self._invalid.values()),
            "usage_metadata": self._usage,
        }

    def _content(self) -> Any:
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        if all(block["type"] == "text" for block in blocks):
            return "".join(block["text"] for block in blocks)
        return blocks

    def _grow(self, index: int, kind: str, text: str) -> None:
        said = self._blocks.get(index, {}).get(kind, "")
        self._blocks[index] = {"type": kind, kind: said + text}

    def _call(self, event: ev.ToolCallStarted | ev.ToolCallFinished, args: Json) -> Json:
        return {"name": event.name, "args": args, "id": event.tool_call_id, "type": "tool_call"}


class ToolMessages:
    """What tools have said, as the graph's state has it: there it gets the id that it keeps."""

    def __init__(self) -> None:
        self._expected: set[str] = set()

    def ended(self, event: ev.ToolFinished | ev.ToolFailed) -> None:
        """A tool has ended: its message is to be found in the state."""
        self._expected.add(event.tool_call_id)

    def found(self, values: object) -> Iterator[Json]:
        """Yield the messages that were waited for, out of a state or an update."""
        if not self._expected or not isinstance(values, dict):
            return
        for channel in cast("Json", values).values():
            for item in cast("list[object]", channel) if isinstance(channel, list) else ():
                if not isinstance(item, dict):
                    continue
                message = cast("Json", item)
                call_id = message.get("tool_call_id")
                if (
                    message.get("type") == "tool"
                    and message.get("id")
                    and call_id in self._expected
                ):
                    self._expected.discard(cast("str", call_id))
                    yield message


def usage_of(usage: ev.Usage) -> Json:
    """Return LangChain's ``UsageMetadata``."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _meta() -> Json:
    return {"additional_kwargs": {}, "response_metadata": {}}
