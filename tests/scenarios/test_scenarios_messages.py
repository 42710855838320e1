"""Messages: each once, whoever made it; custom data in call order; what is told when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Send

from langchain_streamkit import astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import Reasoning, ToolCall, Turn
from tests.scenarios.story import story
from tests.scenarios.told import (
    HI,
    USAGE,
    calls,
    events_of,
    graph,
    lines,
    node_of,
    says,
    told,
    told_by_handler,
    told_sync,
)

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


def makes(*messages: Any) -> Any:
    """A node that returns these messages."""

    async def node(state: Any) -> dict[str, Any]:
        return {"messages": list(messages)}

    return node


def in_nodes(*told_nodes: tuple[str, str]) -> list[str]:
    """The story of a graph of these nodes in a line: name and what is said inside."""
    inside: list[str] = []
    for name, said in told_nodes:
        inside += [f"node.started /{name} {name}", *lines(said), f"node.finished /{name} ok"]
    started = ["run.started", "graph.started / LangGraph"]
    return [*started, *filter(None, inside), "graph.finished / ok", "run.finished"]


def said_by_model(path: str, text: str) -> str:
    return f"""
        message.started {path} assistant
        text {path} '{text}'
        message.finished {path} stop unreported
    """


def said_by_node(path: str, text: str, role: str = "assistant") -> str:
    return f"""
        message.started {path} {role}
        text {path} '{text}'
        message.finished {path} stop
    """


# ---- messages that nodes make --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "role"),
    [
        (AIMessage("made"), "assistant"),
        (("ai", "made"), "assistant"),
        ({"role": "assistant", "content": "made"}, "assistant"),
        ("made", "user"),
        (("user", "made"), "user"),
        (HumanMessage("made"), "user"),
        (SystemMessage("made"), "system"),
    ],
    ids=["AIMessage", "tuple", "dict", "str", "user tuple", "HumanMessage", "SystemMessage"],
)
async def test_a_message_a_node_makes_is_told_once(message: Any, role: str) -> None:
    expected = in_nodes(("maker", said_by_node("/maker", "made", role)))
    assert await told(graph(maker=makes(message)).compile(), HI) == expected
    assert await told_by_handler(graph(maker=makes(message)).compile(), HI) == expected


async def test_a_models_answer_in_a_new_message_is_told_once() -> None:
    model = says("Hello you")

    async def rewrap(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        return {"messages": [AIMessage(answer.content)]}

    assert await told(graph(writer=rewrap).compile(), HI) == in_nodes(
        ("writer", said_by_model("/writer", "Hello you"))
    )


async def test_a_second_message_with_the_text_of_a_claimed_answer_is_told_too() -> None:
    model = says("Hello you")

    async def twice(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        return {"messages": [AIMessage(answer.content), AIMessage(answer.content)]}

    assert await told(graph(writer=twice).compile(), HI) == in_nodes(
        (
            "writer",
            said_by_model("/writer", "Hello you") + said_by_node("/writer", "Hello you"),
        )
    )


async def test_the_same_text_made_in_a_later_node_is_told_too() -> None:
    two = graph(writer=node_of(says("Hello you")), maker=makes(AIMessage("Hello you")))
    assert await told(two.compile(), HI) == in_nodes(
        ("writer", said_by_model("/writer", "Hello you")),
        ("maker", said_by_node("/maker", "Hello you")),
    )


async def test_history_that_a_node_returns_again_is_not_told_again() -> None:
    async def again(state: Any) -> dict[str, Any]:
        return {"messages": state["messages"]}

    assert await told(graph(writer=node_of(says("Hello")), again=again).compile(), HI) == in_nodes(
        ("writer", said_by_model("/writer", "Hello")), ("again", "")
    )


async def test_a_supervisor_that_returns_its_workers_history_tells_it_once() -> None:
    worker = graph(writer=node_of(says("Worker text"))).compile(name="worker")

    async def supervise(state: Any) -> dict[str, Any]:
        answer = await worker.ainvoke({"messages": state["messages"]})
        return {"messages": answer["messages"]}

    both = graph(supervisor=supervise, last=node_of(says("Last text"))).compile()
    assert await told(both, HI) == in_nodes(
        (
            "supervisor",
            f"""
        graph.started /supervisor worker
        node.started /supervisor/writer writer
        {said_by_model("/supervisor/writer", "Worker text").strip()}
        node.finished /supervisor/writer ok
        graph.finished /supervisor ok
        """,
        ),
        ("last", said_by_model("/last", "Last text")),
    )


async def test_a_removed_message_is_not_told() -> None:
    async def remove(state: Any) -> dict[str, Any]:
        return {"messages": [RemoveMessage(id=str(state["messages"][0].id))]}

    assert await told(graph(remover=remove).compile(), HI) == in_nodes(("remover", ""))


async def test_a_message_in_a_channel_of_another_name_is_told() -> None:
    class Answering(TypedDict):
        answer: Any

    async def reply(state: Any) -> dict[str, Any]:
        return {"answer": AIMessage("made")}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Answering)
    builder.add_node("maker", reply)
    builder.add_edge(START, "maker")
    assert await told(builder.compile(), {"answer": None}) == in_nodes(
        ("maker", said_by_node("/maker", "made"))
    )


async def test_message_ids_are_the_ids_in_the_final_state() -> None:
    made = makes(AIMessage("one"), ("ai", "two"), HumanMessage("three"))
    run = astream(graph(writer=node_of(says("Hello")), maker=made).compile(), HI)
    stream = [event async for event in run]
    story(stream)
    state = await run.result()
    ids = [event.message_id for event in stream if isinstance(event, ev.MessageStarted)]
    assert ids == [message.id for message in state["messages"][1:]]
    assert len(set(ids)) == 4


async def test_a_providers_message_id_is_the_id_in_the_final_state() -> None:
    run = astream(graph(writer=node_of(says("Hello", chunk_ids=True))).compile(), HI)
    stream = [event async for event in run]
    state = await run.result()
    (started,) = [event for event in stream if isinstance(event, ev.MessageStarted)]
    assert started.message_id.startswith("msg_")
    assert started.message_id == state["messages"][-1].id


@pytest.mark.parametrize("start", ["edge", "conditional edge"])
@pytest.mark.parametrize(
    "asked",
    [
        [HumanMessage("hi"), AIMessage("before"), HumanMessage("again")],
        [("user", "hi"), {"role": "assistant", "content": "before"}, "again"],
    ],
    ids=["messages", "plain"],
)
async def test_messages_of_the_input_are_not_echoed(start: str, asked: Any) -> None:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("writer", node_of(says("Hello", cycle=True)))
    if start == "edge":
        builder.add_edge(START, "writer")
    else:
        builder.add_conditional_edges(START, lambda _: "writer", ["writer"])
    expected = in_nodes(("writer", said_by_model("/writer", "Hello")))
    assert await told(builder.compile(), {"messages": list(asked)}) == expected
    assert await told_by_handler(builder.compile(), {"messages": list(asked)}) == expected


async def test_messages_of_a_thread_are_not_told_again_in_its_next_run() -> None:
    chat = graph(writer=node_of(says("First", "Second"))).compile(checkpointer=InMemorySaver())
    assert "text /writer 'First'" in await told(chat, HI, thread_id="t")
    assert await told(chat, HI, thread_id="t") == in_nodes(
        ("writer", said_by_model("/writer", "Second"))
    )


# ---- what a message holds ------------------------------------------------------------------------


async def test_reasoning_is_a_block_before_the_text() -> None:
    thinking = says(Turn("Hello you", reasoning="I think"))
    assert await told(graph(writer=node_of(thinking)).compile(), HI) == in_nodes(
        (
            "writer",
            """
        message.started /writer assistant
        reasoning /writer 'I think'
        text /writer 'Hello you'
        message.finished /writer stop unreported
        """,
        )
    )


async def test_reasoning_between_text_is_a_block_of_its_own() -> None:
    model = says([Reasoning("First. "), "Hello", Reasoning("Then. "), " you"])
    assert await told(model) == lines("""
        run.started
        message.started / assistant
        reasoning / 'First. '
        text / 'Hello'
        reasoning / 'Then. '
        text / ' you'
        message.finished / stop unreported
        run.finished
    """)


async def test_interleaved_tool_calls_stay_apart() -> None:
    wanted = [ToolCall(name, {name: "12345678901"}, id=name) for name in ("a", "b")]
    told_ = await told(says(Turn("Look", tool_calls=wanted, interleave=True)))
    finished = [line for line in told_ if line.startswith("tool_call.finished")]
    assert finished == lines("""
        tool_call.finished / a a {"a": "12345678901"}
        tool_call.finished / b b {"b": "12345678901"}
    """)
    assert [line for line in told_ if line.startswith("tool_call.delta")] != []


async def test_another_block_of_a_node_made_message_is_told_whole() -> None:
    image = {"type": "image", "url": "https://example.com/cat.png"}
    made = AIMessage([{"type": "text", "text": "See"}, image])
    assert await told(graph(maker=makes(made)).compile(), HI) == in_nodes(
        (
            "maker",
            """
        message.started /maker assistant
        text /maker 'See'
        content /maker image
        message.finished /maker stop
        """,
        )
    )


async def test_usage_of_the_run_is_the_sum_over_its_calls() -> None:
    asked = graph(
        one=node_of(says(Turn("One", usage=USAGE))),
        two=node_of(says(Turn("Two", usage={"input_tokens": 7, "output_tokens": 2}))),
        three=node_of(says("No usage")),
        four=makes(AIMessage("no model")),
    )
    stream = await events_of(asked.compile(), HI, tokens="off")
    messages = [
        line.split(maxsplit=1)[1] for line in story(stream) if line.startswith("message.finished")
    ]
    assert messages == [
        "/one stop 10+5 provider",
        "/two stop 7+2 provider",
        "/three stop unreported",
        "/four stop",
    ]
    finished = stream[-1]
    assert isinstance(finished, ev.RunFinished)
    usage = finished.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (17, 7, 24)


async def test_usage_that_the_provider_repeats_on_every_chunk_is_counted_once() -> None:
    model = says(Turn("One two three four", usage=USAGE), usage_on="every_chunk")
    assert "message.finished / stop 10+5 provider" in await told(model)


# ---- custom data ---------------------------------------------------------------------------------


async def adata() -> None:
    write = get_stream_writer()
    write({"n": 1})
    await adispatch_custom_event("progress", {"n": 2})
    write({"n": 3})
    await adispatch_custom_event("progress", {"n": 4})


def data() -> None:
    write = get_stream_writer()
    write({"n": 1})
    dispatch_custom_event("progress", {"n": 2})
    write({"n": 3})
    dispatch_custom_event("progress", {"n": 4})


IN_CALL_ORDER = in_nodes(
    (
        "report",
        """
        custom /report {'n': 1}
        custom /report progress {'n': 2}
        custom /report {'n': 3}
        custom /report progress {'n': 4}
        """,
    )
)


async def test_custom_data_of_both_kinds_in_an_async_node_comes_in_call_order() -> None:
    async def report(state: Any) -> dict[str, Any]:
        await adata()
        return {}

    assert await told(graph(report=report).compile(), HI) == IN_CALL_ORDER


async def test_custom_data_of_both_kinds_in_a_plain_node_comes_in_call_order() -> None:
    def report(state: Any) -> dict[str, Any]:
        data()
        return {}

    assert told_sync(graph(report=report).compile(), HI) == IN_CALL_ORDER
    assert await told(graph(report=report).compile(), HI) == IN_CALL_ORDER


async def test_custom_data_around_a_models_answer_keeps_its_place() -> None:
    model = says("Hello you")

    async def report(state: Any) -> dict[str, Any]:
        write = get_stream_writer()
        write("before")
        answer = await model.ainvoke(state["messages"])
        write("after")
        return {"messages": [answer]}

    assert await told(graph(report=report).compile(), HI) == in_nodes(
        (
            "report",
            f"""
        custom /report 'before'
        {said_by_model("/report", "Hello you").strip()}
        custom /report 'after'
        """,
        )
    )


@tool
async def atool(a: int) -> str:
    """Report."""
    await adata()
    return "ok"


@tool
def plain_tool(a: int) -> str:
    """Report."""
    data()
    return "ok"


@pytest.mark.parametrize("reporting", [atool, plain_tool], ids=["async", "plain"])
async def test_custom_data_inside_a_tool_names_its_call(reporting: Any) -> None:
    name = reporting.name
    agent = create_agent(says(calls(ToolCall(name, {"a": 1}, id="c1")), "Done"), [reporting])
    told_ = await told(agent, HI)
    began = told_.index("node.started /tools tools")
    assert told_[began : began + 8] == lines(f"""
        node.started /tools tools
        tool.started /tools/{name} {name} c1 {{"a": 1}}
        custom /tools/{name} {{'n': 1}} c1
        custom /tools/{name} progress {{'n': 2}} c1
        custom /tools/{name} {{'n': 3}} c1
        custom /tools/{name} progress {{'n': 4}} c1
        tool.finished /tools/{name} c1 ok 'ok'
        node.finished /tools ok
    """)


async def test_custom_data_of_a_subgraph_has_its_path() -> None:
    async def leaf(state: Any) -> dict[str, Any]:
        get_stream_writer()("from the leaf")
        return {}

    inner = graph(leaf=leaf).compile()
    assert "custom /inner/leaf 'from the leaf'" in await told(graph(inner=inner).compile(), HI)


async def test_custom_data_of_a_chain() -> None:
    async def report(value: Any) -> Any:
        await adispatch_custom_event("progress", {"n": 1})
        return value

    assert await told(RunnableLambda(report)) == lines("""
        run.started
        custom / progress {'n': 1}
        run.finished
    """)


# ---- shapes of graphs ----------------------------------------------------------------------------


async def test_messages_of_a_functional_graph() -> None:
    speaker = says("Task text")

    @task
    async def ask(question: str) -> Any:
        return await speaker.ainvoke(question)

    @entrypoint()
    async def flow(question: str) -> Any:
        return {"messages": [await ask(question), AIMessage("made")]}

    assert await told(flow) == in_nodes(
        (
            "flow",
            f"""
        node.started /flow/ask ask
        {said_by_model("/flow/ask", "Task text").strip()}
        node.finished /flow/ask ok
        {said_by_node("/flow", "made").strip()}
        """,
        )
    )


async def test_branches_of_a_send_have_numbered_paths() -> None:
    async def work(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(state["topic"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("worker", work)
    targets = [Send("worker", {"topic": topic}) for topic in ("cats", "dogs", "fish")]
    builder.add_conditional_edges(START, lambda _: targets, ["worker"])
    told_ = await told(builder.compile(), HI)
    assert sorted(line for line in told_ if line.startswith("text")) == lines("""
        text /worker 'cats'
        text /worker#2 'dogs'
        text /worker#3 'fish'
    """)


async def test_a_message_in_a_command_to_a_sibling_is_told_once() -> None:
    async def leave(state: Any) -> Any:
        return Command(goto="other", update={"messages": [AIMessage("bye")]})

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("leaver", leave, destinations=("other",))
    builder.add_node("other", node_of(says("Other")))
    builder.add_edge(START, "leaver")
    assert await told(builder.compile(), HI) == in_nodes(
        ("leaver", said_by_node("/leaver", "bye")), ("other", said_by_model("/other", "Other"))
    )


async def test_a_message_in_a_command_to_the_parent_is_told_once() -> None:
    async def leave(state: Any) -> Any:
        made = {"messages": [AIMessage("bye")]}
        return Command(goto="other", update=made, graph=Command.PARENT)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", graph(leaver=leave).compile(), destinations=("other",))
    builder.add_node("other", node_of(says("Other")))
    builder.add_edge(START, "inner")
    expected = lines("""
        run.started
        graph.started / LangGraph
        node.started /inner inner
        graph.started /inner LangGraph
        node.started /inner/leaver leaver
        message.started /inner/leaver assistant
        text /inner/leaver 'bye'
        message.finished /inner/leaver stop
        node.finished /inner/leaver handed_off
        graph.finished /inner handed_off
        node.finished /inner handed_off
        node.started /other other
        message.started /other assistant
        text /other 'Other'
        message.finished /other stop unreported
        node.finished /other ok
        graph.finished / ok
        run.finished
    """)
    assert await told(builder.compile(), HI) == expected


# ---- what is told when asked for -----------------------------------------------------------------

ONE_ID = {"messages": [HumanMessage("hi", id="h1")]}


def two_makers(**options: Any) -> Any:
    return graph(one=makes(AIMessage("x", id="i1")), two=makes()).compile(**options)


def contents(values: Any) -> list[str]:
    return [message["content"] for message in values["messages"]]


async def steps_of(**options: Any) -> tuple[list[Any], list[Any]]:
    stream = await events_of(two_makers(), ONE_ID, **options)
    story(stream)
    started = [event.input for event in stream if isinstance(event, ev.StepStarted)]
    finished = [event.output for event in stream if isinstance(event, ev.StepFinished)]
    return started, finished


async def test_without_capture_steps_have_no_input_and_output() -> None:
    assert await steps_of() == ([None] * 3, [None] * 3)


async def test_capture_inputs_gives_the_input_of_every_step() -> None:
    started, finished = await steps_of(capture={"inputs"})
    assert [contents(values) for values in started] == [["hi"], ["hi"], ["hi", "x"]]
    assert finished == [None] * 3


async def test_capture_outputs_gives_the_output_of_every_step() -> None:
    started, finished = await steps_of(capture={"outputs"})
    assert [contents(values) for values in finished] == [["x"], [], ["hi", "x"]]
    assert started == [None] * 3


async def test_capture_state_gives_updates_and_snapshots_after_each_step() -> None:
    stream = await events_of(two_makers(), ONE_ID, capture={"state"})
    story(stream)
    seen = [
        (event.node if isinstance(event, ev.StateUpdate) else "", contents(event.values))
        for event in stream
        if isinstance(event, (ev.StateUpdate, ev.StateSnapshot))
    ]
    assert seen == [("", ["hi"]), ("one", ["x"]), ("", ["hi", "x"]), ("two", []), ("", ["hi", "x"])]


async def test_capture_checkpoints_gives_each_saved_checkpoint_with_its_parent() -> None:
    saver = InMemorySaver()
    made = two_makers(checkpointer=saver)
    stream = await events_of(made, ONE_ID, thread_id="t", capture={"checkpoints"})
    story(stream)
    seen = [
        (event.checkpoint_id, event.parent_id, event.source, event.step)
        for event in stream
        if isinstance(event, ev.Checkpoint)
    ]
    saved = []
    for one in saver.list({"configurable": {"thread_id": "t"}}):
        parent = (one.parent_config or {}).get("configurable", {}).get("checkpoint_id")
        saved.append(
            (one.checkpoint["id"], parent, one.metadata.get("source"), one.metadata.get("step"))
        )
    assert seen == saved[::-1]


PROMPT = ChatPromptTemplate.from_template("{question}")
QUESTION = {"question": "why?"}


def chain() -> Runnable[Any, Any]:
    return PROMPT | says("Hello you") | StrOutputParser()


CHAIN = lines("""
    run.started
    message.started / assistant
    text / 'Hello you'
    message.finished / stop unreported
    run.finished
