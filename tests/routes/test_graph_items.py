"""What each list of stream modes tells of a graph, and how a stream of them begins and ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import CachePolicy, interrupt

from langchain_streamkit import adapt
from langchain_streamkit import events as ev
from langchain_streamkit.errors import AdaptError, ProducerLost, SourceFailed
from langchain_streamkit.testing import Turn, assert_legal
from tests.routes.scenes import SCENES
from tests.routes.ways import GRAPH_MODES, recorded
from tests.scenarios.story import story
from tests.scenarios.told import HI, USAGE, graph, half, lines, node_of, says, sync_node_of

if TYPE_CHECKING:
    from langchain_streamkit.events import Event


def two_nodes() -> Any:
    hello = says(Turn("Hello you", usage=USAGE))
    return graph(one=node_of(hello), two=node_of(says("Bye"))).compile()


def nested_asking(**options: Any) -> Any:
    async def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    return graph(first=graph(ask=ask).compile()).compile(checkpointer=InMemorySaver(), **options)


def items_of(graph: Any, modes: Any, *, value: Any = HI, **options: Any) -> Any:
    given = {"subgraphs": True, **options}
    return graph.astream(value, {"configurable": {"thread_id": "t"}}, stream_mode=modes, **given)


async def events_of(source: Any, **options: Any) -> list[Event]:
    events = [event async for event in adapt(source, **options)]
    assert_legal(events)
    return events


async def told(graph: Any, modes: Any, **options: Any) -> list[str]:
    return story(await events_of(items_of(graph, modes, **options)))


def only(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# ---- single modes --------------------------------------------------------------------------------

BY_MESSAGES = lines("""
    run.started
    graph.started / LangGraph
    node.started /one one
    message.started /one assistant
    text /one 'Hello you'
    message.finished /one stop 10+5 provider
    node.finished /one ok
    node.started /two two
    message.started /two assistant
    text /two 'Bye'
    message.finished /two stop unreported
    node.finished /two ok
    graph.finished / ok
    run.finished
