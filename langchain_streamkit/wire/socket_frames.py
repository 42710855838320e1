"""What our WebSocket protocols have in common: text JSON, one object a frame, within limits.

Guarantees: whatever a client sends is read as one of the frames that are asked for or refused with
a reason; no frame out is larger than the limit unless a single event is.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
    get_args,
)

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")
K = TypeVar("K")

Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""What a client names things by."""
FrameFault: TypeAlias = Literal[
    "binary", "too_large", "invalid_json", "invalid_frame", "unknown_op"
]
PING: Final = '{"op":"ping"}'

_AT_OP: Final = " - at `$.op`"
"""How msgspec ends what it says of an ``op`` that is none."""
_OP_MISSING: Final = "Object missing required field `op`"

encode: Final = msgspec.json.Encoder().encode


class BadFrame(msgspec.Struct, frozen=True):
    """Why what a client sent is no frame; ``id`` as far as it says one."""

    code: FrameFault
    message: str
    id: str | None = None


class _Named(msgspec.Struct):
    id: Name | None = None


_named: msgspec.json.Decoder[_Named] = msgspec.json.Decoder(_Named)


class FrameReader(Generic[T]):
    """Reads frames; ``frames`` is their type, a union of structs that are told apart by ``op``."""

    def __init__(self, frames: Any) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(frames)
        ops = ", ".join(f'"{one.__struct_config__.tag}"' for one in get_args(frames))
        self._no_op = f'"op" says what is asked for; write one of {ops}'

    def read(self, text: str | None, max_bytes: int) -> T | BadFrame:
        """Read a frame from a client; ``None`` is a binary one."""
        if text is None:
            return BadFrame("binary", "send text frames of JSON, not binary ones")
        # Before any parsing: objects take many times the memory of their text.
        if len(text) > max_bytes or (len(text) * 4 > max_bytes and len(text.encode()) > max_bytes):
            return BadFrame("too_large", f"the frame is larger than {max_bytes} bytes")
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError as exc:
            said = str(exc)
            code: FrameFault = "invalid_frame"
            if said.endswith(_AT_OP):
                said, code = f"{said.removesuffix(_AT_OP)}: {self._no_op}", "unknown_op"
            elif said == _OP_MISSING:
                said = self._no_op
            return BadFrame(code, said, _id_of(text))
        except (msgspec.DecodeError, UnicodeError) as exc:
            return BadFrame("invalid_json", f"the frame is no JSON: {exc}")
        except RecursionError:
            return BadFrame("invalid_json", "the JSON is nested too deeply")


def _id_of(text: str) -> str | None:
    try:
        return _named.decode(text).id
    # What is wrong with it beyond the fault that was found first.
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def error_frame(name: str | None, error: Mapping[str, Any]) -> str:
    """Return ``{"id"?, "error"}``."""
    named = {} if name is None else {"id": name}
    return encode({**named, "error": error}).decode()


def portions(events: Iterable[tuple[K, bytes]], room: int) -> Iterator[tuple[K, bytes]]:
    """Yield the JSON of events, joined by commas: as few portions of ``room`` bytes as will do.

    With each comes the key of its last event.
    """
    held: list[bytes] = []
    size = 0
    last: K | None = None
    for key, data in events:
        if held and last is not None and size + len(data) > room:
            yield last, b",".join(held)
            held, size = [], 0
        held.append(data)
        size += len(data) + 1
        last = key
    if last is not None:
        yield last, b",".join(held)
