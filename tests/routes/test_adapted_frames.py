"""The bytes of an adapted stream, made in the reader's own task, are the frames of its events."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from itertools import groupby
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk
from msgspec.structs import replace

from langchain_streamkit import AsyncRun, adapt, decode_event, sse_bytes
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn, assert_legal
from langchain_streamkit.wire.sse import SSEFrames
from tests.routes.scenes import SCENES
from tests.routes.ways import GRAPH_MODES, recorded, v3_stream
from tests.scenarios.told import HI, add, calls, graph, node_of, says

WAIT_S = 20.0
CONFIG: Any = {"configurable": {"thread_id": "t"}}


def v2(runnable: Any, value: Any = HI) -> Any:
    return runnable.astream_events(value, CONFIG, version="v2")


def parts(runnable: Any, value: Any = HI) -> Any:
    return runnable.astream(value, CONFIG, stream_mode=GRAPH_MODES, subgraphs=True)


SOURCES: dict[str, Callable[[Any, Any], Any]] = {"events_v2": v2, "graph_items": parts}


async def items_of(source: str, runnable: Any, value: Any = HI) -> list[Any]:
    if source == "events_v3":
        return await recorded(await v3_stream(runnable, value, CONFIG))
    return await recorded(SOURCES[source](runnable, value))


async def played(items: list[Any]) -> AsyncIterator[Any]:
    """One a turn of the loop, as if they were live."""
    for item in items:
        await asyncio.sleep(0)
        yield item


def decoded(data: bytes) -> list[ev.Event]:
    """The events of frames, without what follows them."""
    told = re.findall(rb"^id: \d+\ndata: (.*)$", data, re.MULTILINE)
    return [decode_event(one) for one in told]


async def framed(run: AsyncRun[Any]) -> list[ev.Event]:
    data = b"".join([part async for part in sse_bytes(run, view="all")])
    assert data.endswith(b"event: end\ndata: {}\n\n")
    events = decoded(data)
    assert_legal(events)
    return events


async def iterated(run: AsyncRun[Any]) -> list[ev.Event]:
    """What a reader in another task gets, as a wire shows it."""
    frames = SSEFrames("all")
    return decoded(b"".join([frames.encode([event]) async for event in run]))


UUID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def unnamed(events: list[ev.Event]) -> list[Any]:
    """The events without what differs between two runs (ids, times); deltas that meet joined."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"id {len(numbers)}")

    timed = {"ts", "seq", "timing", "first_token_ms", "error_id"}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if key not in timed}
        return [plain(one) for one in value] if isinstance(value, list) else value

    shown = [
        json.loads(UUID_TEXT.sub(number, json.dumps(plain(event.to_dict())))) for event in events
    ]
    joined: list[Any] = []
    for key, group in groupby(
        shown, lambda one: {name: one[name] for name in one if name not in ("text", "args")}
    ):
        alike = list(group)
        if not key["type"].endswith(".delta") or key["type"] == "output.delta":
            joined += alike
        else:
            joined.append([key, *("".join(o.get(n, "") for o in alike) for n in ("text", "args"))])
    return joined


def told_text(events: list[ev.Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ev.TextDelta))


# ---- the same events -----------------------------------------------------------------------------


@pytest.mark.parametrize("source", [*SOURCES, "events_v3"])
@pytest.mark.parametrize("name", SCENES)
async def test_the_frames_of_a_scene_are_its_events(name: str, source: str) -> None:
    items = await items_of(source, SCENES[name].make(), SCENES[name].value)
    assert unnamed(await framed(adapt(played(items)))) == unnamed(
        await iterated(adapt(played(items)))
    )


PICTURE = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
ANSWERS: dict[str, Any] = {
    "text": ["one ", "two ", "three"],
    "not ASCII": ["süß ", "日本 ", "ok"],
    "halves of a character": ["so ", "\ud83d", "\ude00", " nice ", "\ud83d", " alone ", "\ude00"],
    "a half at the end": ["so ", "\ud83d"],
    "empty ones": ["", "a", "", "", "b", ""],
    "quotes and lines": ['"a"\n', "b\r\n", "\\ %s %d \x00", "\u2028"],
    "a picture in the middle": ["look ", AIMessageChunk(content=[PICTURE]), "nice ", "one"],
    "blocks in the middle": [
        "one ",
        AIMessageChunk(content=[{"type": "text", "text": "two "}, {"type": "text", "text": "3 "}]),
        "four ",
        AIMessageChunk(content="five ", additional_kwargs={"reasoning_content": "hm"}),
        "six ",
        "seven",
    ],
}


