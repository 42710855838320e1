"""One content block of a message, in whatever provider's form, as pieces.

Guarantees: never raises, whatever the block is; a block that nobody knows passes whole. Text and
reasoning, which come with every token, are read here; the rest is standardised by LangChain's own
translators, one copied block at a time, since they lose, reorder or raise on whole messages and
some change the message they read.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from langchain_streamkit.sources.piece_types import (
    Extras,
    Key,
    Piece,
    ReasoningPiece,
    TextPiece,
    ToolPiece,
    WholeBlock,
    as_dict,
    as_key,
    as_list,
)
from langchain_streamkit.values import to_plain

RawBlock: TypeAlias = dict[str, Any]

_TEXT: Final = frozenset({"text", "output_text", "input_text"})
_REASONING: Final = frozenset({"reasoning", "thinking", "reasoning_content"})
TOOL_BLOCKS: Final = frozenset(
    {
        "tool_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "tool_use",
        "input_json_delta",
        "function_call",
        "custom_tool_call",
    }
)
"""Blocks that repeat what the message says in ``tool_call_chunks`` or ``tool_calls``."""
_STANDARD: Final = frozenset(
    {
        "image",
        "audio",
        "video",
        "file",
        "text-plain",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_result",
        "non_standard",
    }
)
_NOT_STANDARD_KEYS: Final = frozenset({"source", "source_type", "file", "image", "audio", "video"})
"""A provider's image or file shares its ``type`` with the standard block and has one of these."""
_TOOL_KEYS: Final = frozenset(
    {"id", "call_id", "name", "args", "arguments", "input", "partial_json", "error"}
)


def is_reasoning(block: object) -> bool:
    """Whether ``block`` is thinking text."""
    return isinstance(block, dict) and _kind(cast("RawBlock", block)) in _REASONING


def plain_text(block: object) -> TextPiece | None:
    """Return the piece of a block that is nothing but text, found with a few reads."""
    if type(block) is not dict:
        return None
    raw = cast("RawBlock", block)
    text = raw.get("text")
    if raw.get("type") != "text" or type(text) is not str or len(raw) > 3:
        return None
    if len(raw) == 2:
        return TextPiece(None, text)
    return TextPiece(as_key(raw["index"]), text) if "index" in raw else None


def read_block(
    block: object, key: Key, provider: str | None, *, chunk: bool, standard: bool = False
) -> Iterator[Piece]:
    """Yield the pieces of one block.

    ``key`` identifies it in its message, ``chunk`` tells a part of a stream, ``standard`` a block
    that a translator has made.
    """
    if isinstance(block, str):
        if block:
            yield TextPiece(key, block)
        return
    if not isinstance(block, dict):
        yield WholeBlock(key, {"type": "non_standard", "value": to_plain(block)})
        return
    raw = cast("RawBlock", block)
    kind = _kind(raw)
    if kind in _TEXT and isinstance(raw.get("text", ""), str):
        yield from _text(raw, key, provider)
    elif kind in _REASONING:
        yield from _reasoning(raw, key)
    elif kind == "input_json_delta":  # no tool call of ours: the arguments of a server's tool
        yield WholeBlock(key, {"type": "server_tool_call_chunk", "args": raw.get("partial_json")})
    elif standard or (kind in _STANDARD and not (_NOT_STANDARD_KEYS & raw.keys())):
        yield _whole(raw, key)
    else:
        yield from _translated(raw, key, provider, chunk=chunk)


def read_tool_block(block: RawBlock, key: Key) -> ToolPiece:
    """Return the tool call that is only in the content, not in the message's tool calls."""
    args: object = None
    for name in ("args", "arguments", "input", "partial_json"):
        args = args if args not in (None, "", {}) else block.get(name)
    return ToolPiece(
        key,
        as_word(block.get("call_id") or block.get("id")),
        as_word(block.get("name")),
        plain_args(args),
        tool_extras(block),
    )


def tool_extras(block: RawBlock) -> Extras:
    """Return what a tool block says beside id, name and arguments."""
    found = read_extras(block, _TOOL_KEYS) or {}
    if block.get("call_id") and block.get("id"):
        found["item_id"] = block["id"]  # the name LangChain gives to OpenAI's second id
    return found or None


def as_word(value: object) -> str | None:
    """Return an id or a name, ``None`` for an empty one."""
    return str(value) if value not in (None, "") else None


