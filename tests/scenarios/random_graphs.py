"""Descriptions of chains and graphs: plain data, so that Hypothesis can draw, shrink and print it.

``random_building`` builds what they describe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Pieces: TypeAlias = tuple[Any, ...]
"""What a model streams: text, ``Reasoning`` and tool call chunks, as scripts have them."""


@dataclass(frozen=True)
class Say:
    """A chat model. It fails after so many pieces, on its first call or on every one."""

    pieces: Pieces
    fails_after: int | None = None
    always: bool = False
    chunk_ids: bool = False
    usage_on: Literal["last_chunk", "every_chunk"] = "last_chunk"


@dataclass(frozen=True)
class OldSay:
    """A text-completion model and perhaps a parser."""

    pieces: tuple[str, ...]
    parsed: bool


@dataclass(frozen=True)
class Parse:
    kind: Literal["text", "json"]


@dataclass(frozen=True)
class Function:
    """Plain code; ``calls`` is what it calls itself."""

    kind: Literal["plain", "async", "generator", "mishap"]
    calls: Part | None = None


@dataclass(frozen=True)
class Chain:
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Both:
    one: Part
    two: Part


@dataclass(frozen=True)
class Fallback:
    first: Part
    second: Part


@dataclass(frozen=True)
class Retry:
    part: Part


@dataclass(frozen=True)
class Speak:
    """A node that runs a part, and stores what it says: its message, or its text anew."""

    part: Part
    how: Literal["plain", "async", "runnable"]
    anew: bool = False
    retried: bool = False


@dataclass(frozen=True)
class Canned:
    """A node that makes its own message, no model in it."""

    text: str


@dataclass(frozen=True)
class Report:
    """A node that sends custom data of both kinds."""


@dataclass(frozen=True)
class Break:
    """A node that fails, on its first run or on every one."""

    retried: bool


@dataclass(frozen=True)
class Ask:
    """A node that interrupts."""


@dataclass(frozen=True)
class Graph:
    """Nodes in a line, beside each other, or one node that many tasks are sent to."""

    shape: Literal["line", "parallel", "send"]
    nodes: tuple[Node, ...]
    checkpointed: bool = False


@dataclass(frozen=True)
class Round:
    """What an agent's model says and which tools it asks for."""

    text: tuple[str, ...]
    tools: tuple[Tool, ...]
    cut: int
    interleave: bool


@dataclass(frozen=True)
class Agent:
    """A model and its tools in a loop."""

    rounds: tuple[Round, ...]
    last: Say
    thinks: Say
    """What the model inside the tool ``think`` says."""
    handles_errors: bool


Tool: TypeAlias = Literal["add", "multiply", "think", "report", "mishap", "unknown"]
Part: TypeAlias = Say | Parse | Function | Chain | Both | Fallback | Retry | Graph | Agent
Node: TypeAlias = Speak | Canned | Report | Break | Ask | Graph | Agent
Root: TypeAlias = Part | OldSay
