"""What a running tool reports with ``ToolRuntime.emit_output_delta``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.tools import tool
from langgraph.prebuilt import ToolNode, ToolRuntime

from langchain_streamkit import astream
from langchain_streamkit.events import ToolFinished, ToolProgress, ToolStarted
from langchain_streamkit.testing import ToolCall, assert_legal
from tests.scenarios.told import HI, calls, graph, node_of, says

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

REPORTS = hasattr(ToolRuntime, "emit_output_delta")
"""LangGraph has it from 1.2 on."""


@tool
async def dig(depth: int, runtime: ToolRuntime) -> str:
    """Dig a hole."""
    emit: Any = getattr(runtime, "emit_output_delta", lambda _: None)
    for metres in range(depth):
        emit({"metres": metres})
    return "deep"


async def test_what_a_tool_reports_while_it_runs_is_its_progress() -> None:
    asks = says(calls(ToolCall("dig", {"depth": 2}, id="c1")))
    agent = graph(ask=node_of(asks), tools=ToolNode([dig])).compile()
    events: list[Event] = [event async for event in astream(agent, HI)]
    assert_legal(events)
    told = [
        (event.type, event.tool_call_id, getattr(event, "data", None))
        for event in events
        if isinstance(event, ToolStarted | ToolProgress | ToolFinished)
    ]
    progress = [("tool.progress", "c1", {"metres": n}) for n in range(2)] if REPORTS else []
    assert told == [("tool.started", "c1", None), *progress, ("tool.finished", "c1", None)]
