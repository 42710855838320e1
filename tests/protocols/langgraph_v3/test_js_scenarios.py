"""What LangGraph's JavaScript client assembles of each kind of run is what the run came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel

from langchain_streamkit.values import to_plain
from tests.protocols.langgraph_v3.apps import served
from tests.protocols.langgraph_v3.clients import run
from tests.protocols.langgraph_v3.shown import by_client, by_snapshot, last_values
from tests.scenarios.kinds import KINDS

if TYPE_CHECKING:
    from tests.protocols.langgraph_v3.clients import JsClient


@pytest.mark.parametrize("name", KINDS)
def test_client_ends_with_what_the_snapshot_says(name: str, js: JsClient, transport: str) -> None:
    kind = KINDS[name]
    runnable = kind.make()
    graph = runnable if isinstance(runnable, Pregel) and name != "functional" else None
    if graph is not None:
        graph.checkpointer = InMemorySaver()
    with served(runnable, parse_input=lambda _: kind.input) as server:
        told = js.thread(server.url, run("hi"), transport=transport)
        snapshot = server.after(1)
    assert by_client(told) == by_snapshot(snapshot)
    assert told.refused == []
    assert told.requests_after == 0
    if graph is not None:
        state = graph.get_state({"configurable": {"thread_id": told.thread_id}})
        assert last_values(told) == to_plain(state.values)
