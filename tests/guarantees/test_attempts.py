"""An answer that dies on the way is taken back, and the next one says that it is another try."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware

from langchain_streamkit import astream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import Turn, assert_legal
from tests.guarantees.pains import all_of, asked_in_a_node, of, on_screen
from tests.scenarios.told import HI, graph, says

DYING = Turn("a0 a1 a2 a3 a4", fail_after=3)
WHOLE = "b0 b1 b2 b3 b4"


def a_fallback() -> Any:
    return asked_in_a_node(says(DYING).with_fallbacks([says(WHOLE)]))


def a_retry() -> Any:
    model = says(DYING, WHOLE)
    return asked_in_a_node(model.with_retry(stop_after_attempt=2, wait_exponential_jitter=False))


def the_retry_middleware() -> Any:
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0)
    return create_agent(says(DYING, WHOLE), [], middleware=[retry])


def the_fallback_middleware() -> Any:
    return create_agent(says(DYING), [], middleware=[ModelFallbackMiddleware(says(WHOLE))])


@pytest.mark.parametrize(
    "make", [a_fallback, a_retry, the_retry_middleware, the_fallback_middleware]
)
async def test_half_an_answer_is_aborted_before_the_second_attempt_begins(make: Any) -> None:
    run = astream(make(), HI)
    events = await all_of(run)
    first, second = of(ev.MessageStarted, events)
    assert (first.attempt, second.attempt) == (1, 2)
    (aborted,) = of(ev.MessageAborted, events)
    assert (aborted.message_id, aborted.reason) == (first.message_id, "error")
    assert first.seq < aborted.seq < second.seq
    assert on_screen(events) == [WHOLE]
    assert run.snapshot.text == WHOLE


async def test_a_fallback_takes_over_in_mid_answer_where_langchains_own_stream_gives_up() -> None:
    model = says(DYING, cycle=True).with_fallbacks([says(WHOLE)])
    with pytest.raises(RuntimeError, match="scripted failure"):
        [chunk async for chunk in model.astream("hi")]
    run = astream(model, "hi")
    assert on_screen(await all_of(run)) == [WHOLE]
    assert (await run.result()).text == WHOLE


async def test_with_output_deltas_a_fallback_is_not_tried_as_in_langchains_own_stream() -> None:
    model = says(DYING).with_fallbacks([says(WHOLE)])
    events = await all_of(astream(model, "hi", output_deltas=True))
    assert [event.reason for event in of(ev.MessageAborted, events)] == ["error"]
    assert events[-1].type == "run.failed"
    assert on_screen(events) == []


# ---- models side by side in one node -------------------------------------------------------------


def beside_a_second_attempt(*last_words: Any) -> Any:
    """A model that speaks, waits until another one has been tried twice, and dies."""
    gate = asyncio.Event()
    dying = says(["a0 ", gate, *last_words, RuntimeError("a")])
    first, second = says(RuntimeError("b")), says("c0 c1")

    async def ask(state: Any) -> Any:
        async def tried_twice() -> Any:
            with contextlib.suppress(RuntimeError):
                await first.ainvoke("b?")
            answer = await second.ainvoke("c?")
            gate.set()
            return answer

        ended = await asyncio.gather(dying.ainvoke("a?"), tried_twice(), return_exceptions=True)
        return {"messages": [ended[1]]}

    return graph(one=ask).compile()


@pytest.mark.parametrize(("last_words", "reason"), [([], "cancelled"), (["a1"], "error")])
async def test_a_model_that_dies_beside_a_second_attempt_is_not_what_that_repeats(
    last_words: list[Any], reason: str
) -> None:
    events = await all_of(astream(beside_a_second_attempt(*last_words), HI))
    assert_legal(events)
    dying, second = of(ev.MessageStarted, events)
    assert (dying.attempt, second.attempt) == (1, 2)
    (aborted,) = of(ev.MessageAborted, events)
    assert (aborted.message_id, aborted.reason) == (dying.message_id, reason)
    assert aborted.usage.status == "failed"


async def test_what_it_says_after_the_second_attempt_began_comes_after_that() -> None:
    run = astream(beside_a_second_attempt("a1"), HI)
    await run.result()
    assert_legal([event async for event in run])
