"""Watching changes nothing: checkpoints, what models are asked, tracers, contexts, the caller's own
objects, and runs inside runs.
"""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableBinding, RunnableConfig, RunnableLambda
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import tool
from langchain_core.tracers.langchain import LangChainTracer
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config, get_stream_writer
from langgraph.func import entrypoint, task

from langchain_streamkit import StreamCallbackHandler, astream, stream, with_sinks
from langchain_streamkit.testing import RecordingSink, ToolCall
from tests.scenarios.kinds import KINDS, Kind
from tests.scenarios.story import story
from tests.scenarios.test_no_observer_effect import Recorder, StreamingOn, by_run, without_ids
from tests.scenarios.told import (
    HI,
    add,
    calls,
    graph,
    node_of,
    says,
    sync_node_of,
    told,
    told_by_handler,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KIND = pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS.values() if not kind.text_model],
    ids=[name for name, kind in KINDS.items() if not kind.text_model],
)
THREAD: RunnableConfig = {"configurable": {"thread_id": "t"}}


async def quietly(call: Awaitable[Any]) -> None:
    """Wait for a call; other tests compare how it ends."""
    with contextlib.suppress(Exception):
        await call


def config_of(kind: Kind, *handlers: Any) -> RunnableConfig:
    made: RunnableConfig = {"callbacks": list(handlers)}
    if kind.thread_id is not None:
        made["configurable"] = {"thread_id": kind.thread_id}
    return made


# ---- checkpoints ---------------------------------------------------------------------------------


def nested(node: Any, saver: InMemorySaver) -> Any:
    inner = graph(leaf=node(says("Leaf text"))).compile()
    return graph(first=inner, last=node(says("Last text"))).compile(checkpointer=saver)


def asking_agent(node: Any, saver: InMemorySaver) -> Any:
    wanted = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    return create_agent(says(calls(wanted), "It is 3"), [add], checkpointer=saver)


def functional(node: Any, saver: InMemorySaver) -> Any:
    speaker = says("Task text")

    @task
    def ask(question: Any) -> str:
        return speaker.invoke("hi").text

    @entrypoint(checkpointer=saver)
    def flow(question: Any) -> str:
        return ask(question).result()

    return flow


def saved(saver: InMemorySaver) -> list[str]:
    """Everything saved, oldest first: namespace, state, metadata, pending writes; ids aside."""
    rows: list[str] = []
    for one in reversed(list(saver.list(THREAD))):
        namespace = one.config.get("configurable", {})["checkpoint_ns"].partition(":")[0]
        values = one.checkpoint["channel_values"]
        writes = sorted(repr(write[1:]) for write in one.pending_writes or [])
        rows.append(without_ids((namespace, values, dict(one.metadata), writes)))
    assert rows
    return rows


@pytest.mark.parametrize("node", [sync_node_of, node_of], ids=["plain nodes", "async nodes"])
@pytest.mark.parametrize("make", [nested, asking_agent, functional])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_checkpoints_are_the_same(make: Any, node: Any, durability: Any) -> None:
    watched, bare, beside = InMemorySaver(), InMemorySaver(), InMemorySaver()
    run = astream(
        make(node, watched),
        HI,
        thread_id="t",
        call={"durability": durability},
        capture={"inputs", "outputs", "state", "checkpoints"},
    )
    story([event async for event in run])
    streaming: Any = {**THREAD, "callbacks": [StreamingOn()]}
    await make(node, bare).ainvoke(HI, streaming, durability=durability)
    handler: Any = {**THREAD, "callbacks": [StreamCallbackHandler()]}
    await make(node, beside).ainvoke(HI, handler, durability=durability)
    assert saved(watched) == saved(bare)
    assert saved(beside) == saved(bare)


@pytest.mark.parametrize("make", [nested, asking_agent, functional])
def test_checkpoints_are_the_same_in_plain_code(make: Any) -> None:
    watched, bare = InMemorySaver(), InMemorySaver()
    story(stream(make(sync_node_of, watched), HI, thread_id="t"))
    streaming: Any = {**THREAD, "callbacks": [StreamingOn()]}
    make(sync_node_of, bare).invoke(HI, streaming)
    assert saved(watched) == saved(bare)


# ---- what models are asked -----------------------------------------------------------------------


