"""The frames of our WebSocket protocol, in both directions; text JSON, one object a frame.

In: ``{"op": "start", "id", "input", "thread_id"?}`` and ``{"op": "cancel", "id"}``; unknown keys
are ignored. Out: ``{"id", "events": [...]}`` (the last event of an id is a terminal one),
``{"id"?, "error": {"code", "message", "error_id"?}}`` and, on an idle socket, ``{"op": "ping"}``.

Guarantees: whatever a client sends is read as one of the above or refused with a reason; no frame
out is larger than the limit unless a single event is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

RefusalCode: TypeAlias = Literal[
    "binary",
    "too_large",
    "invalid_json",
    "invalid_frame",
    "unknown_op",
    "unknown_id",
    "duplicate_id",
    "too_many_runs",
    "cancelled",
    "start_failed",
    "internal",
]

PING = '{"op":"ping"}'
_Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", tag_field="op"):
    """A client asks for a run; ``id`` is its name for it on this socket."""

    id: _Id
    input: Any
    thread_id: str | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel", tag_field="op"):
    """A client asks that a run be stopped."""

    id: _Id


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
        named = {} if self.id is None else {"id": self.id}
        return _encode(named | {"error": error}).decode()


class _Named(msgspec.Struct):
    id: _Id | None = None


_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Start | Cancel] = msgspec.json.Decoder(Start | Cancel)
_named: msgspec.json.Decoder[_Named] = msgspec.json.Decoder(_Named)


def parse(text: str | None, max_bytes: int) -> Start | Cancel | Refused:
    """Read a frame from a client; ``None`` is a binary one."""
    if text is None:
        return Refused("binary", "send text frames of JSON, not binary ones")
    # Before any parsing: objects take many times the memory of their text.
    if len(text) > max_bytes or (len(text) * 4 > max_bytes and len(text.encode()) > max_bytes):
        return Refused("too_large", f"the frame is larger than {max_bytes} bytes")
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as exc:
        code: RefusalCode = "unknown_op" if str(exc).endswith("`$.op`") else "invalid_frame"
        return Refused(code, f"{exc}", _id_of(text))
    except (msgspec.DecodeError, UnicodeError) as exc:
        return Refused("invalid_json", f"{exc}")
    except RecursionError:
        return Refused("invalid_json", "the JSON is nested too deeply")


def _id_of(text: str) -> str | None:
    try:
        return _named.decode(text).id
    except msgspec.ValidationError:
        return None


def pack(run: str, events: Iterable[Event], max_bytes: int) -> Iterator[str]:
    """Yield the frames of a batch: one, or as few as fit below the limit."""
    head, tail = b'{"id":%b,"events":[' % _encode(run), b"]}"
    room = max_bytes - len(head) - len(tail)
    held: list[bytes] = []
    size = 0
    for event in events:
        data = event.to_json()
        if held and size + len(data) > room:
            yield (head + b",".join(held) + tail).decode()
            held, size = [], 0
        held.append(data)
        size += len(data) + 1
    if held:
        yield (head + b",".join(held) + tail).decode()
