"""The protocols of front ends by name, and the frames of their encoders for runs and for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from msgspec.structs import replace

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import TERMINAL_TYPES, UnknownEventError, decode_event
from langchain_streamkit.text import short_repr
from langchain_streamkit.wire.protocol import TextEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from langchain_streamkit.events import Event, TextDelta
    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.wire.protocol import Encoder

EncodedProtocol: TypeAlias = Literal["ai-sdk", "ag-ui", "openai-chat", "openai-responses"]
"""Protocols that a run can be encoded for; our own frames, ``"native"``, are in ``wire/sse``."""
WireProtocol: TypeAlias = Literal["native"] | EncodedProtocol


def encoder_for(protocol: WireProtocol | Encoder) -> Encoder | None:
    """Return the encoder that is named or given; None for our own frames.

    Raises ``StreamUsageError`` for another name.
    """
    if protocol == "native":
        return None
    if isinstance(protocol, str):
        return encoder_of(protocol)
    return protocol


def encoder_of(protocol: EncodedProtocol) -> Encoder:
    """Return a new encoder with its defaults. Raises ``StreamUsageError`` for another name."""
    match protocol:
        case "ai-sdk":
            from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder

            return AiSdkEncoder()
        case "ag-ui":
            from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder

            return AgUiEncoder()
        case "openai-chat":
            from langchain_streamkit.wire.openai.chat import ChatEncoder

            return ChatEncoder()
        case "openai-responses":
            from langchain_streamkit.wire.openai.responses import ResponsesEncoder

            return ResponsesEncoder()
    names = ", ".join(map(repr, ("native", *get_args(EncodedProtocol))))
    raise StreamUsageError(f"protocol={short_repr(protocol)} is not known; write one of {names}")


class EncodedFrames:
    """What ``SSEFrames`` does, by an encoder: the frames of a run, batch by batch."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._encode = encoder.encode
        self.ended = False
        """Whether the last event seen was a terminal one."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Return the frames of a batch in one piece; empty where there is no word for it."""
        encode = self._encode
        frames = [frame for event in events for frame in encode(event)]
        if events and events[-1].type in TERMINAL_TYPES:
            self.ended = True
        return b"".join(frames)

    def of_text(self, delta: TextDelta) -> Callable[[int, int, str, int | None], bytes]:
        """Return what makes the frames of further deltas of the open block of ``delta``; see
        ``Frames``.
        """
        encoder = self._encoder
        if isinstance(encoder, TextEncoder):
            return encoder.of_text(delta)

        def frames(seq: int, ts: int, text: str, tokens: int | None) -> bytes:
            return b"".join(
                encoder.encode(replace(delta, seq=seq, ts=ts, text=text, tokens=tokens))
            )

        return frames


def events_of(stretch: Stretch) -> Iterator[Event]:
    """Yield the events of some entries, but for those of a later version of this library."""
    for data in stretch.data:
        try:
            yield decode_event(data)
        except UnknownEventError:
            continue


class EncodedLog:
    """A run's log, read from its beginning, as the stream of a front end (``LogFraming``)."""

    first = None

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.opening = encoder.opening()
        self.ping = encoder.ping
        self.headers: Mapping[str, str] = encoder.headers
        self.ended = False

    def frames(self, stretch: Stretch) -> bytes:
        """See ``LogFraming``."""
        frames: list[bytes] = []
        for event in events_of(stretch):
            frames += self._encoder.encode(event)
            self.ended = event.type in TERMINAL_TYPES
        return b"".join(frames)

    def gone(self, error: Mapping[str, Any]) -> bytes:
        """See ``LogFraming``."""
        return b"".join(self._encoder.broken_off(error["code"], error["message"]))

    def farewell(self) -> bytes:
        """See ``LogFraming``: without a last frame, these clients would take it for the end."""
        said = "the server is shutting down; ask again"
        return b"".join(self._encoder.broken_off("shutting_down", said))

    def cut(self) -> bytes:
        """See ``LogFraming``."""
        said = "the rest cannot be read now; ask again"
        return b"".join(self._encoder.broken_off("unavailable", said))
