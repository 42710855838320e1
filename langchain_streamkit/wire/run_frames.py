"""The frames of the WebSocket that serves runs by their id; text JSON, one object a frame.

``id`` is the client's own name of a subscription on this socket. In::

    {"op": "start", "id", "input", "thread_id"?, "metadata"?, "resume"?}
    {"op": "subscribe", "id", "run_id", "since"?}   {"op": "unsubscribe", "id"}
    {"op": "cancel", "id"} or {"op": "cancel", "run_id"}   {"op": "pong"}

Out::

    {"id", "run_id", "events": [...], "last_event_id"}   {"id", "op": "end"}
    {"id"?, "error": {"code", "message", ...}}   {"op": "ping"}   {"op": "bye", "retry_ms"}

Guarantees: whatever a client sends is read as one of the above or refused with a reason; no frame
out is larger than the limit unless a single event is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec

from langchain_streamkit.log.position import Position
from langchain_streamkit.wire.ws import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


PING: Final = '{"op":"ping"}'
BYE: Final = '{"op":"bye","retry_ms":500}'
_Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag=str.lower):
    pass


class Start(_Frame, frozen=True, kw_only=True):
    """A client asks for a run, and to be told of it under ``id``."""

    id: _Name
    input: Any = None
    thread_id: _Name | None = None
    metadata: dict[str, Any] = {}
    resume: dict[str, Any] | None = None


class Subscribe(_Frame, frozen=True, kw_only=True):
    """A client asks to be told of a run under ``id``, after the position ``since``."""

    id: _Name
    run_id: _Name
    since: str | None = None


class Unsubscribe(_Frame, frozen=True, kw_only=True):
    """A client wants to hear no more of ``id``; the run goes on."""

    id: _Name


class Cancel(_Frame, frozen=True, kw_only=True):
    """A client asks that a run be stopped: that of ``id``, or ``run_id``."""

    id: _Name | None = None
    run_id: _Name | None = None


class Pong(_Frame, frozen=True, kw_only=True):
    """An answer to a ping."""


Asked: TypeAlias = Start | Subscribe | Unsubscribe | Cancel | Pong
_decoder: msgspec.json.Decoder[Asked] = msgspec.json.Decoder(Asked)
_encode = msgspec.json.Encoder().encode


class _Named(msgspec.Struct):
    id: _Name | None = None


_named: msgspec.json.Decoder[_Named] = msgspec.json.Decoder(_Named)


def parse(text: str | None, max_bytes: int) -> Asked | Refused:
    """Read a frame from a client; ``None`` is a binary one."""
    if text is None:
        return Refused("binary", "send text frames of JSON, not binary ones")
    if len(text) > max_bytes or (len(text) * 4 > max_bytes and len(text.encode()) > max_bytes):
        return Refused("too_large", f"the frame is larger than {max_bytes} bytes")
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as exc:
        unknown = str(exc).endswith("`$.op`")
        return Refused("unknown_op" if unknown else "invalid_frame", str(exc), _id_of(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        return Refused("invalid_json", f"the frame is no JSON: {exc}")


def _id_of(text: str) -> str | None:
    try:
        return _named.decode(text).id
    except msgspec.ValidationError:
        return None


def pack(
    name: str, run_id: str, generation: str, events: Iterable[tuple[int, bytes]], max_bytes: int
) -> Iterator[str]:
    """Yield the frames of some events: one, or as few as fit below the limit.

    Events are given by their number in the log of that generation.
    """
    head = b'{"id":%b,"run_id":%b,"events":[' % (_encode(name), _encode(run_id))
    room = max_bytes - len(head) - 64
    held: list[bytes] = []
    size = 0
    last = 0
    for seq, data in events:
        if held and size + len(data) > room:
            yield _packed(head, held, Position(generation, last))
            held, size = [], 0
        held.append(data)
        size += len(data) + 1
        last = seq
    if held:
        yield _packed(head, held, Position(generation, last))


def _packed(head: bytes, held: list[bytes], last: Position) -> str:
    return (head + b",".join(held) + b'],"last_event_id":"%b"}' % str(last).encode()).decode()


def end(name: str) -> str:
    """Return the frame that says that the run has ended, and all of it was sent."""
    return _encode({"id": name, "op": "end"}).decode()


def refused(name: str | None, error: Mapping[str, Any]) -> str:
    """Return the frame that says why something is not done, or not gone on with."""
    named = {} if name is None else {"id": name}
    return _encode({**named, "error": error}).decode()
