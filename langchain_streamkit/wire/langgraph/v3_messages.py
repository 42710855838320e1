"""Messages as the agent streaming protocol has them: LangChain's own content blocks, in pieces.

Guarantees: every event of a message carries its ``id`` (Python's client tells messages apart by it)
and the same as ``run_id`` (JavaScript's does by that), and names the same node; every message that
begins ends, with ``message-finish`` or, where it is void, with ``error``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_streamkit import events as ev

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.wire.langgraph.v3_frames import Data, Namespace
    from langchain_streamkit.wire.langgraph.v3_places import Places

VOID: Final = "This attempt was given up."
_ROLES: Final = {"assistant": "ai", "user": "human", "system": "system", "tool": "tool"}
_KEPT: Final = ("cancelled", "budget")
"""What was said until someone stopped it was no mistake, so it stays."""
_BLOCKS: Final = frozenset(
    {"image", "audio", "video", "file", "server_tool_call", "server_tool_result", "non_standard"}
)


class MessageFrames:
    """The messages of one run."""

    def __init__(self) -> None:
        self._where: dict[str, tuple[Namespace, str | None]] = {}
        """Of open messages: namespace and node."""

    def feed(self, event: ev.Event, places: Places) -> Iterator[tuple[Namespace, str | None, Data]]:
        """Yield namespace, node and data of what is told of an event of a message."""
        if isinstance(event, ev.MessageStarted) and event.role in _ROLES:
            place = places.of(event.step_id)
            self._where[event.message_id] = place.inside, place.node
        message_id: str | None = getattr(event, "message_id", None)
        where = self._where.get(message_id or "")
        if where is None:
            return
        for data in _told(event, where[1]):
            yield *where, {**data, "id": message_id, "run_id": message_id}
        if isinstance(event, ev.MessageFinished | ev.MessageAborted):
            del self._where[event.message_id]


def _told(event: ev.Event, node: str | None) -> Iterator[Data]:
    match event:
        case ev.TextDelta(index=index):
            yield _delta(index, {"type": "text-delta", "text": event.text})
        case ev.ReasoningDelta(index=index):
            yield _delta(index, {"type": "reasoning-delta", "reasoning": event.text})
        case ev.ToolCallDelta(index=index):
            yield _delta(index, {"type": "tool-call-delta", "args": event.args})
        case ev.MessageStarted():
            yield {
                "event": "message-start",
                "role": _ROLES[event.role],
                "metadata": _metadata(event, node),
            }
        case ev.TextStarted(index=index):
            yield _block("start", index, {"type": "text", "text": ""})
        case ev.ReasoningStarted(index=index):
            yield _block("start", index, {"type": "reasoning", "reasoning": ""})
        case ev.ToolCallStarted(index=index):
            call = {"id": event.tool_call_id, "name": event.name, "args": "", "index": index}
            yield _block("start", index, {"type": "tool_call_chunk", **call})
        case ev.TextFinished(index=index):
            text: Data = {"type": "text", "text": event.text}
            if event.annotations:
                text["annotations"] = list(event.annotations)
            yield _block("finish", index, _with_extras(text, event.extras))
        case ev.ReasoningFinished(index=index):
            thought = {"type": "reasoning", "reasoning": event.text}
            yield _block("finish", index, _with_extras(thought, event.extras))
        case ev.ToolCallFinished(index=index):
            yield _block("finish", index, _with_extras(_call(event), event.extras))
        case ev.ContentAdded(index=index):
            block = event.block
            if block.get("type") not in _BLOCKS:
                block = {"type": "non_standard", "value": block}
            yield _block("start", index, block)
            yield _block("finish", index, block)
        case ev.MessageFinished():
            reason = event.raw_finish_reason or event.finish_reason
            yield _finish(event.usage, {"finish_reason": reason})
        case ev.MessageAborted(reason=reason) if reason in _KEPT:
            yield _finish(event.usage, {})
        case ev.MessageAborted():
            yield {"event": "error", "message": VOID}
        case _:
            return


def _delta(index: int, delta: Data) -> Data:
    return {"event": "content-block-delta", "index": index, "delta": delta}


def _block(what: str, index: int, content: Data) -> Data:
    return {"event": f"content-block-{what}", "index": index, "content": content}


def _with_extras(block: Data, extras: Any) -> Data:
    return block if extras is None else {**block, "extras": extras}


def _call(event: ev.ToolCallFinished) -> Data:
    named: Data = {"id": event.tool_call_id, "name": event.name}
    if event.invalid is None:
        return {"type": "tool_call", **named, "args": event.args}
    wrong = {"args": event.invalid.text, "error": event.invalid.error}
    return {"type": "invalid_tool_call", **named, **wrong}


def _metadata(event: ev.MessageStarted, node: str | None) -> Data:
    found = {"provider": event.provider, "model": event.model, "langgraph_node": node}
    return {key: value for key, value in found.items() if value is not None}


def _finish(usage: ev.Usage | None, about: Data) -> Data:
    """``usage_source`` says whether the numbers are the provider's, or counted here."""
    if usage is None or usage.source == "none":
        return {"event": "message-finish", "metadata": about}
    about = {**about, "usage_source": usage.source}
    return {"event": "message-finish", "usage": _usage(usage), "metadata": about}


def _usage(usage: ev.Usage) -> Data:
    details = usage.details
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "input_token_details": {
            "cache_read": details.cache_read,
            "cache_creation": details.cache_creation,
        },
        "output_token_details": {"reasoning": details.reasoning},
    }
