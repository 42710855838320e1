"""The events of the protocol: their numbers, their places, what is told of each kind of run."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_sdk.sse import BytesLineDecoder, SSEDecoder

from langchain_streamkit import astream
from langchain_streamkit.wire.langgraph.v3 import CAPTURE, AgentEvents
from langchain_streamkit.wire.langgraph.v3_frames import SEQS, Wanted
from langchain_streamkit.wire.sse import PING
from tests.scenarios.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.langgraph.v3_frames import Frame


async def events_of(name: str) -> list[Event]:
    kind = KINDS[name]
    options: dict[str, Any] = {"thread_id": kind.thread_id} if kind.thread_id else {}
    return [event async for event in astream(kind.make(), kind.input, capture=CAPTURE, **options)]


def framed(events: Sequence[Event], *, number: int = 1, view: Any = "chat") -> list[Frame]:
    encoder = AgentEvents(number, events[0].run_id, view=view)
    return [frame for event in events for frame in encoder.feed(event)]


def datas(frames: Sequence[Frame], method: str) -> list[Any]:
    return [frame.event["params"]["data"] for frame in frames if frame.event["method"] == method]


@pytest.mark.parametrize("name", KINDS)
async def test_events_are_the_same_whenever_they_are_made(name: str) -> None:
    events = await events_of(name)
    frames = framed(events)
    assert framed(events) == frames
    for cut in range(1, len(events)):
        some = framed(events[:cut])
        assert frames[: len(some)] == some
    assert len({frame.event["event_id"] for frame in frames}) == len(frames)
    numbers = [frame.seq for frame in frames]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > SEQS
    assert numbers[-1] == 2 * SEQS - 1
    assert numbers[-1] < framed(events, number=2)[0].seq


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
async def test_bytes_are_read_the_same_however_they_are_cut(size: int) -> None:
    frames = framed(await events_of("agent"))
    body = b"".join(PING + frame.sse() for frame in frames)
    lines, decoder = BytesLineDecoder(), SSEDecoder()
    found: list[Any] = []
    for start in range(0, len(body), size):
        parts = (decoder.decode(bytes(line)) for line in lines.decode(body[start : start + size]))
        found += [(part.event, part.data) for part in parts if part is not None]
    assert found == [(frame.event["method"], json.loads(frame.json())) for frame in frames]


@pytest.mark.parametrize("name", KINDS)
async def test_root_runs_and_ends_and_every_message_has_one_node_and_both_ids(name: str) -> None:
    frames = framed(await events_of(name), view="all")
    root = [f.event["params"]["data"]["event"] for f in frames if f.channel == "lifecycle"]
    assert root[0] == "running"
    assert root[-1] in ("completed", "failed", "interrupted")
    nodes: dict[str, set[Any]] = {}
    open_messages: set[str] = set()
    for frame in frames:
        if frame.channel != "messages":
            continue
        data = frame.event["params"]["data"]
        assert data["id"] == data["run_id"]
        nodes.setdefault(data["id"], set()).add(frame.event["params"].get("node"))
        if data["event"] == "message-start":
            open_messages.add(data["id"])
        if data["event"] in ("message-finish", "error"):
            open_messages.remove(data["id"])
    assert not open_messages
    assert all(len(found) == 1 for found in nodes.values())


async def test_inside_of_a_tool_is_told_under_its_own_namespace() -> None:
    events = await events_of("agent_in_a_tool")
    for view, inner in (("chat", 0), ("steps", 1)):
        frames = framed(events, view=view)
        tools = [frame for frame in frames if frame.channel == "tools"]
        assert [frame.namespace for frame in tools] == [(), ()]
        deep = [frame for frame in frames if frame.namespace]
        (namespace,) = {frame.namespace for frame in deep}
        assert namespace[0].startswith("tools:")
        starts = [d for d in datas(deep, "messages") if d["event"] == "message-start"]
        assert len(starts) == inner
        begun, ended = datas(deep, "lifecycle")
        assert begun["graph_name"] == "researcher"
        assert begun["cause"] == {"type": "toolCall", "tool_call_id": "c1"}
        assert ended == {"event": "completed"}


async def test_checkpoint_comes_before_the_state_that_it_keeps() -> None:
    graph = KINDS["two_nodes"].make()
    graph.checkpointer = InMemorySaver()
    run = astream(graph, KINDS["two_nodes"].input, thread_id="t", capture=CAPTURE)
    frames = framed([event async for event in run])
    kept = [f for f in frames if f.channel in ("checkpoints", "values")]
    history = [s async for s in graph.aget_state_history({"configurable": {"thread_id": "t"}})]
    length = {
        s.config["configurable"]["checkpoint_id"]: len(s.values.get("messages", ()))
        for s in history
    }
    of_states = [(a, b) for a, b in pairwise(kept) if b.channel == "values"]
    assert len(of_states) == 3
    for checkpoint, state in of_states:
        assert checkpoint.channel == "checkpoints"
        about, values = (one.event["params"]["data"] for one in (checkpoint, state))
        assert length[about["id"]] == len(values["messages"])


async def test_interrupt_has_its_payload_by_both_names() -> None:
    frames = framed(await events_of("interrupted"))
    (asked,) = datas(frames, "input.requested")
    assert asked["payload"] == asked["value"] == "sure?"
    assert all("__interrupt__" not in values for values in datas(frames, "values"))
    assert frames[-1].event["params"]["data"] == {"event": "interrupted"}


async def test_state_of_a_run_that_captured_none_is_its_output() -> None:
    kind = KINDS["two_nodes"]
    events = [event async for event in astream(kind.make(), kind.input)]
    (values,) = datas(framed(events), "values")
    assert values == events[-1].output  # type: ignore[union-attr]


async def test_reader_gets_what_it_asked_for() -> None:
    frames = framed(await events_of("nested_graphs"))

    def taken(*channels: str, **more: Any) -> set[tuple[str, int]]:
        wanted = Wanted(frozenset(channels), **more)
        return {(f.channel, len(f.namespace)) for f in frames if wanted.takes(f)}

    assert taken("values") == {("values", 0), ("values", 1)}
    assert taken("values", namespaces=[[]], depth=0) == {("values", 0)}
    assert taken("messages", namespaces=[["first"]]) == {("messages", 1)}
    assert taken("messages", namespaces=[["first:other"]]) == set()
    assert taken("messages", "values", since=frames[-1].seq) == set()


async def test_custom_data_are_taken_by_name_or_all() -> None:
    frames = framed(await events_of("custom_data"))

    def taken(*channels: str) -> list[Any]:
        return datas([f for f in frames if Wanted(channels).takes(f)], "custom")

    named = {"name": "progress", "payload": {"done": 2}}
    assert taken("custom:progress") == [named]
    assert taken("custom") == [{"payload": {"done": 1}}, named]


async def test_failed_attempt_is_void_and_the_next_is_whole() -> None:
    frames = framed(await events_of("fallback_in_a_node"))
    ends = [d for d in datas(frames, "messages") if d["event"] in ("message-finish", "error")]
    assert [end["event"] for end in ends] == ["error", "message-finish"]


def test_run_that_was_lost_before_it_said_anything_has_failed() -> None:
    (frame,) = AgentEvents(3, "r").lost(5)
    assert frame.seq == 4 * SEQS - 1
    assert frame.event["params"]["data"]["event"] == "failed"
