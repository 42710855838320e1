"""``sse_bytes(protocol=...)``: the stream of a front end, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

import pytest
from msgspec.structs import replace

from langchain_streamkit import StreamUsageError, astream, sse_bytes, stream
from langchain_streamkit.events import BaseEvent, TextDelta
from langchain_streamkit.wire.ag_ui import AgUiEncoder
from langchain_streamkit.wire.encoders import EncodedFrames, EncodedProtocol, encoder_of
from tests.runs.scenes import one_node
from tests.scenarios.kinds import KINDS
from tests.scenarios.told import HI, says
from tests.wire.story import short_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.protocol import Encoder

PROTOCOLS: tuple[EncodedProtocol, ...] = get_args(EncodedProtocol)
EVENTS = short_run("Hello", " world")


class Told:
    """An encoder that remembers what it was told; it has no shorter way for text."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.media_type = encoder.media_type
        self.headers: Mapping[str, str] = encoder.headers
        self.ping = encoder.ping
        self.events: list[Event] = []

    def opening(self) -> bytes:
        return self._encoder.opening()

    def encode(self, event: Event, /) -> list[bytes]:
        self.events.append(event)
        return self._encoder.encode(event)

    def broken_off(self, code: str, message: str, /) -> list[bytes]:
        return self._encoder.broken_off(code, message)


class BothWays(Told):
    """Encodes text by its shorter way too, and holds that the bytes are the same."""

    def __init__(self) -> None:
        super().__init__(AgUiEncoder())
        self._short = AgUiEncoder()
        self.shortened = 0

    def encode(self, event: Event, /) -> list[bytes]:
        frames = super().encode(event)
        assert self._short.encode(event) == frames
        return frames

    def of_text(self, delta: TextDelta, /) -> Callable[[int, int, str, int | None], bytes]:
        framing = self._short.of_text(delta)

        def frames(seq: int, ts: int, text: str, tokens: int | None) -> bytes:
            self.shortened += 1
            event = replace(delta, seq=seq, ts=ts, text=text, tokens=tokens)
            whole = b"".join(super(BothWays, self).encode(event))
            assert framing(seq, ts, text, tokens) == whole
            return whole

        return frames


def encoded(protocol: EncodedProtocol, events: list[Event]) -> bytes:
    encoder = encoder_of(protocol)
    return b"".join(
        [encoder.opening(), *(frame for event in events for frame in encoder.encode(event))]
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_bytes_of_an_async_run_are_what_the_encoder_makes(protocol: EncodedProtocol) -> None:
    told = Told(encoder_of(protocol))
    run = astream(one_node(says("One two three four")), HI)
    sent = b"".join([part async for part in sse_bytes(run, protocol=told)])
    assert sent == encoded(protocol, told.events)
    assert [event.seq for event in told.events] == [*range(1, len(told.events) + 1)]
    assert run.snapshot.text == "One two three four"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_of_a_plain_run_are_what_the_encoder_makes(protocol: EncodedProtocol) -> None:
    told = Told(encoder_of(protocol))
    run: Any = stream(says("One two"), "hi")
    sent = b"".join(sse_bytes(run, protocol=told))
    assert sent == encoded(protocol, told.events)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_bytes_of_other_events_end_as_the_protocol_ends(protocol: EncodedProtocol) -> None:
    async def later() -> AsyncIterator[Event]:
        for event in EVENTS:
            yield event

    whole = encoded(protocol, EVENTS)
    assert b"".join(sse_bytes(EVENTS, protocol=protocol)) == whole
    assert b"".join([part async for part in sse_bytes(later(), protocol=protocol)]) == whole


@pytest.mark.parametrize("name", KINDS)
async def test_shorter_way_of_text_gives_the_same_frames(name: str) -> None:
    kind = KINDS[name]
    run = astream(kind.make(), kind.input, thread_id=kind.thread_id)
    async for _ in run.encoded(EncodedFrames(BothWays())):
        pass
    assert run.outcome is not None


async def test_text_goes_the_shorter_way() -> None:
    both = BothWays()
    run = astream(one_node(says("One two three four")), HI)
    async for _ in run.encoded(EncodedFrames(both)):
        pass
    assert both.shortened
    assert "".join(e.text for e in both.events if isinstance(e, TextDelta)) == "One two three four"
    assert all(isinstance(event, BaseEvent) for event in both.events)


@pytest.mark.parametrize("option", [{"view": "all"}, {"metadata": ["a"]}, {"retry_ms": 5}])
def test_options_of_our_own_frames_are_refused_with_another_protocol(option: Any) -> None:
    with pytest.raises(StreamUsageError, match="are for protocol='native'"):
        sse_bytes(EVENTS, protocol="ag-ui", **option)


def test_unknown_protocol_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(StreamUsageError, match="'native', 'ai-sdk', 'ag-ui'"):
        sse_bytes(EVENTS, protocol=cast("Any", "agui"))