""")


async def test_a_chain_has_no_steps() -> None:
    assert await told(chain(), QUESTION) == CHAIN


async def test_all_steps_are_told_when_asked_for() -> None:
    assert await told(chain(), QUESTION, steps="all") == lines("""
        run.started
        chain.started / RunnableSequence
        chain.started / ChatPromptTemplate
        chain.finished / ok
        message.started / assistant
        text / 'Hello you'
        message.finished / stop unreported
        chain.started / StrOutputParser
        chain.finished / ok
        chain.finished / ok
        run.finished
    """)


async def deltas_of(runnable: Any, value: Any) -> tuple[list[Any], Any]:
    run = astream(runnable, value, output_deltas=True)
    stream = [event async for event in run]
    story(stream)
    deltas = [event.data for event in stream if isinstance(event, ev.OutputDelta)]
    return deltas, await run.result()


async def test_output_deltas_of_a_chain_add_up_to_its_result() -> None:
    deltas, result = await deltas_of(chain(), QUESTION)
    assert len(deltas) > 1
    assert "".join(deltas) == result == "Hello you"


async def test_output_deltas_of_a_graph_are_its_updates() -> None:
    deltas, result = await deltas_of(two_makers(), ONE_ID)
    assert [list(delta) for delta in deltas] == [["one"], ["two"]]
    assert contents(deltas[0]["one"]) == ["x"]
    assert [message.content for message in result["messages"]] == ["hi", "x"]


async def test_a_bare_model_has_no_output_deltas() -> None:
    deltas, result = await deltas_of(says("Hello you"), "hi")
    assert deltas == []
    assert result.content == "Hello you"


@pytest.mark.parametrize("streaming", [True, False])
async def test_streaming_false_never_changes_how_a_model_is_called(streaming: Any) -> None:
    for sync in (False, True):
        model = says("Hello you", "Hello you", cycle=True)
        chained = PROMPT | model | StrOutputParser()
        if sync:
            assert told_sync(chained, QUESTION, streaming=streaming) == CHAIN
            assert told_sync(model, "hi", streaming=streaming) == CHAIN
        else:
            assert await told(chained, QUESTION, streaming=streaming) == CHAIN
            assert await told(model, "hi", streaming=streaming) == CHAIN
        assert [call.streamed for call in model.calls] == [streaming, streaming]


async def test_without_streaming_a_message_comes_whole_with_all_its_blocks() -> None:
    wanted = ToolCall("search", {"q": "cats"}, id="c1")
    model = says(Turn("Hello you", reasoning="I think", tool_calls=[wanted], usage=USAGE))
    stream = await events_of(graph(writer=node_of(model)).compile(), HI, streaming=False)
    assert story(stream)[3:7] == lines("""
        message.started /writer assistant
        reasoning /writer 'I think'
        text /writer 'Hello you'
        tool_call /writer c1 search {"q": "cats"}
    """)
    texts = [event.text for event in stream if isinstance(event, ev.TextDelta)]
    assert texts == ["Hello you"]
    assert not [event for event in stream if isinstance(event, ev.Diagnostic)]
