"""Graphs: nodes, subgraphs, interrupts, captured state."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from langchain_streamkit import astream
from tests.scenarios.story import story
from tests.scenarios.told import HI, graph, lines, node_of, says


async def test_what_a_subgraph_saves_before_its_first_node_is_told_at_its_path() -> None:
    inner = graph(leaf=node_of(says("Leaf text"))).compile()
    outer = graph(inner=inner).compile(checkpointer=InMemorySaver())
    run = astream(outer, HI, thread_id="t", capture={"checkpoints"})
    told = story([event async for event in run])
    assert [line for line in told if line.startswith("checkpoint")] == lines("""
        checkpoint / input -1
        checkpoint / loop 0
        checkpoint /inner input -1
        checkpoint /inner loop 0
        checkpoint /inner loop 1
        checkpoint / loop 1
    """)


async def test_a_graph_that_pauses_is_suspended() -> None:
    async def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    run = astream(graph(ask=ask).compile(checkpointer=InMemorySaver()), HI, thread_id="t")
    assert story([event async for event in run]) == lines("""
        run.started
        graph.started / LangGraph
        node.started /ask ask
        interrupt.requested /ask 'sure?'
        node.finished /ask suspended
        graph.finished / suspended
        run.interrupted ['sure?']
    """)
    assert story(
        [event async for event in run.resume({run.interrupts[0].interrupt_id: "yes"})]
    ) == lines("""
        run.started
        graph.started / LangGraph
        node.started /ask ask
        message.started /ask assistant
        text /ask 'yes'
        message.finished /ask stop
        node.finished /ask ok
        graph.finished / ok
        run.finished
    """)
