"""What a scripted model or provider plays: turns, made of pieces.

Guarantees: a turn never changes (sequences are copied when it is made, message chunks each time
they are played); what cannot be played is refused when the turn is made, with what to write
instead.

A *piece* is one of

* ``str``: a text delta; ``Reasoning("...")``: a thinking delta
* ``dict``: a tool call chunk, any of ``index``, ``id``, ``name``, ``args`` (JSON text piece)
* ``AIMessageChunk``: as it is (``ScriptedModel`` only)
* ``float`` or ``int``: a delay in seconds; a gate (``threading.Event``, ``asyncio.Event``, anything
  with ``is_set()``): wait until it is set
* an exception: raised here; ``Malformed()``: bad JSON (``scripted_provider`` only)

A *turn* is a ``Turn``, a ``str`` (short for ``Turn(text)``), a list of pieces (played exactly as
written) or an exception. A *script* is a list of turns and of functions that return one, or one
function that answers every call.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.testing.faults import Malformed
from langchain_streamkit.testing.waiting import Gate

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

ARGS_PIECE = 8
"""Characters of a tool call's arguments in one piece, when the script does not split them."""

_TOKEN = re.compile(r"\s*\S+|\s+\Z")
_CALL_KEYS = frozenset({"index", "id", "name", "args", "type"})


class ScriptError(StreamUsageError):
    """A script that cannot be played; the message says which part and what to write instead."""


class Reasoning(str):
    """A piece of thinking text."""

    __slots__ = ()


Piece: TypeAlias = (
    "str | Mapping[str, Any] | AIMessageChunk | float | Gate | BaseException | Malformed"
)


@dataclass(frozen=True)
class ToolCall:
    """A tool call the scripted model asks for.

    ``args`` is the arguments object; or their JSON text, which need not be valid; or that text
    split into the pieces that shall arrive. ``id`` is minted at each play when absent.
    """

    name: str
    args: Mapping[str, Any] | str | Sequence[str] = field(default_factory=dict[str, Any])
    id: str | None = None

    def pieces(self, index: int) -> Iterator[dict[str, Any]]:
        """The chunks of the call: name and id first, once, then the argument text."""
        yield {
            "index": index,
            "id": self.id or f"call_{secrets.token_hex(12)}",
            "name": self.name,
            "args": "",
        }
        for part in self._split():
            yield {"index": index, "args": part}

    def _split(self) -> Sequence[str]:
        if not isinstance(self.args, str | Mapping):
            return self.args
        args = self.args
        text = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
        return [text[i : i + ARGS_PIECE] for i in range(0, len(text), ARGS_PIECE)]


@dataclass(frozen=True)
class Turn:
    """One answer of a scripted model or provider.

    It plays ``reasoning``, then ``text``, then ``tool_calls``, and closes with the finish reason
    and the usage. ``text`` and ``reasoning`` are cut at word starts; a list of strings is taken as
    it is. ``chunks`` plays these pieces instead of the three.

    * ``usage``: ``input_tokens``, ``output_tokens`` and whatever else LangChain's ``UsageMetadata``
      has; ``total_tokens`` is their sum when absent. None: a ``ScriptedModel`` reports none.
    * ``finish_reason``: None means ``tool_calls`` when there are any, else ``stop``.
    * ``interleave``: chunks of parallel tool calls take turns instead of following each other.
    * ``delay``: seconds before each chunk. ``hold``: gates by the number of the chunk (0, 1, 2 …)
      before which they are waited for; the number of chunks means before the close.
    * ``error`` is raised after ``fail_after`` chunks (all, when None); ``fail_after`` alone raises
      a RuntimeError.

    Raises ScriptError for values that cannot be played.
    """

    text: str | Sequence[str] = ""
    _: KW_ONLY
    tool_calls: Sequence[ToolCall | Mapping[str, Any]] = ()
    reasoning: str | Sequence[str] = ""
    chunks: Sequence[Piece] | None = None
    usage: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    interleave: bool = False
    delay: float = 0.0
    hold: Mapping[int, Gate] = field(default_factory=dict[int, Gate])
    fail_after: int | None = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        freeze = object.__setattr__
        if self.chunks is not None:
            if self.text or self.tool_calls or self.reasoning:
                raise ScriptError(
                    "Turn(chunks=...) is played instead of text, tool_calls and reasoning; "
                    "put these into chunks, or leave chunks out"
                )
            freeze(self, "chunks", tuple(_checked(p, i) for i, p in enumerate(self.chunks)))
        freeze(self, "text", _tokens(self.text))
        freeze(self, "reasoning", _tokens(self.reasoning))
        freeze(self, "tool_calls", tuple(map(_as_tool_call, self.tool_calls)))
        freeze(self, "hold", dict(self.hold))
        if self.usage is not None:
            freeze(self, "usage", _usage(self.usage))
        if self.error is not None and not isinstance(cast("object", self.error), BaseException):
            raise ScriptError(f"Turn(error=...) takes an exception instance, not {self.error!r}")

    @property
    def closes(self) -> bool:
        """Whether a closing chunk follows (not for a bare list of pieces)."""
        return self.chunks is None or self.finish_reason is not None or self.usage is not None

    def pieces(self) -> Iterator[Piece]:
        """What is played, delays, gates and errors in their places; ids are minted anew."""
        played = 0
        for piece in self._content():
            if is_content(piece):
                if played == self.fail_after:
                    break
                if self.delay:
                    yield self.delay
                if gate := self.hold.get(played):
                    yield gate
                played += 1
            yield piece
        else:
            if gate := self.hold.get(played):
                yield gate
        if self.error is not None:
            yield self.error
        elif self.fail_after is not None:
            yield RuntimeError(f"scripted failure after {played} chunks")

    def _content(self) -> Iterator[Piece]:
        if self.chunks is not None:
            yield from self.chunks
            return
        yield from (Reasoning(part) for part in self.reasoning)
        yield from self.text
        calls = [
            list(call.pieces(index))
            for index, call in enumerate(cast("tuple[ToolCall, ...]", self.tool_calls))
        ]
        if self.interleave:
            rounds = max(map(len, calls), default=0)
            yield from (call[i] for i in range(rounds) for call in calls if i < len(call))
        else:
            yield from (piece for call in calls for piece in call)


