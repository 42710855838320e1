"""A slow reader costs little, a dead sink is heard of, and the handler is called where the model
runs.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from langchain_streamkit import StreamCallbackHandler, astream, stream
from langchain_streamkit import events as ev
from langchain_streamkit.sources.callbacks import TapHandler
from langchain_streamkit.testing import RecordingSink, Turn
from tests.guarantees.pains import all_of, asked_in_a_node, legal, of
from tests.scenarios.told import HI, graph, says, sync_node_of

TOKENS = 3_000


async def test_what_a_sleeping_reader_left_unread_waits_as_a_few_events() -> None:
    done = asyncio.Event()
    model = says(Turn(["word "] * TOKENS))

    async def node(state: Any) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        done.set()
        return {"messages": [answer]}

    run = astream(graph(writer=node).compile(), HI)
    reader = aiter(run)
    first = [await anext(reader) for _ in range(5)]
    async with asyncio.timeout(30):
        await done.wait()  # asleep, while the model says all it has to say
    rest = [event async for event in reader]
    events = legal([*first, *rest])
    assert "".join(event.text for event in of(ev.TextDelta, events)) == "word " * TOKENS
    assert len(rest) < 50


async def test_a_dead_sink_that_may_stop_the_run_ends_the_models_call() -> None:
    turn = Turn("one two three four", hold={2: asyncio.Event()})  # would wait for ever
    dead, alive = RecordingSink(fail_after=5), RecordingSink()
    run = astream(asked_in_a_node(says(turn)), HI, sinks=[dead, alive], on_sink_error="raise")
    events = await all_of(run)
    assert events[-1].type == "run.failed"
    assert tuple(events) == alive.events
    assert "four" not in "".join(event.text for event in of(ev.TextDelta, events))


# ---- where the handler is called -----------------------------------------------------------------


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads in which our handler is told of tokens."""
    seen: list[int] = []
    told = TapHandler.on_llm_new_token

    def noting(self: Any, *args: Any, **given: Any) -> None:
        seen.append(threading.get_ident())
        told(self, *args, **given)

    monkeypatch.setattr(TapHandler, "on_llm_new_token", noting)
    return seen


class Ordinary(BaseCallbackHandler):
    """A plain handler as people write them: under asyncio each token hops to another thread."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def on_llm_new_token(self, *args: Any, **given: Any) -> None:
        self.threads.append(threading.get_ident())


async def test_the_handler_is_told_of_tokens_in_the_threads_of_the_loop_never_in_an_executor(
    threads: list[int],
) -> None:
    here, ordinary = threading.get_ident(), Ordinary()
    handler = StreamCallbackHandler()
    model = says(Turn("one two three"), cycle=True)
    await asked_in_a_node(model).ainvoke(HI, {"callbacks": [handler, ordinary]})
    assert len(threads) >= 3
    assert set(threads) == {here}
    assert here not in ordinary.threads
    threads.clear()
    await all_of(astream(asked_in_a_node(model), HI))
    assert len(threads) >= 3
    assert set(threads) == {here}


def in_plain_code(runnable: Any) -> None:
    legal(list(stream(runnable, HI)))


def under_asyncio(runnable: Any) -> None:
    asyncio.run(all_of(astream(runnable, HI)))


@pytest.mark.parametrize("way", [in_plain_code, under_asyncio])
def test_in_a_plain_node_the_handler_is_told_in_the_nodes_own_thread(
    way: Any, threads: list[int]
) -> None:
    ask = sync_node_of(says("one two three"))
    nodes: list[int] = []

    def node(state: Any) -> Any:
        nodes.append(threading.get_ident())
        return ask(state)

    way(graph(writer=node).compile())
    assert len(threads) >= 3
    assert set(threads) == set(nodes)
    assert threading.get_ident() not in threads