def plain_args(args: object) -> str | RawBlock | None:
    """Return arguments as they come: JSON text, or a plain copy of the whole object."""
    if args is None or isinstance(args, str):
        return args
    plain = to_plain(args)
    return as_dict(plain) if isinstance(plain, dict) else json.dumps(plain)


def read_extras(block: Mapping[str, Any], known: frozenset[str]) -> Extras:
    """Return all but the ``known`` fields, with the block's own ``extras`` among them."""
    found: RawBlock = {}
    for name, value in block.items():
        if name == "extras":
            found.update(as_dict(to_plain(value)))
        elif name not in known and name not in ("type", "index") and value is not None:
            found[str(name)] = to_plain(value)
    return found or None


def _kind(block: RawBlock) -> str:
    kind = block.get("type")
    return kind if isinstance(kind, str) else ""


_TEXT_KEYS: Final = frozenset({"text", "annotations", "citations"})
_STANDARD_ANNOTATIONS: Final = ("citation", "non_standard_annotation")


def _text(block: RawBlock, key: Key, provider: str | None) -> Iterator[Piece]:
    text = block.get("text", "")
    if len(block) - ("index" in block) <= 2 and "text" in block:
        if text:
            yield TextPiece(key, text)
        return
    cited = as_list(block.get("annotations")) or as_list(block.get("citations"))
    annotations = _annotations(cited, block, provider)
    extras = read_extras(block, _TEXT_KEYS)
    if text or annotations or extras:
        yield TextPiece(key, text, annotations, extras)


def _annotations(cited: list[object], block: RawBlock, provider: str | None) -> tuple[Any, ...]:
    if any(as_dict(one).get("type") not in _STANDARD_ANNOTATIONS for one in cited):
        # Only Anthropic and those who copy it say "citations"
        by = provider or ("anthropic" if "citations" in block else "openai")
        for translated in _standard({**block, "text": ""}, by, chunk=False):
            cited = as_list(translated.get("annotations")) or cited
    return tuple(to_plain(one) for one in cited)


_REASONING_KEYS: Final = frozenset({"reasoning", "thinking", "reasoning_content", "summary"})


def _reasoning(block: RawBlock, key: Key) -> Iterator[Piece]:
    extras = read_extras(block, _REASONING_KEYS)
    inner: object = block.get("reasoning_content")
    if held := as_dict(inner):  # Bedrock Converse
        extras = {**(extras or {}), **(read_extras(held, frozenset({"text"})) or {})} or None
        inner = held.get("text")
    text: object = block.get("reasoning") or block.get("thinking") or inner
    if "summary" in block:  # OpenAI Responses: each part is a block of its own
        summary = as_list(block["summary"])
        for n, part in enumerate(summary):
            fields = as_dict(part) or {"text": part}
            yield ReasoningPiece(
                f"{key}.{fields.get('index', n)}", _as_text(fields.get("text")), extras
            )
            extras = None
        if not summary and (text or extras):
            yield ReasoningPiece(f"{key}.0", _as_text(text), extras)
    elif text or extras:
        yield ReasoningPiece(key, _as_text(text), extras)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(to_plain(value))


def _whole(block: RawBlock, key: Key) -> WholeBlock:
    plain = cast("RawBlock", to_plain(block))
    plain.pop("index", None)
    return WholeBlock(key, plain)


def _translated(block: RawBlock, key: Key, provider: str | None, *, chunk: bool) -> Iterator[Piece]:
    found = _standard(block, provider, chunk=chunk)
    for n, one in enumerate(found):
        own = as_key(one.get("index"))
        if own is None and key is not None:
            own = key if len(found) == 1 else f"{key}.{n}"
        elif not chunk:
            own = f"{key}.{n}"
        yield from read_block(one, own, provider, chunk=chunk, standard=True)


def _standard(block: RawBlock, provider: str | None, *, chunk: bool) -> list[RawBlock]:
    """The block as LangChain's translator for this provider, or its best guess, says."""
    from langchain_core.messages import AIMessage, AIMessageChunk

    make: Callable[..., AIMessage] = AIMessageChunk if chunk else AIMessage
    metadata = {"model_provider": provider} if provider else {}
    passed: list[RawBlock] = [{"type": "non_standard", "value": block}]
    try:
        alone = make(content=[copy.deepcopy(block)], response_metadata=metadata)
        found = cast("list[RawBlock]", alone.content_blocks)
        if not all(isinstance(one.get("type"), str) for one in found):
            return passed
    except Exception:  # noqa: BLE001 -- translators read fields that a provider may leave out
        return passed
    return found or passed
