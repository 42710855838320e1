"""Waiting for a human is an end of its own, and going on repeats nothing that was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from langchain_streamkit import astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ToolCall
from tests.guarantees.pains import all_of, of, on_screen, side_by_side
from tests.scenarios.told import HI, calls, graph, node_of, says

if TYPE_CHECKING:
    from langchain_streamkit import AsyncRun


def asking(question: str) -> Any:
    async def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{question} {interrupt(question)}")]}

    return ask


@tool
async def confirm(a: int) -> str:
    """Ask the user."""
    return f"{a}: {interrupt(f'tool {a}?')}"


def asking_agent() -> Any:
    wanted = [ToolCall("confirm", {"a": n}, id=f"c{n}") for n in (1, 2)]
    return create_agent(says(calls(*wanted, text="Let me ask"), "Thanks"), [confirm])


def asking_everywhere() -> Any:
    """Two parallel nodes, a graph in a graph, and an agent with two tools: all ask at once."""
    deep = graph(middle=graph(ask=asking("deep?")).compile()).compile()
    builder = side_by_side(one=asking("one?"), two=asking("two?"), outer=deep, agent=asking_agent())
    return builder.compile(checkpointer=InMemorySaver())


def answers(run: AsyncRun[Any]) -> dict[str, Any]:
    return {one.interrupt_id: f"re {one.payload}" for one in run.interrupts}


QUESTIONS = ["deep?", "one?", "tool 1?", "tool 2?", "two?"]


async def test_questions_of_parallel_nodes_nested_graphs_and_tools_are_all_told() -> None:
    run = astream(asking_everywhere(), HI, thread_id="t")
    events = await all_of(run)
    requested = of(ev.InterruptRequested, events)
    assert sorted(one.payload for one in requested) == QUESTIONS
    end = events[-1]
    assert isinstance(end, ev.RunInterrupted)
    listed = {one.interrupt_id: one for one in end.interrupts}
    assert listed.keys() == {one.interrupt_id for one in requested}
    assert len(listed) == 5
    assert all(listed[one.interrupt_id].namespace == one.namespace for one in requested)
    places = {one.payload: [part.partition(":")[0] for part in one.namespace] for one in requested}
    assert places["deep?"] == ["outer", "middle", "ask"]
    assert places["one?"] == ["one"]
    assert {one.payload: one.tool_call_id for one in requested if one.tool_call_id} == {
        "tool 1?": "c1",
        "tool 2?": "c2",
    }


async def test_interrupted_is_neither_finished_nor_failed() -> None:
    run = astream(
        graph(ask=asking("sure?")).compile(checkpointer=InMemorySaver()), HI, thread_id="t"
    )
    events = await all_of(run)
    assert run.outcome == "interrupted"
    failed = (ev.StepFailed, ev.ToolFailed, ev.MessageAborted, ev.RunFailed, ev.RunFinished)
    assert of(failed, events) == []
    assert {step.outcome for step in of(ev.StepFinished, events)} == {"suspended"}
    assert "__interrupt__" in await run.result()


async def test_going_on_keeps_thread_and_call_ids_and_tells_nothing_again() -> None:
    agent = asking_everywhere()
    first = astream(agent, HI, thread_id="t")
    before = await all_of(first)
    second = first.resume(answers(first))
    after = await all_of(second)
    assert second.thread_id == first.thread_id == "t"
    assert second.run_id != first.run_id
    assert second.outcome == "finished"
    messages = of(ev.MessageStarted, [*before, *after])
    assert len({message.message_id for message in messages}) == len(messages)
    told = on_screen(before)
    assert told == ["Let me ask"]
    assert sorted(on_screen(after)) == [
        "Thanks",
        "deep? re deep?",
        "one? re one?",
        "two? re two?",
    ]
    assert of(ev.ToolCallStarted, after) == []
    assert of(ev.InterruptRequested, after) == []
    asked_for = {call.tool_call_id for call in of(ev.ToolCallStarted, before)}
    for events, outcome in ((before, "suspended"), (after, "ok")):
        tools = of(ev.ToolFinished, events)
        assert {call.tool_call_id: call.outcome for call in tools} == dict.fromkeys(
            asked_for, outcome
        )
    stored = {message.id for message in (await second.result())["messages"]}
    assert {message.message_id for message in messages if message.role == "assistant"} <= stored


async def test_a_question_left_open_keeps_its_id_and_the_answered_ones_are_not_asked_again() -> (
    None
):
    first = astream(asking_everywhere(), HI, thread_id="t")
    await all_of(first)
    given = answers(first)
    kept = {one.interrupt_id: one.payload for one in first.interrupts}
    left = next(key for key, payload in kept.items() if payload == "deep?")
    del given[left]
    second = first.resume(given)
    events = await all_of(second)
    assert [one.interrupt_id for one in of(ev.InterruptRequested, events)] == [left]
    assert second.outcome == "interrupted"
    third = second.resume({left: "re deep?"})
    assert on_screen(await all_of(third)) == ["deep? re deep?"]


async def test_what_was_said_before_the_question_is_said_once() -> None:
    chat = graph(writer=node_of(says("Said before")), ask=asking("sure?"))
    run = astream(chat.compile(checkpointer=InMemorySaver()), HI, thread_id="t")
    assert on_screen(await all_of(run)) == ["Said before"]
    assert on_screen(await all_of(run.resume(answers(run)))) == ["sure? re sure?"]
