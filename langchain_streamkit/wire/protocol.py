"""What a front end's protocol is made of: an encoder of one run's events.

Guarantees of every encoder: it is a pure function of the events from the first on (no clock, no
random ids), so that whoever comes back is sent the same frames: encoding again, and skipping what
was sent; whatever a legal stream holds is encoded, and whatever way it ends is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_streamkit.events import Event, TextDelta


class Encoder(Protocol):
    """Makes the bytes of one run for one client. Told of each event, in order, as ``view="all"``
    has them: what is not for the user is left out by the encoder.
    """

    media_type: str
    headers: Mapping[str, str]
    """Of the response, besides the usual ones of a stream."""
    ping: bytes
    """What is sent when nothing was for a while; the client ignores it."""

    def opening(self) -> bytes:
        """Return what is sent before the first event."""
        ...

    def encode(self, event: Event, /) -> list[bytes]:
        """Return the frames of one event, in order; none where the protocol has no word for it.

        After the terminal event they include whatever ends the stream, and nothing follows.
        """
        ...

    def broken_off(self, code: str, message: str, /) -> list[bytes]:
        """Return the frames that say that the events cannot be had any further."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """An encoder that also has a shorter way for nine of ten events: text of an open block."""

    def of_text(self, delta: TextDelta, /) -> Callable[[int, int, str, int | None], bytes]:
        """Return what encodes further deltas of the open block that ``delta`` belongs to.

        By seq, ts, text, which is valid Unicode, and tokens; to the bytes that ``encode`` gives.
        """
        ...
