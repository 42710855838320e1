"""Any number of readers, opened at any point, reading at any pace: each gets what there was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_streamkit import astream
from langchain_streamkit.testing import Reasoning, ScriptedModel, ToolCall, Turn, assert_legal
from tests.runs.scenes import QUESTION, graph, side_by_side, speaking
from tests.runs.watching import WAIT_S
from tests.views.reading import aread, user_text

WORDS = st.lists(st.sampled_from(["a ", "bé ", "c", Reasoning("hm ")]), min_size=1, max_size=6)
READERS = st.lists(
    st.tuples(
        st.sampled_from(["text", "messages", "settled", "events", "node"]),
        st.integers(0, 12),  # turns of the loop before it opens
        st.integers(0, 3),  # turns of the loop after each item
    ),
    min_size=1,
    max_size=6,
)


def script(turns: list[list[Any]], fails: list[bool]) -> ScriptedModel:
    plays: list[Any] = []
    for pieces, fail in zip(turns, fails, strict=False):
        if fail:
            plays.append([*pieces, ValueError("attempt")])
        plays.append(Turn(chunks=pieces, tool_calls=()))
    return ScriptedModel(plays, cycle=True)


@settings(max_examples=60)
@given(
    turns=st.lists(WORDS, min_size=2, max_size=2),
    fails=st.lists(st.booleans(), min_size=2, max_size=2),
    parallel=st.booleans(),
    readers=READERS,
)
async def test_every_reader_gets_all_that_stands_whenever_it_comes(
    turns: list[list[Any]],
    fails: list[bool],
    parallel: bool,  # noqa: FBT001
    readers: list[tuple[str, int, int]],
) -> None:
    model = script(turns, fails).with_retry(
        wait_exponential_jitter=False, stop_after_attempt=4, retry_if_exception_type=(ValueError,)
    )
    names = ("a", "b")
    node = speaking(model)
    runnable = side_by_side(node, names) if parallel else graph(*((name, node) for name in names))
    run = astream(runnable, QUESTION)
    opened_events = False

    async def read(kind: str, before: int, between: int) -> tuple[str, list[Any], bool]:
        nonlocal opened_events
        for _ in range(before):
            await asyncio.sleep(0)
        if kind == "events":
            if opened_events:
                return ("none", [], False)
            opened_events = True
        views: dict[str, Callable[[], Any]] = {
            "text": lambda: run.text,
            "messages": lambda: run.messages,
            "settled": lambda: run.text(settled=True),
            "events": lambda: run,
            "node": lambda: run.text(node="a"),
        }
        view = views[kind]()
        items: list[Any] = []
        async for item in view:
            items.append(item)
            for _ in range(between):
                await asyncio.sleep(0)
        return (kind, items, True)

    async with asyncio.timeout(WAIT_S):
        found = await asyncio.gather(*(read(*reader) for reader in readers))
    snapshot = run.snapshot
    stands = [m for m in snapshot.messages if m.stands]
    for kind, items, _ in found:
        match kind:
            case "events":
                assert_legal(items)
            case "settled":
                assert sorted(items) == sorted(m.text for m in stands if m.text)
            case "messages":
                ids = [handle.message_id for handle in items]
                order = [m.message_id for m in snapshot.messages if m.message_id in ids]
                assert ids == order
                assert {m.message_id for m in stands} <= set(ids)
                for handle in items:
                    standing = (
                        (await handle.result()).text if (await handle.result()).stands else ""
                    )
                    assert await handle.text == standing
            case "text" if not any(fails):
                assert sorted("".join(items)) == sorted(user_text(snapshot))
                if not parallel:
                    assert "".join(items) == user_text(snapshot)
            case "node" if not any(fails):
                assert "".join(items) == "".join(m.text for m in stands if m.path == ("a",))
            case _:
                pass
    assert await aread(run.text(settled=True)) or not any(m.text for m in stands)


@settings(max_examples=25)
@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=3))
async def test_tool_calls_of_any_message_are_all_given(counts: list[int]) -> None:
    turns = [
        Turn("x", tool_calls=[ToolCall("t", {"n": n}) for n in range(count)]) for count in counts
    ]
    model = ScriptedModel(turns)
    run = astream(
        graph(*((f"n{i}", speaking(model, f"n{i}")) for i in range(len(counts)))), QUESTION
    )
    async with asyncio.timeout(WAIT_S):
        calls, messages = await asyncio.gather(aread(run.tool_calls), aread(run.messages))
        by_message = [await aread(message.tool_calls) for message in messages]
    assert [call.args for call in calls] == [{"n": n} for count in counts for n in range(count)]
    assert [len(found) for found in by_message] == counts
