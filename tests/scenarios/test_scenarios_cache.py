"""LangChain's cache: an answer from it is a message of its own that cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache

from langchain_streamkit.testing import Turn
from tests.scenarios.told import HI, USAGE, graph, lines, says, told, told_by_handler, told_sync


@pytest.fixture(autouse=True)
def _cache() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


ASKED = lines("""
    run.started
    message.started / assistant
    text / 'Cached text'
    message.finished / stop 10+5 provider
    run.finished
""")
REMEMBERED = lines("""
    run.started
    message.started / assistant
    text / 'Cached text'
    message.finished / stop 0+0 cache
    run.finished
""")


async def test_the_second_answer_of_a_model_comes_from_the_cache() -> None:
    model = says(Turn("Cached text", usage=USAGE))
    assert await told(model) == ASKED
    assert await told(model) == REMEMBERED
    assert await told_by_handler(model) == REMEMBERED
    assert told_sync(model) == REMEMBERED
    assert len(model.calls) == 1


async def test_two_nodes_that_get_the_same_cached_answer_say_two_messages() -> None:
    model = says(Turn("Cached text", usage=USAGE))

    async def ask(state: Any) -> dict[str, Any]:
        return {"messages": [await model.ainvoke("the same question")]}

    assert await told(graph(one=ask, two=ask).compile(), HI) == lines("""
        run.started
        graph.started / LangGraph
        node.started /one one
        message.started /one assistant
        text /one 'Cached text'
        message.finished /one stop 10+5 provider
        node.finished /one ok
        node.started /two two
        message.started /two assistant
        text /two 'Cached text'
        message.finished /two stop 0+0 cache
        node.finished /two ok
        graph.finished / ok
        run.finished
    """)
    assert len(model.calls) == 1
