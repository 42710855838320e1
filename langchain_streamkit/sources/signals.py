"""What every source says to the normaliser: small plain records, made where something happens.

A source (callbacks, an event dictionary, a provider's stream) turns what it sees into these, at
once and with values already plain; the normaliser turns them into events later, at the run's one
sequencing point. ``ts`` is ms since the epoch, ``run_id`` LangChain's id of the run it is about.
"""

from __future__ import annotations

from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from langchain_core.messages import BaseMessage

from langchain_streamkit.sources.callers import UNKNOWN, Known
from langchain_streamkit.sources.pieces import Piece


class Signal(msgspec.Struct, gc=False):
    """Base: when, and which run."""

    ts: int
    run_id: UUID


class Start(Signal):
    """A run begins. ``parent_id`` is None for a root, and may be unknown to the receiver."""

    parent_id: UUID | None
    name: str
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}


class ChainStart(Start):
    """A chain, graph or node. ``retriever`` tells the one kind that callbacks name apart, ``graph``
    that the source knows it for a graph before a node runs in it.
    """

    retriever: bool = False
    graph: bool = False
    input: Any = None


class ChainEnd(Signal):
    """``output`` is set only when captured. ``messages`` are snapshots of those a node returned;
    ``awaits_ids`` says that a ``StoredIds`` will follow, once the reducer has run.
    """

    output: Any = None
    messages: tuple[BaseMessage, ...] = ()
    awaits_ids: bool = False


class Failure(Signal):
    """Any run failed, was interrupted, handed off or cancelled: ``error`` tells which.

    ``messages`` are those a node hands to another graph with it.
    """

    error: BaseException
    messages: tuple[BaseMessage, ...] = ()


class ModelStart(Start):
    """``model`` and ``provider`` as far as the call's parameters tell; ``prompt`` and ``tools`` are
    what ``count_prompt`` takes, None where the source does not have them.
    """

    model: str | None = None
    provider: str | None = None
    prompt: Any = None
    tools: Any = None
    known: Known = UNKNOWN


class Token(Signal):
    """One chunk of a model's answer: a plain text piece, or the pieces of a richer chunk."""

    message_id: str | None
    pieces: str | tuple[Piece, ...]


class ModelEnd(Signal):
    """The model finished; ``message`` is a snapshot nobody else holds (None if there is none)."""

    message: BaseMessage | None
    cached: bool = False


class ToolStart(Start):
    tool_call_id: str | None = None
    input: Any = None


class ToolEnd(Signal):
    """``failed`` when the tool handled its own error into an answer of status error;
    ``tool_call_id`` is that of the answer, for sources whose ``ToolStart`` has none.
    """

    output: Any
    content: str | None
    artifact: Any
    message_id: str | None
    failed: bool = False
    tool_call_id: str | None = None


class ToolProgressed(Signal):
    data: Any


class StoredIds(Signal):
    """The ids under which the reducer stored the messages of an ended node, in their order."""

    ids: tuple[str | None, ...]


class MessagesSeen(Signal):
    """Snapshots of messages that a node has returned, or that are new in the state of a graph
    (``run_id``) without a word on which node made them.
    """

    messages: tuple[BaseMessage, ...]


class KnownMessages(Signal):
    """Ids of messages that are input or history, never to be echoed."""

    ids: tuple[str, ...]


class CustomData(Signal):
    """``run_id`` is the run it was sent from."""

    name: str | None
    data: Any


class InterruptSeen(Signal):
    interrupt_id: str
    payload: Any
    namespace: tuple[str, ...]
    response_schema: Any = None


class Paused(Signal):
    """A static breakpoint (``interrupt_before``/``interrupt_after``) stopped the root graph."""


class StateSeen(Signal):
    """``node`` is set for an update, None for a whole snapshot."""

    namespace: tuple[str, ...]
    node: str | None
    values: Any


class CheckpointSeen(Signal):
    namespace: tuple[str, ...]
    checkpoint_id: str
    parent_id: str | None
    source: str | None
    step: int | None


class OutputChunk(Signal):
    data: Any


class Note(Signal):
    """A diagnostic that a source found."""

    code: str
    message: str
    lost: int | None = None


AnySignal: TypeAlias = (
    ChainStart
    | ChainEnd
    | Failure
    | ModelStart
    | Token
    | ModelEnd
    | ToolStart
    | ToolEnd
    | ToolProgressed
    | StoredIds
    | MessagesSeen
    | KnownMessages
    | CustomData
    | InterruptSeen
    | Paused
    | StateSeen
    | CheckpointSeen
    | OutputChunk
    | Note
)
