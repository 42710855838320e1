"""A LangChain message, or a chunk of one, taken apart into plain pieces.

Guarantees: ``extract`` never raises and never changes the message; pieces are in the order in
which a reader should see them; a chunk that is only text is its ``str``, found with a few reads,
because ``extract`` runs inside LangChain's callback for every token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from langchain_streamkit.sources.content import (
    TOOL_BLOCKS,
    RawBlock,
    as_word,
    is_reasoning,
    plain_args,
    plain_text,
    read_block,
    read_tool_block,
    tool_extras,
)
from langchain_streamkit.sources.endings import read_metadata
from langchain_streamkit.sources.piece_types import (
    Extras,
    Key,
    MetaPiece,
    Piece,
    ReasoningPiece,
    TextPiece,
    ToolPiece,
    UsagePiece,
    WholeBlock,
    as_dict,
    as_key,
    as_list,
)
from langchain_streamkit.sources.usage import read_counts
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

__all__ = [
    "Extras",
    "Key",
    "MetaPiece",
    "Piece",
    "ReasoningPiece",
    "TextPiece",
    "ToolPiece",
    "UsagePiece",
    "WholeBlock",
    "chunk_pieces",
    "extract",
    "whole_pieces",
]

_REASONING_KEY: Final = "reasoning_content"
_FUNCTION_KEY: Final = "function_call"
_QUIET: Final = frozenset({"model_provider", "output_version"})
"""Metadata that many integrations put on every chunk; the final message has it too."""


def extract(message: BaseMessage) -> str | tuple[Piece, ...]:
    """Return the text of a chunk that is nothing but text, else all its pieces.

    A ``response_metadata`` that only names the provider, as on every chunk of ``ChatOpenAI``, is
    nothing: the final message has it too. Never raises.
    """
    fields = message.__dict__
    try:
        # Subscripts, as `get` would cost twice that, per token
        if (
            not fields["tool_call_chunks"]
            and not fields["additional_kwargs"]
            and fields["usage_metadata"] is None
        ):
            metadata = fields["response_metadata"]
            if not metadata or (len(metadata) == 1 and "model_provider" in metadata):
                content: object = fields["content"]
                if type(content) is str:
                    return content
                blocks = as_list(content)
                if len(blocks) == 1 and (piece := plain_text(blocks[0])) is not None:
                    return (piece,)
    except KeyError:
        pass  # not a chunk of an AI message
    return _pieces(fields, chunk=True)


def chunk_pieces(fields: Mapping[str, Any]) -> tuple[Piece, ...]:
    """Return the pieces of a chunk given as the fields an ``AIMessageChunk`` would have.

    Never raises.
    """
    return _pieces(fields, chunk=True)


def whole_pieces(message: BaseMessage) -> tuple[Piece, ...]:
    """Return the pieces of a complete message: every block has its own key. Never raises."""
    return _pieces(message.__dict__, chunk=False)


def _pieces(fields: Mapping[str, Any], *, chunk: bool) -> tuple[Piece, ...]:
    content: object = fields.get("content")
    blocks = as_list(content) or [content or ""]
    metadata = as_dict(fields.get("response_metadata"))
    provider = metadata.get("model_provider")
    provider = provider if isinstance(provider, str) else None
    is_model = "tool_calls" in fields
    calls = _calls(fields, chunk=chunk) if is_model else []
    has_calls = bool(calls)
    kwargs = as_dict(fields.get("additional_kwargs")) if is_model else {}

    found: list[Piece] = []
    if kwargs and not any(is_reasoning(block) for block in blocks):
        found += _reasoning(kwargs, chunk=chunk)
    for position, block in enumerate(blocks):
        if block == "":
            continue
        fields_of = as_dict(block)
        key = as_key(fields_of.get("index")) if chunk else position
        kind = str(fields_of.get("type"))
        if is_model and kind in TOOL_BLOCKS and (calls or kind != "input_json_delta"):
            found.append(_take(calls, fields_of, key if chunk else f"block {position}"))
        else:
            found += read_block(block, key, provider, chunk=chunk)
    if len(kwargs) > 1 or (kwargs and _REASONING_KEY not in kwargs):
        found += _other(kwargs, provider, chunk=chunk, has_calls=has_calls)
    found += calls
    if metadata and not (chunk and metadata.keys() <= _QUIET):
        if "grounding_metadata" in metadata:
            found += _grounding(as_dict(metadata["grounding_metadata"]), found)
        meta = read_metadata(metadata)
        if meta is not None:
            found.append(meta)
    counts = read_counts(fields.get("usage_metadata"))
    if counts is not None:
        found.append(UsagePiece(counts))
    return tuple(found)


def _calls(fields: Mapping[str, Any], *, chunk: bool) -> list[ToolPiece]:
    parts = as_list(fields.get("tool_call_chunks")) if chunk else []
    if parts:
        return [_call(call, as_key(call.get("index"))) for call in map(as_dict, parts)]
    calls = as_list(fields.get("tool_calls")) + as_list(fields.get("invalid_tool_calls"))
    return [_call(as_dict(call), f"call {n}") for n, call in enumerate(calls)]


def _call(call: RawBlock, index: Key) -> ToolPiece:
    args = plain_args(call.get("args"))
    return ToolPiece(index, as_word(call.get("id")), as_word(call.get("name")), args)


def _take(calls: list[ToolPiece], block: RawBlock, key: Key) -> ToolPiece:
    """The call that a content block repeats: of the same id, or the next one without."""
    wanted = block.get("call_id") or block.get("id")
    for n, call in enumerate(calls):
        if not wanted or not call.id or call.id == wanted:
            extras = tool_extras(block)
            return calls.pop(n)._replace(extras=extras)
    return read_tool_block(block, key)


def _reasoning(kwargs: RawBlock, *, chunk: bool) -> list[Piece]:
    """Reasoning beside the content: DeepSeek, Ollama, Groq, vLLM, OpenRouter, OpenAI "v0"."""
    value: object = kwargs.get("reasoning_content") or kwargs.get("reasoning")
    details = kwargs.get("reasoning_details")
    if isinstance(value, str) and value and not details:
        return [ReasoningPiece(_REASONING_KEY, value)]
    extras = {"reasoning_details": to_plain(details)} if details else {}
    block = as_dict(value) or {"reasoning": value}
    if "text" in block:
        block = {"reasoning_content": block}
    block = {**block, "type": "reasoning", **extras}
    return list(read_block(block, _REASONING_KEY, None, chunk=chunk))


def _other(kwargs: RawBlock, provider: str | None, *, chunk: bool, has_calls: bool) -> list[Piece]:
    """Content that some integrations put into ``additional_kwargs``."""
    found: list[Piece] = []
    for n, output in enumerate(as_list(kwargs.get("tool_outputs"))):  # OpenAI Responses, "v0"
        key = as_key(as_dict(output).get("index")) if chunk else f"output {n}"
        found += read_block(output, key, provider, chunk=chunk)
    for n, tool in enumerate(as_list(kwargs.get("executed_tools"))):  # Groq
        found.append(WholeBlock(f"executed {n}", _non_standard(tool)))
    refusal = kwargs.get("refusal")
    if refusal:
        found.append(WholeBlock(None, _non_standard({"type": "refusal", "refusal": refusal})))
    audio: object = kwargs.get("audio")
    if isinstance(audio, bytes) and audio:  # Gemini, always WAV
        block = {"type": "audio", **as_dict(to_plain(audio)), "mime_type": "audio/wav"}
        found.append(WholeBlock("audio", block))
    elif rest := as_dict(to_plain(audio)):  # OpenAI
        block = {"type": "audio", "base64": rest.pop("data", "")}
        if "id" in rest:
            block["id"] = rest.pop("id")
        found.append(WholeBlock("audio", {**block, "extras": rest}))
    call = as_dict(kwargs.get("function_call"))
    if call and not has_calls:  # OpenAI before there were tools
        found.append(_call({**call, "args": call.get("arguments")}, _FUNCTION_KEY))
    return found


def _non_standard(value: object) -> RawBlock:
    return {"type": "non_standard", "value": to_plain(value)}


def _grounding(grounding: RawBlock, found: list[Piece]) -> list[Piece]:
    """Gemini's citations: of the message as a whole, mostly on its last chunk."""
    from langchain_core.messages.block_translators import google_genai

    try:
        cited: list[Any] = [*google_genai.translate_grounding_metadata_to_citations(grounding)]
    except Exception:  # noqa: BLE001 -- as with any translator
        cited = [{"type": "non_standard_annotation", "value": grounding}]
    annotations = tuple(to_plain(one) for one in cited)
    for n, piece in enumerate(found):
        if isinstance(piece, TextPiece):
            found[n] = piece._replace(annotations=(*piece.annotations, *annotations))
            return []
    return [TextPiece(None, "", annotations)] if annotations else []
