"""The v3 stream of a graph: what the scenes do not show."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START
from langgraph.stream.transformers import CheckpointsTransformer, UpdatesTransformer
from langgraph.types import interrupt

from langchain_streamkit import RunSnapshot, adapt, astream
from langchain_streamkit import events as ev
from langchain_streamkit.errors import ProducerLost
from langchain_streamkit.testing import ToolCall, Turn, assert_legal
from tests.scenarios.told import HI, broken, calls, graph, half, node_of, says

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from langchain_streamkit.events import Event

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t"}}


async def told(source: Any, **options: Any) -> list[Event]:
    events = [event async for event in adapt(source, **options)]
    assert_legal(events)
    return events


async def v3(compiled: Any, config: Any = None, **options: Any) -> Any:
    """The v3 stream of a graph."""
    return await compiled.astream_events(HI, config, version="v3", **options)


async def items_of(compiled: Any) -> list[Any]:
    return [item async for item in await v3(compiled)]


def of(events: list[Event], cls: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, cls)]


# ---- stopping, failing ---------------------------------------------------------------------------


class Held:
    """A graph with a node that waits, and says whether it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

        async def wait(state: Any) -> dict[str, Any]:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0.02)
                self.cancelled = True
                raise
            return {}

        self.graph = graph(one=node_of(says("Hello you")), wait=wait).compile()


async def test_cancelling_the_run_cancels_the_node() -> None:
    held = Held()
    run = adapt(await v3(held.graph))
    async for event in run:
        if isinstance(event, ev.MessageFinished):
            await asyncio.sleep(0.05)
            await run.cancel()
    assert held.cancelled
    assert run.outcome == "cancelled"


async def test_leaving_early_cancels_the_node() -> None:
    held = Held()
    run = adapt(await v3(held.graph))
    async with run:
        async for event in run:
            if isinstance(event, ev.MessageFinished):
                await asyncio.sleep(0.05)
                break
    assert held.cancelled
    assert run.outcome == "cancelled"


def test_a_sync_stream_is_closed_when_it_is_left() -> None:
    slow = Turn("Hello you there", delay=0.05)
    reached: list[str] = []

    def second(state: Any) -> dict[str, Any]:
        reached.append("second")
        return {}

    compiled = graph(one=lambda _: {"messages": [says(slow).invoke("?")]}, two=second).compile()
    with adapt(compiled.stream_events(HI, version="v3")) as run:
        for event in run:
            if isinstance(event, ev.MessageStarted):
                break
    assert run.outcome == "cancelled"
    assert not reached


async def test_a_coroutine_and_its_own_exception() -> None:
    compiled = graph(one=node_of(says(half()))).compile()
    run: Any = adapt(compiled.astream_events(HI, version="v3"))
    events = [event async for event in run]
    assert_legal(events)
    assert events[-1].error.code == "model_error"
    assert [e.name for e in of(events, ev.StepStarted)] == ["graph", "one"]
    assert len(of(events, ev.StepFailed)) == 2
    with pytest.raises(RuntimeError, match="scripted failure"):
        await run.result()


async def test_the_result_is_the_last_state() -> None:
    compiled = graph(one=node_of(says("Hello you"))).compile()
    found = await adapt(await v3(compiled)).result()
    assert [message.text for message in found["messages"]] == ["hi", "Hello you"]


# ---- what is in the items ------------------------------------------------------------------------


async def test_steps_are_those_of_the_namespaces() -> None:
    inner = graph(leaf=node_of(says("Leaf text"))).compile()
    compiled = graph(first=inner, last=node_of(says("Last text"))).compile()
    events = await told(await v3(compiled))
    steps = [(e.kind, e.name, e.path) for e in of(events, ev.StepStarted)]
    assert steps == [
        ("graph", "graph", ()),
        ("node", "first", ("first",)),
        ("graph", "first", ("first",)),
        ("node", "leaf", ("first", "leaf")),
        ("node", "last", ("last",)),
    ]
    assert {e.outcome for e in of(events, ev.StepFinished)} == {"ok"}


