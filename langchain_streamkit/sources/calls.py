"""Which tool call a piece belongs to, however the provider cuts and labels its calls.

Guarantees: pieces are joined by index, then by id, then to the last call of the message; one index
with two ids is two calls; parallel calls may interleave; no piece is lost. LangChain's own merge
of chunks does not give all of this.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn, cast

from langchain_streamkit.events import InvalidArgs
from langchain_streamkit.sources.block import merge_extras

if TYPE_CHECKING:
    from langchain_streamkit.sources.block import Block
    from langchain_streamkit.sources.piece_types import Extras, Key, ToolPiece


class Call:
    """One tool call; ``early`` is argument text from before it could start."""

    __slots__ = ("_last", "block", "early", "extras", "id", "key", "name")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.id: str | None = None
        self.name: str | None = None
        self.early: list[str] = []
        self._last = ""
        self.block: Block | None = None
        self.extras: Extras = None

    @property
    def args_text(self) -> str:
        return "".join(self.early) if self.block is None else self.block.text

    @property
    def has_args(self) -> bool:
        """Whether there is any argument text but space; costs nothing."""
        return bool(self._last)

    @property
    def is_complete(self) -> bool:
        """Whether the arguments so far are a whole JSON object, so that no more can follow."""
        return self._last == "}" and parse_args(self.args_text)[1] is None

    def add(self, args: str) -> str:
        """Append argument text; return what can be shown of it now, maybe nothing."""
        self._last = args.rstrip()[-1:] or self._last
        if self.block is not None:
            return self.block.add(args)
        self.early.append(args)
        return ""

    def label(self, piece: ToolPiece) -> None:
        """Take id, name and extras.

        A name in fragments is joined while the call has not started, a repeated one is ignored.
        """
        self.extras = merge_extras(self.extras, piece.extras)
        if self.block is not None:
            return
        self.id = self.id or piece.id
        if piece.name and piece.name != self.name:
            self.name = (self.name or "") + piece.name

    def continued_by(self, piece: ToolPiece, *, same_key: bool) -> bool:
        """Whether ``piece``, of this index or of none, is more of this call."""
        if piece.id and self.id:
            return piece.id == self.id
        if isinstance(piece.args, dict) and self.has_args:
            return parse_args(self.args_text)[0] == piece.args
        if not piece.name or not self.name or not self.has_args:
            return True
        if self.is_complete:
            more = isinstance(piece.args, str) and piece.args.strip()
            return piece.name == self.name and not more
        return same_key or piece.name == self.name


class Calls:
    """The tool calls of one message, in order of their first piece."""

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._latest: dict[Key, Call] = {}

    def find(self, piece: ToolPiece) -> Call:
        """Return the call that ``piece`` continues, or a new one."""
        call = self._by_key(piece) if piece.key is not None else self._without_key(piece)
        if call is None:
            call = Call(piece.key)
            self.all.append(call)
        elif call.key is None:
            call.key = piece.key
        if piece.key is not None:
            self._latest[piece.key] = call
        return call

    def _by_key(self, piece: ToolPiece) -> Call | None:
        latest = self._latest.get(piece.key)
        if latest is not None and latest.continued_by(piece, same_key=True):
            return latest
        if piece.id:  # an earlier call of this index again, or one that had no index yet
            for call in self.all:
                if call.id == piece.id and call.key in (piece.key, None):
                    return call
        if latest is None and not piece.name and self.all:
            last = self.all[-1]
            if last.key is None and last.continued_by(piece, same_key=False):
                return last
        return None

    def _without_key(self, piece: ToolPiece) -> Call | None:
        if piece.id:
            for call in reversed(self.all):
                if call.id == piece.id:
                    return call
        last = self.all[-1] if self.all else None
        if last is None or not last.continued_by(piece, same_key=False):
            return None
        return last

    def match(self, finals: list[ToolPiece]) -> list[Call | None]:
        """Return for each call of the final message the one that was streamed, if any.

        By id, then by name where an id is missing, then by name and arguments.
        """
        free = list(self.all)
        found: list[Call | None] = [None] * len(finals)
        for same in (_same_id, _same_name, _same_args):
            for n, final in enumerate(finals):
                call = None if found[n] else next((c for c in free if same(c, final)), None)
                if call is not None:
                    found[n] = call
                    free.remove(call)
        return found


def _same_id(call: Call, final: ToolPiece) -> bool:
    return bool(call.id) and call.id == final.id


def _same_name(call: Call, final: ToolPiece) -> bool:
    # The name too may have been cut before all of its fragments came
    return not (call.id and final.id) and (final.name or "").startswith(call.name or "")


def _same_args(call: Call, final: ToolPiece) -> bool:
    return call.name == final.name and parse_args(call.args_text)[0] == final.args


def parse_args(text: str) -> tuple[dict[str, Any] | None, InvalidArgs | None]:
    """Return the JSON object in ``text``, or what is wrong with it. Nothing at all is ``{}``.

    Strict JSON: what no JSON parser of a reader takes (NaN, numbers beyond range, control
    characters in strings) is invalid.
    """
    if not text.strip():
        return {}, None
    try:
        found: object = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        return None, InvalidArgs(text=text, error="nested too deep")
    except ValueError as exc:
        return None, InvalidArgs(text=text, error=str(exc))
    if isinstance(found, dict):
        return cast("dict[str, Any]", found), None
    return None, InvalidArgs(text=text, error=f"not an object but {type(found).__name__}")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is out of range")
    return number
