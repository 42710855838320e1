from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseLLM

from langchain_streamkit.testing import ScriptedLLM, ScriptError, ToolCall, Turn


async def test_all_four_ways_to_call_give_the_same_text() -> None:
    model = ScriptedLLM(["Once upon a time"], cycle=True)
    assert isinstance(model, BaseLLM)
    assert model.invoke("hi") == "Once upon a time"
    assert await model.ainvoke("hi") == "Once upon a time"
    assert list(model.stream("hi")) == ["Once", " upon", " a", " time"]
    assert [text async for text in model.astream("hi")] == ["Once", " upon", " a", " time"]
    assert [call.streamed for call in model.calls] == [False, False, True, True]


async def test_streams_tell_their_callbacks_each_token() -> None:
    class Tokens(BaseCallbackHandler):
        def __init__(self) -> None:
            self.tokens: list[Any] = []

        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            self.tokens.append(token)

    handler = Tokens()
    model = ScriptedLLM(["a b"], cycle=True)
    list(model.stream("hi", {"callbacks": [handler]}))
    [_ async for _ in model.astream("hi", {"callbacks": [handler]})]
    model.invoke("hi", {"callbacks": [handler]})
    assert handler.tokens == ["a", " b", "a", " b"]


async def test_async_stream_gives_control_away_before_each_piece() -> None:
    turns_of_the_other = 0

    async def other() -> None:
        nonlocal turns_of_the_other
        while True:
            turns_of_the_other += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    model = ScriptedLLM([[str(n) for n in range(20)]])
    seen = [turns_of_the_other async for _ in model.astream("hi")]
    task.cancel()
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))


async def test_delays_and_exceptions_are_played() -> None:
    model = ScriptedLLM([[0.001, "a", ValueError("boom")]], cycle=True)
    with pytest.raises(ValueError, match="boom"):
        model.invoke("hi")
    with pytest.raises(ValueError, match="boom"):
        await model.ainvoke("hi")


def test_each_prompt_of_a_batch_takes_a_turn_and_functions_get_the_prompt() -> None:
    model = ScriptedLLM(["a", lambda prompt: f"re: {prompt}"])
    result = model.generate(["one", "two"])
    assert [row[0].text for row in result.generations] == ["a", "re: two"]
    assert [call.prompt for call in model.calls] == ["one", "two"]


def test_name_of_the_model_reaches_tracing() -> None:
    assert ScriptedLLM(["a"], model_name="old").asdict()["model_name"] == "old"


def test_tool_calls_are_refused() -> None:
    model = ScriptedLLM([Turn(tool_calls=[ToolCall("f")])])
    with pytest.raises(ScriptError, match="use ScriptedModel"):
        model.invoke("hi")