TurnLike: TypeAlias = "Turn | str | Sequence[Piece] | BaseException"


def is_content(piece: Piece) -> bool:
    """Whether the piece is a chunk of the answer (no delay, gate, error or malformed line)."""
    if isinstance(piece, str | Mapping):
        return True
    return not isinstance(piece, float | int | BaseException | Malformed | Gate)


def as_turn(value: object) -> Turn:
    """Read any form of a turn. Raises ScriptError."""
    if isinstance(value, Turn):
        return value
    if isinstance(value, str):
        return Turn(value)
    if isinstance(value, BaseException):
        return Turn(error=value)
    if isinstance(value, Sequence):
        return Turn(chunks=cast("Sequence[Piece]", value))
    raise ScriptError(
        f"{value!r} is not a turn; write a str, Turn(...), a list of pieces or an exception "
        "instance"
    )


def _tokens(text: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(text)) if isinstance(text, str) else tuple(text)


def _as_tool_call(call: ToolCall | Mapping[str, Any]) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    try:
        return ToolCall(**{key: value for key, value in call.items() if key != "type"})
    except (TypeError, AttributeError):
        raise ScriptError(
            f'{call!r} is not a tool call; write ToolCall("name", {{...}}) or '
            '{"name": ..., "args": {...}, "id": ...}'
        ) from None


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    try:
        total = usage["input_tokens"] + usage["output_tokens"]
    except (KeyError, TypeError):
        raise ScriptError(
            f'usage={usage!r} needs numbers: {{"input_tokens": 10, "output_tokens": 5}}'
        ) from None
    return {"total_tokens": total, **usage}


def _checked(piece: Piece, position: int) -> Piece:
    if isinstance(piece, Mapping):
        if unknown := set(piece) - _CALL_KEYS:
            raise ScriptError(
                f"chunk {position} has {sorted(unknown)}; a tool call chunk has index, id, name "
                "and args"
            )
        for key in ("id", "name", "args"):
            if not isinstance(piece.get(key), str | None):
                raise ScriptError(
                    f"chunk {position} has {key}={piece[key]!r}; it must be text, as it is sent "
                    "(ToolCall takes an arguments object)"
                )
        return dict(piece)
    if isinstance(piece, bool) or not is_piece(piece):
        raise ScriptError(
            f"chunk {position} is {piece!r}; write a str, Reasoning, a dict (tool call chunk), "
            "seconds, a gate with is_set(), an exception instance, Malformed or an AIMessageChunk"
        )
    return piece


def is_piece(value: object) -> bool:
    """Whether the value can stand in a list of pieces."""
    if isinstance(value, str | Mapping | float | int | BaseException | Malformed):
        return True
    if isinstance(value, type):
        return False
    if isinstance(value, Gate):
        return True
    from langchain_core.messages import AIMessageChunk

    return isinstance(value, AIMessageChunk)
