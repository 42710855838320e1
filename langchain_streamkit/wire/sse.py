"""Server-sent events: the frames of a run, or of several mixed.

Guarantees: LF only; one frame a event, its ``id`` the event's ``seq``; ordinary frames have no
``event:`` line, so that ``EventSource.onmessage`` sees them.
Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import EVENT_CLASSES, TERMINAL_TYPES, TextDelta
from langchain_streamkit.wire.views import Projection, View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from langchain_streamkit.events import Event

OK = b": ok\n\n"
"""The first bytes: a proxy or browser that waits for some is satisfied before the first event."""
PING = b": ping\n\n"
"""A comment that keeps an idle connection open; parsers skip it."""
END = b"event: end\ndata: {}\n\n"
"""The last frame; with empty data an ``EventSource`` would not dispatch it."""

_TERMINAL = frozenset(EVENT_CLASSES[name] for name in TERMINAL_TYPES)
_encode_fast = msgspec.json.Encoder().encode


_LINE_ENDS = re.compile(rb"\r\n|\r|\n")  # no others: JSON may hold U+2028, \x0b, \x85 as they are
_FORBIDDEN = re.compile(r"[\r\n\0]")


def frame(data: bytes, *, event_id: str | None = None, event: str | None = None) -> bytes:
    r"""Return one frame; line breaks in ``data`` become further ``data:`` lines.

    Raises ``StreamUsageError`` for CR, LF or NUL in the id or the event name: they would begin a
    field, or a frame, of their own.
    """
    lines: list[bytes] = []
    for name, value in ((b"id", event_id), (b"event", event)):
        if value is not None:
            if _FORBIDDEN.search(value):
                raise StreamUsageError(
                    f"{value!r} cannot be the {name.decode()} of a frame; take out CR, LF and NUL"
                )
            lines.append(name + b": " + value.encode())
    lines += (b"data: " + line for line in _LINE_ENDS.split(data))
    return b"\n".join(lines) + b"\n\n"


def encode_event(event: Event) -> bytes:
    """Return the frame of one event: ``id`` its ``seq``, ``data`` its JSON (no line breaks)."""
    try:
        data = _encode_fast(event)
    except UnicodeEncodeError:  # a half surrogate, which the event itself knows how to clean
        data = event.to_json()
    return b"id: %d\ndata: %b\n\n" % (event.seq, data)


def opening(retry_ms: int | None = None) -> bytes:
    """Return the first bytes; ``retry_ms`` is how long a browser waits before it reconnects."""
    return OK if retry_ms is None else OK + b"retry: %d\n\n" % retry_ms


class SSEFrames:
    """The frames of a run, or of several mixed, as one view shows them."""

    def __init__(
        self, view: View = "chat", *, metadata: Collection[str] = (), end: bytes = b""
    ) -> None:
        projection = Projection(view, metadata=metadata)
        self._apply = projection.apply
        self._hidden = projection.hidden
        self._end = end
        self.ended = False
        """Whether the last event seen was a terminal one."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Return the frames of a batch in one piece; empty when the view shows none of it.

        ``end`` follows a batch that ends with a terminal event.
        """
        frames: list[bytes] = []
        hidden = self._hidden
        for event in events:
            shown: Event | None = event
            if type(event) is not TextDelta or hidden:  # nine of ten are shown as they are
                shown = self._apply(event)
            if shown is not None:
                try:
                    frames.append(b"id: %d\ndata: %b\n\n" % (shown.seq, _encode_fast(shown)))
                except UnicodeEncodeError:
                    frames.append(encode_event(shown))
        last = type(events[-1])
        if last is not TextDelta:
            self.ended = last in _TERMINAL
            if self.ended:
                frames.append(self._end)
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def of_text(self, delta: TextDelta) -> Callable[[int, int, str, int | None], bytes]:
        """Return what makes the frames of further deltas of the open block of ``delta``.

        By seq, ts, text, which is valid Unicode, and tokens; the bytes are those that ``encode``
        returns, but only the text is encoded anew.
        """
        if self._apply(delta) is None:
            return _nothing
        data = replace(delta, seq=0, ts=0, text="", tokens=None).to_json().replace(b"%", b"%%")
        # A quote inside of a value would be escaped, so these are the fields themselves.
        head, _, rest = data.partition(b'"seq":0,')
        middle, _, rest = rest.partition(b',"ts":0,')
        tail = rest.removesuffix(b'""}')
        template = b'id: %%d\ndata: %b"seq":%%d,%b,"ts":%%d,%b%%b' % (head, middle, tail)
        plain, counted = template + b"}\n\n", template + b',"tokens":%d}\n\n'

        def frame(seq: int, ts: int, text: str, tokens: int | None) -> bytes:
            if tokens is None:
                return plain % (seq, seq, ts, _encode_fast(text))
            return counted % (seq, seq, ts, _encode_fast(text), tokens)

        return frame


def _nothing(_seq: int, _ts: int, _text: str, _tokens: int | None) -> bytes:
    """The frame of what a view does not show."""
    return b""