@pytest.mark.parametrize("source", [*SOURCES, "events_v3"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_the_frames_of_an_answer_are_its_events(name: str, source: str) -> None:
    model = says(Turn(chunks=ANSWERS[name]))
    items = await items_of(source, graph(one=node_of(model)).compile())
    events = await framed(adapt(played(items)))
    assert unnamed(events) == unnamed(await iterated(adapt(played(items))))


@pytest.mark.parametrize("source", [*SOURCES, "events_v3"])
async def test_messages_that_take_turns_keep_their_text_apart(source: str) -> None:
    items = await items_of(source, SCENES["send_fan_out"].make())
    events = await framed(adapt(played(items)))
    speakers = [event.message_id for event in events if isinstance(event, ev.TextDelta)]
    assert len(set(speakers)) == 2
    assert len(list(groupby(speakers))) > 2, "the scene is to be one of messages that interleave"
    assert unnamed(events) == unnamed(await iterated(adapt(played(items))))


async def test_text_goes_on_after_a_tool_call() -> None:
    asks = calls(ToolCall("add", {"a": 1, "b": 2}, id="c1"), text="Let me add")
    agent = create_agent(says(asks, "It is three"), [add])
    events = await framed(adapt(v2(agent)))
    said = [
        event.text if isinstance(event, ev.TextDelta) else event.type
        for event in events
        if isinstance(event, (ev.TextDelta, ev.ToolCallFinished, ev.ToolFinished))
    ]
    assert "".join(said) == "Let me addtool_call.finishedtool.finishedIt is three"


# ---- when they are sent --------------------------------------------------------------------------

WORDS = "Hello you there my old friend"


class Line:
    """The events of an answer in ``WORDS``, of which each is given when it is asked for."""

    def __init__(self, items: list[Any], fails_at: int | None = None) -> None:
        self.items = items
        self._fails_at = fails_at
        self.words = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            for item in self.items:
                await asyncio.sleep(0)
                chunk = item["data"].get("chunk")
                if isinstance(chunk, AIMessageChunk) and chunk.content:
                    if self.words == self._fails_at:
                        raise ConnectionError("gone")
                    self.words += 1
                yield item
        finally:
            self.closed = True


async def line(fails_at: int | None = None) -> Line:
    model = says(WORDS)
    return Line(await items_of("events_v2", graph(one=node_of(model)).compile()), fails_at)


async def until(word: bytes, frames: Any) -> bytes:
    """What is sent up to the frame with this word."""
    data = b""
    async with asyncio.timeout(WAIT_S):
        while word not in data:
            data += await anext(frames)
    return data


async def rest_of(frames: Any) -> bytes:
    async with asyncio.timeout(WAIT_S):
        return b"".join([part async for part in frames])


async def test_each_word_is_sent_before_the_next_is_asked_for() -> None:
    source = await line()
    words: list[tuple[int, str]] = []
    async for part in sse_bytes(adapt(source)):
        deltas = [event for event in decoded(part) if isinstance(event, ev.TextDelta)]
        words += [(source.words, delta.text) for delta in deltas]
    assert words == list(enumerate(re.findall(r"\s*\S+", WORDS), 1))


async def test_the_snapshot_shows_what_was_sent() -> None:
    run = adapt(await line())
    data = b""
    async for part in sse_bytes(run):
        data += part
        if b'"text.delta"' in part and b'"text.finished"' not in part:
            assert run.snapshot.live_text == told_text(decoded(data))
    assert run.snapshot.text == told_text(decoded(data)) == WORDS


async def test_a_cancel_between_two_words_sends_no_further_one() -> None:
    source = await line()
    run = adapt(source)
    frames = aiter(sse_bytes(run))
    data = await until(b"you", frames)
    await run.cancel()
    assert (source.closed, source.words) == (True, 2)
    events = decoded(data + await rest_of(frames))
    assert told_text(events) == "Hello you"
    assert [event.type for event in events][-2:] == ["message.aborted", "run.cancelled"]


async def test_leaving_between_two_words_closes_the_source() -> None:
    source = await line()
    run = adapt(source)
    frames: Any = aiter(sse_bytes(run))
    await until(b"you", frames)
    await frames.aclose()
    assert (source.closed, source.words, run.outcome) == (True, 2, "cancelled")
    assert run.snapshot.cancel_reason == "disconnect"


async def test_a_source_that_breaks_after_some_words_fails_with_them() -> None:
    source = await line(fails_at=3)
    events = await framed(adapt(source))
    assert told_text(events) == "Hello you there"
    assert source.closed
    end = events[-1]
    assert isinstance(end, ev.RunFailed)
    assert end.error.code == "model_error"


async def test_a_source_that_stops_after_some_words_has_lost_its_producer() -> None:
    source = await line()
    spoken = [n for n, one in enumerate(source.items) if one["event"] == "on_chat_model_stream"]
    del source.items[spoken[3] :]
    async with asyncio.timeout(WAIT_S):
        events = await framed(adapt(source))
    assert told_text(events) == "Hello you there"
    end = events[-1]
    assert isinstance(end, ev.RunFailed)
    assert end.error.code == "producer_lost"


async def test_words_that_a_source_gives_after_it_cancelled_its_run_are_not_sent() -> None:
    items = (await line()).items

    async def play() -> AsyncIterator[Any]:
        for item in items:  # all at once, so that nothing can interrupt it
            yield item
            if item["data"].get("chunk") and "you" in str(item["data"]["chunk"]):
                await run.cancel()

    run = adapt(play())
    async with asyncio.timeout(WAIT_S):
        events = await framed(run)
    assert (told_text(events), events[-1].type) == ("Hello you", "run.cancelled")


async def test_an_item_that_is_broken_between_two_words_costs_a_diagnostic() -> None:
    source = await line()
    spoken = [n for n, one in enumerate(source.items) if one["event"] == "on_chat_model_stream"]
    source.items.insert(spoken[2], {"event": "on_chat_model_stream", "run_id": 1, "data": {}})
    events = await framed(adapt(source))
    assert told_text(events) == WORDS
    assert [e.code for e in events if isinstance(e, ev.Diagnostic)] == ["item_skipped"]


@pytest.mark.parametrize("view", ["chat", "steps"])
async def test_text_that_the_view_hides_is_not_sent(view: Any) -> None:
    hidden = says("Not for you").with_config(tags=["nostream"])
    work = graph(think=node_of(hidden), one=node_of(says(WORDS))).compile()
    parts = [part async for part in sse_bytes(adapt(v2(work)), view=view)]
    assert all(parts)
    events = decoded(b"".join(parts))
    assert told_text(events) == (WORDS if view == "chat" else "Not for you" + WORDS)


# ---- beside other readers ------------------------------------------------------------------------


async def test_a_view_opened_between_two_words_gets_all_text_and_so_do_the_bytes() -> None:
    run = adapt(await line())
    frames = aiter(sse_bytes(run))
    data = await until(b"you", frames)
    text = aiter(run.text)
    words = [word async for word in text]
    events = decoded(data + await rest_of(frames))
    assert_legal(events, view=True)
    assert "".join(words) == told_text(events) == WORDS


async def test_a_view_opened_while_the_bytes_wait_for_a_word_gets_all_text() -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    class Wait:
        def is_set(self) -> bool:
            asked.set()
            return gate.is_set()

    model = ScriptedModel([Turn(WORDS, hold={2: Wait()})])
    run = adapt(v2(graph(one=node_of(model)).compile()))
    reading = asyncio.create_task(rest_of(sse_bytes(run)))
    async with asyncio.timeout(WAIT_S):
        await asked.wait()
        text = aiter(run.text)
        first = await anext(text)
        gate.set()
        words = [first, *[word async for word in text]]
    assert "".join(words) == told_text(decoded(await reading)) == WORDS


async def test_map_sees_every_word_of_the_bytes() -> None:
    def loud(event: ev.Event) -> ev.Event:
        if isinstance(event, ev.TextDelta):
            return replace(event, text=event.text.upper())
        return event

    run = adapt(await line()).map(loud)
    data = b"".join([part async for part in sse_bytes(run)])
    assert told_text(decoded(data)) == WORDS.upper()
