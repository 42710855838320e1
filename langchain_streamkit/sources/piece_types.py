"""What a message, or a chunk of one, is taken apart into.

Guarantees: pieces are immutable and hold plain JSON values that share nothing with the message, so
what happens to the message later changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

if TYPE_CHECKING:
    from langchain_streamkit.sources.usage import TokenCounts

Key: TypeAlias = int | str | None
"""A provider's ``index`` of a content block or tool call (``"0"`` is 0), ``None`` without one."""

Extras: TypeAlias = dict[str, Any] | None
"""What a block says beside its text, flat: ids, signatures, encrypted content, status."""


class TextPiece(NamedTuple):
    """Visible text. ``annotations`` are citations in LangChain's standard form where known."""

    key: Key
    text: str
    annotations: tuple[Any, ...] = ()
    extras: Extras = None


class ReasoningPiece(NamedTuple):
    """Thinking text; ``extras`` carries signatures and encrypted content."""

    key: Key
    text: str
    extras: Extras = None


class ToolPiece(NamedTuple):
    """Part of a tool call: ``args`` is a piece of JSON text, or the whole object."""

    key: Key
    id: str | None
    name: str | None
    args: str | dict[str, Any] | None
    extras: Extras = None


class WholeBlock(NamedTuple):
    """Any other content block, whole or (same ``key``) one part of it; without ``index``."""

    key: Key
    block: dict[str, Any]


class UsagePiece(NamedTuple):
    """Token counts as one chunk states them."""

    counts: TokenCounts


class MetaPiece(NamedTuple):
    """``finish_reason`` as the provider wrote it; ``metadata`` by allow-list."""

    finish_reason: str | None
    model: str | None
    provider: str | None
    metadata: dict[str, Any]


Piece: TypeAlias = TextPiece | ReasoningPiece | ToolPiece | WholeBlock | UsagePiece | MetaPiece


def as_key(index: object) -> Key:
    """Return a provider's ``index`` as a key: digits in a string are the number."""
    if isinstance(index, bool) or not isinstance(index, (int, str)):
        return None
    if isinstance(index, str) and index.isdecimal():
        return int(index)
    return index


def as_dict(value: object) -> dict[str, Any]:
    """Return ``value`` if it is a dict, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Return ``value`` if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []
