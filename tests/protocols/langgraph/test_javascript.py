"""LangGraph's JavaScript client, and ``useStream``, against our server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langchain_streamkit.testing import Turn
from langchain_streamkit.values import to_plain
from tests.protocols.langgraph.apps import served
from tests.protocols.langgraph.graphs import asking_twice, chat, gated_after
from tests.scenarios.kinds import KINDS

if TYPE_CHECKING:
    from tests.protocols.langgraph.clients import Node


GRAPHS = [
    name
    for name, kind in KINDS.items()
    if isinstance(kind.input, dict) and hasattr(kind.make(), "checkpointer")
]


def state_of(graph: Any, thread_id: str | None) -> Any:
    return graph.get_state({"configurable": {"thread_id": thread_id}})


def test_hook_shows_an_answer(node: Node) -> None:
    made = chat("Hello to you all", says_data={"done": 1})
    with served(made) as server:
        shown = node.chat(server.url)
        state = state_of(made, shown.threadId)
    said = [text for text in shown.texts if text != "hi"]  # which React may pass over
    assert said
    assert all("Hello to you all".startswith(text) for text in said)
    assert shown.messages == to_plain(state.values["messages"])
    assert shown.values == to_plain(state.values)
    assert (shown.error, shown.interrupts, shown.customs, shown.finishes) == (
        None,
        [],
        [{"done": 1}],
        1,
    )
    assert shown.requests == ["POST /threads", "POST /threads/ID/runs/stream"]


async def test_hook_shows_a_run_that_goes_on_and_stops_it(node: Node) -> None:
    made, _ = gated_after("Hello you")
    with served(made) as server:
        hi = {"messages": [{"type": "human", "content": "hi"}]}
        shown = node.chat(server.url, {"submit": hi, "until": "Hello you"}, {"stop": True})
        assert [one["content"] for one in shown.messages] == ["hi", "Hello you"]
        thread_id = str(shown.threadId)
        async with server.client() as client:
            (run,) = await client.runs.list(thread_id)
            await client.runs.join(thread_id, run["run_id"])
            assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "interrupted"


async def test_hook_joins_a_run_that_somebody_else_has_started(node: Node) -> None:
    made, gate = gated_after("Hello you")
    with served(made) as server:
        async with server.client() as client:
            hi: Any = {"messages": [{"type": "human", "content": "hi"}]}
            run = await client.runs.create(
                "t",
                "agent",
                input=hi,
                if_not_exists="create",
                stream_mode=["values", "messages-tuple"],
            )
            gate.open()
            shown = node.chat(server.url, {"join": run["run_id"]}, threadId="t")
            assert shown.messages == to_plain(state_of(made, "t").values["messages"])
            assert "GET /threads/t/runs/ID/stream?cancel_on_disconnect=0 -1" in shown.requests


def test_hook_tells_that_a_thread_is_not_there(node: Node) -> None:
    with served(chat("Hello you")) as server:
        shown = node.chat(server.url, threadId="unknown")
        assert "there is no such run or thread" in str(shown.error)


def test_hook_keeps_the_history_of_its_thread(node: Node) -> None:
    made = chat("Hello you")
    with served(made) as server:
        shown = node.chat(server.url, fetchStateHistory=True)
        assert shown.requests[-1] == "POST /threads/ID/history"
        assert shown.messages == to_plain(state_of(made, shown.threadId).values["messages"])
        again = node.chat(server.url, {}, fetchStateHistory=True, threadId=shown.threadId)
        assert again.messages == shown.messages
        more = {"submit": {"messages": [{"type": "human", "content": "and?"}]}}
        longer = node.chat(server.url, more, fetchStateHistory=True, threadId=shown.threadId)
        assert [one["content"] for one in longer.messages] == [
            "hi",
            "Hello you",
            "and?",
            "Hello you",
        ]


def test_hook_asks_and_answers_several_interrupts(node: Node) -> None:
    made = asking_twice()
    with served(made) as server:
        shown = node.chat(server.url)
        state = state_of(made, shown.threadId)
        pending = [{"id": one.id, "value": one.value} for one in state.interrupts]
        assert [{"id": one["id"], "value": one["value"]} for one in shown.interrupts] == pending
        answers = {one["id"]: "yes" for one in pending}
        step = {"submit": None, "with": {"command": {"resume": answers}}}
        shown = node.chat(server.url, step, threadId=shown.threadId)
        assert shown.interrupts == []
        assert shown.values == to_plain(state_of(made, shown.threadId).values)


def test_hook_tells_a_failure_without_the_exceptions_text(node: Node) -> None:
    with served(chat(Turn("Half answer", fail_after=1))) as server:
        shown = node.chat(server.url)
        assert shown.error == "The model call failed."


@pytest.mark.parametrize("name", GRAPHS)
def test_hook_ends_with_the_state_of_each_kind_of_graph(name: str, node: Node) -> None:
    kind = KINDS[name]
    made = kind.make()
    made.checkpointer = InMemorySaver()
    outcomes: list[Any] = []
    with served(made, parse_input=lambda _: kind.input, on_end=outcomes.append) as server:
        shown = node.chat(server.url, {"submit": {}})
        state = state_of(made, shown.threadId)
    (snapshot,) = outcomes
    assert (shown.error is None) is (snapshot.error is None)
    assert [one["id"] for one in shown.interrupts] == [one.id for one in state.interrupts]
    if snapshot.error is None:
        values = {key: value for key, value in shown.values.items() if key != "__interrupt__"}
        assert values == to_plain(state.values)


def test_client_streams_joins_and_waits(node: Node) -> None:
    made = chat("Hello you")
    script = """
    const thread = await client.threads.create({ metadata: { topic: "cats" } });
    const id = thread.thread_id;
    let run;
    const input = { messages: [{ role: "user", content: "hi" }] };
    const parts = await all(client.runs.stream(id, "agent", {
      input, streamMode: ["values", "messages-tuple"], onRunCreated: (told) => { run = told; },
    }));
    const again = await all(client.runs.joinStream(id, run.run_id, { lastEventId: parts[2].id }));
    const values = await client.runs.wait(id, "agent", { input });
    const state = await client.threads.getState(id);
    const history = await client.threads.getHistory(id, { limit: 2 });
    const config = { configurable: state.checkpoint };
    const before = await client.threads.getHistory(id, { before: config });
    const update = { values: { messages: [] }, asNode: "one" };
    const updated = await client.threads.updateState(id, update);
    const background = await client.runs.create(id, "agent", { input });
    const joined = await client.runs.join(id, background.run_id);
    await client.runs.cancel(id, background.run_id, true);
    const runs = await client.runs.list(id);
    const found = await client.threads.search({ metadata: { topic: "cats" } });
    const [assistant] = await client.assistants.search();
    const drawn = await client.assistants.getGraph("agent");
    const stateless = await all(client.runs.stream(null, "agent", { input }));
    return {
      id, run, events: parts.map((part) => part.event), again: again.length === parts.length - 3,
      values, state, first: history[0], before: before.length, updated: !!updated.checkpoint,
      joined: joined.messages.length, runs: runs.map((one) => one.status),
      found: found.map((one) => one.thread_id), assistant: assistant.assistant_id,
      nodes: drawn.nodes.length, stateless: stateless.at(-1).event,
    };
    """
    with served(made) as server:
        found = node.call(server.url, script)
    assert found["run"]["thread_id"] == found["id"]
    assert found["events"][:2] == ["metadata", "values"]
    assert found["events"][-2:] == ["values", "end"]
    assert found["again"]
    assert found["state"]["values"] == found["values"]
    assert found["first"] == found["state"]
    assert (found["before"], found["updated"], found["joined"]) == (5, True, 6)
    assert found["runs"] == ["success"] * 3
    assert found["found"] == [found["id"]]
    assert (found["nodes"], found["stateless"]) == (3, "end")