def asked(model: Any) -> list[str]:
    """Every call of a scripted model as the model saw it."""
    return [
        without_ids((call.messages, dict(call.kwargs), call.stop, call.streamed))
        for call in model.calls
    ]


async def test_a_model_in_an_agent_is_asked_the_same() -> None:
    def make() -> tuple[Any, Any]:
        model = says(calls(ToolCall("add", {"a": 1, "b": 2}, id="c1")), "It is 3")
        return model, create_agent(model, [add], system_prompt="Be brief")

    watched, agent = make()
    await astream(agent, HI).result()
    bare, agent = make()
    await agent.ainvoke(HI, {"callbacks": [StreamingOn()]})
    assert len(watched.calls) == 2
    assert asked(watched) == asked(bare)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_bound_model_is_asked_the_same(streaming: Any) -> None:
    bare, watched = says("Hello you"), says("Hello you")
    bound: Any = {"stop": ["x"], "temperature": 0.5}
    handlers: list[Any] = [StreamingOn()] if streaming else []
    await bare.bind(**bound).ainvoke("hi", {"callbacks": handlers})
    await astream(watched.bind(**bound), "hi", streaming=streaming).result()
    assert asked(watched) == asked(bare)
    assert watched.calls[0].stop == ("x",)


async def test_arguments_of_call_reach_the_model_unchanged() -> None:
    bare, watched = says("Hello you"), says("Hello you")
    given: Any = {"stop": ["x"], "temperature": 0.5}
    await bare.ainvoke("hi", {"callbacks": [StreamingOn()]}, **given)
    await astream(watched, "hi", call=given).result()
    assert asked(watched) == asked(bare)


# ---- tracers and other handlers ------------------------------------------------------------------


