"""The frames of the WebSocket that serves runs by their id; text JSON, one object a frame.

``id`` is the client's own name of a subscription on this socket. In::

    {"op": "start", "id", "input", "thread_id"?, "metadata"?, "resume"?}
    {"op": "subscribe", "id", "run_id", "since"?}   {"op": "unsubscribe", "id"}
    {"op": "cancel", "id"} or {"op": "cancel", "run_id"}   {"op": "pong"}

Out::

    {"id", "run_id", "events": [...], "last_event_id"}   {"id", "op": "end"}
    {"id"?, "error": {"code", "message", ...}}   {"op": "ping"}   {"op": "bye", "retry_ms"}

An ``end`` and an ``error`` with an ``id`` are the last frames of that id. See docs/websocket.md.

Guarantees: those of ``wire/socket_frames.py``; unknown keys are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from langchain_streamkit.log.position import Position
from langchain_streamkit.wire.socket_frames import FrameReader, Name, encode, portions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


BYE: Final = '{"op":"bye","retry_ms":500}'


class _Frame(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="op",
    tag=str.lower,
):
    pass


class Start(_Frame, frozen=True, kw_only=True):
    """A client asks for a run, and to be told of it under ``id``."""

    id: Name
    input: Any = msgspec.UNSET
    thread_id: Name | None = None
    metadata: dict[str, Any] = {}
    resume: dict[str, Any] | None = None


class Subscribe(_Frame, frozen=True, kw_only=True):
    """A client asks to be told of a run under ``id``, after the position ``since``."""

    id: Name
    run_id: Name
    since: str | None = None


class Unsubscribe(_Frame, frozen=True, kw_only=True):
    """A client wants to hear no more of ``id``; the run goes on."""

    id: Name


class Cancel(_Frame, frozen=True, kw_only=True):
    """A client asks that a run be stopped: that of ``id``, or ``run_id``."""

    id: Name | None = None
    run_id: Name | None = None


class Pong(_Frame, frozen=True, kw_only=True):
    """An answer to a ping."""


Asked: TypeAlias = Start | Subscribe | Unsubscribe | Cancel | Pong

READER: Final[FrameReader[Asked]] = FrameReader(Asked)
"""Reads what a client sends."""


def begun(name: str, run_id: str) -> str:
    """Return the frame that says which run was started, before it has said anything."""
    return encode({"id": name, "run_id": run_id, "events": [], "last_event_id": None}).decode()


def pack(
    name: str, run_id: str, generation: str, events: Iterable[tuple[int, bytes]], max_bytes: int
) -> Iterator[str]:
    """Yield the frames of some events: one, or as few as fit below the limit.

    Events are given by their number in the log of that generation.
    """
    head = b'{"id":%b,"run_id":%b,"events":[' % (encode(name), encode(run_id))
    room = max_bytes - len(head) - len(b'],"last_event_id":"01234567-999999999999999.999999"}')
    for last, joined in portions(events, room):
        yield (
            head + joined + b'],"last_event_id":"%b"}' % str(Position(generation, last)).encode()
        ).decode()


def end(name: str) -> str:
    """Return the frame that says that the run has ended, and all of it was sent."""
    return encode({"id": name, "op": "end"}).decode()
