"""Content blocks other than text that come in parts.

Guarantees: the parts merge to one block; what cannot be merged replaces; nothing raises.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.sources.calls import parse_args
from langchain_streamkit.sources.piece_types import as_dict, as_list

if TYPE_CHECKING:
    from langchain_streamkit.sources.piece_types import Key, WholeBlock

_ALWAYS_WHOLE: Final = frozenset(
    {"image", "video", "file", "text-plain", "server_tool_call", "server_tool_result"}
)
_STATED: Final = frozenset({"type", "id", "name", "mime_type", "status", "tool_call_id"})
"""Strings that are said again, not continued."""


def type_of(block: dict[str, Any]) -> str:
    """Return the type to compare blocks by, the provider's own for a non-standard one."""
    inner = as_dict(block.get("value")).get("type")
    return f"{block.get('type')} {inner}" if inner else str(block.get("type"))


class Partial:
    """A block that may go on: audio, the call of a server's tool, a provider's own."""

    __slots__ = ("_audio", "_block", "key")

    def __init__(self, piece: WholeBlock) -> None:
        self.key: Key = piece.key
        self._block: dict[str, Any] = {}
        self._audio: list[str] = []
        self.add(piece.block)

    @staticmethod
    def may_continue(piece: WholeBlock) -> bool:
        return piece.key is not None and piece.block.get("type") not in _ALWAYS_WHOLE

    def add(self, part: dict[str, Any]) -> None:
        data = part.get("base64")
        if isinstance(data, str):
            self._audio.append(data)
            part = {name: value for name, value in part.items() if name != "base64"}
        self._block = _merge(self._block, part)

    def whole(self) -> dict[str, Any]:
        """Return the block; the arguments of a server's tool parsed if they are an object."""
        block = self._block
        if self._audio:
            block = {**block, "base64": _join_base64(self._audio)}
        text: object = block.get("args") or ""
        if block.get("type") == "server_tool_call_chunk" and isinstance(text, str):
            args, invalid = parse_args(text)
            if invalid is None:
                block = {**block, "type": "server_tool_call", "args": args}
        return block


def _merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if value is None and name in merged:
            continue
        if isinstance(before, str) and isinstance(value, str) and name not in _STATED:
            merged[name] = before + value
        elif (items := as_list(before)) and isinstance(value, list):
            merged[name] = items + as_list(cast("object", value))
        elif (fields := as_dict(before)) and isinstance(value, dict):
            merged[name] = _merge(fields, as_dict(cast("object", value)))
        else:
            merged[name] = value
    return merged


def _join_base64(parts: list[str]) -> str:
    """Parts that were encoded one by one end in padding, parts of one encoding do not."""
    if not any(part.endswith("=") for part in parts[:-1]):
        return "".join(parts)
    try:
        return base64.b64encode(b"".join([base64.b64decode(p) for p in parts])).decode()
    except binascii.Error:
        return "".join(parts)