async def test_ids_of_steps_and_messages_are_those_of_the_source() -> None:
    items = await items_of(graph(one=node_of(says("Hello you"))).compile())
    first, second = (list(adapt(copy.deepcopy(items))) for _ in range(2))
    messages = [of(events, ev.MessageStarted)[0].message_id for events in (first, second)]
    assert messages[0] == messages[1] == items[1]["params"]["data"][0]["id"]
    metadata = of(first, ev.MessageStarted)[0].metadata
    assert metadata["langgraph_node"] == "one"
    assert metadata["langgraph_step"] == 1


async def test_every_interrupt_of_every_graph_is_requested_once() -> None:
    async def inner_ask(state: Any) -> dict[str, Any]:
        return {"messages": [("ai", interrupt("inner?"))]}

    async def outer_ask(state: Any) -> dict[str, Any]:
        return {"messages": [("ai", interrupt("outer?"))]}

    builder = graph(sub=graph(ask=inner_ask).compile())
    builder.add_node("other", outer_ask)
    builder.add_edge(START, "other")
    compiled = builder.compile(checkpointer=InMemorySaver())
    run = adapt(await v3(compiled, CONFIG))
    events = [event async for event in run]
    assert_legal(events)
    assert sorted(e.payload for e in of(events, ev.InterruptRequested)) == ["inner?", "outer?"]
    assert isinstance(events[-1], ev.RunInterrupted)
    expected = {one.id for one in compiled.get_state(CONFIG).interrupts}
    assert {one.id for one in (await run.result())["__interrupt__"]} == expected


async def test_an_interrupt_in_a_tool_names_the_call_and_suspends_the_tool() -> None:
    @tool
    def danger(x: int) -> str:
        """Ask first."""
        return str(interrupt({"ok": x}))

    asking = says(calls(ToolCall("danger", {"x": 1}, id="c1")), "done")
    agent = create_agent(asking, [danger], checkpointer=InMemorySaver())
    events = await told(await v3(agent, CONFIG))
    assert [e.tool_call_id for e in of(events, ev.InterruptRequested)] == ["c1"]
    assert [e.outcome for e in of(events, ev.ToolFinished)] == ["suspended"]


async def test_a_failed_tool_fails_with_what_the_model_sees() -> None:
    from langchain.agents.middleware import ToolRetryMiddleware

    asking = says(calls(ToolCall("broken", {"a": 1}, id="c1")), "Sorry")
    retry: Any = ToolRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    agent = create_agent(asking, [broken], middleware=[retry])
    expected = [event async for event in astream(agent, HI)]
    asking = says(calls(ToolCall("broken", {"a": 1}, id="c1")), "Sorry")
    agent = create_agent(asking, [broken], middleware=[retry])
    events = await told(await v3(agent))
    shown = [
        [(e.tool_call_id, e.content, e.error.code) for e in of(run, ev.ToolFailed)]
        for run in (events, expected)
    ]
    assert len(shown[0]) == 2
    assert shown[0] == shown[1]


async def test_a_tool_error_that_ends_the_run_is_told() -> None:
    agent = create_agent(says(calls(ToolCall("broken", {"a": 1}, id="c1"))), [broken])
    events = await told(await v3(agent))
    assert [e.tool_call_id for e in of(events, ev.ToolFailed)] == ["c1"]
    assert isinstance(events[-1], ev.RunFailed)


async def test_an_unnamed_agent_in_a_tool_speaks_inside() -> None:
    inner: Any = create_agent(says("Inner answer"), [])

    @tool
    async def research(question: str) -> str:
        """Ask the inner agent."""
        answer = await inner.ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].text)

    asking = says(calls(ToolCall("research", {"question": "1"}, id="c1")), "Done")
    agent = create_agent(asking, [research])
    events = await told(await v3(agent))
    shown = [(m.text, m.audience) for m in RunSnapshot.from_events(events).messages]
    assert shown == [("", "user"), ("Inner answer", "internal"), ("Done", "user")]


async def test_messages_that_only_the_state_has_are_told_once() -> None:
    async def one(state: Any) -> dict[str, Any]:
        return {"messages": [("ai", "canned"), ("user", "and you?")]}

    compiled = graph(one=one, two=node_of(says("Hello"))).compile()
    given: list[dict[str, Any]] = [{}, {"transformers": [UpdatesTransformer]}]
    for options in given:
        events = await told(await v3(compiled, **options))
        texts = [m.text for m in RunSnapshot.from_events(events).messages]
        assert texts == ["canned", "and you?", "Hello"]
        compiled = graph(one=one, two=node_of(says("Hello"))).compile()


