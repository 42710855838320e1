"""``tokens`` on deltas: after each one, those of everything its message has shown so far."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_streamkit import StreamCallbackHandler, adapt, astream, sse_bytes, stream, with_sinks
from langchain_streamkit import events as ev
from langchain_streamkit.events import decode_event
from langchain_streamkit.testing import Reasoning, RecordingSink, scripted_provider
from tests.guarantees.pains import all_of, asked_in_a_node, of, side_by_side
from tests.routes.openai_parts import async_sdk
from tests.runs.watching import WAIT_S
from tests.scenarios.told import HI, node_of, says
from tests.usage.counting import assert_right, known, tokens_of, told_and_right

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from langchain_streamkit.events import Event

# ---- every way to watch a model ------------------------------------------------------------------


async def by_astream(model: Any) -> list[Event]:
    return [event async for event in astream(model, "hi")]


async def by_a_graph(model: Any) -> list[Event]:
    return [event async for event in astream(asked_in_a_node(model), HI)]


async def by_stream(model: Any) -> list[Event]:
    return list(stream(model, "hi"))


async def by_a_handler(model: Any) -> list[Event]:
    handler = StreamCallbackHandler()
    await model.ainvoke("hi", {"callbacks": [handler]})
    return list(handler)


async def by_sinks(model: Any) -> list[Event]:
    sink = RecordingSink()
    await with_sinks(model, sink).ainvoke("hi")
    return list(sink.events)


async def by_sse_bytes(model: Any) -> list[Event]:
    sent = [part async for part in sse_bytes(astream(model, "hi"))]
    data = [line[6:] for line in b"".join(sent).decode().split("\n") if line.startswith("data: {")]
    return [decode_event(one) for one in data if one != "{}"]


async def by_events_v2(model: Any) -> list[Event]:
    return [event async for event in adapt(model.astream_events("hi", version="v2"))]


async def by_an_idle_reader(model: Any) -> list[Event]:
    run = astream(asked_in_a_node(model), HI)
    await run.started()
    await run.result()
    return [event async for event in run]


WAYS: dict[str, Callable[[Any], Coroutine[Any, Any, list[Event]]]] = {
    way.__name__: way
    for way in (
        *(by_astream, by_a_graph, by_stream, by_a_handler, by_sinks, by_sse_bytes),
        *(by_events_v2, by_an_idle_reader),
    )
}

PIECES = st.one_of(
    st.text(st.sampled_from("ab' \n.1中é👍=\u0301/"), min_size=1, max_size=12),
    st.text(min_size=1, max_size=8),
    st.text(min_size=1, max_size=6).map(Reasoning),
    st.builds(
        lambda index, args: {"index": index, "args": args},
        st.integers(0, 1),
        st.text(st.sampled_from('{}":a1 中'), min_size=1, max_size=8),
    ),
)


def begun(pieces: list[Any]) -> list[Any]:
    """The pieces, with the beginning of each tool call before its first argument."""
    names: set[int] = set()
    whole: list[Any] = []
    for piece in pieces:
        if isinstance(piece, dict) and piece["index"] not in names:
            names.add(piece["index"])
            index = piece["index"]
            whole.append({"index": index, "id": f"c{index}", "name": "tool", "args": ""})
        whole.append(piece)
    return whole


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25)
@given(pieces=st.lists(PIECES, min_size=1, max_size=12))
def test_every_delta_tells_the_tokens_of_its_message_so_far(way: str, pieces: list[Any]) -> None:
    events = asyncio.run(WAYS[way](known(begun(pieces))))
    for told, right in told_and_right(events):
        assert told == right


MIXED: list[Any] = [
    Reasoning("Let me"),
    Reasoning(" think"),
    "Well, ",
    "I'",
    "ll ask",
    {"index": 0, "id": "c0", "name": "tool", "args": '{"a'},
    {"index": 1, "id": "c1", "name": "tool", "args": '{"city": '},
    {"index": 0, "args": '": 1}'},
    {"index": 1, "args": '"Lisbon"}'},
]


@pytest.mark.parametrize("way", WAYS)
async def test_text_reasoning_and_arguments_all_count(way: str) -> None:
    events = await WAYS[way](known(MIXED))
    told = told_and_right(events)
    parts = ["Let me think", "Well, I'll ask", '{"a": 1}', '{"city": "Lisbon"}']
    assert told[-1] == (sum(map(tokens_of, parts)),) * 2
    assert all(a == b for a, b in told)


async def test_merged_deltas_of_calls_that_take_turns_tell_what_is_shown_by_then() -> None:
    events = await by_an_idle_reader(known(MIXED))
    one, other, rest = of(ev.ToolCallDelta, events)
    assert (one.args, other.args, rest.args) == ('{"a', '{"city": "Lisbon"}', '": 1}')
    assert other.tokens - one.tokens == tokens_of('{"city": "Lisbon"}')


@pytest.mark.parametrize("kind", ["live", "recorded"])
async def test_streams_of_the_openai_sdk_are_counted_too(kind: str) -> None:
    with scripted_provider([MIXED], cycle=True) as provider:
        async with async_sdk(provider) as client:
            asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
            source: Any = await client.chat.completions.create(**asked, stream=True)
            if kind == "live":
                events = [event async for event in adapt(source)]
            else:
                events = list(adapt([item async for item in source]))
    (started,) = of(ev.MessageStarted, events)
    assert started.counting == "exact"
    assert all(told == right for told, right in told_and_right(events))


async def test_in_the_middle_of_a_long_unbroken_run_tokens_are_left_out_and_come_back() -> None:
    events = await by_astream(known(["=" * 40] * 40 + [" and", " so on"]))
    told = [one for one, _ in told_and_right(events)]
    assert None in told
    assert told[-1] is not None
    assert_right(events)


# ---- how it is asked for -------------------------------------------------------------------------


async def test_a_model_whose_encoding_is_known_is_counted_exactly_and_says_so() -> None:
    (started,) = of(ev.MessageStarted, await by_astream(known("Hello you")))
    assert started.counting == "exact"


async def test_the_count_of_an_unknown_model_is_called_an_estimate() -> None:
    events = await by_astream(says("Hello you"))
    (started,) = of(ev.MessageStarted, events)
    assert started.counting == "estimate"
    assert [told for told, _ in told_and_right(events)][-1] == tokens_of("Hello you", "o200k_base")


async def test_off_gives_no_tokens_and_counts_nothing() -> None:
    run = astream(known("Hello you"), "hi", tokens="off")
    events = await all_of(run)
    (started,) = of(ev.MessageStarted, events)
    assert started.counting is None
    assert {told for told, _ in told_and_right(events)} == {None}
    (record,) = run.ledger
    assert (record.total_tokens, record.counted_tokens, record.source) == (0, None, "none")
    assert record.cost is None


async def test_estimate_never_falls_and_names_itself() -> None:
    events = await all_of(astream(known(["Hel", "lo ", "中文"]), "hi", tokens="estimate"))
    (started,) = of(ev.MessageStarted, events)
    told = [one for one, _ in told_and_right(events)]
    assert started.counting == "estimate"
    assert told == sorted(told, key=lambda one: one or 0)
    assert None not in told


@pytest.mark.parametrize("way", ["astream", "stream", "handler"])
async def test_a_reader_that_reads_at_once_sees_every_piece_counted(way: str) -> None:
    model = known(["one", " two", " three"])
    if way == "astream":
        events = await by_astream(model)
    elif way == "stream":
        events = await by_stream(model)
    else:
        events = await by_a_handler(model)
    assert told_and_right(events)[-1] == (3, 3)


async def test_messages_that_are_said_at_the_same_time_are_counted_apart() -> None:
    both = side_by_side(one=node_of(known("one two three")), two=node_of(known("four five")))
    async with asyncio.timeout(WAIT_S):
        events = await all_of(astream(both.compile(), HI))
    assert_right(events)
    last = {e.message_id: e.tokens for e in of(ev.TextDelta, events)}
    assert sorted(last.values(), key=str) == [2, 3]
