"""The frames of our WebSocket protocol, in both directions; text JSON, one object a frame.

In: ``{"op": "start", "id", "input", "thread_id"?}`` and ``{"op": "cancel", "id"}``; unknown keys
are ignored. Out: ``{"id", "events": [...]}`` (the last event of an id is a terminal one),
``{"id"?, "error": {"code", "message", "error_id"?}}`` and, on an idle socket, ``{"op": "ping"}``.

Guarantees: those of ``wire/socket_frames.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from langchain_streamkit.wire.socket_frames import (
    FrameFault,
    FrameReader,
    Name,
    encode,
    error_frame,
    portions,
)

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

RefusalCode: TypeAlias = (
    FrameFault
    | Literal[
        "unknown_id",
        "duplicate_id",
        "too_many_runs",
        "cancelled",
        "start_failed",
        "internal",
    ]
)


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", tag_field="op"):
    """A client asks for a run; ``id`` is its name for it on this socket."""

    id: Name
    input: Any
    thread_id: str | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel", tag_field="op"):
    """A client asks that a run be stopped."""

    id: Name


class Refused(msgspec.Struct, frozen=True):
    """Why a frame is not done; ``text()`` is the answer to send."""

    code: RefusalCode
    message: str
    id: str | None = None
    error_id: str | None = None

    def text(self) -> str:
        """Return the error frame."""
        error = {"code": self.code, "message": self.message}
        if self.error_id is not None:
            error["error_id"] = self.error_id
        return error_frame(self.id, error)


READER: Final[FrameReader[Start | Cancel]] = FrameReader(Start | Cancel)
"""Reads what a client sends."""


def pack(run: str, events: Iterable[Event], max_bytes: int) -> Iterator[str]:
    """Yield the frames of a batch: one, or as few as fit below the limit."""
    head, tail = b'{"id":%b,"events":[' % encode(run), b"]}"
    made = ((event.seq, event.to_json()) for event in events)
    for _, joined in portions(made, max_bytes - len(head) - len(tail)):
        yield (head + joined + tail).decode()