async def test_a_retried_model_aborts_before_the_next_attempt_begins() -> None:
    model = says(half(), "Full answer").with_retry(
        stop_after_attempt=2, wait_exponential_jitter=False
    )
    events = await told(await v3(graph(one=node_of(model)).compile()))
    told_of = [
        (type(e).__name__, getattr(e, "attempt", None))
        for e in events
        if isinstance(e, ev.MessageStarted | ev.MessageAborted | ev.MessageFinished)
    ]
    assert told_of == [
        ("MessageStarted", 1),
        ("MessageAborted", None),
        ("MessageStarted", 2),
        ("MessageFinished", None),
    ]


async def test_calls_side_by_side_in_one_node_are_both_whole() -> None:
    models = [says(Turn("one two three", delay=0.002)), says(Turn("four five six", delay=0.002))]

    async def both(state: Any) -> dict[str, Any]:
        return {"messages": list(await asyncio.gather(*(m.ainvoke("?") for m in models)))}

    events = await told(await v3(graph(both=both).compile()))
    messages = RunSnapshot.from_events(events).messages
    assert sorted(m.text for m in messages if m.stands) == ["four five six", "one two three"]


async def test_state_and_checkpoints_are_captured_when_asked() -> None:
    compiled = graph(one=node_of(says("Hello"))).compile(checkpointer=InMemorySaver())
    modes = [UpdatesTransformer, CheckpointsTransformer]
    stream = await v3(compiled, CONFIG, transformers=modes)
    events = await told(stream, capture={"state", "checkpoints"})
    assert [e.node for e in of(events, ev.StateUpdate)] == ["one"]
    assert len(of(events, ev.StateSnapshot)) == 2
    assert of(events, ev.Checkpoint)


async def test_a_graph_in_it_can_be_adapted_by_itself() -> None:
    inner = graph(leaf=node_of(says("Leaf text"))).compile()
    run = await v3(graph(first=inner).compile())
    async for handle in run.subgraphs:
        events = await told(handle)
        assert RunSnapshot.from_events(events).text == "Leaf text"
        assert not of(events, ev.Diagnostic)


# ---- recordings ----------------------------------------------------------------------------------


async def test_a_gap_says_how_many_events_are_missing() -> None:
    items = await items_of(graph(one=node_of(says("Hello you there"))).compile())
    del items[3:5]
    events = list(adapt(items))
    assert_legal(events)
    assert [(e.code, e.lost) for e in of(events, ev.Diagnostic)] == [("gap", 2)]


async def test_events_that_are_told_again_change_nothing() -> None:
    items = await items_of(graph(one=node_of(says("Hello you there"))).compile())
    events = list(adapt([*items[:5], *items[2:]]))
    assert_legal(events)
    assert RunSnapshot.from_events(events).text == "Hello you there"
    assert not of(events, ev.Diagnostic)


async def test_a_recording_that_was_cut_is_lost() -> None:
    items = await items_of(graph(one=node_of(says("Hello you there"))).compile())
    run = adapt(items[:5])
    assert_legal(list(run))
    with pytest.raises(ProducerLost, match="in the middle of a message"):
        run.result()


async def test_reading_changes_no_item() -> None:
    items = await items_of(graph(one=node_of(says(Turn("Hi", reasoning="Hm")))).compile())
    before = copy.deepcopy(items)
    list(adapt(items))
    assert items == before


async def test_messages_without_metadata_are_read_as_a_server_sends_them() -> None:
    items = await items_of(graph(one=node_of(says("Hello you"))).compile())
    for item in items:
        if item["method"] == "messages":
            item["params"]["data"] = item["params"]["data"][0]
    events = list(adapt(items))
    assert_legal(events)
    assert [m.text for m in RunSnapshot.from_events(events).messages] == ["Hello you"]


async def test_a_recording_that_begins_within_a_graph_goes_on_around_it() -> None:
    inner = graph(leaf=node_of(says("Leaf text"))).compile()
    items = await items_of(graph(first=inner, last=node_of(says("Last text"))).compile())
    run = adapt(items[1:])
    events = list(run)
    assert_legal(events)
    texts = [m.text for m in RunSnapshot.from_events(events).messages]
    assert texts == ["Leaf text", "Last text"]
    assert len(run.result()["messages"]) == 3