class Traces:
    """Stands in for ``langsmith.Client``: notes what the tracer would send."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self._names: dict[Any, str] = {}

    def create_run(self, **run: Any) -> None:
        self._names[run["id"]] = run["name"]
        metadata = run["extra"].get("metadata") or {}
        shown = {
            key: value
            for key, value in metadata.items()
            if "checkpoint" not in key and key != "langgraph_path"
        }
        parent = self._names.get(run.get("parent_run_id"))
        tags = sorted(run.get("tags") or [])
        row = (run["run_type"], run["name"], parent, tags, shown, run["inputs"])
        self.rows.append(without_ids(("start", *row)))

    def update_run(self, **run: Any) -> None:
        events = [event["name"] for event in run.get("events") or []]
        error = (run.get("error") or "").partition("Traceback")[0]
        row = (self._names[run["run_id"]], run.get("outputs"), error, events)
        self.rows.append(without_ids(("end", *row)))

    def flush(self) -> None:
        """Nothing is kept back."""


def traced() -> tuple[Traces, LangChainTracer]:
    client: Any = Traces()
    return client, LangChainTracer(client=client, project_name="test")


async def with_streaming_on(runnable: Any, value: Any, config: RunnableConfig) -> None:
    """The same call with streaming on; for a bare model that is its own ``astream``."""
    if isinstance(runnable, RunnableBinding | BaseChatModel):
        async for _ in runnable.astream(value, config):
            pass
        return
    handlers: Any = config.get("callbacks")
    await runnable.ainvoke(value, {**config, "callbacks": [*handlers, StreamingOn()]})


@KIND
async def test_langsmiths_tracer_beside_astream_sees_the_same_runs(kind: Kind) -> None:
    watched, tracer = traced()
    await quietly(astream(kind.make(), kind.input, config_of(kind, tracer)).result())
    bare, tracer = traced()
    await quietly(with_streaming_on(kind.make(), kind.input, config_of(kind, tracer)))
    assert bare.rows
    assert by_run(watched.rows) == by_run(bare.rows)


@KIND
async def test_langsmiths_tracer_beside_a_handler_sees_the_same_runs(kind: Kind) -> None:
    beside, tracer = traced()
    handler = StreamCallbackHandler()
    await quietly(kind.make().ainvoke(kind.input, config_of(kind, tracer, handler)))
    bare, tracer = traced()
    await quietly(kind.make().ainvoke(kind.input, config_of(kind, tracer, StreamingOn())))
    assert bare.rows
    assert by_run(beside.rows) == by_run(bare.rows)


@KIND
async def test_two_handlers_tell_the_same_story(kind: Kind) -> None:
    first, second = StreamCallbackHandler(), StreamCallbackHandler()
    await quietly(kind.make().ainvoke(kind.input, config_of(kind, first, second)))
    assert shape(list(first)) == shape(list(second))


def shape(events: list[Any]) -> list[str]:
    """What a legal stream tells, but for deltas; threads decide the order."""
    story(events)
    return by_run(
        [
            without_ids((one.type, one.path, one.run_id == events[0].run_id))
            for one in events
            if not one.type.endswith(".delta")
        ]
    )


async def test_a_handler_beside_astream_tells_the_same_story() -> None:
    handler = StreamCallbackHandler()
    agent = KINDS["agent"]
    run = astream(agent.make(), agent.input, {"callbacks": [handler]})
    assert story([event async for event in run]) == story(handler)


async def test_a_handler_beside_with_sinks_tells_the_same_story() -> None:
    handler, sink = StreamCallbackHandler(), RecordingSink()
    agent = KINDS["agent"]
    await with_sinks(agent.make(), sink).ainvoke(agent.input, {"callbacks": [handler]})
    assert story(sink.events) == story(handler)


async def test_one_handler_on_the_model_and_in_the_config_tells_each_run_once() -> None:
    handler = StreamCallbackHandler()
    model = says("Hello you").with_config(callbacks=[handler])
    await graph(writer=node_of(model)).compile().ainvoke(HI, {"callbacks": [handler]})
    assert story(handler) == await told(graph(writer=node_of(says("Hello you"))).compile(), HI)


async def test_one_handler_as_an_attribute_of_the_model_and_in_the_config() -> None:
    handler = StreamCallbackHandler()
    model = says("Hello you", callbacks=[handler])
    await graph(writer=node_of(model)).compile().ainvoke(HI, {"callbacks": [handler]})
    assert story(handler) == await told(graph(writer=node_of(says("Hello you"))).compile(), HI)


async def test_a_handler_on_the_model_alone_tells_the_model_as_its_own_run() -> None:
    handler = StreamCallbackHandler()
    model = says("Hello you").with_config(callbacks=[handler])
    await graph(writer=node_of(model)).compile().ainvoke(HI)
    assert story(handler) == await told(says("Hello you"))


# ---- runs inside runs ----------------------------------------------------------------------------


async def test_astream_inside_a_node_leaves_the_outer_stream_as_it_is() -> None:
    model = says("Hello you", cycle=True)
    inner: list[Any] = []

    async def writer(state: Any) -> dict[str, Any]:
        run = astream(model, state["messages"])
        inner.extend([event async for event in run])
        return {"messages": [await run.result()]}

    outer = await told(graph(writer=writer).compile(), HI)
    assert outer == await told(graph(writer=node_of(model)).compile(), HI)
    assert story(inner) == await told(model)


async def test_astream_of_a_graph_inside_a_node_leaves_the_outer_stream_as_it_is() -> None:
    inner_graph = graph(leaf=node_of(says("Leaf text", cycle=True))).compile(name="helper")
    inner: list[Any] = []

    def outer(ask: Callable[[Any], Awaitable[Any]]) -> Any:
        async def writer(state: Any) -> dict[str, Any]:
            answer = await ask({"messages": state["messages"]})
            return {"messages": answer["messages"][-1:]}

        return graph(writer=writer).compile()

    async def watched(value: Any) -> Any:
        run = astream(inner_graph, value)
        inner.extend([event async for event in run])
        return await run.result()

    assert await told(outer(watched), HI) == await told(outer(inner_graph.ainvoke), HI)
    assert story(inner) == await told(inner_graph, HI)


async def test_a_handler_outside_hears_what_astream_runs_inside() -> None:
    model = says("Hello you", cycle=True)

    async def writer(state: Any) -> dict[str, Any]:
        return {"messages": [await astream(model, state["messages"]).result()]}

    outside = await told_by_handler(graph(writer=writer).compile(), HI)
    assert outside == await told_by_handler(graph(writer=node_of(model)).compile(), HI)


async def test_stream_inside_a_plain_node_leaves_the_outer_stream_as_it_is() -> None:
    model = says("Hello you", cycle=True)
    inner: list[Any] = []

    def writer(state: Any) -> dict[str, Any]:
        run = stream(model, state["messages"])
        inner.extend(run)
        return {"messages": [run.result()]}

    outer = await told(graph(writer=writer).compile(), HI)
    assert outer == await told(graph(writer=sync_node_of(model)).compile(), HI)
    assert story(inner) == await told(model)


async def test_custom_data_inside_a_nested_astream_reaches_both() -> None:
    async def leaf(state: Any) -> dict[str, Any]:
        get_stream_writer()("from the leaf")
        return {}

    inner_graph = graph(leaf=leaf).compile()
    inner: list[Any] = []

    async def outer(state: Any) -> dict[str, Any]:
        inner.extend([event async for event in astream(inner_graph, state)])
        return {}

    told_outside = await told(graph(outer=outer).compile(), HI)
    assert [line for line in story(inner) if line.startswith("custom")] == [
        "custom /leaf 'from the leaf'"
    ]
    assert [line for line in told_outside if line.startswith("custom")] == [
        "custom /outer/leaf 'from the leaf'"
    ]


async def test_custom_data_inside_a_nested_astream_reaches_langgraphs_own_stream() -> None:
    async def leaf(state: Any) -> dict[str, Any]:
        get_stream_writer()("from the leaf")
        return {}

    inner_graph = graph(leaf=leaf).compile()

    async def outer(state: Any) -> dict[str, Any]:
        await astream(inner_graph, state).result()
        return {}

    source = graph(outer=outer).compile().astream(HI, stream_mode="custom", subgraphs=True)
    assert [data async for _, data in source] == ["from the leaf"]


def bare_model() -> Any:
    return says("Hello you", cycle=True)


def chain() -> Any:
    return RunnableLambda(_same) | bare_model()


def one_node() -> Any:
    return graph(writer=node_of(bare_model())).compile()


@pytest.mark.parametrize("explicit", [None, {"tags": ["inner"]}], ids=["no config", "a config"])
@pytest.mark.parametrize("make", [bare_model, chain, one_node])
async def test_the_callbacks_of_the_run_around_astream_are_called(make: Any, explicit: Any) -> None:
    watched, bare = Recorder(), Recorder()
    inner = make()

    async def by_us(value: Any) -> str:
        await astream(inner, value, explicit).result()
        return "done"

    async def by_itself(value: Any) -> str:
        ambient: Any = var_child_runnable_config.get() or {}
        config: Any = {"callbacks": ambient.get("callbacks"), **(explicit or {})}
        await inner.ainvoke(value, config)
        return "done"

    value = HI if make is one_node else "hi"
    handlers = [StreamingOn()]
    around = RunnableLambda(by_us, name="around"), RunnableLambda(by_itself, name="around")
    await around[0].ainvoke(value, {"callbacks": [watched, *handlers]})
    await around[1].ainvoke(value, {"callbacks": [bare, *handlers]})
    assert "chat_model_start" in "".join(bare.rows)
    assert watched.rows == bare.rows


def _same(value: Any) -> Any:
    return value


async def test_the_configurable_of_the_run_around_astream_is_kept() -> None:
    seen: list[Any] = []

    async def leaf(state: Any) -> dict[str, Any]:
        found = get_config().get("configurable", {})
        seen.append((found.get("thread_id"), found.get("user_id")))
        return {}

    inner_graph = graph(leaf=leaf).compile()

    async def by_us(state: Any) -> dict[str, Any]:
        await astream(inner_graph, state).result()
        return {}

    async def by_itself(state: Any) -> dict[str, Any]:
        await inner_graph.ainvoke(state)
        return {}

    both = graph(by_itself=by_itself, by_us=by_us).compile()
    await both.ainvoke(HI, {"configurable": {"thread_id": "t", "user_id": "u"}})
    assert seen == [("t", "u"), ("t", "u")]


async def test_the_configurable_of_the_run_around_reaches_a_chain_inside_astream() -> None:
    seen: list[Any] = []

    def look(value: Any, config: RunnableConfig) -> Any:
        seen.append(config.get("configurable", {}).get("user_id"))
        return value

    async def by_us(value: Any) -> Any:
        return await astream(RunnableLambda(look), value).result()

    await RunnableLambda(by_us).ainvoke("hi", {"configurable": {"user_id": "u"}})
    assert seen == ["u"]


async def test_the_tool_config_around_a_nested_astream_is_kept_in_a_tool() -> None:
    recorder = Recorder()
    model = says("Inner words")

    @tool
    async def ask(question: str) -> str:
        """Ask a model."""
        return str((await astream(model, question).result()).text)

    wanted = ToolCall("ask", {"question": "why?"}, id="c1")
    agent = create_agent(says(calls(wanted), "Done"), [ask])
    told_ = await told(agent, HI, config={"callbacks": [recorder]})
    assert "text /tools/ask 'Inner words'" in told_
    assert sum("'chat_model_start'" in row for row in recorder.rows) == 3


# ---- the caller's own objects --------------------------------------------------------------------


@pytest.mark.parametrize("sync", [False, True], ids=["astream", "stream"])
async def test_the_config_is_not_changed(sync: Any) -> None:
    recorder = Recorder()
    config: Any = {
        "callbacks": [recorder],
        "tags": ["mine"],
        "metadata": {"mine": {"deep": 1}},
        "configurable": {"user_id": "u"},
    }
    before = {key: copy.copy(value) for key, value in config.items()}
    agent = KINDS["agent"]
    if sync:
        story(stream(agent.make(), HI, config, thread_id="t"))
    else:
        await told(agent.make(), HI, config=config, thread_id="t")
    assert config == before
    assert config["callbacks"] == [recorder]


async def test_a_callback_manager_in_the_config_is_not_changed() -> None:
    recorder = Recorder()
    manager = CallbackManager(handlers=[recorder], inheritable_handlers=[recorder])
    for runnable, value in ((says("Hello you"), "hi"), (KINDS["agent"].make(), HI)):
        await told(runnable, value, config={"callbacks": manager})
        assert manager.handlers == [recorder]
        assert manager.inheritable_handlers == [recorder]
    assert recorder.rows


async def test_a_config_that_was_used_once_can_be_used_again() -> None:
    config: Any = {"tags": ["mine"]}
    first = astream(says("Hello you"), "hi", config)
    second = astream(says("Hello you"), "hi", config)
    await first.result()
    await second.result()
    assert first.run_id != second.run_id
    assert config == {"tags": ["mine"]}


@pytest.mark.parametrize("route", ["astream", "stream", "handler", "with_sinks"])
async def test_messages_of_the_input_are_not_changed_by_us(route: str) -> None:
    def asked_with() -> tuple[Any, HumanMessage]:
        message = HumanMessage([{"type": "text", "text": "hi"}], additional_kwargs={"mine": 1})
        return {"messages": [message]}, message

    runnable = graph(writer=sync_node_of(says("Hello", cycle=True))).compile()
    value, message = asked_with()
    state_before, message_before = list(value["messages"]), message.model_dump(exclude={"id"})
    everything: Any = {"capture": {"inputs", "outputs", "state"}}
    if route == "astream":
        await told(runnable, value, **everything)
    elif route == "stream":
        story(stream(runnable, value, **everything))
    elif route == "handler":
        await runnable.ainvoke(value, {"callbacks": [StreamCallbackHandler(**everything)]})
    else:
        await with_sinks(runnable, RecordingSink(), **everything).ainvoke(value)
    assert value["messages"] == state_before
    assert value["messages"][0] is message
    assert message.model_dump(exclude={"id"}) == message_before


async def test_what_a_node_returns_is_the_object_that_is_stored() -> None:
    returned: list[Any] = []
    model = says("Hello you", cycle=True)

    async def writer(state: Any) -> dict[str, Any]:
        returned.append(await model.ainvoke(state["messages"]))
        return {"messages": returned[-1:]}

    runnable = graph(writer=writer).compile()
    watched = await astream(runnable, HI).result()
    assert watched["messages"][-1] is returned[0]
    assert watched["messages"][-1].additional_kwargs == {}


# ---- async nodes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [nested, asking_agent])
async def test_callbacks_of_async_nodes_are_the_same(make: Any) -> None:
    async def rows(ask: Callable[[Any, Any], Awaitable[Any]], *more: Any) -> list[str]:
        recorder = Recorder()
        runnable = make(node_of, InMemorySaver())
        await ask(runnable, {**THREAD, "callbacks": [recorder, *more]})
        return recorder.rows

    async def by_us(runnable: Any, config: Any) -> Any:
        return await astream(runnable, HI, config).result()

    async def by_itself(runnable: Any, config: Any) -> Any:
        return await runnable.ainvoke(HI, config)

    bare = await rows(by_itself, StreamingOn())
    assert by_run(await rows(by_us)) == by_run(bare)
    assert by_run(await rows(by_itself, StreamCallbackHandler())) == by_run(bare)
