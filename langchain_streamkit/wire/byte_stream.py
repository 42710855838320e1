"""The byte stream of a run, for a streaming response of any web framework.

Guarantees: all that is ready is one item; what leaves early takes the run with it; in our own
frames, ``event: end`` follows the terminal event and nothing follows it, so that a stream that
closes without it was cut off. A front end's protocol has an end of its own.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Generator,
    Iterable,
    Iterator,
)
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias, cast, overload, runtime_checkable

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import BaseEvent
from langchain_streamkit.wire.encoders import EncodedFrames, encoder_for
from langchain_streamkit.wire.source import as_async_run, as_sync_run
from langchain_streamkit.wire.sse import END, SSEFrames, opening

if TYPE_CHECKING:
    from collections.abc import Collection

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.encoders import WireProtocol
    from langchain_streamkit.wire.protocol import Encoder
    from langchain_streamkit.wire.source import AsyncRunLike, RunLike
    from langchain_streamkit.wire.views import View

_Frames: TypeAlias = SSEFrames | EncodedFrames


@overload  # a run for plain code is asynchronous too, to say what to write instead
def sse_bytes(
    events: RunLike,
    *,
    view: View = "chat",
    metadata: Collection[str] = (),
    protocol: WireProtocol | Encoder = "native",
    retry_ms: int | None = None,
) -> Iterator[bytes]: ...


@overload
def sse_bytes(
    events: AsyncIterable[Event],
    *,
    view: View = "chat",
    metadata: Collection[str] = (),
    protocol: WireProtocol | Encoder = "native",
    retry_ms: int | None = None,
) -> AsyncIterator[bytes]: ...


@overload
def sse_bytes(
    events: Iterable[Event],
    *,
    view: View = "chat",
    metadata: Collection[str] = (),
    protocol: WireProtocol | Encoder = "native",
    retry_ms: int | None = None,
) -> Iterator[bytes]: ...


def sse_bytes(
    events: RunLike | AsyncIterable[Event] | Iterable[Event],
    *,
    view: View = "chat",
    metadata: Collection[str] = (),
    protocol: WireProtocol | Encoder = "native",
    retry_ms: int | None = None,
) -> AsyncIterator[bytes] | Iterator[bytes]:
    """Return the byte stream of a run, for a streaming response of any web framework.

    ``events`` is a run (``astream``, ``stream``) or any iterable of events; async ones give an
    async iterator, others a plain one. (Of what is both, the async one; pass ``iter(events)`` for
    the other.) The first item comes before the source is touched; then, from a run, one item for
    all events that are ready. Send it as ``text/event-stream`` with ``Cache-Control: no-cache``
    and ``X-Accel-Buffering: no``.

    ``protocol`` is ``"native"``, our own frames, for which ``view`` and ``metadata`` are those of
    ``Projection`` and ``retry_ms`` is sent once at the beginning; or that of a front end
    (``"ai-sdk"``, ``"ag-ui"``, ``"openai-chat"``, ``"openai-responses"``), or one of their
    encoders with options of your own, whose ``headers`` the response needs.

    Closing the iterator early (a client that went away) cancels the run with
    ``reason="disconnect"``, or closes the iterator of another source. There is no heartbeat, as
    that takes a clock: ``SSEResponse`` has it.

    Raises ``StreamUsageError`` at once for what is not iterable, for an unknown view or protocol,
    and for options of our own frames with another protocol.
    """
    encoder = encoder_for(protocol)
    if encoder is not None and (view != "chat" or metadata or retry_ms is not None):
        raise StreamUsageError(
            "view=, metadata= and retry_ms= are for protocol='native'; leave them out:"
            f" {type(encoder).__name__} has what is for the user"
        )
    first = opening(retry_ms) if encoder is None else encoder.opening()

    def frames(end: bytes = b"") -> _Frames:
        if encoder is not None:
            return EncodedFrames(encoder)
        return SSEFrames(view, metadata=metadata, end=end)

    # The end of a run at once: the iteration itself may go on until `on_end` is done.
    if (run := as_async_run(events)) is not None:
        return _RunFrames(run, frames(END), first)
    if (plain_run := as_sync_run(events)) is not None:
        return _from_run(plain_run, frames(END), first)
    # Not before the end of the iteration: a handler's events are those of several runs.
    end = END if encoder is None else b""
    if isinstance(events, AsyncIterable):
        return _from_async(events, frames(), first, end)
    # A Pydantic model is iterable, over its fields; a runnable is one.
    if not isinstance(cast("object", events), Iterable) or hasattr(events, "invoke"):
        raise StreamUsageError(
            f"sse_bytes takes a run or an iterable of events, not {type(events).__name__}; write "
            "sse_bytes(astream(runnable, input))"
        )
    return _from_sync(cast("Iterable[Event]", events), frames(), first, end)


class _RunFrames:
    """The opening, then the frames of an async run; no coroutine of its own between the two."""

    __slots__ = ("_first", "_frames", "_parts", "_run")

    def __init__(self, run: AsyncRunLike, frames: _Frames, first: bytes) -> None:
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


def _from_run(run: RunLike, frames: _Frames, first: bytes) -> Iterator[bytes]:
    yield first
    try:
        for batch in run.batches():
            if data := frames.encode(batch):
                yield data
    finally:
        if not frames.ended:
            run.cancel("disconnect")


async def _from_async(
    source: AsyncIterable[Event], frames: _Frames, first: bytes, end: bytes
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
    if frames.ended and end:
        yield end


def _from_sync(
    source: Iterable[Event], frames: _Frames, first: bytes, end: bytes
) -> Iterator[bytes]:
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
    if frames.ended and end:
        yield end


def _require_event(item: object) -> None:
    if not isinstance(item, BaseEvent):
        raise StreamUsageError(
            f"sse_bytes takes events, and got a {type(item).__name__}; write"
            " sse_bytes(astream(runnable, input)), not the runnable's own stream"
        )
