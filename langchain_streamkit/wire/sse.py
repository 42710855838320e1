"""Server-sent events: frames, and the byte stream of a run for any web framework.

Guarantees: LF only; one frame a event, its ``id`` the event's ``seq``; ordinary frames have no
``event:`` line, so that ``EventSource.onmessage`` sees them; the frame ``event: end`` follows
the terminal event and nothing follows it. A stream that closes without it was cut off.
Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from typing import TYPE_CHECKING, NoReturn, Protocol, cast, overload, runtime_checkable

import msgspec
from msgspec.structs import replace

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import EVENT_CLASSES, TERMINAL_TYPES, BaseEvent, TextDelta
from langchain_streamkit.wire.source import as_async_run, as_sync_run
from langchain_streamkit.wire.views import Projection, View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.source import AsyncRunLike, RunLike

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


@overload
def sse_bytes(
    events: AsyncIterable[Event],
    *,
    view: View = "chat",
    metadata: Collection[str] = (),
    retry_ms: int | None = None,
) -> AsyncIterator[bytes]: ...


@overload
def sse_bytes(
    events: Iterable[Event],
    *,
    view: View = "chat",
    metadata: Collection[str] = (),
    retry_ms: int | None = None,
) -> Iterator[bytes]: ...


def sse_bytes(
    events: AsyncIterable[Event] | Iterable[Event],
    *,
    view: View = "chat",
    metadata: Collection[str] = (),
    retry_ms: int | None = None,
) -> AsyncIterator[bytes] | Iterator[bytes]:
    """Return the byte stream of a run, for a streaming response of any web framework.

    ``events`` is a run (``astream``, ``stream``) or any iterable of events; async ones give an
    async iterator, others a plain one. (Of what is both, the async one; pass ``iter(events)`` for
    the other.) The first item comes before the source is touched; then, from a run, one item for
    all events that are ready. Send it as ``text/event-stream`` with ``Cache-Control: no-cache``
    and ``X-Accel-Buffering: no``. ``view`` and ``metadata`` are those of ``Projection``;
    ``retry_ms`` is sent once at the beginning.

    Closing the iterator early (a client that went away) cancels the run with
    ``reason="disconnect"``, or closes the iterator of another source. There is no heartbeat, as
    that takes a clock: ``SSEResponse`` has it.

    Raises ``StreamUsageError`` at once for what is not iterable and for an unknown view.
    """
    first = opening(retry_ms)
    # The end of a run at once: the iteration itself may go on until `on_end` is done.
    frames = SSEFrames(view, metadata=metadata, end=END)
    if (run := as_async_run(events)) is not None:
        return _RunFrames(run, frames, first)
    if (plain_run := as_sync_run(events)) is not None:
        return _from_run(plain_run, frames, first)
    # Not before the end of the iteration: a handler's events are those of several runs.
    frames = SSEFrames(view, metadata=metadata)
    if isinstance(events, AsyncIterable):
        return _from_async(events, frames, first)
    # A Pydantic model is iterable, over its fields; a runnable is one.
    if not isinstance(cast("object", events), Iterable) or hasattr(events, "invoke"):
        raise StreamUsageError(
            f"sse_bytes takes a run or an iterable of events, not {type(events).__name__}; write "
            "sse_bytes(astream(runnable, input))"
        )
    return _from_sync(events, frames, first)


class _RunFrames:
    """The opening, then the frames of an async run; no coroutine of its own between the two."""

    __slots__ = ("_first", "_frames", "_parts", "_run")

    def __init__(self, run: AsyncRunLike, frames: SSEFrames, first: bytes) -> None:
        self._run: AsyncRunLike | None = run
        self._frames = frames
        self._first: bytes | None = first
        self._parts: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> _RunFrames:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        parts = self._parts
        return self._begin() if parts is None else parts.__anext__()

    def __iter__(self) -> NoReturn:
        raise StreamUsageError(
            "these are the bytes of an async run; for a plain loop (Flask, WSGI) write"
            " sse_bytes(stream(runnable, input)), with stream() in place of astream()"
        )

    async def _begin(self) -> bytes:
        run = self._run
        if run is None:
            raise StopAsyncIteration
        if self._first is not None:
            first, self._first = self._first, None
            return first
        self._parts = run.encoded(self._frames)
        return await anext(self._parts)

    async def aclose(self) -> None:
        """Leave the run: it is cancelled if it has not ended."""
        run, self._run = self._run, None
        parts, self._parts = self._parts, None
        if isinstance(parts, _Closable):
            await parts.aclose()
        elif run is not None and self._first is None:
            await run.cancel("disconnect")


@runtime_checkable
class _Closable(Protocol):
    async def aclose(self) -> None: ...


def _from_run(run: RunLike, frames: SSEFrames, first: bytes) -> Iterator[bytes]:
    yield first
    try:
        for batch in run.batches():
            if data := frames.encode(batch):
                yield data
    finally:
        if not frames.ended:
            run.cancel("disconnect")


async def _from_async(
    source: AsyncIterable[Event], frames: SSEFrames, first: bytes
) -> AsyncIterator[bytes]:
    yield first
    iterator = aiter(source)
    try:
        async for event in iterator:
            _require_event(event)
            if data := frames.encode((event,)):
                yield data
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
    if frames.ended:
        yield END


def _from_sync(source: Iterable[Event], frames: SSEFrames, first: bytes) -> Iterator[bytes]:
    yield first
    iterator = iter(source)
    try:
        for event in iterator:
            _require_event(event)
            if data := frames.encode((event,)):
                yield data
    finally:
        if isinstance(iterator, Generator):
            iterator.close()
    if frames.ended:
        yield END


def _require_event(item: object) -> None:
    if not isinstance(item, BaseEvent):
        raise StreamUsageError(
            f"sse_bytes takes events, and got a {type(item).__name__}; write"
            " sse_bytes(astream(runnable, input)), not the runnable's own stream"
        )
