"""Parts and items of an OpenAI response as pieces: what came in deltas, and what only came whole.

Guarantees: each part is told once, by its deltas or else by its ``done`` event, its item or the
whole response, whichever is first to have it; an item of a type nobody knows passes whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_streamkit.sources.adapters.openai_shapes import (
    PROVIDER,
    fields,
    listed,
    plain,
    word,
)
from langchain_streamkit.sources.content import read_block
from langchain_streamkit.sources.piece_types import as_dict
from langchain_streamkit.sources.pieces import ReasoningPiece, TextPiece, ToolPiece, WholeBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.sources.adapters.openai_shapes import Fields
    from langchain_streamkit.sources.pieces import Piece


class Items:
    """The output items of one response, by id.

    An item is pinned to its first ``output_index``: after built-in tools the API may give a later
    one with its ``done`` event (langchain-openai found that out); other servers leave out ids.
    """

    def __init__(self) -> None:
        self._by_index: dict[object, str] = {}
        self._keys: set[str] = set()
        self._told: set[str] = set()
        self._cited: dict[str, int] = {}

    def key_of(self, event: Fields) -> str:
        """The key of the item that an event is about."""
        item_id = word(event.get("item_id") or fields(event.get("item")).get("id"))
        index = word(event.get("output_index"))
        if item_id is None or item_id not in self._keys:
            item_id = self._by_index.get(index) or item_id or f"#{index}"
        self._by_index.setdefault(index, item_id)
        self._keys.add(item_id)
        return item_id

    def part_of(self, event: Fields, index_name: str = "content_index") -> str:
        """The key of the content or summary part that an event is about."""
        return f"{self.key_of(event)}.{event.get(index_name) or 0}"

    def is_new(self, what: str) -> bool:
        """Whether this is the first that is told of it; from now on it is not."""
        if what in self._told:
            return False
        self._told.add(what)
        return True

    # ---- parts -------------------------------------------------------------------------------

    def text(self, part: str, text: object) -> Iterator[Piece]:
        """A piece of visible text."""
        if isinstance(text, str) and text:
            self._told.add(part)
            yield TextPiece(part, text)

    def annotation(self, part: str, annotation: object) -> Iterator[Piece]:
        """A citation in the text of a part."""
        self._cited[part] = self._cited.get(part, 0) + 1
        found = as_dict(plain(annotation))
        if "index" in found:  # a name that LangChain keeps for itself
            found["file_index"] = found.pop("index")
        yield from read_block({"type": "text", "annotations": [found]}, part, PROVIDER, chunk=True)

    def refusal(self, part: str, text: object) -> Iterator[Piece]:
        """A piece of a refusal."""
        self._told.add(part)
        value = {"type": "refusal", "refusal": plain(text)}
        yield WholeBlock(part, {"type": "non_standard", "value": value})

    def reasoning(self, part: str, text: object) -> Iterator[Piece]:
        """A piece of thinking text."""
        if isinstance(text, str) and text:
            self._told.add(part)
            yield ReasoningPiece(part, text)

    def whole_part(self, key: str, part: Fields) -> Iterator[Piece]:
        """A complete content part: what of it was not told."""
        if part.get("type") == "refusal":
            if key not in self._told:
                yield from self.refusal(key, part.get("refusal"))
            return
        if part.get("type") not in ("output_text", "text"):
            return
        if key not in self._told:
            yield from self.text(key, part.get("text"))
        for annotation in listed(part.get("annotations"))[self._cited.get(key, 0) :]:
            yield from self.annotation(key, annotation)

    # ---- items -------------------------------------------------------------------------------

    def added(self, key: str, item: Fields) -> Iterator[Piece]:
        """An item that begins; what comes whole is told when it is done."""
        match item.get("type"):
            case "function_call" if self.is_new(key):
                yield self._call(key, item, item.get("arguments"))
            case "reasoning" if self.is_new(key):
                yield ReasoningPiece(f"{key}.0", "", _extras(item, "id"))
            case "message" if item.get("phase"):
                yield TextPiece(f"{key}.0", "", (), _extras(item, "phase"))
            case _:
                pass

    def args(self, key: str, text: object) -> Iterator[Piece]:
        """A piece of the arguments of a call."""
        if isinstance(text, str) and text:
            self._told.add(f"{key} args")
            yield ToolPiece(key, None, None, text)

    def done(self, key: str, item: Fields) -> Iterator[Piece]:
        """A complete item: what of it was not told."""
        if not self.is_new(f"{key} done"):
            return
        match item.get("type"):
            case "message":
                for n, part in enumerate(listed(item.get("content"))):
                    yield from self.whole_part(f"{key}.{n}", fields(part))
            case "reasoning":
                yield from self._reasoned(key, item)
            case "function_call" if self.is_new(key):
                yield self._call(key, item, item.get("arguments"))
            case "function_call":
                if f"{key} args" not in self._told:
                    yield from self.args(key, item.get("arguments"))
            case "custom_tool_call":  # in the form that LangChain gives to free text
                yield self._call(key, item, json.dumps({"__arg1": plain(item.get("input"))}))
            case _:
                yield from read_block(plain(item), key, PROVIDER, chunk=True)

    def _call(self, key: str, item: Fields, args: object) -> ToolPiece:
        extras = {"item_id": item["id"]} if word(item.get("id")) else {}
        extras |= _extras(item, "namespace")
        call_id, name = word(item.get("call_id")) or word(item.get("id")), word(item.get("name"))
        if isinstance(args, str) and args:
            self._told.add(f"{key} args")
        return ToolPiece(key, call_id, name, args if isinstance(args, str) else None, extras)

    def _reasoned(self, key: str, item: Fields) -> Iterator[Piece]:
        for field in ("summary", "content"):
            for n, part in enumerate(listed(item.get(field))):
                where = thought(key, n, raw=field == "content")
                if where not in self._told:
                    yield from self.reasoning(where, fields(part).get("text"))
        if item.get("encrypted_content"):
            yield ReasoningPiece(f"{key}.0", "", _extras(item, "id", "encrypted_content"))


def thought(key: str, n: object, *, raw: bool) -> str:
    """The key of a part of a reasoning item: of its summary, or of the ``raw`` thinking text."""
    return f"{key}.raw{n or 0}" if raw else f"{key}.{n or 0}"


def _extras(item: Fields, *names: str) -> dict[str, Any]:
    return {name: plain(item[name]) for name in names if item.get(name) is not None}
