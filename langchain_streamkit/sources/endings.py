"""How a message ended, and why, from whatever field and word its provider uses.

Guarantees: never raises; a word nobody knows is ``other``; the provider's own word is kept.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_streamkit.sources.piece_types import MetaPiece, as_dict
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from langchain_streamkit.events import FinishReason
    from langchain_streamkit.sources.usage import TokenCounts

_REASON_KEYS: Final = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_MODEL_KEYS: Final = ("model_name", "model", "model_id")
_KEPT: Final = ("id", "service_tier", "system_fingerprint", "stop_sequence")
"""Response metadata that is passed on, all else stays in the message."""

_WORDS: Final[dict[FinishReason, str]] = {
    # OpenAI chat and Responses, Anthropic, Gemini, Bedrock, Mistral, Cohere, Ollama
    "stop": "stop completed complete end_turn stop_sequence eos",
    "length": "length max_tokens max_output_tokens model_length model_context_window_exceeded",
    "tool_calls": "tool_calls tool_call function_call tool_use",
    "content_filter": (
        "content_filter content_filtered refusal safety recitation blocklist prohibited_content"
        " spii image_safety guardrail_intervened"
    ),
    "error": "error failed malformed_function_call unexpected_tool_call",
}
_REASONS: Final[dict[str, FinishReason]] = {
    word: reason for reason, words in _WORDS.items() for word in words.split()
}


class FinishedCall(NamedTuple):
    """A tool call as it was emitted; ``args`` is ``None`` when they were invalid."""

    tool_call_id: str
    name: str
    args: dict[str, Any] | None


class Ending(NamedTuple):
    """What is known of a message when it is complete; ``text`` is all of its visible text."""

    finish_reason: FinishReason
    raw_finish_reason: str | None
    model: str | None
    provider: str | None
    metadata: dict[str, Any]
    usage: TokenCounts | None
    text: str
    calls: tuple[FinishedCall, ...]


def finish_reason(raw: str | None, *, has_calls: bool) -> FinishReason:
    """Return the reason in our vocabulary.

    A plain stop with tool calls is ``tool_calls`` (Gemini, and OpenAI when a tool was forced).
    """
    reason = _REASONS.get(raw.lower(), "other") if raw else "stop"
    return "tool_calls" if has_calls and reason == "stop" else reason


def read_metadata(metadata: object) -> MetaPiece | None:
    """Return what a ``response_metadata`` says of the answer, ``None`` if it says nothing."""
    fields = as_dict(metadata)
    reason = _first(fields, _REASON_KEYS)
    if reason is None and fields.get("object") == "response":  # OpenAI Responses
        details = as_dict(fields.get("incomplete_details"))
        reason = _first(details, ("reason",)) or _first(fields, ("status",))
    provider = _first(fields, ("model_provider",))
    model = _first(fields, _MODEL_KEYS)
    kept = {name: to_plain(fields[name]) for name in _KEPT if fields.get(name) is not None}
    if reason is None and model is None and provider is None and not kept:
        return None
    return MetaPiece(reason, model, provider, kept)


def newer(old: MetaPiece, new: MetaPiece) -> MetaPiece:
    """Return both, ``new`` where both say something."""
    return MetaPiece(
        new.finish_reason or old.finish_reason,
        new.model or old.model,
        new.provider or old.provider,
        {**old.metadata, **new.metadata},
    )


def _first(fields: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, Enum):
            return value.name
        if isinstance(value, str) and value:
            return value
    return None
