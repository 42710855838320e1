"""What ``useChat`` posts: a chat's history, or answers to what its last run asked.

Guarantees: any bytes are a ``ChatRequest`` or a ``StreamUsageError`` whose ``wire`` says what is
wrong, where, in the words of the body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.wire.ai_sdk.continuing import CONTINUES, TOOL_PARTS, ToolPartsBefore
from langchain_streamkit.wire.ai_sdk.history import (
    UIMessage,
    is_tool,
    langchain_messages,
    last_step,
)
from langchain_streamkit.wire.ai_sdk.interrupts import answers

if TYPE_CHECKING:
    from langchain_core.messages import AnyMessage

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: _Name
    messages: Annotated[list[UIMessage], msgspec.Meta(min_length=1)]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    resume: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A request of a chat.

    Either ``resume`` has answers to the interrupts of the thread, or ``messages`` is the whole
    history, for a graph that keeps none; of it, ``new_messages`` are those since the model last
    spoke (the user's, or results of tools that the client ran), for a graph with a checkpointer.
    """

    thread_id: str
    """The id of the chat."""
    messages: list[AnyMessage]
    new_messages: list[AnyMessage]
    resume: dict[str, Any] | None = None
    """Answers by interrupt id."""
    continues: str | None = None
    """The id of the assistant's message that the run goes on with."""
    tool_parts: ToolPartsBefore = field(default_factory=ToolPartsBefore)
    """Which tool parts that message has."""
    regenerates: bool = False
    """Whether the user wants another answer to what was asked before."""

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata the run has to be given, so that its stream goes on with that message."""
        if self.continues is None:
            return {}
        parts = self.tool_parts.to_metadata()
        return {CONTINUES: self.continues, **({TOOL_PARTS: parts} if parts else {})}


_ENDED: Final = ("output-available", "output-error", "output-denied")
_UNANSWERED: Final = ("input-available", "approval-requested")
_decode = msgspec.json.Decoder(_Body).decode


def read_chat_request(body: bytes) -> ChatRequest:
    """Read the body of a ``POST`` of ``useChat``, of ``ai`` 5, 6 or 7.

    Answers to interrupts are those of approved and denied tools, outputs of the tool ``interrupt``
    (see ``wire/ai_sdk/interrupts.py``), and the key ``resume`` of the body, which wins:
    ``{"<interrupt id>": answer}``. Raises ``StreamUsageError``, with ``wire``.
    """
    try:
        asked = _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        said = f"{exc}; the body has to be what useChat of the AI SDK sends"
        raise StreamUsageError(said, wire=said) from exc
    last = asked.messages[-1]
    resume = dict(asked.resume or {})
    history = langchain_messages(asked.messages)
    if last.role != "assistant":
        return ChatRequest(
            thread_id=asked.id,
            messages=history,
            new_messages=_since_the_model(history),
            resume=resume or None,
            regenerates=asked.trigger == "regenerate-message",
        )
    resume = _answered(last) | resume
    new = [] if resume else _since_the_model(history)
    if not resume and not new:
        said = (
            "messages end with one of the assistant that answers nothing; send a message of the"
            " user, or answer the approvals, the interrupts or the tool calls of that message"
        )
        raise StreamUsageError(said, wire=said)
    return ChatRequest(
        thread_id=asked.id,
        messages=history,
        new_messages=new,
        resume=resume or None,
        continues=last.id,
        tool_parts=_tool_parts(last),
    )


def _answered(message: UIMessage) -> dict[str, Any]:
    """The answers of a message; those of the tool ``interrupt`` in earlier steps were taken."""
    tools = [part for part in message.parts if is_tool(part)]
    earlier = [part for part in tools if part.get("type") != "tool-interrupt"]
    latest = [part for part in last_step(message) if part.get("type") == "tool-interrupt"]
    ids = [part.get("toolCallId") for part in tools]
    return answers(earlier + latest, ids)


def _tool_parts(message: UIMessage) -> ToolPartsBefore:
    found: dict[str, set[str]] = {name: set() for name in ToolPartsBefore.__struct_fields__}
    before = len(message.parts) - len(last_step(message))
    for number, part in enumerate(message.parts):
        part_id = part.get("toolCallId")
        if not is_tool(part) or not isinstance(part_id, str) or part.get("providerExecuted"):
            continue
        if part["type"] == "tool-interrupt":
            if part.get("state") not in _UNANSWERED:
                found["questions"].add(part_id)
        elif number < before:
            found["ended" if part.get("state") in _ENDED else "open"].add(part_id)
    return ToolPartsBefore(**{name: frozenset(ids) for name, ids in found.items()})


def _since_the_model(history: list[AnyMessage]) -> list[AnyMessage]:
    spoke = [number for number, message in enumerate(history) if message.type == "ai"]
    return history[spoke[-1] + 1 if spoke else 0 :]
