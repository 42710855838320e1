"""One answer of a model, read from a provider's own stream: the run is the model call itself.

Guarantees: the message that such a run returns says what its events say, block by block, because
the same assembler makes both from the same pieces; ids of tool calls that the provider gave none
are the same in both.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, cast

from langchain_core.messages import AIMessage

from langchain_streamkit import events as ev
from langchain_streamkit.errors import ModelFailed
from langchain_streamkit.sources.adapters.base import Adapter
from langchain_streamkit.sources.assembler import MessageAssembler
from langchain_streamkit.sources.callers import Known
from langchain_streamkit.sources.piece_types import as_dict
from langchain_streamkit.sources.shown import minter

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.block import Block
    from langchain_streamkit.sources.pieces import Piece
    from langchain_streamkit.sources.tap import RunTap


class Answer:
    """Assembles the answer's message. Implements ``block.Emit`` for its own assembler."""

    def __init__(self, message_id: str) -> None:
        self.id = message_id
        self._blocks: dict[int, dict[str, Any]] = {}
        self._refusal: str | None = None
        self._assembler = MessageAssembler(self, minter(message_id))
        self.text = self._assembler.text
        self.feed = self._assembler.feed

    def message(self, metadata: dict[str, Any], usage: dict[str, Any] | None) -> AIMessage:
        """The whole message, once, when all was fed.

        ``content`` is the text where there is nothing but text, calls, and reasoning without an id
        or a signature (which is then ``additional_kwargs["reasoning_content"]``); otherwise
        LangChain's standard blocks, marked ``output_version: "v1"``.
        """
        self._assembler.finish(None)
        counts = self._assembler.usage
        if usage is not None and counts is not None:
            totals = ("input_tokens", "output_tokens", "total_tokens")
            usage = {**usage, **{name: getattr(counts, name) for name in totals}}
        # What events hold must not change with what the caller does to the message.
        blocks = copy.deepcopy([self._blocks[index] for index in sorted(self._blocks)])
        kwargs: dict[str, Any] = {} if self._refusal is None else {"refusal": self._refusal}
        content: Any = blocks
        if all(_is_classic(block) for block in blocks):
            content = "".join([b["text"] for b in blocks if b["type"] == "text"])
            thoughts = [b["reasoning"] for b in blocks if b["type"] == "reasoning"]
            if thoughts:
                kwargs["reasoning_content"] = "".join(thoughts)
        else:
            metadata = {**metadata, "output_version": "v1"}
        return AIMessage(
            content=content,
            additional_kwargs=kwargs,
            response_metadata=metadata,
            usage_metadata=cast("UsageMetadata | None", usage),
            id=self.id,
            tool_calls=[_alone(b) for b in blocks if b["type"] == "tool_call"],
            invalid_tool_calls=[_alone(b) for b in blocks if b["type"] == "invalid_tool_call"],
        )

    # ---- what the assembler says -------------------------------------------------------------

    def event(self, cls: type[ev.BaseEvent], **fields: Any) -> None:
        """Keep what a finished block is."""
        index = fields["index"]
        extras = {"extras": fields["extras"]} if fields.get("extras") else {}
        if cls is ev.TextFinished:
            cited = {"annotations": list(fields["annotations"])} if fields["annotations"] else {}
            self._blocks[index] = {"type": "text", "text": fields["text"], **cited, **extras}
        elif cls is ev.ReasoningFinished:
            self._blocks[index] = {"type": "reasoning", "reasoning": fields["text"], **extras}
        elif cls is ev.ToolCallFinished:
            self._call(index, fields, extras)
        elif cls is ev.ContentAdded:
            self._blocks[index] = fields["block"]
            refusal = as_dict(fields["block"].get("value")).get("refusal")
            if isinstance(refusal, str):
                self._refusal = (self._refusal or "") + refusal

    def delta(self, block: Block, text: str) -> None:
        """The finished block will have it."""

    def _call(self, index: int, fields: dict[str, Any], extras: dict[str, Any]) -> None:
        call = {"id": fields["tool_call_id"], "name": fields["name"]}
        invalid = fields["invalid"]
        if invalid is None:
            call |= {"type": "tool_call", "args": fields["args"]}
        else:
            call |= {"type": "invalid_tool_call", "args": invalid.text, "error": invalid.error}
        self._blocks[index] = {**call, **extras}


def _alone(call: dict[str, Any]) -> Any:
    return {name: value for name, value in call.items() if name != "extras"}


def _is_classic(block: dict[str, Any]) -> bool:
    if block["type"] in ("tool_call", "invalid_tool_call"):
        return True
    return block["type"] in ("text", "reasoning") and len(block) == 2


class AnswerAdapter(Adapter):
    """Base of the adapters whose source is one answer: the root run is a model call."""

    resource: ClassVar[str]
    """What the run is called."""
    provider: ClassVar[str]
    asks_usage: ClassVar[bool | None] = None
    """Whether the provider was asked for its usage; None where the stream does not tell."""

    def __init__(self, tap: RunTap, token: Take) -> None:
        super().__init__(tap, token)
        self.answer: Answer | None = None
        self._error: ModelFailed | None = None

    def begin(self, message_id: str | None, model: str | None) -> Answer:
        """The call is known to have begun; its message takes ``message_id``."""
        metadata = {"ls_provider": self.provider, "ls_model_type": "chat"}
        if model:
            metadata["ls_model_name"] = model
        known = Known(None, self.asks_usage)
        self.tap.model_start(self.root, None, self.resource, None, metadata, known=known)
        # As LangChain, and the normaliser, call a message without an id.
        self.answer = Answer(message_id or f"lc_run--{self.root}")
        return self.answer

    def say(self, answer: Answer, pieces: str | tuple[Piece, ...]) -> None:
        """A piece of text, or the pieces of a richer item; an empty text begins the message."""
        if self._error is not None:
            return
        self.token(self.root, answer.id, pieces)
        if type(pieces) is str:
            answer.text(pieces)
        else:
            answer.feed(pieces)  # type: ignore[arg-type]

    def fail(self, message: str, code: str | None) -> None:
        """The stream says that the answer failed."""
        if self._error is None:
            self._error = ModelFailed(message, code=code)
            if self.answer is None:
                self.begin(None, None)
            self.tap.failed(self.root, self._error)

    def finish(
        self, answer: Answer, metadata: dict[str, Any], usage: dict[str, Any] | None
    ) -> AIMessage:
        """End the call; returns its message."""
        message = answer.message(metadata, usage)
        # Empty, because there is nothing in it that was not said piece by piece.
        self.tap.answered(self.root, AIMessage("", id=answer.id))
        return message

    def refuse_failed(self) -> None:
        """Raise what the stream said went wrong, if it did."""
        if self._error is not None:
            raise self._error
