"""The chat completions protocol (``POST /v1/chat/completions``), sans-IO.

Guarantees the order of the real API: a delta with the role, the content deltas, an empty delta with
the finish reason, the usage chunk with empty ``choices`` if ``stream_options.include_usage`` asked
for it (all other chunks then say ``"usage": null``), and ``data: [DONE]``. Tool call chunks are
sent with exactly the fields the script gave them. Reasoning is ``delta.reasoning_content``, as
DeepSeek, vLLM and others send it (OpenAI's own chat API never shows it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_streamkit.testing.provider_answer import Answer, compact, mint
from langchain_streamkit.testing.turns import Reasoning

if TYPE_CHECKING:
    from langchain_streamkit.testing.faults import Malformed, ProviderError
    from langchain_streamkit.testing.turns import Piece


class ChatEncoder:
    """Encodes one answer; see the module for what it guarantees."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._id = mint("chatcmpl-")
        options: Mapping[str, Any] = answer.body.get("stream_options") or {}
        self._usage = answer.usage if options.get("include_usage") else None

    def open(self) -> bytes:
        """The delta with the role."""
        return self._delta({"role": "assistant", "content": "", "refusal": None})

    def feed(self, piece: Piece) -> bytes:
        """One delta."""
        self._answer.add(piece)
        if isinstance(piece, Reasoning):
            return self._delta({"reasoning_content": str(piece)})
        if isinstance(piece, Mapping):
            return self._delta({"tool_calls": [_tool_delta(piece)]})
        return self._delta({"content": piece})

    def malformed(self, piece: Malformed) -> bytes:
        """A ``data:`` line that is not JSON."""
        return _frame(piece.data)

    def error(self, error: ProviderError) -> bytes:
        """The error object in place of a chunk."""
        return _frame(compact(error.body))

    def close(self) -> bytes:
        """Finish reason, usage if asked for, ``[DONE]``."""
        end = self._delta({}, self._answer.finish_reason)
        if self._usage is not None:
            end += _frame(compact(self._chunk([]) | {"usage": _usage(self._usage)}))
        return end + _frame("[DONE]")

    def whole(self) -> dict[str, Any]:
        """The ``chat.completion`` object."""
        answer = self._answer
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text or None,
            "refusal": None,
            "annotations": [],
        }
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.args},
                }
                for call in answer.calls
            ]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": answer.finish_reason,
        }
        whole = self._chunk([choice]) | {"object": "chat.completion"}
        whole.pop("usage", None)
        return whole if answer.usage is None else whole | {"usage": _usage(answer.usage)}

    def _delta(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _frame(compact(self._chunk([choice])))

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        chunk: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._answer.created,
            "model": self._answer.model,
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
            "choices": choices,
        }
        if self._usage is not None:
            chunk["usage"] = None
        return chunk


def _frame(data: str) -> bytes:
    return b"data: " + data.encode() + b"\n\n"


def _tool_delta(piece: Mapping[str, Any]) -> dict[str, Any]:
    delta: dict[str, Any] = {key: piece[key] for key in ("index", "id") if key in piece}
    function: dict[str, Any] = {}
    if "name" in piece:
        delta["type"] = "function"
        function["name"] = piece["name"]
    if "args" in piece:
        function["arguments"] = piece["args"]
    return delta | {"function": function}


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    inputs: Mapping[str, int] = usage.get("input_token_details") or {}
    outputs: Mapping[str, int] = usage.get("output_token_details") or {}
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
        "prompt_tokens_details": {
            "cached_tokens": inputs.get("cache_read", 0),
            "audio_tokens": inputs.get("audio", 0),
        },
        "completion_tokens_details": {
            "reasoning_tokens": outputs.get("reasoning", 0),
            "audio_tokens": outputs.get("audio", 0),
        },
    }