""")
FORMS: list[dict[str, Any]] = [
    {"subgraphs": True},
    {"subgraphs": False},
    {"version": "v2", "subgraphs": True},
    {"version": "v2", "subgraphs": False},
]
BY_UPDATES = [line.replace(" 10+5 provider", "").replace(" unreported", "") for line in BY_MESSAGES]


@pytest.mark.parametrize("modes", ["messages", ["messages"], ["messages", "updates"], GRAPH_MODES])
@pytest.mark.parametrize("options", FORMS)
async def test_messages_tell_nodes_tokens_and_usage(modes: Any, options: dict[str, Any]) -> None:
    assert await told(two_nodes(), modes, **options) == BY_MESSAGES


@pytest.mark.parametrize("modes", ["updates", ["updates"], "tasks", "debug", ["updates", "values"]])
@pytest.mark.parametrize("options", FORMS)
async def test_updates_and_tasks_tell_nodes_and_whole_messages(
    modes: Any, options: dict[str, Any]
) -> None:
    assert await told(two_nodes(), modes, **options) == BY_UPDATES


async def test_values_tell_new_messages_of_the_graph_and_the_result() -> None:
    run = adapt(items_of(two_nodes(), "values", subgraphs=False))
    assert story([event async for event in run]) == lines("""
        run.started
        message.started / assistant
        text / 'Hello you'
        message.finished / stop
        message.started / assistant
        text / 'Bye'
        message.finished / stop
        run.finished
    """)
    result: Any = await run.result()
    assert [message.text for message in result["messages"]] == ["hi", "Hello you", "Bye"]


async def test_without_values_there_is_no_result() -> None:
    assert await adapt(items_of(two_nodes(), GRAPH_MODES)).result() is None


async def test_values_beside_other_modes_repeat_nothing_and_give_the_result() -> None:
    run = adapt(items_of(two_nodes(), ["values", *GRAPH_MODES]))
    assert story([event async for event in run]) == BY_MESSAGES
    result: Any = await run.result()
    assert len(result["messages"]) == 3


def test_a_plain_stream_of_a_graph_gives_a_run() -> None:
    compiled: Any = graph(one=sync_node_of(says("Hello"))).compile()
    run = adapt(compiled.stream(HI, stream_mode=["messages", "values"]))
    assert only(ev.TextFinished, list(run))[0].text == "Hello"
    assert len(run.result()["messages"]) == 2


# ---- what a single mode does not tell ------------------------------------------------------------


async def test_items_of_any_kind_are_custom_data_if_the_mode_is_named() -> None:
    events = await events_of(_each([1, "two", {"three": 3}]), mode="custom")
    assert [event.data for event in only(ev.Custom, events)] == [1, "two", {"three": 3}]


async def test_a_state_without_messages_needs_the_mode() -> None:
    states = [{"topic": "cats", "joke": ""}, {"topic": "cats", "joke": "Meow"}]
    assert await adapt(_each(states), mode="values").result() == states[-1]
    with pytest.raises(AdaptError, match=r"'topic'.*mode="):
        await adapt(_each(states)).result()


@pytest.mark.parametrize("item", [1, "text", None, ("a", 1), {"a": 1}, object(), [], {}])
async def test_an_unknown_first_item_is_refused_and_shown(item: Any) -> None:
    with pytest.raises(AdaptError, match="not known") as refusal:
        await adapt(_each([item])).result()
    assert type(item).__name__ in str(refusal.value)


async def _each(items: list[Any]) -> Any:
    for item in items:
        yield item


async def test_an_item_that_breaks_the_form_costs_a_diagnostic() -> None:
    items = await recorded(items_of(two_nodes(), GRAPH_MODES))
    events = list(adapt([*items[:2], "what?", ((), "tasks", {}), *items[2:]]))
    assert [event.code for event in only(ev.Diagnostic, events)] == ["item_skipped"] * 2
    assert [event.text for event in only(ev.TextFinished, events)] == ["Hello you", "Bye"]
    assert only(ev.RunFinished, events)


# ---- attempts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("modes", ["messages", ["messages", "updates"], GRAPH_MODES])
async def test_a_half_answer_is_aborted_at_the_latest_when_its_node_ends(modes: Any) -> None:
    events = await events_of(items_of(SCENES["fallback_after_three_tokens"].make(), modes))
    (aborted,) = only(ev.MessageAborted, events)
    (finished,) = only(ev.MessageFinished, events)
    (node,) = [e for e in only(ev.StepFinished, events) if e.path]
    assert aborted.reason == "error"
    assert finished.seq < aborted.seq < node.seq


# ---- interrupts ----------------------------------------------------------------------------------


async def test_tasks_tell_which_node_of_which_graph_waits() -> None:
    assert await told(nested_asking(), GRAPH_MODES) == lines("""
        run.started
        graph.started / LangGraph
        node.started /first first
        graph.started /first LangGraph
        node.started /first/ask ask
        interrupt.requested /first/ask 'sure?'
        node.finished /first/ask suspended
        graph.finished /first suspended
        node.finished /first suspended
        graph.finished / suspended
        run.interrupted ['sure?']
    """)


@pytest.mark.parametrize("modes", ["updates", "values", ["messages", "updates"]])
async def test_without_tasks_the_graph_that_waits_is_told(modes: Any) -> None:
    events = await events_of(items_of(nested_asking(), modes))
    (asked,) = only(ev.InterruptRequested, events)
    assert asked.path == ("first",)
    assert asked.namespace[0].startswith("first:")
    assert only(ev.RunInterrupted, events)


async def test_the_values_of_a_paused_graph_carry_its_interrupts() -> None:
    result: Any = await adapt(items_of(nested_asking(), ["values", *GRAPH_MODES])).result()
    assert [one.value for one in result["__interrupt__"]] == ["sure?"]


async def test_a_static_breakpoint_interrupts_the_run() -> None:
    items = items_of(
        graph(one=node_of(says("A")), two=node_of(says("B"))).compile(checkpointer=InMemorySaver()),
        GRAPH_MODES,
        interrupt_before=["two"],
    )
    events = await events_of(items)
    assert only(ev.RunInterrupted, events)[0].interrupts == ()


# ---- other things that modes tell ----------------------------------------------------------------


async def test_output_deltas_are_the_items_of_the_root_alone() -> None:
    items = items_of(SCENES["nested_graph"].make(), ["updates", "values"])
    events = await events_of(items, output_deltas=True)
    states = [event.data for event in only(ev.OutputDelta, events)]
    assert [len(state["messages"]) for state in states] == [1, 2, 3]  # values came first


async def test_state_and_checkpoints_are_told_when_captured() -> None:
    modes = ["updates", "values", "checkpoints", "debug"]
    compiled = graph(one=node_of(says("Hello"))).compile(checkpointer=InMemorySaver())
    events = await events_of(items_of(compiled, modes), capture={"state", "checkpoints"})
    assert [event.node for event in only(ev.StateUpdate, events)] == ["one"]
    assert len(only(ev.StateSnapshot, events)) == 2
    steps = [event.step for event in only(ev.Checkpoint, events)]
    assert steps == [-1, 0, 1]


async def test_what_a_node_was_given_and_returned_is_told_when_captured() -> None:
    items = items_of(graph(one=node_of(says("Hello"))).compile(), GRAPH_MODES)
    events = await events_of(items, capture={"inputs", "outputs"})
    (began,) = [e for e in only(ev.StepStarted, events) if e.kind == "node"]
    (ended,) = [e for e in only(ev.StepFinished, events) if e.path]
    assert [message["content"] for message in began.input["messages"]] == ["hi"]
    assert [message["content"] for message in ended.output["messages"]] == ["Hello"]


async def test_debug_tells_the_step_of_a_node() -> None:
    events = await events_of(items_of(two_nodes(), "debug"))
    nodes = [event for event in only(ev.StepStarted, events) if event.kind == "node"]
    assert [node.langgraph_step for node in nodes] == [1, 2]


async def test_a_node_that_did_not_run_because_of_its_cache_repeats_no_message() -> None:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    policy: CachePolicy[Any] = CachePolicy(key_func=lambda _: "same")
    builder.add_node("one", node_of(says("Hello")), cache_policy=policy)
    builder.add_edge(START, "one")
    compiled = builder.compile(cache=InMemoryCache())
    assert only(ev.MessageStarted, await events_of(items_of(compiled, GRAPH_MODES)))
    again = await events_of(items_of(compiled, GRAPH_MODES))
    assert not only(ev.MessageStarted, again)
    assert only(ev.RunFinished, again)


# ---- endings -------------------------------------------------------------------------------------


async def cut(modes: Any, *, after: int) -> list[Event]:
    """A recording that ends right after the ``after``-th item of ``messages``."""
    items = await recorded(items_of(two_nodes(), modes))
    found = [n for n, item in enumerate(items) if item[1] == "messages"]
    return list(adapt(items[: found[after - 1] + 1]))


@pytest.mark.parametrize("modes", [["messages"], ["messages", "updates"], GRAPH_MODES])
async def test_a_recording_cut_within_a_message_has_lost_its_producer(modes: Any) -> None:
    events = await cut(modes, after=1)
    assert only(ev.RunFailed, events)[0].error.code == "producer_lost"
    assert len(only(ev.MessageAborted, events)) == 1


async def test_a_recording_cut_within_a_task_has_lost_its_producer() -> None:
    run = adapt((await recorded(items_of(two_nodes(), "tasks")))[:3])
    with pytest.raises(ProducerLost, match="'two' has not ended"):
        run.result()


async def test_messages_alone_do_not_prove_a_cut_between_messages() -> None:
    assert only(ev.RunFinished, await cut(["messages"], after=3))


async def test_a_recorded_failure_is_that_of_the_run() -> None:
    items = await recorded(items_of(graph(one=node_of(says(half()))).compile(), GRAPH_MODES))
    run = adapt(items)
    assert story(run)[-4:] == lines("""
        message.aborted /one error
        node.failed /one model_error
        graph.failed / model_error
        run.failed model_error
    """)
    with pytest.raises(RuntimeError, match="scripted failure"):
        run.result()


async def test_of_a_failure_written_down_the_words_are_left() -> None:
    items = await recorded(items_of(graph(one=node_of(says(half()))).compile(), "tasks"))
    written = json.loads(json.dumps(items, default=str))
    with pytest.raises(SourceFailed, match="scripted failure"):
        adapt(written).result()


# ---- what only a server of LangGraph sends -------------------------------------------------------


def test_whole_messages_so_far_are_told_as_deltas() -> None:
    def frame(event: str, data: Any) -> tuple[str, Any, None]:
        return event, data, None

    def answer(text: str) -> list[dict[str, Any]]:
        return [{"type": "ai", "content": text, "id": "m1"}]

    about = {"m1": {"metadata": {"langgraph_node": "one", "langgraph_checkpoint_ns": "one:1"}}}
    run = adapt(
        [
            frame("metadata", {"run_id": "r"}),
            frame("messages/metadata", about),
            frame("messages/partial", answer("Hel")),
            frame("messages/partial", answer("Hello ")),
            frame("messages/complete", answer("Hello you")),
        ]
    )
    events = list(run)
    assert [event.text for event in only(ev.TextDelta, events)] == ["Hello you"]
    assert only(ev.TextFinished, events)[0].path == ("one",)
    assert only(ev.RunFinished, events)


def test_an_error_of_the_server_fails_the_run() -> None:
    run = adapt([("metadata", {}), ("error", {"error": "ValueError", "message": "no"})])
    with pytest.raises(SourceFailed, match="no"):
        run.result()


def test_an_answer_whose_chunks_never_say_which_is_the_last_ends_with_its_node() -> None:
    about = {"langgraph_node": "one", "langgraph_checkpoint_ns": "one:1", "langgraph_step": 1}
    chunks = [{"type": "AIMessageChunk", "content": text, "id": "m1"} for text in ("Hel", "lo")]
    events = list(adapt([("messages", [chunk, about]) for chunk in chunks]))
    assert only(ev.TextFinished, events)[0].text == "Hello"
    assert only(ev.RunFinished, events)


def test_messages_of_one_id_in_two_nodes_are_two() -> None:
    def said(node: str, text: str, last: Any = None) -> Any:
        metadata = {"langgraph_node": node, "langgraph_checkpoint_ns": f"{node}:1"}
        return AIMessageChunk(content=text, id="same", chunk_position=last), metadata

    items = [said("a", "A"), said("b", "B"), said("a", "a", "last"), said("b", "b", "last")]
    events = list(adapt(items))
    assert_legal(events)
    assert [event.text for event in only(ev.TextFinished, events)] == ["Aa", "Bb"]


def test_an_update_whose_node_has_no_name_is_left_out_with_the_reason() -> None:
    items: list[Any] = [("updates", {"a": None}), ("updates", {5: {"x": 1}})]
    found = [event for event in adapt(items) if isinstance(event, ev.Diagnostic)]
    assert [one.code for one in found] == ["item_skipped"]
    assert "5" in found[0].message
