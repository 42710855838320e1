"""What the encoders of both OpenAI protocols share: the answer planned, and folded as it is sent.

Sans-IO: an encoder turns one piece of a script into the bytes the API would send for it, and can
give the whole answer as one object at the end.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from langchain_streamkit.testing.turns import Piece, Reasoning, is_content

if TYPE_CHECKING:
    from langchain_streamkit.testing.faults import Malformed, ProviderError
    from langchain_streamkit.testing.turns import Turn


@dataclass
class Call:
    """A tool call as far as it was sent."""

    id: str = ""
    name: str = ""
    args: str = ""


@dataclass
class Answer:
    """One answer to one request; ``add`` folds the pieces that were sent."""

    body: Mapping[str, Any]
    pieces: tuple[Piece, ...]
    usage: dict[str, Any] | None
    """LangChain's ``UsageMetadata``; None: the provider never reports usage."""
    wanted_finish: str | None
    created: int = field(default_factory=lambda: int(time.time()))
    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    _places: dict[object, int] = field(default_factory=dict[object, int])

    @classmethod
    def of(cls, turn: Turn, body: Mapping[str, Any], *, usage: bool) -> Answer:
        """Plan the answer of this turn to this request body."""
        pieces = tuple(turn.pieces())
        reported = (dict(turn.usage) if turn.usage else _made_up(body, pieces)) if usage else None
        return cls(body, pieces, reported, turn.finish_reason)

    @property
    def model(self) -> str:
        """The model's name, as asked for."""
        return str(self.body["model"])

    @property
    def finish_reason(self) -> str:
        """In the words of chat completions."""
        return self.wanted_finish or ("tool_calls" if self.calls else "stop")

    def place(self, piece: Mapping[str, Any]) -> int:
        """Which call a chunk belongs to: by index, else a new one if it has a name, or the last.

        A new place is one past the end of ``calls`` until ``add`` is called.
        """
        index = piece.get("index")
        if index is not None:
            return self._places.setdefault(index, len(self.calls))
        return len(self.calls) if piece.get("name") or not self.calls else len(self.calls) - 1

    def add(self, piece: Piece) -> None:
        """Fold a piece that is sent."""
        if isinstance(piece, Reasoning):
            self.reasoning += piece
        elif isinstance(piece, str):
            self.text += piece
        elif isinstance(piece, Mapping):
            place = self.place(piece)
            if place == len(self.calls):
                self.calls.append(Call())
            call = self.calls[place]
            call.id += piece.get("id") or ""
            call.name += piece.get("name") or ""
            call.args += piece.get("args") or ""


class Encoder(Protocol):
    """Bytes of one answer in one of the protocols. Order: open, feed …, close (or error)."""

    def open(self) -> bytes:
        """What comes before the first piece."""
        ...

    def feed(self, piece: Piece) -> bytes:
        """The frames of one piece of content."""
        ...

    def malformed(self, piece: Malformed) -> bytes:
        """A frame whose data is not JSON."""
        ...

    def error(self, error: ProviderError) -> bytes:
        """An error object in mid-stream; nothing follows it."""
        ...

    def close(self) -> bytes:
        """Finish reason, usage, end."""
        ...

    def whole(self) -> dict[str, Any]:
        """The answer as one object, for a request that does not stream."""
        ...


def mint(prefix: str) -> str:
    """An id as the API makes them."""
    return f"{prefix}{secrets.token_hex(16)}"


def compact(value: object) -> str:
    """JSON without spaces; ASCII only, so that halves of a surrogate pair can be sent apart."""
    return json.dumps(value, separators=(",", ":"))


def _made_up(body: Mapping[str, Any], pieces: tuple[Piece, ...]) -> dict[str, Any]:
    # Four characters a token is the usual rule of thumb; all a client can check is that it is kept.
    prompt = max(1, len(compact(body.get("messages") or body.get("input") or "")) // 4)
    output = sum(map(is_content, pieces))
    return {"input_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output}
