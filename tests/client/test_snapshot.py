"""The page's fold of a run shows what Python's shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent

from langchain_streamkit import RunSnapshot, astream
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn
from tests.client.scripted import END, frames, scripted, stream
from tests.client.stories import RUN, told

if TYPE_CHECKING:
    from langchain_streamkit.events import Event
    from tests.client.node import Node

FOLD = """
const snapshot = new RunSnapshot();
const texts = [];
for (const event of given.events) {
  snapshot.feed(event);
  texts.push(snapshot.text);
}
const { outcome, messages, interrupts, output, error, usage, timing } = snapshot;
const shown = messages.map(({ text, reasoning, ...message }) => ({ text, reasoning, ...message }));
return { outcome, texts, messages: shown, interrupts, output, error, usage, timing };
"""


def search(query: str) -> str:
    """Search."""
    if query == "fail":
        raise ValueError(query)
    return f"found {query}"


async def events_of(turns: list[Any]) -> list[Event]:
    agent: Any = create_agent(ScriptedModel(turns), [search])
    run = astream(agent, {"messages": [("user", "hi")]}, show_subagents=True)
    return [event async for event in run]


async def a_run_with_tools() -> list[Event]:
    calls = [ToolCall("search", {"query": "a"}), ToolCall("search", {"query": "b"})]
    return await events_of(
        [Turn("Let me look.", tool_calls=calls), Turn("It is é 🎈.", reasoning="hm")]
    )


async def a_run_that_fails() -> list[Event]:
    calls = [ToolCall("search", {"query": "fail"}), ToolCall("search", "{oops")]
    half = Turn(chunks=["half ", ValueError("no")])
    return await events_of([Turn("Look.", tool_calls=calls), half])


@pytest.mark.parametrize("make", [a_run_with_tools, a_run_that_fails])
async def test_the_folds_of_a_real_run_are_equal(node: Node, make: Any) -> None:
    events = await make()
    python = RunSnapshot()
    texts: list[str] = []
    for event in events:
        python.feed(event)
        texts.append(python.text)
    shown = node(FOLD, events=[event.to_dict() for event in events])
    expected = python.to_dict()
    assert shown["texts"] == texts
    for name in ("outcome", "interrupts", "usage", "timing"):
        assert shown[name] == expected[name], name
    assert shown.get("error") == expected["error"]
    assert shown.get("output") == expected["output"]
    calls = {(call["message_id"], call["tool_call_id"]): call for call in expected["tool_calls"]}
    assert len(shown["messages"]) == len(expected["messages"]) > 0
    for ours, theirs in zip(shown["messages"], python.messages, strict=True):
        assert ours["text"] == theirs.text
        assert ours["reasoning"] == theirs.reasoning
        assert ours["blocks"] == [block.to_dict() for block in theirs.blocks]
        for name in ("message_id", "role", "audience", "status"):
            assert ours[name] == getattr(theirs, name)
        for call in ours["tool_calls"]:
            whole = calls[ours["message_id"], call["tool_call_id"]]
            assert call == {name: whole[name] for name in call}


def test_the_result_of_a_run_is_its_snapshot(node: Node) -> None:
    with scripted({"POST /runs": [stream(frames(*told("Hel", "lo")), END, run_id=RUN)]}) as server:
        script = """
        const run = client().run({});
        const result = await run.result();
        return [result === run.snapshot, result.outcome, result.text];"""
        assert node(script, server.url) == [True, "finished", "Hello"]


def test_the_result_of_a_failed_run_is_its_error(node: Node) -> None:
    *events, last = told("Hel")
    error = {"code": "model_error", "message": "it broke", "error_id": "e1", "retryable": False}
    failed = {**last, "type": "run.failed", "error": error}
    with scripted({"POST /runs": [stream(frames(*events, failed), END, run_id=RUN)]}) as server:
        script = """
        const error = await client().run({}).result().catch((error) => error);
        return [error.code, error.message, error.details];"""
        assert node(script, server.url) == ["model_error", "it broke", error]


def test_a_field_of_a_later_version_changes_nothing(node: Node) -> None:
    events = told("hi")
    later = {"type": "text.later", "seq": 3, "run_id": RUN, "index": 0, "message_id": "none"}
    shown = node(FOLD, events=[*events[:2], later, {"type": "new"}, *events[2:]])
    assert shown["texts"][-1] == "hi"
